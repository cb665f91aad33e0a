//! The API server's part for files: checking what they say and remembering what was good.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::schema::Checker;
use super::{Finding, Identity, Kind, Loaded, Manifest, Severity, secret};
use crate::compile::{Raw, SecretData, Snapshot};

/// Turns what was loaded into the input of compile, over and over as files change.
///
/// In a cluster, an edit that the API server refuses changes nothing. Files have nobody who refuses,
/// so this does: a ModelRoute whose edit is refused keeps the version before it, and whatever was in
/// a file that cannot be read now stays as it was. A refused edit of a CredentialStore, Consumer or
/// Secret drops the object instead: it may have been meant to take something away, and going on
/// with the old one would fail open.
#[derive(Debug)]
pub struct Admission {
    checker: Checker,
    held: BTreeMap<Identity, Manifest>,
}

/// One round of [`Admission::admit`].
#[derive(Debug)]
pub struct Admitted {
    /// What to compile. Secrets are those of the files, and the ambient ones are not read yet.
    pub snapshot: Snapshot,
    /// The objects in it, to find the place of a field that compile objects to.
    pub manifests: BTreeMap<Identity, Manifest>,
    /// What was wrong with the files and their objects.
    pub findings: Vec<Finding>,
}

impl Admission {
    /// Nothing was admitted yet.
    pub fn new(checker: Checker) -> Self {
        Self { checker, held: BTreeMap::new() }
    }

    /// Checks what was loaded and replaces what is held by it.
    pub fn admit(&mut self, loaded: Loaded) -> Admitted {
        let mut findings = loaded.findings;
        let mut admitted = BTreeMap::new();
        let mut refused = BTreeSet::new();
        for mut manifest in loaded.manifests {
            let identity = manifest.identity();
            let problems = self.checker.check(&mut manifest);
            if problems.iter().any(|found| found.severity == Severity::Error) {
                refused.insert(identity);
            } else {
                admitted.insert(identity, manifest);
            }
            findings.extend(problems);
        }
        for (identity, last) in std::mem::take(&mut self.held) {
            let keeps = if refused.contains(&identity) {
                identity.0 == Kind::ModelRoute
            } else {
                !admitted.contains_key(&identity) && is_below(&last.file, &loaded.incomplete)
            };
            if keeps {
                findings.push(kept(&last));
                admitted.insert(identity, last);
            }
        }
        self.held.clone_from(&admitted);
        Admitted { snapshot: snapshot(admitted.values()), manifests: admitted, findings }
    }
}

fn is_below(file: &str, incomplete: &BTreeSet<Arc<str>>) -> bool {
    incomplete.iter().any(|path| Path::new(file).starts_with(&**path))
}

fn kept(last: &Manifest) -> Finding {
    last.warning(
        "",
        "the last good version stays in use until the errors are mended; a restart loses it",
    )
}

fn snapshot<'m>(manifests: impl Iterator<Item = &'m Manifest>) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for manifest in manifests {
        match manifest.kind {
            Kind::ModelRoute => snapshot.routes.push(raw(manifest)),
            Kind::CredentialStore => snapshot.stores.push(raw(manifest)),
            Kind::Consumer => snapshot.consumers.push(raw(manifest)),
            Kind::Secret => {
                let (values, _) = secret::data(manifest);
                snapshot.secrets.insert(manifest.name.clone(), SecretData::Present(values));
            }
            Kind::Namespace => {
                let labels = labels(&manifest.value).collect();
                snapshot.namespaces.insert(manifest.name.name.clone(), labels);
            }
        }
    }
    snapshot
}

fn raw(manifest: &Manifest) -> Raw {
    let spec = manifest.value.get("spec").cloned().unwrap_or_default();
    Raw {
        name: manifest.name.clone(),
        uid: Arc::from(""),
        created: None,
        generation: 0,
        spec: Arc::new(spec),
    }
}

fn labels(namespace: &Value) -> impl Iterator<Item = (String, String)> {
    let labels = namespace.pointer("/metadata/labels").and_then(Value::as_object);
    labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
}

#[cfg(test)]
mod tests;
