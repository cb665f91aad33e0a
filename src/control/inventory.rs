//! Everything the sources know at this moment, and the note that it changed.
//!
//! Watches, folders and secret readers write here; the publisher reads. Nobody calls anybody: a
//! source that is slow, broken or away leaves what it said last, so the table that is served
//! survives the loss of the API server, and the only thing that can wake the publisher is a change
//! of content. Our own status writes come back as watch events that change nothing here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Notify;

use super::{Skipped, SourceHealth};
use crate::api::Kind;
use crate::compile::{AmbientSource, Raw, References, SecretData, ServiceData, Snapshot};
use crate::table::{ObjectName, SecretText};

/// One object as its source holds it.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    /// What compile sees.
    pub(super) raw: Raw,
    /// `status` as the API server has it; `Value::Null` for none and for objects from files. No
    /// input of compile, so a change of it wakes nobody.
    pub(super) status: Arc<Value>,
}

/// An object that cannot be used at all: why, and who it is as far as that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unusable {
    pub(super) object: String,
    pub(super) reason: String,
}

/// The shared picture. All methods take the lock for a moment only.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    contents: Mutex<Contents>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Contents {
    /// Rises with every change that compile could see.
    revision: u64,
    objects: BTreeMap<Kind, BTreeMap<ObjectName, Stored>>,
    namespaces: BTreeMap<Arc<str>, BTreeMap<String, String>>,
    secrets: BTreeMap<ObjectName, SecretData>,
    services: BTreeMap<ObjectName, ServiceData>,
    ambient: BTreeMap<AmbientSource, Result<SecretText, String>>,
    /// First lists that are not in yet, by the name of their source.
    awaited: BTreeSet<Arc<str>>,
    /// Objects that could not be used, by the source that saw them.
    skipped: BTreeMap<Arc<str>, Vec<Unusable>>,
    skipped_total: u64,
    health: BTreeMap<Arc<str>, SourceHealth>,
}

impl Inventory {
    /// Returns when something changed since the last call returned.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Announces a source whose first list the first table has to wait for.
    pub(super) fn expect(&self, source: &Arc<str>) {
        let mut contents = self.contents.lock();
        contents.awaited.insert(source.clone());
        contents.health.entry(source.clone()).or_default();
    }

    /// A source's first list (or first reading) is in.
    pub(super) fn arrived(&self, source: &str) {
        if self.contents.lock().awaited.remove(source) {
            self.changed.notify_one();
        }
    }

    /// The sources whose first list is still missing.
    pub(super) fn awaited(&self) -> Vec<Arc<str>> {
        self.contents.lock().awaited.iter().cloned().collect()
    }

    /// Replaces what is known of one kind, in one namespace or (`None`) in all of them.
    pub(super) fn replace(&self, kind: Kind, namespace: Option<&str>, objects: Vec<Stored>) {
        self.update(|contents| {
            replace(contents.objects.entry(kind).or_default(), namespace, objects)
        });
    }

    /// Replaces everything but the surroundings in one step, so that no table is made of old and
    /// new parts. `secrets` are those that are referred to.
    pub(super) fn replace_all(
        &self,
        objects: BTreeMap<Kind, Vec<Stored>>,
        namespaces: BTreeMap<Arc<str>, BTreeMap<String, String>>,
        secrets: BTreeMap<ObjectName, SecretData>,
    ) {
        self.update(|contents| {
            let mut changed = contents.namespaces != namespaces;
            contents.namespaces = namespaces;
            for (kind, objects) in objects {
                changed |= replace(contents.objects.entry(kind).or_default(), None, objects);
            }
            for (name, data) in secrets {
                changed |= put_secret(&mut contents.secrets, &name, data);
            }
            changed
        });
    }

    /// Takes over one object.
    pub(super) fn apply(&self, kind: Kind, object: Stored) {
        self.update(|contents| put(contents.objects.entry(kind).or_default(), object));
    }

    /// Forgets one object.
    pub(super) fn remove(&self, kind: Kind, name: &ObjectName) {
        self.update(|contents| {
            contents.objects.get_mut(&kind).is_some_and(|known| known.remove(name).is_some())
        });
    }

    /// Replaces the labels of all namespaces.
    pub(super) fn replace_namespaces(
        &self,
        namespaces: BTreeMap<Arc<str>, BTreeMap<String, String>>,
    ) {
        self.update(|contents| {
            let changed = contents.namespaces != namespaces;
            contents.namespaces = namespaces;
            changed
        });
    }

