//! What objects said before an edit broke them or a Secret went missing.
//!
//! It lives in the memory of one replica: a restart loses it. A route then keeps at least the names
//! that it states. Of a key nothing is known until its Secret can be read again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Raw;
use crate::api::{ConsumerKeySource, ModelRouteSpec};
use crate::table::{KeyDigest, ObjectName};

/// What is remembered from one compile to the next.
///
/// The last spec of each route that made sense. Specs and not routes: what they refer to is looked
/// up anew each time, so that a withdrawn grant or a deleted key acts at once.
///
/// And the keys of each Consumer, by their digests alone. They let nobody in; they keep a younger
/// Consumer from taking over a key while the older one, or its Secret, cannot be read.
#[derive(Debug, Clone, Default)]
pub struct LastGood {
    routes: BTreeMap<ObjectName, Good>,
    consumers: BTreeMap<ObjectName, Keys>,
}

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

/// The keys that one Consumer owned.
#[derive(Debug, Clone)]
struct Keys {
    uid: Arc<str>,
    keys: Vec<OwnKey>,
}

/// A key by its digest, and the entry of a Secret that it was read from, if it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnKey {
    pub(super) source: Option<ConsumerKeySource>,
    pub(super) digest: KeyDigest,
}

/// An object that was deleted and made again under the same name is another object.
impl LastGood {
    /// What is known of that route.
    pub(super) fn route(&self, raw: &Raw) -> Option<&Good> {
        self.routes.get(&raw.name).filter(|good| good.uid == raw.uid)
    }

    pub(super) fn remember_route(&mut self, raw: &Raw, generation: i64, spec: Arc<ModelRouteSpec>) {
        self.routes.insert(raw.name.clone(), Good { uid: raw.uid.clone(), generation, spec });
    }

    /// The keys that this Consumer owned.
    pub(super) fn keys(&self, raw: &Raw) -> &[OwnKey] {
        let known = self.consumers.get(&raw.name).filter(|known| known.uid == raw.uid);
        known.map_or(&[], |known| &known.keys)
    }

    pub(super) fn remember_key(&mut self, raw: &Raw, key: OwnKey) {
        let new = || Keys { uid: raw.uid.clone(), keys: Vec::new() };
        let known = self.consumers.entry(raw.name.clone()).or_insert_with(new);
        if !known.keys.contains(&key) {
            known.keys.push(key);
        }
    }
}
