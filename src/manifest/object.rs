//! From a document to the objects in it.

use std::sync::Arc;

use serde_json::Value;

use super::files::Loaded;
use super::lines::Lines;
use super::yaml::Document;
use super::{Finding, Kind, Manifest, ObjectRef, Place, Severity};
use crate::table::ObjectName;

/// The group and version of our own kinds.
pub(super) const OUR_VERSION: &str = "pilothouse.dev/v1alpha1";
const OUR_GROUP: &str = "pilothouse.dev/";

/// Takes the objects of one document. A `List` (what `kubectl get -o yaml` prints) is opened; it
/// may not hold another, as in `kubectl`'s own output.
pub(super) fn extract(file: &Arc<str>, document: Document, into: &mut Loaded) {
    let Document { value, lines } = document;
    if !is_list(&value) {
        return read(file, value, lines, into);
    }
    let Some(Value::Array(items)) = value.get("items") else {
        let message = "a List needs `items`, a list of objects".to_owned();
        return problem(Place { file: file.clone(), line: lines.line() }, "items", message, into);
    };
    let item_lines = lines.field("items").map_or(&[][..], Lines::items);
    for (item, lines) in items.iter().zip(item_lines) {
        read(file, item.clone(), lines.clone(), into);
    }
}

fn is_list(value: &Value) -> bool {
    let text = |field| value.get(field).and_then(Value::as_str).unwrap_or_default();
    text("kind") == "List" && text("apiVersion") == "v1"
        || text("kind").ends_with("List") && text("apiVersion").starts_with(OUR_GROUP)
}

fn read(file: &Arc<str>, value: Value, lines: Lines, into: &mut Loaded) {
    let found = match identify(&value) {
        Ok(Identity::Read(kind, name)) => {
            into.manifests.push(Manifest { kind, name, value, file: file.clone(), lines });
            return;
        }
        Ok(Identity::Other(object)) => {
            let place = Place { file: file.clone(), line: lines.line() };
            let message = "is of a kind that is not read here";
            Finding { object: Some(object), ..Finding::of_file(Severity::Note, place, message) }
        }
        Err((field, message)) => {
            let line = lines.line_of(field, &value);
            return problem(Place { file: file.clone(), line }, field, message, into);
        }
    };
    into.findings.push(found);
}

fn problem(place: Place, field: &str, message: String, into: &mut Loaded) {
    // Which object this was meant to be is not known, so it may be one that is being served.
    into.incomplete.insert(place.file.clone());
    let finding = Finding::of_file(Severity::Error, place, message);
    into.findings.push(Finding { field: field.to_owned(), ..finding });
}

enum Identity {
    Read(Kind, ObjectName),
    Other(ObjectRef),
}

/// What an object is; the error names the field that is wrong.
fn identify(value: &Value) -> Result<Identity, (&'static str, String)> {
    if !value.is_object() {
        return Err(("", "is not an object with `apiVersion`, `kind` and `metadata`".into()));
    }
    let api_version = text(value, "/apiVersion").ok_or(("apiVersion", required("v1")))?;
    let kind_name = text(value, "/kind").ok_or(("kind", required("ModelRoute")))?;
    let name = text(value, "/metadata/name")
        .ok_or_else(|| ("metadata.name", needs_name(value).to_owned()));
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == kind_name);
    match kind {
        Some(kind) if kind.api_version() == api_version => {
            let namespace = match kind {
                Kind::Namespace => "",
                _ => namespace(value)?.unwrap_or("default"),
            };
            Ok(Identity::Read(kind, ObjectName::new(namespace, name?)))
        }
        // Secrets and Namespaces of other groups exist and are no business of ours.
        _ if api_version.starts_with(OUR_GROUP)
            || kind.is_some_and(|kind| kind.api_version() == OUR_VERSION) =>
        {
            Err(("kind", no_match(kind_name, api_version)))
        }
        _ => {
            let namespace = namespace(value).ok().flatten().unwrap_or_default();
            let name = ObjectName::new(namespace, name.unwrap_or_default());
            Ok(Identity::Other(ObjectRef { kind: kind_name.into(), name }))
        }
    }
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

fn namespace(value: &Value) -> Result<Option<&str>, (&'static str, String)> {
    match value.pointer("/metadata/namespace") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) => Ok(Some(name.as_str()).filter(|name| !name.is_empty())),
        Some(_) => Err(("metadata.namespace", "must be a string; quote it".into())),
    }
}

fn required(example: &str) -> String {
    format!("Required value: must be a string such as `{example}`")
}

fn needs_name(value: &Value) -> &'static str {
    let generated = value.pointer("/metadata/generateName").is_some();
    match (value.pointer("/metadata/name"), generated) {
        (None | Some(Value::Null), true) => "generateName works in a cluster only; give it a name",
        (Some(Value::Number(_) | Value::Bool(_)), _) => "must be a string; quote it",
        _ => "Required value",
    }
}

fn no_match(kind: &str, api_version: &str) -> String {
    let ours = Kind::ALL.into_iter().filter(|kind| kind.api_version() == OUR_VERSION);
    let ours = ours.map(Kind::name).collect::<Vec<_>>().join(", ");
    format!("no matches for kind \"{kind}\" in version \"{api_version}\"; {OUR_VERSION} has {ours}")
}

#[cfg(test)]
mod tests;
