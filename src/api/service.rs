//! A target that is a Service of the cluster.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use kube::core::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ServerMetricsSpec;

/// A Service in the route's own namespace. In a cluster its endpoints are discovered, and each is
/// asked directly; for manifests from files it is resolved by DNS.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSpec {
    /// The Service's name.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// The Service's port: its name, or its number (that of the Service, not of its pods).
    #[schemars(extend("maxLength" = 63))]
    #[x_kube(validation = port_rule())]
    pub port: IntOrString,

    /// How the Service is spoken to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<ServiceScheme>,

    /// The path of the API at the server, to which request paths are added. Default: what the
    /// provider's API usually has, `/v1` for those that speak OpenAI's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^/[A-Za-z0-9/._~!&'()*+,;=:@%-]*$"))]
    pub path: Option<String>,

    /// Has its servers asked what they are doing, for the choice among them and for
    /// `limits.maxQueuedPerEndpoint`, with which they are asked in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<ServerMetricsSpec>,
}

/// How a Service is spoken to: `HTTP` (the default), or `HTTPS` to servers that show a certificate for
/// `NAME.NAMESPACE.svc` which the gateway's system trusts.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub enum ServiceScheme {
    /// In the clear.
    Http,
    /// With TLS.
    Https,
}

/// A port by name or by number. Without the types of values, which not every evaluator of rules knows;
/// so a number in quotes is a number as well.
fn port_rule() -> Rule {
    Rule::new(
        "string(self).matches('^[0-9]+$') ? int(string(self)) > 0 && int(string(self)) < 65536 : \
         string(self).matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
    )
    .message("must be the name of a port of the Service, or its number from 1 to 65535")
}

/// A target is in one place.
pub(super) fn alone() -> Rule {
    Rule::new(
        "!has(self.service) || !has(self.baseURL) && !has(self.aws) && !has(self.azure) && \
         !has(self.google)",
    )
    .message("service says where the target is: give no baseURL, aws, azure or google beside it")
}

/// A limit of each endpoint needs endpoints that are known.
pub(super) fn for_each_endpoint() -> Rule {
    Rule::new(
        "has(self.service) || !has(self.limits) || !has(self.limits.maxConcurrentPerEndpoint)",
    )
    .message("limits.maxConcurrentPerEndpoint needs a service: without one give maxConcurrent")
}

/// A queue is that of one server.
pub(super) fn for_each_queue() -> Rule {
    Rule::new("has(self.service) || !has(self.limits) || !has(self.limits.maxQueuedPerEndpoint)")
        .message("limits.maxQueuedPerEndpoint needs a service, whose endpoints can be asked")
}

/// A check would ask one endpoint and judge all of them.
pub(super) fn without_checks() -> Rule {
    Rule::new("!has(self.service) || !has(self.healthCheck)").message(
        "the endpoints of a service are checked by the readiness probes of its pods: give no \
         healthCheck",
    )
}
