//! Policy field by field: target over route over what is built in.

use std::fmt::Display;
use std::time;

use super::failover;
use super::finding::Fault;
use super::health_check;
use super::limits;
use super::service;
use crate::api::{
    CircuitBreakerSpec, Duration, ModelRouteSpec, PARAMETER_NAMES, ParameterValues, ParametersSpec,
    Reason, TargetSpec, TargetTimeoutsSpec, TimeoutsSpec,
};
use crate::state::BreakerPolicy;
use crate::table::{Parameters, Timeouts};

/// Until a stream without output is answered with its 200: just below the 30 s after which common
/// proxies and SDKs give up on a response that has not begun.
pub(super) const COMMIT_AFTER: time::Duration = time::Duration::from_secs(20);

/// Limits of one target.
pub(super) fn timeouts(
    route: Option<&TimeoutsSpec>,
    target: Option<&TargetTimeoutsSpec>,
) -> Timeouts {
    let built_in = Timeouts::BUILT_IN;
    let pick = |of_target: fn(&TargetTimeoutsSpec) -> Option<Duration>,
                of_route: fn(&TimeoutsSpec) -> Option<Duration>| {
        target.and_then(of_target).or_else(|| route.and_then(of_route)).map(Duration::get)
    };
    let request = request_timeout(route);
    // `request` ends at the first output of a stream and at the end of a plain reply, which is all
    // that the two limits that may be off can see. So "off" is "as long as `request` lasts".
    let or_off = |limit: Option<time::Duration>| {
        limit.map(|limit| if limit.is_zero() { request } else { limit })
    };
    Timeouts {
        connect: pick(|t| t.connect, |r| r.connect).unwrap_or(built_in.connect),
        first_token: or_off(pick(|t| t.first_token, |r| r.first_token)),
        idle: pick(|t| t.idle, |r| r.idle).unwrap_or(built_in.idle),
        thinking_idle: pick(|t| t.thinking_idle, |r| r.thinking_idle)
            .unwrap_or(built_in.thinking_idle),
        response: or_off(pick(|t| t.response, |r| r.response)),
        request,
    }
}

/// All tries together.
pub(super) fn request_timeout(route: Option<&TimeoutsSpec>) -> time::Duration {
    route.and_then(|timeouts| timeouts.request).map_or(Timeouts::BUILT_IN.request, Duration::get)
}

