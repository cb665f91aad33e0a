//! What manifests refer to and files do not tell: Secrets kept elsewhere, the gateway's
//! environment, objects that are applied from another place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::api::Reason;
use crate::compile::{self, AmbientSource, Raw, SecretData, Snapshot};
use crate::credential::google;
use crate::manifest::{Finding, Identity, Kind, Manifest};
use crate::table::{ObjectName, SecretText};

/// What is among the files.
#[derive(Debug)]
pub(super) struct Known {
    /// Every object that was read.
    pub(super) written: BTreeSet<Identity>,
    /// Those that were not refused.
    pub(super) admitted: BTreeMap<Identity, Manifest>,
}

/// Puts something in the place of every secret that is referred to and not known, so that what is
/// said of it is that alone. Under `strict`, a Secret that is not among the files is missing.
pub(super) fn assume(snapshot: &mut Snapshot, known: &Known, strict: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let objects =
        [(Kind::CredentialStore, &snapshot.stores), (Kind::Consumer, &snapshot.consumers)];
    let mut sources = Vec::new();
    for (kind, raw) in
        objects.into_iter().flat_map(|(kind, raws)| raws.iter().map(move |raw| (kind, raw)))
    {
        collect(kind, raw, &raw.spec, "spec", &mut sources);
    }
    for source in sources {
        match source.what {
            What::Ambient(ambient) => {
                let count = snapshot.ambient.len();
                let value = || Ok(placeholder(&source.path, count));
                snapshot.ambient.entry(ambient).or_insert_with(value);
            }
            What::Secret(name, key) => {
                let identity = (Kind::Secret, name.clone());
                if known.admitted.contains_key(&identity) {
                    continue;
                }
                // One that was refused is there, and what is wrong with it has been said.
                let is_written = known.written.contains(&identity);
                if strict && !is_written {
                    snapshot.secrets.insert(name, SecretData::Absent);
                    continue;
                }
                if let Some(holder) = known.admitted.get(&source.holder).filter(|_| !is_written) {
                    let message = format!(
                        "Secret `{name}` is not among the files, so its key `{key}` was not checked"
                    );
                    findings.push(holder.warning(source.path.as_str(), message));
                }
                stand_in(&mut snapshot.secrets, name, key, &source.path);
            }
        }
    }
    findings
}

fn stand_in(
    secrets: &mut BTreeMap<ObjectName, SecretData>,
    name: ObjectName,
    key: String,
    path: &str,
) {
    let count: usize = secrets
        .values()
        .map(|data| match data {
            SecretData::Present(values) => values.len(),
            SecretData::Absent | SecretData::Unlabelled(_) => 0,
        })
        .sum();
    let data = secrets.entry(name).or_insert_with(|| SecretData::Present(BTreeMap::new()));
    if let SecretData::Present(values) = data {
        values.entry(key).or_insert_with(|| placeholder(path, count));
    }
}

/// A value that passes every check of what is referred to at `path`, and is like no other.
fn placeholder(path: &str, count: usize) -> SecretText {
    let document = path.contains(".serviceAccountKey.").then(google::stand_in).flatten();
    let text = document.unwrap_or_else(|| format!("stands-in-for-unknown-value-{count}"));
    SecretText::new(&text)
}

/// A place in an object that refers to a secret.
struct Reference {
    holder: Identity,
    path: String,
    what: What,
}

enum What {
    Secret(ObjectName, String),
    Ambient(AmbientSource),
}

/// Finds every source of a value, wherever it is: it is written the same everywhere.
fn collect(kind: Kind, raw: &Raw, value: &Value, path: &str, found: &mut Vec<Reference>) {
    match value {
        Value::Object(fields) => {
            if let Some((step, what)) = referred(raw, value) {
                let holder = (kind, raw.name.clone());
                found.push(Reference { holder, path: format!("{path}.{step}"), what });
            }
            for (name, inner) in fields {
                collect(kind, raw, inner, &format!("{path}.{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(kind, raw, item, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

fn referred(raw: &Raw, source: &Value) -> Option<(&'static str, What)> {
    let text = |pointer| source.pointer(pointer).and_then(Value::as_str);
    if let (Some(name), Some(key)) = (text("/secretKeyRef/name"), text("/secretKeyRef/key")) {
        let name = ObjectName::new(raw.name.namespace.clone(), name);
        return Some(("secretKeyRef", What::Secret(name, key.to_owned())));
    }
    if let Some(name) = text("/env/name") {
        return Some(("env", What::Ambient(AmbientSource::Env(name.into()))));
    }
    let path = text("/file/path")?;
    Some(("file", What::Ambient(AmbientSource::File(path.into()))))
}

/// Turns what compile found into what is said of files. Under `strict`, an object that is referred
/// to and not among the files is missing; else it may exist, and a warning is enough.
pub(super) fn locate(found: compile::Finding, known: &Known, strict: bool) -> Option<Finding> {
    let compile::Finding { object, path, severity, reason, message, .. } = found;
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == object.kind.as_str())?;
    let holder = known.admitted.get(&(kind, object.name))?;
    if reason == Reason::RefNotPermitted
        && let Some(target) = reference(holder, &path)
        && !known.admitted.contains_key(&target)
    {
        let (kind, name) = &target;
        if known.written.contains(&target) {
            return Some(holder.error(path, format!("{kind} `{name}` has errors of its own")));
        }
        if !strict {
            let own = &holder.name.namespace;
            let message = format!(
                "{kind} `{name}` is not among the files, so whether it admits namespace `{own}` was not checked"
            );
            return Some(holder.warning(path, message));
        }
    }
    Some(holder.finding(severity, path, message))
}

/// The object that a field refers to: `path` is the reference or its `name`.
fn reference(holder: &Manifest, path: &str) -> Option<Identity> {
    let path = path.strip_suffix(".name").unwrap_or(path);
    let reference = holder.field(path)?;
    let kind =
        if path.ends_with("credentialRef") { Kind::CredentialStore } else { Kind::ModelRoute };
    let namespace = reference.get("namespace").and_then(Value::as_str);
    let namespace = namespace.map_or_else(|| holder.name.namespace.clone(), Arc::from);
    Some((kind, ObjectName::new(namespace, reference.get("name")?.as_str()?)))
}
