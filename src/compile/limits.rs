//! How much may be asked of a target.

use super::finding::Fault;
use super::policy::{check_positive, check_range, invalid};
use crate::api::{Duration, TargetLimitsSpec};
use crate::state::TargetLimits;

/// The limits of one target. Where its endpoints are not known, what DNS resolves counts
/// as one, and has no queue.
pub(super) fn limits(spec: Option<&TargetLimitsSpec>, has_endpoints: bool) -> TargetLimits {
    let mut limits = TargetLimits::NONE;
    let Some(spec) = spec else { return limits };
    limits.max_concurrent = spec.max_concurrent.map(i32::unsigned_abs);
    let per_endpoint = spec.max_concurrent_per_endpoint.map(i32::unsigned_abs);
    if has_endpoints {
        limits.max_concurrent_per_endpoint = per_endpoint;
        limits.max_queued_per_endpoint = spec.max_queued_per_endpoint.map(i32::unsigned_abs);
    } else {
        limits.max_concurrent = limits.max_concurrent.into_iter().chain(per_endpoint).min();
    }
    limits.requests_per_minute = spec.requests_per_minute.map(i32::unsigned_abs);
    limits.tokens_per_minute = spec.tokens_per_minute.map(i64::unsigned_abs);
    limits.max_queue = spec.max_queue.map_or(limits.max_queue, i32::unsigned_abs);
    limits.queue_timeout = spec.queue_timeout.map_or(limits.queue_timeout, Duration::get);
    limits
}

/// What the schema says of them.
pub(super) fn check(path: &str, spec: Option<&TargetLimitsSpec>) -> Result<(), Fault> {
    let Some(spec) = spec else { return Ok(()) };
    check_range(path, "maxConcurrent", spec.max_concurrent, 1, 1_000_000)?;
    let per_endpoint = spec.max_concurrent_per_endpoint;
    check_range(path, "maxConcurrentPerEndpoint", per_endpoint, 1, 1_000_000)?;
    check_range(path, "maxQueuedPerEndpoint", spec.max_queued_per_endpoint, 0, 1_000_000)?;
    check_range(path, "requestsPerMinute", spec.requests_per_minute, 1, 100_000_000)?;
    check_range(path, "tokensPerMinute", spec.tokens_per_minute, 1, 1_000_000_000_000)?;
    check_range(path, "maxQueue", spec.max_queue, 0, 10_000)?;
    check_positive(path, "queueTimeout", spec.queue_timeout)?;
    let queues = spec.max_queue.is_some() || spec.queue_timeout.is_some();
    if queues && limits(Some(spec), true).is_none() {
        let message = "a queue needs a limit: set `maxConcurrent`, `maxConcurrentPerEndpoint`, \
                       `maxQueuedPerEndpoint`, `requestsPerMinute` or `tokensPerMinute`";
        return invalid(path.to_owned(), message);
    }
    if spec.max_queue == Some(0) && spec.queue_timeout.is_some() {
        return invalid(format!("{path}.queueTimeout"), "needs a queue, and `maxQueue` is 0");
    }
    Ok(())
}
