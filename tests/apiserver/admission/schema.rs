//! Walking the schemas of the definitions: which fields there are, and which rules.

use std::fmt::Write as _;

use serde_json::Value;

use crate::support::crds;

/// A step from a value to a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Field(String),
    /// Any item of a list.
    Item,
    /// Any value of a map.
    Entry,
}

/// One value that users may write.
pub(super) struct Node {
    pub(super) kind: String,
    pub(super) path: Vec<Step>,
    pub(super) schema: Value,
}

/// One CEL rule.
pub(super) struct Rule {
    pub(super) kind: String,
    /// As in a refusal, without the indexes: `spec.targets[].baseURL`.
    pub(super) field: String,
    pub(super) message: String,
}

/// Every value in the `spec` of every kind, outer ones before inner ones.
pub(super) fn nodes() -> Vec<Node> {
    let mut found = Vec::new();
    for definition in crds::definitions() {
        let definition = serde_json::to_value(definition).expect("plain data");
        let kind = definition["spec"]["names"]["kind"].as_str().expect("a kind");
        for version in definition["spec"]["versions"].as_array().expect("versions") {
            let spec = &version["schema"]["openAPIV3Schema"]["properties"]["spec"];
            visit(kind, &[Step::Field("spec".into())], spec, &mut found);
        }
    }
    found
}

fn visit(kind: &str, path: &[Step], schema: &Value, found: &mut Vec<Node>) {
    let below = |step: Step| path.iter().cloned().chain([step]).collect::<Vec<_>>();
    found.push(Node { kind: kind.to_owned(), path: path.to_vec(), schema: schema.clone() });
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        visit(kind, &below(Step::Field(name.clone())), field, found);
    }
    if schema["items"].is_object() {
        visit(kind, &below(Step::Item), &schema["items"], found);
    }
    if schema["additionalProperties"].is_object() {
        visit(kind, &below(Step::Entry), &schema["additionalProperties"], found);
    }
}

/// Every CEL rule of every kind.
pub(super) fn rules() -> Vec<Rule> {
    let of_node = |node: Node| {
        let rules = node.schema["x-kubernetes-validations"].as_array().cloned();
        rules.into_iter().flatten().map(move |rule| Rule {
            kind: node.kind.clone(),
            field: shown(&node.path) + rule["fieldPath"].as_str().unwrap_or_default(),
            message: rule["message"].as_str().expect("every rule has a message").to_owned(),
        })
    };
    nodes().into_iter().flat_map(of_node).collect()
}

/// A path as a person writes it, without indexes.
pub(super) fn shown(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Field(name) if text.is_empty() => text.push_str(name),
            Step::Field(name) => write!(text, ".{name}").expect("a string takes all"),
            Step::Item | Step::Entry => text.push_str("[]"),
        }
    }
    text
}

/// A field of a refusal without its indexes and keys, to compare with [`shown`].
pub(super) fn without_indexes(field: &str) -> String {
    let mut inside = false;
    field
        .chars()
        .filter(|&character| {
            let keep = !inside || character == ']';
            inside = character == '[' || (inside && character != ']');
            keep
        })
        .collect()
}
