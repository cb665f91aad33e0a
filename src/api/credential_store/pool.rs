//! Keys that are sent as they are.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::KeySource;

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
