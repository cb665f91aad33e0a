//! How targets of one priority share the traffic, and which session goes where.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How targets of one priority share the traffic.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancingSpec {
    /// How one of several targets of equal priority is chosen. `Weighted` (the default) by weight,
    /// evenly over any short stretch; `RoundRobin` in turn; `LeastConnections` the one with the
    /// fewest requests running for its weight, streams counted until their last byte;
    /// `FastestResponse` the one whose first token usually comes soonest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub strategy: Option<String>,

    /// Which requests belong together. They go to the same target of a tier while it may be asked,
    /// so that what the provider has cached of their prompts is found again; sessions are divided by
    /// weight, and when a target goes only its own sessions move. Requests without a session are
    /// divided by `strategy`. With `LeastConnections` and `FastestResponse` a session leaves a target
    /// that has more than twice the average of running requests for its weight. Default: `Auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_affinity: Option<SessionAffinitySpec>,

    /// How the endpoints of a target with a `service` share its requests. A session stays at its
    /// endpoint as it does at its target; other requests go to the endpoint with the fewest running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<EndpointBalancingSpec>,
}

/// How the endpoints of a target share its requests.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EndpointBalancingSpec {
    /// Whether prompts that begin alike go to the same endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_affinity: Option<PrefixAffinity>,
}

/// Whether requests without a session whose prompts begin alike go to the same endpoint, which has read
/// that beginning before. `Auto` (the default): by the first 4 KiB of the prompt, at most up to the end
/// of the first user message, while the endpoint has room and no more than twice the average of running
/// requests. `None`: to the least busy endpoint, whatever the prompt.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrefixAffinity {
    /// While it has room.
    Auto,
    /// Every request by itself.
    None,
}

/// Which requests belong together.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.type == 'Header') == has(self.header)")
    .message("`header` is set if and only if `type` is Header"))]
pub struct SessionAffinitySpec {
    /// What names the session. `Auto`: the first that a request has of the headers `x-session-id`,
    /// `session-id` and `x-claude-code-session-id` and the body's `prompt_cache_key`. `Header`: one
    /// header. `Consumer`: whose key it is. `User`: the first that the body has of `user`,
    /// `metadata.user_id` and `safety_identifier`. `None`: nothing. Sessions of different Consumers
    /// are different ones.
    #[serde(rename = "type")]
    pub kind: SessionAffinityType,

    /// The header that names the session, where `type` is `Header`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<SessionHeader>,
}

/// What names a session.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionAffinityType {
    /// What agents and SDKs send by themselves.
    Auto,
    /// Nothing: every request by itself.
    None,
    /// A header.
    Header,
    /// Whose key it is.
    Consumer,
    /// The end user that the body names.
    User,
}

/// A header that names a session.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SessionHeader {
    /// The header's name. Case does not matter.
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[-A-Za-z0-9!#$%&'*+.^_`|~]+$"))]
    pub name: String,
}
