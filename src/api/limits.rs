//! How much may be asked of a target.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::Duration;
use super::schema::positive;

/// How much may be asked of a target. A target that is full is passed over: the next one of its tier
/// is asked, then the next tier. Being full says nothing about its health. Every replica of the
/// gateway counts for itself; routes of one namespace that use the same target share the counts.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "!has(self.maxQueue) && !has(self.queueTimeout) || has(self.maxConcurrent) || \
         has(self.maxConcurrentPerEndpoint) || has(self.maxQueuedPerEndpoint) || \
         has(self.requestsPerMinute) || has(self.tokensPerMinute)"
    )
    .message("a queue needs a limit: set maxConcurrent, maxConcurrentPerEndpoint, maxQueuedPerEndpoint, requestsPerMinute or tokensPerMinute"),
    validation = Rule::new("!has(self.maxQueue) || self.maxQueue > 0 || !has(self.queueTimeout)")
        .message("queueTimeout needs a queue: maxQueue is 0")
)]
pub struct TargetLimitsSpec {
    /// Requests that run at a time, streams until their last byte. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_concurrent: Option<i32>,

    /// For a target with a `service`: requests that run at a time at each of its endpoints, streams
    /// until their last byte. The target is full when all its endpoints are. Targets of one namespace
    /// that ask the same Service share the counts, whatever their models. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_concurrent_per_endpoint: Option<i32>,

    /// For a target with a `service`: an endpoint is full while its server says that more requests than
    /// that wait there, whoever sent them; `0`: while any does. The target is full when all its
    /// endpoints are. The servers are asked every second, as `service.metrics` says; what was sent
    /// since counts on top. One that does not say counts by `maxConcurrentPerEndpoint` alone.
    /// Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_queued_per_endpoint: Option<i32>,

    /// Requests that are sent within any 60 seconds, tries that failed included. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub requests_per_minute: Option<i32>,

    /// Tokens that are used within any 60 seconds, input and output together, cached ones included.
    /// Before a request is sent, its prompt is estimated and the output that it asks for is added
    /// (1000 where it asks for no bound); when the answer is complete, what the target reports counts
    /// in place of that. A request larger than the limit passes when nothing else counts. Default: no
    /// limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub tokens_per_minute: Option<i64>,

    /// Requests that wait for this target when it is full and no other can be asked either, first
    /// come, first served (default 64). `0` is no queue: the answer is 429 at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000))]
    pub max_queue: Option<i32>,

    /// How long one of them waits before it is answered with 429 (default 2s).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = positive("set maxQueue to 0 for no queue"))]
    pub queue_timeout: Option<Duration>,
}
