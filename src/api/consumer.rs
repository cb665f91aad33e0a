//! Consumer: who may call, and for what.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::schema::{MODEL_NAME, default_gateway, model_patterns};
use super::{KeyStatus, SecretKeyRef};

/// How a caller is known and what it may ask for.
///
/// `allowedModels` has no default on purpose: an API server silently drops a field that it does not
/// know, so a default of everything would turn a misspelled restriction into none.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "pilothouse.dev",
    version = "v1alpha1",
    kind = "Consumer",
    plural = "consumers",
    singular = "consumer",
    shortname = "con",
    category = "ai",
    namespaced,
    cel,
    status = "ConsumerStatus",
    derive = "PartialEq",
    doc = "A Consumer is someone who may call the gateway: the keys by which it is known and the models that it may ask for. Routes of its namespace answer it, and routes of other namespaces that allow its namespace.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(
        name = "Keys",
        type_ = "string",
        json_path = ".status.usableKeys",
        description = "Keys that let the caller in, of all keys"
    ),
    printcolumn(name = "Models", type_ = "string", json_path = ".spec.allowedModels"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.message",
        priority = 1,
        description = "What is wrong first"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerSpec {
    /// Which installation knows this caller: the one that was started with this `--gateway-name`.
    #[serde(default = "default_gateway")]
    #[schemars(length(min = 1, max = 63))]
    pub gateway: String,

    /// The keys that the caller may present. Each works by itself, so that one can be replaced by
    /// another without a gap. A key that two Consumers give belongs to the older one.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub api_keys: Vec<ConsumerKey>,

    /// What the caller may ask for: names, or patterns with one `*` at the start or the end.
    /// `["*"]` is everything that the routes answer it. A name is checked as the client asks for
    /// it, once.
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 256), regex(pattern = MODEL_NAME))
    )]
    #[x_kube(validation = model_patterns(), merge_strategy = ListMerge::Set)]
    pub allowed_models: Vec<String>,

    /// Turns the caller away without deleting it.
    #[serde(default)]
    pub disabled: bool,
}

/// One key of a caller, from a Secret or as a digest.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.valueFrom) != has(self.sha256)")
        .message("set exactly one of `valueFrom` and `sha256`")
)]
pub struct ConsumerKey {
    /// The name by which status and logs speak of the key.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// Where the key's value is. It must have at least 16 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ConsumerKeySource>,

    /// The SHA-256 of the key in lower-case hex, which is no secret where the key is long and
    /// random: `printf %s "$KEY" | sha256sum`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(
        validation = Rule::new("self.matches('^[0-9a-f]{64}$')")
            .message("must be 64 lower-case hex digits, as `printf %s \"$KEY\" | sha256sum` prints them")
    )]
    pub sha256: Option<String>,
}

/// Where the value of a caller's key is.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerKeySource {
    /// An entry of a Secret in the Consumer's namespace. A trailing newline is not part of the key.
    pub secret_key_ref: SecretKeyRef,
}

/// How a Consumer fares.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerStatus {
    /// `Accepted`: the spec makes sense. `Ready`: at least one key is known and lets the caller in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// The keys by name: never a value, nor a part of one. One that another Consumer had first is
    /// `Unresolved` with the reason `KeyConflict`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub keys: Vec<KeyStatus>,

    /// How many keys can be used, of how many: `1/2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub usable_keys: Option<String>,

    /// What is wrong first, for a table: the message of the first condition that is not `True`, else
    /// the state of the first key that is not as it should be. Unset when all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}
