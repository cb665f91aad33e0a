//! Asking the servers behind a Service for their metrics.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::schema::positive;
use super::{Duration, HealthCheckAuthentication};

/// How each server behind a Service is asked for its metrics: by GET, on the port of its API, for text
/// in Prometheus' format, of which the lengths of its queue and of what it runs are read. Known are
/// vLLM, SGLang, llama.cpp and TGI. Where several targets of a namespace ask the same servers, the
/// questions of the first route by name are asked.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ServerMetricsSpec {
    /// Where the metrics are, from the root of the server (default `/metrics`). It may hold a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^/[A-Za-z0-9/._~!&'()*+,;=:@%?-]*$"))]
    pub path: Option<String>,

    /// From one answer to the next question (default 1s, from 100ms to 1m), within 10 %. With five in a
    /// row without an answer, what was said last counts no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(
        validation = Rule::new(
            "duration(self) >= duration('100ms') && duration(self) <= duration('1m')"
        )
        .message("must be from 100ms to 1m: more is a load of its own, less says nothing of a queue")
    )]
    pub interval: Option<Duration>,

    /// How long a whole answer may take (default 1s).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = positive("nothing would ever be known"))]
    pub timeout: Option<Duration>,

    /// What a question shows of the target's `credentialRef`: nothing (`None`), or one of its keys as
    /// requests do (`Target`), for servers that want one even there (llama.cpp with `--api-key`).
    #[serde(default)]
    pub authentication: HealthCheckAuthentication,
}
