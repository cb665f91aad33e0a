//! How a target's health is asked after.

use http::uri::PathAndQuery;

use super::finding::Fault;
use super::policy::{check_positive, check_range, invalid};
use crate::api::{Duration, HealthCheckAuthentication, HealthCheckSpec};
use crate::state::HealthThresholds;
use crate::table::HealthCheck;

/// What the schema says of it, for objects that no API server has checked.
pub(super) fn check(path: &str, spec: Option<&HealthCheckSpec>) -> Result<(), Fault> {
    let Some(spec) = spec else { return Ok(()) };
    if page(&spec.path).is_none() {
        return invalid(format!("{path}.path"), "must be a path that begins with `/`");
    }
    if spec.interval.is_some_and(|interval| interval.get() < HealthCheck::SHORTEST_INTERVAL) {
        return invalid(format!("{path}.interval"), "must be at least 100ms");
    }
    check_positive(path, "timeout", spec.timeout)?;
    check_range(path, "unhealthyThreshold", spec.unhealthy_threshold, 1, i32::MAX)?;
    check_range(path, "healthyThreshold", spec.healthy_threshold, 1, i32::MAX)
}

/// The check of one target, as [`check`] lets it through.
pub(super) fn compile(spec: &HealthCheckSpec) -> Option<HealthCheck> {
    let HealthThresholds { unhealthy, healthy } = HealthCheck::THRESHOLDS;
    let thresholds = HealthThresholds {
        unhealthy: spec.unhealthy_threshold.map_or(unhealthy, i32::unsigned_abs),
        healthy: spec.healthy_threshold.map_or(healthy, i32::unsigned_abs),
    };
    Some(HealthCheck {
        path: page(&spec.path)?,
        interval: spec.interval.map_or(HealthCheck::INTERVAL, Duration::get),
        timeout: spec.timeout.map_or(HealthCheck::TIMEOUT, Duration::get),
        thresholds,
        authenticated: spec.authentication == HealthCheckAuthentication::Target,
    })
}

/// A page of a server, from its root.
pub(super) fn page(path: &str) -> Option<PathAndQuery> {
    if !path.starts_with('/') || path.contains('#') {
        return None;
    }
    path.parse().ok()
}
