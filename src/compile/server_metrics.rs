//! How the servers behind a Service are asked what they are doing.

use http::uri::PathAndQuery;

use super::finding::{Fault, Notes};
use super::health_check::page;
use super::policy::{check_positive, invalid};
use crate::api::{
    ConditionType, Duration, HealthCheckAuthentication, Reason, ServerMetricsSpec, TargetSpec,
};
use crate::table::ServerMetrics;

/// What the schema says of it, for objects that no API server has checked.
pub(super) fn check(path: &str, spec: Option<&ServerMetricsSpec>) -> Result<(), Fault> {
    let Some(spec) = spec else { return Ok(()) };
    if spec.path.as_deref().is_some_and(|path| page(path).is_none()) {
        return invalid(format!("{path}.path"), "must be a path that begins with `/`");
    }
    let bounds = ServerMetrics::SHORTEST_INTERVAL..=ServerMetrics::LONGEST_INTERVAL;
    if spec.interval.is_some_and(|interval| !bounds.contains(&interval.get())) {
        return invalid(format!("{path}.interval"), "must be from 100ms to 1m");
    }
    check_positive(path, "timeout", spec.timeout)
}

/// How the servers of a target are asked, as [`check`] lets it through: where that is said, or where
/// a limit needs it.
pub(super) fn compile(target: &TargetSpec) -> Option<ServerMetrics> {
    let spec = target.service.as_ref()?.metrics.as_ref();
    if spec.is_none() && !is_limited(target) {
        return None;
    }
    let path = spec.and_then(|spec| spec.path.as_deref());
    Some(ServerMetrics {
        path: path.map_or(Some(PathAndQuery::from_static(ServerMetrics::PATH)), page)?,
        interval: spec
            .and_then(|spec| spec.interval)
            .map_or(ServerMetrics::INTERVAL, Duration::get),
        timeout: spec.and_then(|spec| spec.timeout).map_or(ServerMetrics::TIMEOUT, Duration::get),
        authenticated: spec
            .is_some_and(|spec| spec.authentication == HealthCheckAuthentication::Target),
    })
}

fn is_limited(target: &TargetSpec) -> bool {
    target.limits.as_ref().is_some_and(|limits| limits.max_queued_per_endpoint.is_some())
}

/// Says that nothing comes of it where DNS alone knows the servers: each question may reach another.
pub(super) fn warn_without_endpoints(path: &str, target: &TargetSpec, notes: &mut Notes) {
    if compile(target).is_some() {
        let field =
            if is_limited(target) { "limits.maxQueuedPerEndpoint" } else { "service.metrics" };
        let message = "does nothing for manifests from files: there the endpoints of a Service are \
                       not known; it acts in a cluster";
        let fault = Fault::new(Reason::UnsupportedValue, format!("{path}.{field}"), message);
        notes.warning(ConditionType::ResolvedRefs, fault);
    }
}
