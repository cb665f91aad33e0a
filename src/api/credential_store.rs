//! CredentialStore: keys of providers, where they come from and where they may go.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::default_gateway;
use super::{AllowedNamespaces, SecretKeyRef};

/// Which credentials there are, who may use them and where they may be sent.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "pilothouse.dev",
    version = "v1alpha1",
    kind = "CredentialStore",
    plural = "credentialstores",
    singular = "credentialstore",
    shortname = "creds",
    category = "ai",
    namespaced,
    cel,
    status = "CredentialStoreStatus",
    derive = "PartialEq",
    doc = "A CredentialStore says where the keys of a provider come from, which namespaces may use them, and to which hosts they may be sent.",
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
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
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    )
)]
#[x_kube(
    validation = Rule::new("self.type == 'APIKey' ? has(self.apiKey) : !has(self.apiKey)")
        .message("`apiKey` is set if and only if `type` is APIKey")
)]
#[serde(rename_all = "camelCase")]
pub struct CredentialStoreSpec {
    /// Which installation uses this store: the one that was started with this `--gateway-name`.
    #[serde(default = "default_gateway")]
    #[schemars(length(min = 1, max = 63))]
    pub gateway: String,

    /// What kind of credential it holds: `APIKey`.
    pub r#type: CredentialType,

    /// The namespaces whose routes may use it. Default: its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<AllowedNamespaces>,

    /// The hosts that the credential may be sent to: `host`, `host:port`, `*.suffix` or
    /// `*.suffix:port`; without a port, 443 over https. Empty: the public hosts of the target's
    /// provider, over https. List a host here before a target's `baseURL` sends the credential to
    /// it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 260)))]
    #[x_kube(
        validation = Rule::new("self.all(h, h.matches(\
                '^(([*][.])?[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\\\\[[0-9A-Fa-f:.]+\\\\])(:[0-9]{1,5})?$'))")
            .message("an entry is `host`, `host:port`, `*.suffix` or `*.suffix:port`, without scheme or path"),
        merge_strategy = ListMerge::Set
    )]
    pub allowed_hosts: Vec<String>,

    /// The keys, with `type: APIKey`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<ApiKeyCredentials>,
}

/// The kind of a credential.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialType {
    /// Long-lived keys that are sent in a header.
    #[serde(rename = "APIKey")]
    ApiKey,
}

/// A pool of keys. Each key rests by itself when the provider throttles or refuses it.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyCredentials {
    /// The keys.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub keys: Vec<StoredKey>,

    /// Which key is used: `InOrder` the first rested one by priority, `RoundRobin` each in turn.
    #[serde(default)]
    pub selection: KeySelection,
}

/// How the next key is chosen.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeySelection {
    /// The first key by priority that is not resting.
    #[default]
    InOrder,
    /// Each key in turn; priority is not looked at.
    RoundRobin,
}

/// One key of a pool.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct StoredKey {
    /// The name by which status, logs and metrics speak of the key.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// Lower is used first, with `selection: InOrder`.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub priority: i32,

    /// Where the key's value is.
    pub value_from: KeySource,
}

/// Where a value is: exactly one place.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.secretKeyRef), has(self.env), has(self.file)].exists_one(x, x)")
        .message("set exactly one of `secretKeyRef`, `env` and `file`")
)]
pub struct KeySource {
    /// An entry of a Secret in the store's namespace. A trailing newline is not part of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,

    /// An environment variable of the gateway. Only for stores of the namespace that the operator
    /// chose with `--ambient-credentials-namespace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<EnvSource>,

    /// A file in the gateway's credential directory. Only for stores of the namespace that the
    /// operator chose with `--ambient-credentials-namespace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSource>,
}

/// An environment variable.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EnvSource {
    /// The variable's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
}

/// A file.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct FileSource {
    /// The file, relative to the gateway's `--credential-dir`.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(
        validation = Rule::new("!self.startsWith('/') && !self.matches('(^|/)[.][.](/|$)')")
            .message("must be relative to the credential directory and must not hold `..`")
    )]
    pub path: String,
}

/// How a store fares.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct CredentialStoreStatus {
    /// `Accepted`: the spec makes sense. `Ready`: at least one key can be used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// The keys by name: never a value, nor a part of one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub keys: Vec<KeyStatus>,
}

/// How one key fares.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KeyStatus {
    /// The key's name.
    #[schemars(length(max = 63))]
    pub name: String,
    /// A summary over all replicas.
    pub state: KeyState,
    /// Why, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub reason: Option<String>,
    /// Until when it rests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// How a key fares.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It can be used.
    Available,
    /// The provider throttled or refused it, and it rests.
    Resting,
    /// Its value is missing or cannot be used.
    Unresolved,
}