    /// Sets (`Some`) or forgets (`None`) the labels of one namespace.
    pub(super) fn set_namespace(&self, name: &str, labels: Option<BTreeMap<String, String>>) {
        self.update(|contents| {
            let known = contents.namespaces.get(name);
            let changed = known != labels.as_ref();
            match labels {
                Some(labels) => contents.namespaces.insert(name.into(), labels),
                None => contents.namespaces.remove(name),
            };
            changed
        });
    }

    /// Records what was read of a referenced Secret; whether that is new.
    pub(super) fn set_secret(&self, name: &ObjectName, data: SecretData) -> bool {
        self.update(|contents| put_secret(&mut contents.secrets, name, data))
    }

    /// Forgets Secrets that nothing refers to any more, wiping their values from memory.
    pub(super) fn retain_secrets(&self, is_wanted: impl Fn(&ObjectName) -> bool) {
        // Nothing refers to them, so compile would not see the difference: nobody is woken.
        self.contents.lock().secrets.retain(|name, _| is_wanted(name));
    }

    /// Forgets one Secret that nothing refers to any more.
    pub(super) fn forget_secret(&self, name: &ObjectName) {
        self.contents.lock().secrets.remove(name);
    }

    /// Records what was read of a referenced Service.
    pub(super) fn set_service(&self, name: &ObjectName, data: ServiceData) {
        self.update(|contents| {
            let changed = contents.services.get(name) != Some(&data);
            contents.services.insert(name.clone(), data);
            changed
        });
    }

    /// Forgets a Service that nothing refers to any more.
    pub(super) fn forget_service(&self, name: &ObjectName) {
        self.contents.lock().services.remove(name);
    }

    /// Forgets the Services of all namespaces but these.
    pub(super) fn retain_services(&self, namespaces: &BTreeSet<Arc<str>>) {
        // As with Secrets, nobody would see the difference.
        self.contents.lock().services.retain(|name, _| namespaces.contains(&name.namespace));
    }

    /// Replaces what was read of the gateway's surroundings.
    pub(super) fn replace_ambient(
        &self,
        ambient: BTreeMap<AmbientSource, Result<SecretText, String>>,
    ) {
        self.update(|contents| {
            let same = contents.ambient.len() == ambient.len()
                && contents.ambient.iter().zip(&ambient).all(|(a, b)| {
                    a.0 == b.0
                        && match (a.1, b.1) {
                            (Ok(a), Ok(b)) => a.expose() == b.expose(),
                            (Err(a), Err(b)) => a == b,
                            _ => false,
                        }
                });
            contents.ambient = ambient;
            !same
        });
    }

    /// Replaces the list of objects that `source` could not use. Each that was not in the list
    /// before is counted and returned, so that it can be logged once.
    pub(super) fn set_skipped(&self, source: &Arc<str>, now: Vec<Unusable>) -> Vec<Unusable> {
        let mut contents = self.contents.lock();
        let before = contents.skipped.insert(source.clone(), now.clone()).unwrap_or_default();
        let fresh: Vec<_> = now.into_iter().filter(|one| !before.contains(one)).collect();
        contents.skipped_total += fresh.len() as u64;
        drop(contents);
        self.changed.notify_one();
        fresh
    }

    /// Notes how a source is doing.
    pub(super) fn note_health(&self, source: &Arc<str>, note: impl FnOnce(&mut SourceHealth)) {
        note(self.contents.lock().health.entry(source.clone()).or_default());
        self.changed.notify_one();
    }

    /// Forgets a source that was stopped.
    pub(super) fn forget_source(&self, source: &str) {
        let mut contents = self.contents.lock();
        contents.health.remove(source);
        contents.skipped.remove(source);
        contents.awaited.remove(source);
    }

    /// Those of `wanted` that have not been read yet.
    pub(super) fn unread(&self, wanted: &References) -> References {
        let contents = self.contents.lock();
        let unread = |name: &&ObjectName| !contents.secrets.contains_key(*name);
        let unknown = |name: &&ObjectName| !contents.services.contains_key(*name);
        let missing = |source: &&AmbientSource| !contents.ambient.contains_key(*source);
        References {
            secrets: wanted.secrets.iter().filter(unread).cloned().collect(),
            services: wanted.services.iter().filter(unknown).cloned().collect(),
            ambient: wanted.ambient.iter().filter(missing).cloned().collect(),
        }
    }