/// The breaker of one target.
pub(super) fn breaker(
    route: Option<&CircuitBreakerSpec>,
    target: Option<&CircuitBreakerSpec>,
) -> BreakerPolicy {
    let mut policy = BreakerPolicy::built_in();
    for spec in [route, target].into_iter().flatten() {
        set(&mut policy.failure_threshold, spec.failure_threshold.map(i32::unsigned_abs));
        let percentage = spec.error_threshold_percentage.map(i32::unsigned_abs);
        set(&mut policy.error_threshold_percentage, percentage);
        set(&mut policy.min_requests, spec.min_requests.map(i32::unsigned_abs));
        set(&mut policy.monitoring_window, spec.monitoring_window.map(Duration::get));
        set(&mut policy.reset_timeout, spec.reset_timeout.map(Duration::get));
        let Some(permanent) = &spec.permanent_failures else { continue };
        set(&mut policy.permanent_base_timeout, permanent.base_timeout.map(Duration::get));
        let multiplier = permanent.max_backoff_multiplier.map(i32::unsigned_abs);
        set(&mut policy.permanent_max_multiplier, multiplier);
        let codes = permanent
            .status_codes
            .as_ref()
            .map(|codes| codes.iter().filter_map(|code| u16::try_from(*code).ok()).collect());
        set(&mut policy.permanent_status_codes, codes);
        let patterns = permanent.patterns.as_ref();
        let patterns = patterns.map(|list| list.iter().map(|text| text.as_str().into()).collect());
        set(&mut policy.permanent_patterns, patterns);
    }
    policy
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// The parameters of one target. Whatever the target says of a name replaces all that the route
/// says of it, so that a target can keep what the route drops.
pub(super) fn parameters(route: Option<&ParametersSpec>, target: &TargetSpec) -> Parameters {
    let mut merged = Parameters::default();
    for spec in [route, target.parameters.as_ref()].into_iter().flatten() {
        let layer = Parameters {
            defaults: values(spec.defaults.as_ref()),
            overrides: values(spec.overrides.as_ref()),
            drop: spec.drop.clone(),
            raw: serde_json::Map::new(),
        };
        let says = |name: &String| {
            layer.defaults.contains_key(name)
                || layer.overrides.contains_key(name)
                || layer.drop.contains(name)
        };
        merged.defaults.retain(|name, _| !says(name));
        merged.overrides.retain(|name, _| !says(name));
        merged.drop.retain(|name| !says(name));
        merged.defaults.extend(layer.defaults);
        merged.overrides.extend(layer.overrides);
        merged.drop.extend(layer.drop);
    }
    if let Some(raw) = &target.raw_parameters {
        merged.raw.clone_from(&raw.0);
    }
    merged
}

fn values(values: Option<&ParameterValues>) -> serde_json::Map<String, serde_json::Value> {
    match values.map(serde_json::to_value) {
        Some(Ok(serde_json::Value::Object(fields))) => fields,
        _ => serde_json::Map::new(),
    }
}

/// The first name in `drop` that is no parameter of ours, with its place in the list.
pub(super) fn unknown_drop(parameters: Option<&ParametersSpec>) -> Option<(usize, &String)> {
    let drop = &parameters?.drop;
    drop.iter().enumerate().find(|(_, name)| !PARAMETER_NAMES.contains(&name.as_str()))
}

/// What the schema's ranges and rules say of policy, for objects that no API server has checked.
pub(super) fn check(spec: &ModelRouteSpec) -> Result<(), Fault> {
    let route = spec.timeouts.as_ref();
    check_positive("spec.timeouts", "connect", route.and_then(|t| t.connect))?;
    check_positive("spec.timeouts", "idle", route.and_then(|t| t.idle))?;
    check_positive("spec.timeouts", "thinkingIdle", route.and_then(|t| t.thinking_idle))?;
    check_positive("spec.timeouts", "request", route.and_then(|t| t.request))?;
    let streaming = spec.streaming.as_ref();
    check_positive("spec.streaming", "commitAfter", streaming.and_then(|s| s.commit_after))?;
    failover::check(spec)?;
    check_breaker("spec.circuitBreaker", spec.circuit_breaker.as_ref())?;
    check_parameters("spec.parameters", spec.parameters.as_ref())?;
    for (index, target) in spec.targets.iter().enumerate() {
        let path = format!("spec.targets[{index}]");
        if let Some(timeouts) = &target.timeouts {
            let path = format!("{path}.timeouts");
            check_positive(&path, "connect", timeouts.connect)?;
            check_positive(&path, "idle", timeouts.idle)?;
            check_positive(&path, "thinkingIdle", timeouts.thinking_idle)?;
        }
        service::check(&path, target)?;
        limits::check(&format!("{path}.limits"), target.limits.as_ref())?;
        check_breaker(&format!("{path}.circuitBreaker"), target.circuit_breaker.as_ref())?;
        health_check::check(&format!("{path}.healthCheck"), target.health_check.as_ref())?;
        check_parameters(&format!("{path}.parameters"), target.parameters.as_ref())?;
    }
    Ok(())
}

fn check_breaker(path: &str, breaker: Option<&CircuitBreakerSpec>) -> Result<(), Fault> {
    let Some(breaker) = breaker else { return Ok(()) };
    check_range(path, "failureThreshold", breaker.failure_threshold, 1, i32::MAX)?;
    let percentage = breaker.error_threshold_percentage;
    check_range(path, "errorThresholdPercentage", percentage, 1, 100)?;
    check_range(path, "minRequests", breaker.min_requests, 1, i32::MAX)?;
    check_positive(path, "monitoringWindow", breaker.monitoring_window)?;
    check_positive(path, "resetTimeout", breaker.reset_timeout)?;
    let Some(permanent) = &breaker.permanent_failures else { return Ok(()) };
    let path = format!("{path}.permanentFailures");
    check_positive(&path, "baseTimeout", permanent.base_timeout)?;
    let multiplier = permanent.max_backoff_multiplier;
    check_range(&path, "maxBackoffMultiplier", multiplier, 1, i32::MAX)?;
    for (index, code) in permanent.status_codes.iter().flatten().enumerate() {
        check_range(&path, &format!("statusCodes[{index}]"), Some(*code), 400, 599)?;
    }
    match permanent.patterns.iter().flatten().position(String::is_empty) {
        // An empty pattern is in every message.
        Some(index) => invalid(format!("{path}.patterns[{index}]"), "must not be empty"),
        None => Ok(()),
    }
}

fn check_parameters(path: &str, parameters: Option<&ParametersSpec>) -> Result<(), Fault> {
    let Some(parameters) = parameters else { return Ok(()) };
    let defaults = values(parameters.defaults.as_ref());
    let overrides = values(parameters.overrides.as_ref());
    let set = |name: &String| defaults.contains_key(name) || overrides.contains_key(name);
    match parameters.drop.iter().position(set) {
        Some(index) => {
            let message = "must not be in `defaults` or `overrides` too: take it out of one";
            invalid(format!("{path}.drop[{index}]"), message)
        }
        None => Ok(()),
    }
}

pub(super) fn check_positive(
    path: &str,
    field: &str,
    duration: Option<Duration>,
) -> Result<(), Fault> {
    match duration {
        Some(duration) if duration.is_zero() => {
            invalid(format!("{path}.{field}"), "must be longer than `0s`")
        }
        _ => Ok(()),
    }
}

pub(super) fn check_range<N: Copy + PartialOrd + Display>(
    path: &str,
    field: &str,
    value: Option<N>,
    least: N,
    most: N,
) -> Result<(), Fault> {
    match value {
        Some(value) if value < least => {
            invalid(format!("{path}.{field}"), format!("must be at least {least}"))
        }
        Some(value) if value > most => {
            invalid(format!("{path}.{field}"), format!("must be at most {most}"))
        }
        _ => Ok(()),
    }
}

pub(super) fn invalid(path: String, message: impl Into<String>) -> Result<(), Fault> {
    Err(Fault::new(Reason::Invalid, path, message))
}
