//! What a route decides about choosing, waiting and giving up.
//!
//! Nothing here has a default in the schema: a target's field wins over the route's, and the
//! route's over what is built in, so a field that is unset must stay unset.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;
use super::schema::positive;

/// How streamed answers are treated.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct StreamingSpec {
    /// How long the status line of a stream may be held back while the model has produced nothing
    /// (default 20s). Until then an error can still fail over unseen; after it the client gets its
    /// 200, so that proxies before it do not give up, and later errors come inside the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = positive("a stream that is committed at once cannot fail over"))]
    pub commit_after: Option<Duration>,

    /// What becomes of a stream whose target breaks off in the middle of a text: with `Resume` (the
    /// default) another target goes on where it stopped, in the same stream; with `Error` it ends
    /// with an error in it. What cannot be resumed ends with an error in either case: calls of
    /// tools, several choices, answers whose state is kept at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_interruption: Option<OnInterruption>,
}

/// What becomes of a stream that breaks off.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnInterruption {
    /// Another target goes on.
    Resume,
    /// It ends with an error in it.
    Error,
}

/// Limits in time. A limit that is set is exact.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct TimeoutsSpec {
    /// To connect, TLS included (default 5s).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = positive("a host that does not answer would be waited for"))]
    pub connect: Option<Duration>,

    /// Streams: from sending the request to the first generated output. When it passes, the next
    /// target is asked as well and the first output wins. Unset, it follows what the target usually
    /// needs, between 10s and 60s; requests that ask for reasoning get 60s. `0s` is off: only
    /// `request` limits it then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token: Option<Duration>,

    /// Streams: between two pieces of text or tool arguments (default 30s).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = positive("a stream that hangs would never end"))]
    pub idle: Option<Duration>,

    /// Streams: the same while the model only reasons, which may take minutes (default 5m).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = positive("a stream that hangs would never end"))]
    pub thinking_idle: Option<Duration>,

    /// A reply that is not streamed, which comes only when all of it is generated. Unset, it follows
    /// what the target usually needs, between 2m and 10m. `0s` is off: only `request` limits it then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Duration>,

    /// All tries at all targets together, up to the first output of a stream (default 10m).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = positive("a request would be tried for ever"))]
    pub request: Option<Duration>,
}

/// Limits in time for one target; those that are unset come from the route.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct TargetTimeoutsSpec {
    /// To connect, TLS included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = positive("a host that does not answer would be waited for"))]
    pub connect: Option<Duration>,

    /// Streams: from sending the request to the first generated output. `0s` is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token: Option<Duration>,

    /// Streams: between two pieces of text or tool arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = positive("a stream that hangs would never end"))]
    pub idle: Option<Duration>,

    /// Streams: the same while the model only reasons, which may take minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = positive("a stream that hangs would never end"))]
    pub thinking_idle: Option<Duration>,

    /// A reply that is not streamed. `0s` is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Duration>,
}

/// When a target that fails is left alone, and for how long.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct CircuitBreakerSpec {
    /// Failures in a row that open the breaker (default 5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub failure_threshold: Option<i32>,

    /// Share of failures within `monitoringWindow`, in percent, that opens the breaker (default 50).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub error_threshold_percentage: Option<i32>,

    /// Requests within `monitoringWindow` before their share of failures counts (default 10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub min_requests: Option<i32>,

    /// The time over which the share of failures is taken (default 60s).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = positive("no failure would ever be counted"))]
    pub monitoring_window: Option<Duration>,

    /// How long an open breaker rests before one request probes the target (default 15s).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = positive("an open breaker would let everything through"))]
    pub reset_timeout: Option<Duration>,

    /// Failures that will not pass by themselves, such as a model that does not exist. They open
    /// the breaker at once and for longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permanent_failures: Option<PermanentFailuresSpec>,
}

/// What counts as permanent, besides what the gateway knows already.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct PermanentFailuresSpec {
    /// Statuses of the provider that are permanent failures of this target, for example 410.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), inner(range(min = 400, max = 599)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub status_codes: Option<Vec<i32>>,

    /// Texts in the provider's error message that mark a permanent failure. Case does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 256)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub patterns: Option<Vec<String>>,

    /// How long the first permanent failure opens the breaker (default 5m); each further one
    /// doubles it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = positive("a permanent failure would be tried again at once"))]
    pub base_timeout: Option<Duration>,

    /// The doubling stops at this many times `baseTimeout` (default 16).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub max_backoff_multiplier: Option<i32>,
}
