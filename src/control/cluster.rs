//! The cluster as a source: watches on our kinds and on the labels of namespaces.
//!
//! Each watch keeps its part of the [`Inventory`] equal to what the API server holds. A list
//! replaces its part only when it is complete, so a list that breaks off takes nothing away, and
//! while the API server is gone the last known state stands.

mod follow;
mod lists;
mod namespaces;
mod object;

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::runtime::watcher::Config;
use kube::{Api, Client};

pub(super) use self::follow::{Watched, explain, follow, status_code};
pub(super) use self::lists::Lists;
use self::object::Observed;
use super::inventory::{Inventory, Stored, Unusable};
use super::kind::{KINDS, resource};
use super::supervise::Parts;
use crate::api::Kind;

/// Starts the watches. Every one of them is expected by the inventory before this returns, so the
/// first table waits for all first lists.
pub(super) fn spawn(
    parts: &mut Parts,
    client: &Client,
    watch_namespaces: &[Arc<str>],
    gateway: &Arc<str>,
    inventory: &Arc<Inventory>,
    lists: &Lists,
) {
    // A namespace that is named twice is watched once.
    let scopes: BTreeSet<Option<Arc<str>>> = if watch_namespaces.is_empty() {
        BTreeSet::from([None])
    } else {
        watch_namespaces.iter().cloned().map(Some).collect()
    };
    for kind in KINDS {
        for scope in &scopes {
            let resource = resource(kind);
            let api = match scope {
                None => Api::all_with(client.clone(), &resource),
                Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            };
            let source: Arc<str> = match scope {
                None => kind.as_str().into(),
                Some(namespace) => format!("{kind} in {namespace}").into(),
            };
            inventory.expect(&source);
            let watch = KindWatch {
                kind,
                scope: scope.clone(),
                source,
                gateway: gateway.clone(),
                inventory: inventory.clone(),
                lists: lists.clone(),
                listed: Vec::new(),
                unusable: Vec::new(),
            };
            parts.spawn(&watch.source.clone(), move || watch.clone().run(api.clone()));
        }
    }
    namespaces::spawn(parts, client, watch_namespaces, inventory, lists);
}

/// One kind in one scope.
#[derive(Clone)]
struct KindWatch {
    kind: Kind,
    scope: Option<Arc<str>>,
    source: Arc<str>,
    gateway: Arc<str>,
    inventory: Arc<Inventory>,
    lists: Lists,
    /// The objects of a list that is under way.
    listed: Vec<Stored>,
    /// Objects that cannot be used, of the last complete list and of what came since.
    unusable: Vec<Unusable>,
}

impl KindWatch {
    async fn run(mut self, api: Api<Observed>) {
        let (source, inventory) = (self.source.clone(), self.inventory.clone());
        let lists = self.lists.clone();
        follow(api, Config::default(), &source, &inventory, &lists, |event| {
            self.observe(event);
        })
        .await;
    }

    fn observe(&mut self, event: Watched<Observed>) {
        match event {
            Watched::Listing => {
                self.listed.clear();
                self.unusable.clear();
            }
            Watched::Listed(object) => {
                if object.belongs_to(&self.gateway) {
                    match object.into_stored() {
                        Ok(stored) => self.listed.push(stored),
                        Err(unusable) => self.unusable.push(unusable),
                    }
                }
            }
            Watched::ListEnd => {
                let listed = std::mem::take(&mut self.listed);
                self.inventory.replace(self.kind, self.scope.as_deref(), listed);
                self.report_unusable();
                self.inventory.arrived(&self.source);
            }
            Watched::Applied(object) => self.apply(object),
            Watched::Deleted(object) => {
                if let Some(name) = object.name() {
                    self.inventory.remove(self.kind, &name);
                    self.usable_again(&name.to_string());
                }
            }
            Watched::Failed(_) => {}
        }
    }

    fn apply(&mut self, object: Observed) {
        let name = object.name();
        if let Some(name) = name.as_ref().filter(|_| !object.belongs_to(&self.gateway)) {
            // It may have been ours before an edit.
            self.inventory.remove(self.kind, name);
            self.usable_again(&name.to_string());
            return;
        }
        match object.into_stored() {
            Ok(stored) => {
                self.usable_again(&stored.raw.name.to_string());
                self.inventory.apply(self.kind, stored);
            }
            Err(unusable) => {
                // What was there under this name is no longer what the API server holds.
                if let Some(name) = name {
                    self.inventory.remove(self.kind, &name);
                }
                self.unusable.retain(|one| one.object != unusable.object);
                self.unusable.push(unusable);
                self.report_unusable();
            }
        }
    }

    fn usable_again(&mut self, object: &str) {
        let before = self.unusable.len();
        self.unusable.retain(|one| one.object != object);
        if self.unusable.len() != before {
            self.report_unusable();
        }
    }

    fn report_unusable(&self) {
        for one in self.inventory.set_skipped(&self.source, self.unusable.clone()) {
            tracing::warn!(
                source = &*self.source,
                object = one.object,
                reason = one.reason,
                "an object cannot be read and is skipped"
            );
        }
    }
}

#[cfg(test)]
mod tests;
