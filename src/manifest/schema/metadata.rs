//! `metadata`, which no CustomResourceDefinition describes.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::{Problem, unknown};
use crate::manifest::Kind;

/// Fields of every object, checked apart from its schema.
pub(super) const ROOT_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

const METADATA_FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const LABEL: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED_NAME: &str = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

static IS_SUBDOMAIN: LazyLock<Regex> = LazyLock::new(|| anchored(SUBDOMAIN));
static IS_LABEL: LazyLock<Regex> = LazyLock::new(|| anchored(LABEL));
static IS_QUALIFIED_NAME: LazyLock<Regex> = LazyLock::new(|| anchored(QUALIFIED_NAME));

fn anchored(pattern: &str) -> Regex {
    Regex::new(&format!("^(?:{pattern})$")).expect("the patterns above are regular expressions")
}

/// The fields of a kind that has no CustomResourceDefinition.
pub(super) fn fields_of(kind: Kind) -> Option<&'static [&'static str]> {
    match kind {
        Kind::Secret => {
            Some(&["apiVersion", "kind", "metadata", "data", "stringData", "type", "immutable"])
        }
        Kind::Namespace => Some(&["apiVersion", "kind", "metadata", "spec", "status"]),
        Kind::ModelRoute | Kind::CredentialStore | Kind::Consumer => None,
    }
}

/// Checks names, labels and annotations.
pub(super) fn check(kind: Kind, value: &Value, problems: &mut Vec<Problem>) {
    let metadata = &value["metadata"];
    unknown_fields(metadata, problems);
    let name = metadata["name"].as_str().unwrap_or_default();
    match kind {
        Kind::Namespace => label("metadata.name", name, problems),
        _ => subdomain("metadata.name", name, problems),
    }
    if kind != Kind::Namespace
        && let Some(namespace) = metadata["namespace"].as_str()
        && !namespace.is_empty()
    {
        label("metadata.namespace", namespace, problems);
    }
    strings(metadata, "annotations", |_| true, problems);
    strings(metadata, "labels", is_label_value, problems);
}

fn unknown_fields(metadata: &Value, problems: &mut Vec<Problem>) {
    let before = problems.len();
    unknown::check_top(&METADATA_FIELDS, metadata, problems);
    for problem in &mut problems[before..] {
        problem.field.insert_str(0, "metadata.");
    }
}

fn subdomain(field: &str, name: &str, problems: &mut Vec<Problem>) {
    if name.len() > 253 {
        problems.push(Problem::new(field, "Too long: may not be more than 253 bytes"));
    } else if !IS_SUBDOMAIN.is_match(name) {
        let rule = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com')";
        problems.push(Problem::new(field, format!("Invalid value: {name:?}: {rule}")));
    }
}

fn label(field: &str, name: &str, problems: &mut Vec<Problem>) {
    if name.len() > 63 {
        problems.push(Problem::new(field, "Too long: may not be more than 63 bytes"));
    } else if !IS_LABEL.is_match(name) {
        let rule = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name')";
        problems.push(Problem::new(field, format!("Invalid value: {name:?}: {rule}")));
    }
}

/// A map of qualified names (`[domain/]name`) to strings.
fn strings(metadata: &Value, field: &str, allowed: fn(&str) -> bool, problems: &mut Vec<Problem>) {
    let path = format!("metadata.{field}");
    let entries = match &metadata[field] {
        Value::Null => return,
        Value::Object(entries) => entries,
        _ => return problems.push(Problem::new(path, "must be a map of strings")),
    };
    for (key, value) in entries {
        let place = format!("{path}[{key}]");
        if !is_qualified_name(key) {
            let rule = "Invalid value: a key is a name of alphanumeric characters, '-', '_' or '.', perhaps after a DNS subdomain and '/'";
            problems.push(Problem::new(place, rule));
            continue;
        }
        let value = match value {
            // Read as the empty string.
            Value::Null => Some(""),
            value => value.as_str(),
        };
        match value {
            None => problems.push(Problem::new(place, "must be a string; quote it")),
            Some(text) if !allowed(text) => {
                let rule = "Invalid value: a label is at most 63 alphanumeric characters, '-', '_' or '.', and starts and ends with an alphanumeric character";
                problems.push(Problem::new(place, rule));
            }
            Some(_) => {}
        }
    }
}

fn is_label_value(text: &str) -> bool {
    text.is_empty() || (text.len() <= 63 && IS_QUALIFIED_NAME.is_match(text))
}

fn is_qualified_name(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    prefix.is_none_or(|prefix| prefix.len() <= 253 && IS_SUBDOMAIN.is_match(prefix))
        && name.len() <= 63
        && IS_QUALIFIED_NAME.is_match(name)
}