    /// How many lists of the sources that there are have been complete.
    pub(super) fn lists(&self) -> u64 {
        self.contents.lock().health.values().map(|health| health.lists).sum()
    }

    /// How often content has changed so far.
    pub(super) fn revision(&self) -> u64 {
        self.contents.lock().revision
    }

    /// Everything compile needs, and the revision it is of.
    pub(super) fn snapshot(&self) -> (u64, Snapshot) {
        let contents = self.contents.lock();
        let raws = |kind| {
            let objects = contents.objects.get(&kind);
            objects.into_iter().flatten().map(|(_, object)| object.raw.clone()).collect()
        };
        let snapshot = Snapshot {
            routes: raws(Kind::ModelRoute),
            stores: raws(Kind::CredentialStore),
            consumers: raws(Kind::Consumer),
            namespaces: contents.namespaces.clone(),
            secrets: contents.secrets.clone(),
            services: contents.services.clone(),
            ambient: contents.ambient.clone(),
        };
        (contents.revision, snapshot)
    }

    /// One object, as its source holds it now.
    pub(super) fn object(&self, kind: Kind, name: &ObjectName) -> Option<Stored> {
        self.contents.lock().objects.get(&kind)?.get(name).cloned()
    }

    /// Records a status that was just written, ahead of the watch event that will say the same.
    pub(super) fn set_status(&self, kind: Kind, name: &ObjectName, uid: &str, status: Arc<Value>) {
        let mut contents = self.contents.lock();
        let known = contents.objects.get_mut(&kind).and_then(|known| known.get_mut(name));
        if let Some(object) = known.filter(|object| *object.raw.uid == *uid) {
            object.status = status;
        }
    }

    /// How every source is doing.
    pub(super) fn health(&self) -> BTreeMap<Arc<str>, SourceHealth> {
        self.contents.lock().health.clone()
    }

    /// Objects that cannot be used, and how many were ever met.
    pub(super) fn skipped(&self) -> (Vec<Skipped>, u64) {
        let contents = self.contents.lock();
        let skipped = contents.skipped.iter().flat_map(|(source, all)| {
            all.iter().map(|one| Skipped {
                source: source.clone(),
                object: one.object.clone(),
                reason: one.reason.clone(),
            })
        });
        (skipped.collect(), contents.skipped_total)
    }

    fn update(&self, change: impl FnOnce(&mut Contents) -> bool) -> bool {
        let mut contents = self.contents.lock();
        let changed = change(&mut contents);
        if changed {
            contents.revision += 1;
            drop(contents);
            self.changed.notify_one();
        }
        changed
    }
}

/// Stores an object; whether compile would see a difference.
fn put(known: &mut BTreeMap<ObjectName, Stored>, object: Stored) -> bool {
    let same = known.get(&object.raw.name).is_some_and(|old| {
        let (old, new) = (&old.raw, &object.raw);
        // Not the generation alone: it stays while an object is deleted and made again.
        old.uid == new.uid
            && old.generation == new.generation
            && old.created == new.created
            && old.spec == new.spec
    });
    known.insert(object.raw.name.clone(), object);
    !same
}

/// Replaces the objects of one scope; whether compile would see a difference.
fn replace(
    known: &mut BTreeMap<ObjectName, Stored>,
    namespace: Option<&str>,
    objects: Vec<Stored>,
) -> bool {
    let listed: BTreeSet<_> = objects.iter().map(|one| one.raw.name.clone()).collect();
    let before = known.len();
    known.retain(|name, _| {
        namespace.is_some_and(|scope| *name.namespace != *scope) || listed.contains(name)
    });
    let mut changed = known.len() != before;
    for object in objects {
        changed |= put(known, object);
    }
    changed
}

fn put_secret(
    known: &mut BTreeMap<ObjectName, SecretData>,
    name: &ObjectName,
    data: SecretData,
) -> bool {
    let same = known.get(name).is_some_and(|old| same_data(old, &data));
    known.insert(name.clone(), data);
    !same
}

fn same_data(a: &SecretData, b: &SecretData) -> bool {
    match (a, b) {
        (SecretData::Absent, SecretData::Absent) => true,
        (SecretData::Unlabelled(a), SecretData::Unlabelled(b)) => a == b,
        (SecretData::Present(a), SecretData::Present(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|((a_key, a), (b_key, b))| a_key == b_key && a.expose() == b.expose())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
