//! What a route says about trying again.

use std::sync::Arc;

use super::finding::{Fault, Notes};
use super::policy::{check_positive, check_range, invalid};
use crate::api::{
    BackoffSpec, ConditionType, Duration, FallbackSpec, HedgingSpec, ModelRouteSpec, Reason,
    Repeatable, RetrySpec, RouteRef, TargetRetrySpec,
};
use crate::table::{Hedging, ObjectName, RetryPolicy, TargetRetry};

/// When requests are tried again at one target: target over route over built-in.
pub(super) fn of_target(
    route: Option<&RetrySpec>,
    target: Option<&TargetRetrySpec>,
) -> TargetRetry {
    let backoff = |of: fn(&BackoffSpec) -> Option<Duration>| {
        let own = target.and_then(|spec| spec.backoff.as_ref()).and_then(of);
        own.or_else(|| route.and_then(|spec| spec.backoff.as_ref()).and_then(of)).map(Duration::get)
    };
    let per_target =
        target.and_then(|spec| spec.per_target).or_else(|| route.and_then(|spec| spec.per_target));
    let max_retry_after = target
        .and_then(|spec| spec.max_retry_after)
        .or_else(|| route.and_then(|spec| spec.max_retry_after));
    let built_in = TargetRetry::BUILT_IN;
    TargetRetry {
        per_target: per_target.map_or(built_in.per_target, i32::unsigned_abs),
        backoff: backoff(|spec| spec.base).unwrap_or(built_in.backoff),
        max_backoff: backoff(|spec| spec.max).unwrap_or(built_in.max_backoff),
        max_retry_after: max_retry_after.map_or(built_in.max_retry_after, Duration::get),
    }
}

/// When requests of a route are tried again.
pub(super) fn of_route(retry: Option<&RetrySpec>) -> RetryPolicy {
    RetryPolicy {
        max_attempts: retry.and_then(|retry| retry.max_attempts).map(i32::unsigned_abs),
        repeatable: retry.and_then(|retry| retry.repeatable) != Some(Repeatable::Never),
    }
}

/// When the next target is asked as well.
pub(super) fn hedging(spec: Option<&HedgingSpec>) -> Option<Hedging> {
    let HedgingSpec { delay, percentile } = spec?;
    let delay = delay.map(|delay| Hedging::After(delay.get()));
    delay.or_else(|| percentile.map(|percentile| Hedging::Percentile(percentile.unsigned_abs())))
}

/// The names of other routes.
pub(super) fn names(routes: Option<&[RouteRef]>) -> Vec<Arc<str>> {
    routes.into_iter().flatten().map(|route| route.name.as_str().into()).collect()
}

/// Notes references to routes that are not there. Whether one admits a caller is seen when it calls.
pub(super) fn note_missing(
    fallback: Option<&FallbackSpec>,
    route: &ObjectName,
    exists: impl Fn(&ObjectName) -> bool,
    notes: &mut Notes,
) {
    let Some(FallbackSpec { routes, context_window }) = fallback else { return };
    for (field, routes) in [("routes", routes), ("contextWindow", context_window)] {
        for (index, reference) in routes.iter().enumerate() {
            let other = ObjectName::new(route.namespace.clone(), reference.name.as_str());
            let path = format!("spec.fallback.{field}[{index}].name");
            if other == *route {
                let message = "the route itself has failed by then: name another one";
                notes.warning(ConditionType::Accepted, Fault::new(Reason::Invalid, path, message));
            } else if !exists(&other) {
                let message = format!("there is no ModelRoute `{other}`: it is passed over");
                let fault = Fault::new(Reason::RefNotPermitted, path, message);
                notes.error(ConditionType::ResolvedRefs, fault);
            }
        }
    }
}

/// What the schema's ranges and rules say, for objects that no API server has checked.
pub(super) fn check(spec: &ModelRouteSpec) -> Result<(), Fault> {
    if let Some(retry) = &spec.retry {
        check_range("spec.retry", "perTarget", retry.per_target, 1, 10)?;
        check_range("spec.retry", "maxAttempts", retry.max_attempts, 1, 100)?;
        check_backoff("spec.retry", retry.backoff.as_ref())?;
    }
    for (index, target) in spec.targets.iter().enumerate() {
        let Some(retry) = &target.retry else { continue };
        let path = format!("spec.targets[{index}].retry");
        check_range(&path, "perTarget", retry.per_target, 1, 10)?;
        check_backoff(&path, retry.backoff.as_ref())?;
    }
    match &spec.hedging {
        Some(HedgingSpec { delay, percentile }) if delay.is_some() == percentile.is_some() => {
            invalid("spec.hedging".into(), "give either delay or percentile")
        }
        Some(HedgingSpec { delay, percentile }) => {
            check_positive("spec.hedging", "delay", *delay)?;
            check_range("spec.hedging", "percentile", *percentile, 50, 99)
        }
        None => Ok(()),
    }
}

fn check_backoff(path: &str, backoff: Option<&BackoffSpec>) -> Result<(), Fault> {
    let path = format!("{path}.backoff");
    check_positive(&path, "base", backoff.and_then(|backoff| backoff.base))?;
    check_positive(&path, "max", backoff.and_then(|backoff| backoff.max))
}
