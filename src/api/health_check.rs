//! Asking after a target's health, beside the requests that it answers.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;
use super::schema::positive;

/// How a target's health is asked after: by GET, for a page that is answered with a status from 200
/// to 299 while the server is well. Where several routes of a namespace have the same target checked,
/// the check of the first one by name is made.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheckSpec {
    /// The page, from the root of the server and not below the path of its `baseURL`: `/health` for
    /// vLLM, SGLang, TGI and llama.cpp. It may hold a query.
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^/[A-Za-z0-9/._~!&'()*+,;=:@%?-]*$"))]
    pub path: String,

    /// From one check to the next (default 10s, at least 100ms), within 10 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(
        validation = Rule::new("duration(self) >= duration('100ms')")
            .message("must be at least 100ms: checks are no load test")
    )]
    pub interval: Option<Duration>,

    /// How long a whole answer may take (default 5s).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = positive("no check would ever pass"))]
    pub timeout: Option<Duration>,

    /// Failed checks in a row after which the target is left out (default 3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub unhealthy_threshold: Option<i32>,

    /// Passed checks in a row after which it is back (default 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub healthy_threshold: Option<i32>,

    /// What a check shows of the target's `credentialRef`: nothing (`None`), or one of its keys as
    /// other requests do (`Target`), for servers that want one even there.
    #[serde(default)]
    pub authentication: HealthCheckAuthentication,
}

/// What a check shows.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HealthCheckAuthentication {
    /// No key.
    #[default]
    None,
    /// One of the target's keys.
    Target,
}
