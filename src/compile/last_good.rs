//! What a route said before it was broken by an edit.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Raw;
use crate::api::ModelRouteSpec;
use crate::table::ObjectName;

/// The last spec of each route that made sense. Specs and not routes: what they refer to is looked
/// up anew each time, so that a withdrawn grant or a deleted key acts at once.
#[derive(Debug, Clone, Default)]
pub struct LastGood(BTreeMap<ObjectName, Good>);

/// One spec that made sense.
#[derive(Clone)]
pub(super) struct Good {
    uid: Arc<str>,
    pub(super) generation: i64,
    pub(super) spec: Arc<ModelRouteSpec>,
}

/// Without the spec: it is long, and people put into it what they should not.
impl fmt::Debug for Good {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Good").field("generation", &self.generation).finish_non_exhaustive()
    }
}

impl LastGood {
    /// What is known of that object. An object that was deleted and made again under the same name
    /// is another object.
    pub(super) fn of(&self, raw: &Raw) -> Option<&Good> {
        self.0.get(&raw.name).filter(|good| good.uid == raw.uid)
    }

    pub(super) fn remember(&mut self, raw: &Raw, generation: i64, spec: Arc<ModelRouteSpec>) {
        self.0.insert(raw.name.clone(), Good { uid: raw.uid.clone(), generation, spec });
    }
}
