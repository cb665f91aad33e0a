//! Files as a source: `--manifests` in place of a cluster.
//!
//! The files are read as a whole and admitted as an API server would; see
//! [`manifest::Admission`] for what stays when a file breaks. They are read again when they change.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::SourceFailure;
use super::file_changes::FileChanges;
use super::inventory::{Inventory, Stored, Unusable};
use crate::api::Kind;
use crate::compile::{Raw, References, SecretData, Snapshot};
use crate::manifest::{self, Admission, Severity};
use crate::table::ObjectName;

/// The name under which files appear in reports.
const SOURCE: &str = "manifests";

/// Announces the files as a source, so that the first table waits for them.
pub(super) fn expect(inventory: &Inventory) {
    inventory.expect(&SOURCE.into());
}

/// Keeps the inventory equal to the files until the sender of `wanted` is gone.
pub(super) async fn run(
    paths: Vec<PathBuf>,
    admission: Arc<Mutex<Admission>>,
    inventory: Arc<Inventory>,
    mut wanted: watch::Receiver<Arc<References>>,
) {
    let source: Arc<str> = SOURCE.into();
    let mut changes = FileChanges::new();
    let mut secrets = BTreeMap::new();
    loop {
        changes.watch(&paths);
        let (paths, admission) = (paths.clone(), admission.clone());
        // Files may be many, and may lie on a slow mount.
        let reading =
            tokio::task::spawn_blocking(move || admission.lock().admit(manifest::load(&paths)));
        match reading.await {
            Ok(admitted) => {
                report(&inventory, &source, &admitted.findings);
                let references = wanted.borrow().clone();
                secrets = store(&inventory, admitted.snapshot, &references);
            }
            Err(error) => {
                inventory.note_health(&source, |health| {
                    health.failures += 1;
                    health.failures_in_a_row += 1;
                    let error = error.to_string().into();
                    health.last_failure = Some(SourceFailure { at: SystemTime::now(), error });
                });
                // The files are read again when this part is started again.
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
        loop {
            let references = wanted.borrow_and_update().clone();
            inventory.retain_secrets(|name| references.secrets.contains(name));
            for (name, data) in referenced(&secrets, &references) {
                inventory.set_secret(&name, data);
            }
            inventory.arrived(&source);
            tokio::select! {
                () = changes.changed() => break,
                more = wanted.changed() => if more.is_err() { return },
            }
        }
    }
}

/// Hands over the objects; returns the Secrets, of which only those that are referred to go on.
fn store(
    inventory: &Inventory,
    snapshot: Snapshot,
    references: &References,
) -> BTreeMap<ObjectName, SecretData> {
    let stored = |raws: Vec<Raw>| {
        raws.into_iter().map(|raw| Stored { raw, status: Arc::default() }).collect()
    };
    let objects = BTreeMap::from([
        (Kind::ModelRoute, stored(snapshot.routes)),
        (Kind::CredentialStore, stored(snapshot.stores)),
        (Kind::Consumer, stored(snapshot.consumers)),
    ]);
    let wanted = referenced(&snapshot.secrets, references);
    inventory.replace_all(objects, snapshot.namespaces, wanted);
    snapshot.secrets
}

fn referenced(
    secrets: &BTreeMap<ObjectName, SecretData>,
    references: &References,
) -> BTreeMap<ObjectName, SecretData> {
    let data = |name: &ObjectName| secrets.get(name).cloned().unwrap_or(SecretData::Absent);
    references.secrets.iter().map(|name| (name.clone(), data(name))).collect()
}

fn report(inventory: &Inventory, source: &Arc<str>, findings: &[manifest::Finding]) {
    let said = findings.iter().filter(|finding| finding.severity != Severity::Note);
    let unusable = said
        .map(|finding| Unusable { object: finding.place.to_string(), reason: finding.to_string() });
    for fresh in inventory.set_skipped(source, unusable.collect()) {
        tracing::warn!(finding = fresh.reason, "a manifest needs attention");
    }
    inventory.note_health(source, |health| {
        health.lists += 1;
        health.failures_in_a_row = 0;
    });
}

#[cfg(test)]
mod tests;
