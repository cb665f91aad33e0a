//! What one watch has seen, under the names of the objects.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::Resource;
use tokio::time::Instant;

use crate::control::cluster::{Watched, status_code};

/// What was read is given up only when the API server has refused it for so long: one that has just
/// started refuses everything until its caches of roles are filled.
const REFUSAL_GRACE: Duration = Duration::from_secs(60);

/// What one watch has seen.
#[derive(Debug)]
pub(super) struct Collected<T> {
    /// Since the first complete list.
    known: Option<BTreeMap<Arc<str>, T>>,
    /// The objects of a list that is under way: it replaces the others when it is complete.
    coming: BTreeMap<Arc<str>, T>,
    /// Since when the API server has refused it.
    refused: Option<Instant>,
    forbidden: bool,
}

/// What is known of the objects.
#[derive(Debug)]
pub(super) enum Known<'a, T> {
    /// Their list has not come yet.
    Nothing,
    /// They may not be read.
    Forbidden,
    /// All of them.
    All(&'a BTreeMap<Arc<str>, T>),
}

impl<T> Default for Collected<T> {
    fn default() -> Self {
        Self { known: None, coming: BTreeMap::new(), refused: None, forbidden: false }
    }
}

impl<T> Collected<T> {
    pub(super) fn known(&self) -> Known<'_, T> {
        match &self.known {
            _ if self.forbidden => Known::Forbidden,
            Some(known) => Known::All(known),
            None => Known::Nothing,
        }
    }

    /// Takes an event; `keep` makes of an object what is wanted of it, if it counts at all.
    pub(super) fn observe<K: Resource>(
        &mut self,
        event: Watched<K>,
        keep: impl FnOnce(K) -> Option<T>,
        now: Instant,
    ) {
        match event {
            Watched::Listing => self.coming.clear(),
            Watched::Listed(object) => put(&mut self.coming, object, keep),
            Watched::ListEnd => {
                self.known = Some(std::mem::take(&mut self.coming));
                (self.refused, self.forbidden) = (None, false);
            }
            // Before the first list it is the last words of a watch that was given up.
            Watched::Applied(object) => {
                if let Some(known) = &mut self.known {
                    put(known, object, keep);
                }
            }
            Watched::Deleted(object) => {
                if let Some(known) = &mut self.known {
                    put(known, object, |_| None);
                }
            }
            Watched::Failed(error) => {
                if status_code(&error) == Some(403) {
                    let since = *self.refused.get_or_insert(now);
                    let patient = self.known.is_some() && now.duration_since(since) < REFUSAL_GRACE;
                    self.forbidden = !patient;
                }
            }
        }
    }
}

fn put<K: Resource, T>(
    known: &mut BTreeMap<Arc<str>, T>,
    object: K,
    keep: impl FnOnce(K) -> Option<T>,
) {
    let Some(name) = object.meta().name.as_deref().map(Arc::from) else { return };
    match keep(object) {
        Some(kept) => known.insert(name, kept),
        None => known.remove(&name),
    };
}
