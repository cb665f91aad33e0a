//! Why no target answered, in words for the client and a status that tells it what to do.

use std::time::{Duration, Instant};

use super::stage::{Stage, is_meant};
use crate::proxy::choose::{Spared, Wish};
use crate::proxy::classify::Class;
use crate::proxy::deadline::Deadline;
use crate::proxy::error::{ProxyError, Reason};
use crate::proxy::resolve::Resolved;
use crate::state::{Full, Limit};

/// When a target is worth asking again whose limit of running requests is reached: answers end all the
/// time, and nobody knows when the next one does.
const ROOM_SOON: Duration = Duration::from_secs(1);

/// The error of a request that no target of these routes answered. `asked` says what became of those
/// that were asked, `failed` in what way each failed.
pub(super) fn exhausted(
    asked: &str,
    stages: &[Stage],
    failed: &[Class],
    deadline: Deadline,
) -> ProxyError {
    let route = &stages[0].resolved.route;
    let spared: Vec<_> = stages.iter().flat_map(spared).collect();
    let soonest = soonest(&spared);
    if failed.is_empty() && !deadline.is_over() {
        return unasked(&stages[0].resolved, &spared, soonest);
    }
    if !failed.is_empty() && failed.iter().all(|class| *class == Class::Untranslatable) {
        let message = format!("no target of route `{}` can be asked this: {asked}", route.label);
        return ProxyError::new(Reason::InvalidRequest, message).permanent();
    }
    if deadline.is_over() {
        let limit = deadline.name;
        let message = format!("route `{}` had no answer within `{limit}`: {asked}", route.label);
        return ProxyError::new(Reason::ProviderTimeout, message);
    }
    let reason = verdict(failed);
    let message = format!("no target of route `{}` answered: {asked}", route.label);
    let error = ProxyError::new(reason, message);
    let others_may_return = spared.iter().any(|one| !one.tried && !one.why.is_lasting());
    let hopeless = failed.iter().all(|class| class.is_lasting()) && !others_may_return;
    match reason {
        Reason::Throttled => error.retry_after(soonest),
        _ if hopeless => error.permanent(),
        _ => error,
    }
}

/// What several failures come to: what a target did wrong outweighs what only takes time, and that
/// outweighs what takes a person.
fn verdict(failed: &[Class]) -> Reason {
    if failed.iter().all(|class| *class == Class::Exhausted) {
        Reason::Overloaded
    } else if failed.contains(&Class::Failure) {
        Reason::ProviderFailed
    } else if failed.contains(&Class::TimedOut) {
        Reason::ProviderTimeout
    } else if failed.iter().any(|class| matches!(class, Class::Throttled | Class::Overloaded)) {
        Reason::Throttled
    } else if failed.iter().all(|class| matches!(class, Class::CredentialFault | Class::Unproven)) {
        Reason::ProviderCredential
    } else {
        Reason::ProviderFailed
    }
}

/// A target that cannot be asked now.
struct Left<'r> {
    name: &'r str,
    why: Spared<'r>,
    /// It was asked before.
    tried: bool,
}

/// Why each target of a route cannot be asked now.
fn spared(stage: &Stage) -> Vec<Left<'_>> {
    let (resolved, now) = (&*stage.resolved, Instant::now());
    let all = resolved.route.targets.iter().enumerate();
    all.filter(|(index, target)| is_meant(resolved, *index, target))
        .filter_map(|(index, target)| {
            let tried = stage.tries(index) > 0;
            let why = match Wish::of(resolved).check(index, now) {
                Err(why) => why,
                Ok(_) if tried => return None,
                // It was full until this moment.
                Ok(upstream) if !upstream.limits.is_none() => {
                    Spared::Full(Full { limit: Limit::Turn, until: None })
                }
                // It could be asked and was not: its breaker lets one request at a time find out.
                Ok(_) => Spared::Open(None),
            };
            Some(Left { name: &target.name, why, tried })
        })
        .collect()
}

fn soonest(spared: &[Left<'_>]) -> Option<Duration> {
    let now = Instant::now();
    let times = spared.iter().filter_map(|one| match one.why {
        Spared::Full(Full { until: None, .. }) => Some(now + ROOM_SOON),
        why => why.until(),
    });
    times.min().map(|until| until.saturating_duration_since(now))
}

/// The error of a request for which no target could even be asked.
fn unasked(resolved: &Resolved, spared: &[Left<'_>], soonest: Option<Duration>) -> ProxyError {
    let route = &resolved.route.label;
    if let Some(fault) = &resolved.route.unreadable {
        let message = format!("route `{route}` cannot be served: {fault}");
        return ProxyError::new(Reason::NoTargetAvailable, message).permanent();
    }
    if spared.iter().all(|one| one.why == Spared::CannotServe) && !spared.is_empty() {
        let message = format!(
            "no target of route `{route}` offers `{}`: its providers speak another protocol or lack \
             this operation",
            resolved.operation.path
        );
        return ProxyError::new(Reason::InvalidRequest, message).permanent();
    }
    let reasons: Vec<String> =
        spared.iter().map(|one| format!("{}: {}", one.name, describe(one.why))).collect();
    let is_limit = |one: &Left<'_>| matches!(one.why, Spared::Resting(_) | Spared::Full(_));
    let limited = spared.iter().any(is_limit);
    let only_limited = spared.iter().all(|one| is_limit(one) || one.why.is_lasting());
    let refused = spared.iter().any(|one| one.why == Spared::Refused);
    let hopeless = spared.iter().all(|one| one.why.is_lasting());
    let reason = match (limited && only_limited, refused && hopeless) {
        (true, _) => Reason::Throttled,
        (_, true) => Reason::ProviderCredential,
        _ => Reason::NoTargetAvailable,
    };
    let message = if reasons.is_empty() {
        format!("route `{route}` has no target that may be asked")
    } else {
        format!("no target of route `{route}` may be asked now: {}", reasons.join("; "))
    };
    let error = ProxyError::new(reason, message).retry_after(soonest);
    if hopeless { error.permanent() } else { error }
}

fn describe(reason: Spared<'_>) -> String {
    match reason {
        Spared::Unresolved(message) => message.to_owned(),
        Spared::CannotServe => "does not offer this operation".into(),
        Spared::Resting(_) => "was asked to be left alone (429)".into(),
        Spared::Refused => "its provider did not accept its keys".into(),
        Spared::Full(full) => format!("is full ({})", full.limit.as_str()),
        Spared::Open(Some(_)) => "its circuit breaker is open".into(),
        Spared::Unhealthy => "its health checks fail".into(),
        Spared::Open(None) => "another request finds out whether it is back".into(),
    }
}
