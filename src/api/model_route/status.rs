//! What the gateway says of a ModelRoute.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a route fares.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ModelRouteStatus {
    /// `Accepted`: the spec makes sense. `ResolvedRefs`: what it refers to was found and may be
    /// used. `Programmed`: every ready replica serves it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// The route's names, and whether they are its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub models: Vec<ModelStatus>,

    /// The route's targets and how they fare.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub targets: Vec<TargetStatus>,

    /// The names that are the route's own, for a table: the first few, and how many more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub served_models: Option<String>,

    /// How many targets can be asked, of how many: `2/3`. One that is `Unavailable` or
    /// `Unresolved` cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub usable_targets: Option<String>,

    /// What is wrong first, for a table: the message of the first condition that is not `True`, else
    /// the state of the first target that is not as it should be. Unset when all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

/// One name of a route.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ModelStatus {
    /// The name or pattern.
    #[schemars(length(max = 256))]
    pub name: String,
    /// `Owned`, or `Conflict` if an older route of the namespace has it.
    pub state: ModelState,
    /// The route that owns the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub owner: Option<String>,
}

/// Whether a route has a name.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelState {
    /// This route answers for it.
    Owned,
    /// An older route of the namespace answers for it.
    Conflict,
}

/// How one target fares.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TargetStatus {
    /// The target's name.
    #[schemars(length(max = 63))]
    pub name: String,
    /// A summary over all replicas. Bad news stand for 30 seconds at least: what holds at this
    /// moment is in the metrics.
    pub state: TargetState,
    /// Why, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub reason: Option<String>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
}

/// How a target fares.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetState {
    /// It has been asked, and no replica holds anything against it.
    Available,
    /// Some replicas leave it alone, and others do not.
    Degraded,
    /// Every replica leaves it alone.
    Unavailable,
    /// It cannot be asked, because something it refers to is missing or not allowed.
    Unresolved,
    /// Nothing has been asked of it yet.
    Unknown,
}
