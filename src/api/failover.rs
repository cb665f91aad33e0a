//! What a route decides about trying again: at the same target, at others, at other routes.
//!
//! Like all policy, nothing here has a default in the schema: what is unset is inherited.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;
use super::schema::positive;

/// When a request is tried again.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct RetrySpec {
    /// Tries of one request at one target, the first included (default 2). A target that was silent
    /// until its limit passed is not tried twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub per_target: Option<i32>,

    /// Tries of one request at all targets together, the first included. Unset, every target that
    /// may be asked gets a try, those of fallback routes included, and repeats are bounded by
    /// `perTarget`, by `timeouts.request`, and by a budget: repeats are at most a fifth of what runs
    /// at a target, or three.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub max_attempts: Option<i32>,

    /// How long to wait before the same target is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<BackoffSpec>,

    /// A provider that asks to be left alone (`retry-after`) for this long or less is waited for
    /// (default 3s); one that asks for longer is passed over for the next target. `0s` waits for
    /// nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retry_after: Option<Duration>,

    /// Whether a request may be sent again after a target has got it: with `Auto` (the default) it
    /// may, since asking a model changes nothing; with `Never` only where it is certain that no
    /// target has begun to work on it. `Never` also switches off resuming and hedging.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeatable: Option<Repeatable>,
}

/// When a request is tried again at one target; what is unset comes from the route.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct TargetRetrySpec {
    /// Tries of one request at this target, the first included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub per_target: Option<i32>,

    /// How long to wait before it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<BackoffSpec>,

    /// If it asks to be left alone for this long or less, it is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retry_after: Option<Duration>,
}

/// How long to wait before a target is tried again.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct BackoffSpec {
    /// Before the second try (default 250ms), half of it at random; twice as long before each
    /// further one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = positive("a target that fails would be asked again at once"))]
    pub base: Option<Duration>,

    /// No wait is longer (default 5s).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = positive("a target that fails would be asked again at once"))]
    pub max: Option<Duration>,
}

/// Whether a request may be sent again.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeatable {
    /// It may.
    Auto,
    /// Only while no target has begun to work on it.
    Never,
}

/// Routes that answer when no target of this one does.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct FallbackSpec {
    /// Routes of the same namespace, in the order in which they are tried after every target here.
    /// Each has to admit the caller too; its own fallback is not followed. A target there that names
    /// no model is asked for its route's first exact name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub routes: Vec<RouteRef>,

    /// Routes of the same namespace that are tried when a prompt is longer than the context of the
    /// model that was asked, and only then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub context_window: Vec<RouteRef>,
}

/// Another route of the same namespace.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RouteRef {
    /// The ModelRoute's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// When the next target is asked as well while the first has not answered: the first answer wins and
/// the other request is cancelled. It costs a second request, so it is off unless it is set.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.delay) != has(self.percentile)")
        .message("give either delay or percentile")
)]
pub struct HedgingSpec {
    /// After this long without output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = positive("every request would be sent twice"))]
    pub delay: Option<Duration>,

    /// Once so many percent of the first target's answers would have come. Until enough of them are
    /// known, nobody is asked as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 50, max = 99))]
    pub percentile: Option<i32>,
}
