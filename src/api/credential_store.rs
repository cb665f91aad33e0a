//! CredentialStore: what proves to providers who asks, where it comes from and where it may go.
//!
//! What a store holds is a union: `type` names the one block that is set. A further type is a variant
//! of [`CredentialType`], a file below here with its block, the block in the spec, and one rule.

mod aws;
mod azure;
mod google;
mod pool;
mod source;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AllowedNamespaces;
use super::schema::default_gateway;

pub use aws::{AssumedRole, AwsCredentials};
pub use azure::AzureCredentials;
pub use google::GoogleCredentials;
pub use pool::{ApiKeyCredentials, KeySelection, StoredKey};
pub use source::{EnvSource, FileSource, KeySource};

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
    printcolumn(
        name = "Keys",
        type_ = "string",
        json_path = ".status.usableKeys",
        description = "Keys that can be used now, of all keys"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.message",
        priority = 1,
        description = "What is wrong first"
    )
)]
#[x_kube(
    validation = Rule::new("has(self.apiKey) == (self.type == 'APIKey')")
        .message("`apiKey` is set if and only if `type` is APIKey"),
    validation = Rule::new("has(self.aws) == (self.type == 'AWS')")
        .message("`aws` is set if and only if `type` is AWS"),
    validation = Rule::new("has(self.google) == (self.type == 'Google')")
        .message("`google` is set if and only if `type` is Google"),
    validation = Rule::new("has(self.azure) == (self.type == 'Azure')")
        .message("`azure` is set if and only if `type` is Azure")
)]
#[serde(rename_all = "camelCase")]
pub struct CredentialStoreSpec {
    /// Which installation uses this store: the one that was started with this `--gateway-name`.
    #[serde(default = "default_gateway")]
    #[schemars(length(min = 1, max = 63))]
    pub gateway: String,

    /// What kind of credential it holds: keys that are sent as they are (`APIKey`), or an identity of
    /// AWS, which signs requests, or of Google Cloud or Azure, by which tokens are asked for.
    pub r#type: CredentialType,

    /// The namespaces whose routes may use it. Default: its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<AllowedNamespaces>,

    /// The hosts that the credential may be sent to: `host`, `host:port`, `*.suffix` or
    /// `*.suffix:port`; without a port, 443 over https; `service/NAMESPACE/NAME` for a target with a
    /// `service`. Empty: the public hosts of the target's
    /// provider, over https. List a host here before a target's `baseURL` sends the credential to
    /// it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 260)))]
    #[x_kube(
        validation = Rule::new("self.all(h, h.matches(\
                '^(service/[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9]*[a-z0-9])?|(([*][.])?[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\\\\[[0-9A-Fa-f:.]+\\\\])(:[0-9]{1,5})?)$'))")
            .message("an entry is `host`, `host:port`, `*.suffix`, `*.suffix:port` or `service/NAMESPACE/NAME`, without scheme or path"),
        merge_strategy = ListMerge::Set
    )]
    pub allowed_hosts: Vec<String>,

    /// The keys, with `type: APIKey`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<ApiKeyCredentials>,

    /// The identity of AWS, with `type: AWS`. Empty: the gateway's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsCredentials>,

    /// The identity of Google Cloud, with `type: Google`. Empty: the gateway's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google: Option<GoogleCredentials>,

    /// The identity of Azure, with `type: Azure`. Without `clientSecret`: the gateway's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureCredentials>,
}

/// The kind of a credential.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialType {
    /// Long-lived keys that are sent in a header.
    #[serde(rename = "APIKey")]
    ApiKey,
    /// An identity of AWS.
    #[serde(rename = "AWS")]
    Aws,
    /// An identity of Google Cloud.
    Google,
    /// An identity of Azure.
    Azure,
}

impl CredentialType {
    /// As it stands in `spec.type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "APIKey",
            Self::Aws => "AWS",
            Self::Google => "Google",
            Self::Azure => "Azure",
        }
    }
}

/// How a store fares.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct CredentialStoreStatus {
    /// `Accepted`: the spec makes sense. `Ready`: at least one key can be used now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// The keys by name: never a value, nor a part of one. What is no pool has one, `identity`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub keys: Vec<KeyStatus>,

    /// How many keys can be used now, of how many: `1/2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub usable_keys: Option<String>,

    /// What is wrong first, for a table: the message of the first condition that is not `True`, else
    /// the state of the first key that is not as it should be. Unset when all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

/// How one key fares.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KeyStatus {
    /// The key's name.
    #[schemars(length(max = 63))]
    pub name: String,
    /// A summary over all replicas. Bad news stand for 30 seconds at least: what holds at this
    /// moment is in the metrics.
    pub state: KeyState,
    /// Why, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub reason: Option<String>,
    /// Until when it rests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// Since when it is in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
}

/// How a key fares.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It can be used.
    Available,
    /// The provider throttled or refused it, and it rests at some replicas.
    Degraded,
    /// The provider throttled or refused it, and it rests at every replica.
    Resting,
    /// Its value is missing or cannot be used.
    Unresolved,
}
