//! What one watch has seen, under the names of the objects.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::Resource;
use tokio::time::Instant;

use crate::control::cluster::{Watched, status_code};

/// What was read is given up only when the API server has refused it for so long: one that has just
/// started refuses everything until its caches of roles are filled. They come 10 s apart at most, so
/// one that comes this long after the last has nothing to do with it.
pub(in crate::control) const REFUSAL_GRACE: Duration = Duration::from_secs(60);

/// What one watch has seen.
#[derive(Debug)]
pub(in crate::control) struct Collected<T> {
    /// Since the first complete list.
    known: Option<BTreeMap<Arc<str>, T>>,
    /// The objects of a list that is under way: it replaces the others when it is complete.
    coming: BTreeMap<Arc<str>, T>,
    refused: Option<Refused>,
    forbidden: bool,
}

/// Refusals in a row.
#[derive(Debug, Clone, Copy)]
struct Refused {
    first: Instant,
    last: Instant,
}

/// What is known of the objects.
#[derive(Debug)]
pub(in crate::control) enum Known<'a, T> {
    /// Their list has not come yet.
    Nothing,
    /// They may not be read.
    Forbidden,
    /// All of them.
    All(&'a BTreeMap<Arc<str>, T>),
}

/// What an event has changed.
#[derive(Debug)]
pub(in crate::control) enum Change<T> {
    /// Nothing that is known.
    Nothing,
    /// Everything may be other than it was.
    Everything,
    /// The object of that name, of which this was kept before.
    One(Arc<str>, Option<T>),
}

impl<T> Default for Collected<T> {
    fn default() -> Self {
        Self { known: None, coming: BTreeMap::new(), refused: None, forbidden: false }
    }
}

impl<T> Collected<T> {
    pub(in crate::control) fn known(&self) -> Known<'_, T> {
        match &self.known {
            _ if self.forbidden => Known::Forbidden,
            Some(known) => Known::All(known),
            None => Known::Nothing,
        }
    }

    /// The objects, as far as they are known.
    pub(in crate::control) fn objects(&self) -> impl Iterator<Item = (&Arc<str>, &T)> {
        self.known.iter().flatten()
    }

    /// One of them, as far as they are known.
    pub(in crate::control) fn get(&self, name: &str) -> Option<&T> {
        self.known.as_ref()?.get(name)
    }

    /// Takes an event; `keep` makes of an object what is wanted of it, if it counts at all.
    pub(in crate::control) fn observe<K: Resource>(
        &mut self,
        event: Watched<K>,
        keep: impl FnOnce(K) -> Option<T>,
        now: Instant,
    ) -> Change<T> {
        match event {
            Watched::Listing => self.coming.clear(),
            Watched::Listed(object) => {
                put(&mut self.coming, object, keep);
            }
            Watched::ListEnd => {
                self.known = Some(std::mem::take(&mut self.coming));
                (self.refused, self.forbidden) = (None, false);
                return Change::Everything;
            }
            Watched::Applied(object) => return self.change(object, keep),
            Watched::Deleted(object) => return self.change(object, |_| None),
            Watched::Failed(error) => {
                if status_code(&error) == Some(403) && self.refuse(now) {
                    return Change::Everything;
                }
            }
        }
        Change::Nothing
    }

    fn change<K: Resource>(&mut self, object: K, keep: impl FnOnce(K) -> Option<T>) -> Change<T> {
        // Before the first list it is the last words of a watch that was given up.
        let Some(known) = &mut self.known else { return Change::Nothing };
        self.refused = None;
        put(known, object, keep).map_or(Change::Nothing, |(name, before)| Change::One(name, before))
    }

    /// Notes a refusal; whether what was known is given up for it. A watch that was refused begins
    /// anew with a list, which alone makes good for it.
    fn refuse(&mut self, now: Instant) -> bool {
        let row = self.refused.filter(|row| now.duration_since(row.last) <= REFUSAL_GRACE);
        let first = row.map_or(now, |row| row.first);
        self.refused = Some(Refused { first, last: now });
        let patient = self.known.is_some() && now.duration_since(first) < REFUSAL_GRACE;
        if patient || self.forbidden {
            return false;
        }
        (self.known, self.forbidden) = (None, true);
        true
    }
}

/// Keeps an object, or forgets it; its name, and what was kept of it before.
fn put<K: Resource, T>(
    known: &mut BTreeMap<Arc<str>, T>,
    object: K,
    keep: impl FnOnce(K) -> Option<T>,
) -> Option<(Arc<str>, Option<T>)> {
    let name: Arc<str> = object.meta().name.as_deref()?.into();
    let before = match keep(object) {
        Some(kept) => known.insert(name.clone(), kept),
        None => known.remove(&name),
    };
    Some((name, before))
}
