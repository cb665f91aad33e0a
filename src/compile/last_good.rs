//! What objects said before an edit broke them or a Secret went missing.
//!
//! It lives in the memory of one replica: a restart loses it. A route then keeps at least the names
//! that it states. Of a key nothing is known until its Secret can be read again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::Raw;
use super::route::{Accepted, Served};
use crate::api::ConsumerKeySource;
use crate::table::{KeyDigest, ObjectName};

/// What is remembered from one compile to the next.
///
/// The last spec of each route that made sense. Specs and not routes: what they refer to is looked
/// up anew each time, so that a withdrawn grant or a deleted key acts at once. A route that has not
/// changed is not read again either, which is half of the work where one of thousands has changed.
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
struct Good {
    uid: Arc<str>,
    served: Served,
    /// What it was read from, if nothing was to be said of that.
    source: Option<Arc<Value>>,
}

/// Without the spec: it is long, and people put into it what they should not.
impl fmt::Debug for Good {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Good").field("generation", &self.served.generation).finish_non_exhaustive()
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
    /// The last version of that route that made sense.
    pub(super) fn route(&self, raw: &Raw) -> Option<&Served> {
        self.good(raw).map(|good| &good.served)
    }

    /// What was read of that route, if it was in this very form and all of it made sense.
    pub(super) fn faultless(&self, raw: &Raw) -> Option<&Served> {
        let same = |good: &&Good| {
            let source = good.source.as_ref();
            source.is_some_and(|source| Arc::ptr_eq(source, &raw.spec))
                && good.served.generation == raw.generation
        };
        self.good(raw).filter(same).map(|good| &good.served)
    }

    fn good(&self, raw: &Raw) -> Option<&Good> {
        self.routes.get(&raw.name).filter(|good| good.uid == raw.uid)
    }

    /// Remembers what is served of a route, if anything is.
    pub(super) fn remember_route(&mut self, accepted: &Accepted<'_>) {
        let Ok(served) = &accepted.served else { return };
        let (raw, served) = (accepted.raw, served.clone());
        let source = accepted.is_faultless.then(|| raw.spec.clone());
        self.routes.insert(raw.name.clone(), Good { uid: raw.uid.clone(), served, source });
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
