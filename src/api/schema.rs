//! What several kinds share: small types, CEL rules, and the last touches to a schema.
//!
//! A rule's cost is estimated by the API server from the largest value that the schema allows, so
//! whatever a rule reads has a maximum size. Rules never nest `all` or `exists`. Their messages do
//! not name the field that they stand on: its path is printed before them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::KubeSchema;
use kube::core::Rule;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The characters of a model name: none that is a space or cannot be seen. Spelled out, because `\S`
/// means ASCII to the API server and Unicode to others.
pub(super) const MODEL_NAME: &str = r"^[^\p{Z}\p{Cc}]+$";

/// One entry of a Secret in the same namespace.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The Secret's name. It must be in the namespace of the object that refers to it.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// The entry of the Secret's `data`, for example `api-key`.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// Refuses `0s` where having no limit would let a request hang for ever.
pub(super) fn positive(otherwise: &str) -> Rule {
    Rule::new("duration(self) > duration('0s')")
        .message(format!("must be longer than 0s: {otherwise}").as_str())
}

/// Refuses a model name with a `*` anywhere but at one end.
pub(super) fn model_patterns() -> Rule {
    Rule::new("self.all(m, m.matches('^([^*]+[*]?|[*][^*]*)$'))")
        .message("an entry is an exact name, or holds one `*` at its start or its end")
}

/// The default of `spec.gateway`.
pub(super) fn default_gateway() -> String {
    super::DEFAULT_GATEWAY.to_owned()
}

/// Turns the derived definition into the one that is installed.
pub(super) fn finish(
    crd: CustomResourceDefinition,
    strategies: &[&str],
) -> CustomResourceDefinition {
    let mut value = serde_json::to_value(crd).expect("a definition is plain data");
    tidy(&mut value);
    let strategy = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/loadBalancing\
                    /properties/strategy";
    if let Some(strategy) = value.pointer_mut(strategy) {
        strategy["enum"] = json!(strategies);
    }
    serde_json::from_value(value).expect("tidying keeps the definition's shape")
}

/// Takes out what the derive adds for Rust's sake. `nullable` would let `null` slip past the rules
/// that tell a field which is set from one which is not; Kubernetes knows no unsigned formats.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.get("nullable") == Some(&Value::Bool(true)) {
                fields.remove("nullable");
            }
            if fields.get("format").and_then(Value::as_str).is_some_and(|f| f.starts_with("uint")) {
                fields.remove("format");
            }
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = unwrapped(text);
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Doc comments are wrapped for this source; `kubectl explain` wraps for its own terminal.
fn unwrapped(text: &str) -> String {
    text.split("\n\n")
        .map(|paragraph| paragraph.replace('\n', " "))
        .collect::<Vec<_>>()
        .join("\n\n")
}
