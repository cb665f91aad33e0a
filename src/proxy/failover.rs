//! Target after target, until one answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode};

use super::attempt::{Answer, Failure, Limits, ask};
use super::choose::{self, Chosen, Spared, can_serve, eligible};
use super::classify::Class;
use super::error::{ProxyError, Reason};
use super::exchange::Exchange;
use super::guard::AttemptGuard;
use super::resolve::Resolved;
use crate::table::{Key, Upstream};

/// A throttled key or target that does not say for how long rests this long: providers count
/// requests by the minute, and a few tries in any few seconds find out when it is over.
const UNTOLD_REST: Duration = Duration::from_secs(5);
/// A refused key stays refused until a person does something; one request in a while finds out. A
/// key that is replaced starts afresh at once.
const FAULT_REST: Duration = Duration::from_secs(60);
const LONGEST_FAULT_REST: Duration = Duration::from_secs(3600);

/// The answer of a target, and what holds that target.
pub(super) struct Answered {
    pub answer: Answer,
    pub guard: AttemptGuard,
}

/// How a request ends that no target answered.
pub(super) enum Unanswered {
    /// With a target's own refusal, which is the caller's to see.
    PassedOn { class: Class, status: StatusCode, headers: HeaderMap, body: bytes::Bytes },
    /// With an error of the gateway's own.
    Error(ProxyError),
}

/// Asks one target after another. Every eligible target gets one try.
pub(super) async fn answer(
    exchange: &mut Exchange,
    resolved: &Resolved,
) -> Result<Answered, Unanswered> {
    let deadline = exchange.started + resolved.route.request_timeout;
    let mut tried: Vec<usize> = Vec::new();
    let mut last: Option<Failure> = None;
    while let Some(chosen) = next(resolved, &tried) {
        if Instant::now() >= deadline {
            break;
        }
        tried.push(chosen.index);
        exchange.breaker = chosen.breaker;
        exchange.fallback = tried.len() > 1 || is_spill(resolved, &chosen);
        exchange.target = Some(Arc::clone(&chosen.target));
        let target = Arc::clone(&chosen.target);
        let Some(upstream) = target.upstream() else { continue };
        let mut guard = AttemptGuard::new(&exchange.gateway, &resolved.route, chosen);
        let limits = limits(exchange, resolved, upstream, &tried, deadline);
        match try_target(exchange, upstream, resolved, limits).await {
            Ok(answer) => {
                exchange.provider_time = Some(guard.elapsed());
                return Ok(Answered { answer, guard });
            }
            Err(failure) => {
                guard.record(failure.class);
                drop(guard);
                exchange.failures.push(format!("{}: {}", target.name, failure.detail));
                tracing::debug!(
                    route = %resolved.route.label,
                    target = %target.name,
                    class = failure.class.as_str(),
                    detail = %failure.detail,
                    "a try failed"
                );
                if !failure.class.fails_over() {
                    return Err(passed_on(failure, exchange, resolved));
                }
                last = Some(failure);
            }
        }
    }
    Err(Unanswered::Error(exhausted(exchange, resolved, last.as_ref(), Instant::now() >= deadline)))
}

/// Whether a tier before the chosen target's could have answered, had its health allowed it.
fn is_spill(resolved: &Resolved, chosen: &Chosen) -> bool {
    resolved.backend.is_none()
        && resolved.route.tiers.iter().any(|tier| {
            tier.priority < chosen.target.priority
                && tier.members.iter().any(|index| {
                    let upstream = resolved.route.targets[*index].upstream();
                    upstream.is_some_and(|upstream| can_serve(upstream, resolved.operation))
                })
        })
}

/// The target to ask next: the one that the caller picked, or the route's choice.
fn next(resolved: &Resolved, tried: &[usize]) -> Option<Chosen> {
    let now = Instant::now();
    match resolved.backend {
        Some(index) if tried.contains(&index) => None,
        Some(index) => choose::admit(&resolved.route, index, resolved.operation, now),
        None => choose::choose(&resolved.route, resolved.operation, tried, now),
    }
}

/// A stream that is slow to begin is given up only where somebody else can be asked.
fn limits(
    exchange: &Exchange,
    resolved: &Resolved,
    upstream: &Upstream,
    tried: &[usize],
    deadline: Instant,
) -> Limits {
    let now = Instant::now();
    let (own, name) = if !resolved.streams() {
        (Some(now + upstream.timeouts.response), "timeouts.response")
    } else if has_alternative(resolved, tried, now) {
        (Some(now + upstream.timeouts.first_token), "timeouts.firstToken")
    } else {
        (None, "timeouts.request")
    };
    let (give_up, name) = match own {
        Some(own) if own < deadline => (own, name),
        _ => (deadline, "timeouts.request"),
    };
    Limits {
        give_up: give_up.into(),
        name,
        commit: (exchange.started + resolved.route.commit_after).into(),
    }
}

fn has_alternative(resolved: &Resolved, tried: &[usize], now: Instant) -> bool {
    resolved.backend.is_none()
        && resolved.route.tiers.iter().flat_map(|tier| &tier.members).any(|index| {
            !tried.contains(index)
                && eligible(&resolved.route.targets[*index], resolved.operation, now).is_ok()
        })
}

/// Asks one target with one key after another: a key that is throttled or refused rests, and the
/// next one is used at once.
async fn try_target(
    exchange: &mut Exchange,
    upstream: &Upstream,
    resolved: &Resolved,
    limits: Limits,
) -> Result<Answer, Failure> {
    let gateway = Arc::clone(&exchange.gateway);
    let mut tried_keys: Vec<Arc<str>> = Vec::new();
    let mut failure: Option<Failure> = None;
    loop {
        let key = match &upstream.keys {
            None => None,
            Some(pool) => match (pool.pick(Instant::now(), &tried_keys), failure) {
                (Some(key), _) => Some(key),
                (None, Some(failure)) => return Err(failure),
                (None, None) => return Err(Failure::keys_resting()),
            },
        };
        exchange.attempts += 1;
        match ask(&gateway.client, upstream, key.as_deref(), resolved, limits).await {
            Ok(answer) => {
                if let Some(key) = &key {
                    key.state.succeeded();
                }
                return Ok(answer);
            }
            Err(failed) => {
                rest(upstream, key.as_deref(), &failed);
                let key_is_at_fault =
                    matches!(failed.class, Class::Throttled | Class::CredentialFault);
                match key {
                    Some(key) if key_is_at_fault => tried_keys.push(Arc::clone(&key.name)),
                    _ => return Err(failed),
                }
                failure = Some(failed);
            }
        }
    }
}

/// Leaves a key alone that was throttled or refused; without keys, the target.
fn rest(upstream: &Upstream, key: Option<&Key>, failure: &Failure) {
    let now = Instant::now();
    let asked = now + failure.retry_after.unwrap_or(UNTOLD_REST);
    match (failure.class, key) {
        (Class::Throttled, Some(key)) => key.state.throttle(asked),
        (Class::Throttled, None) => upstream.state.rest(asked),
        (Class::CredentialFault, Some(key)) => {
            key.state.fault(FAULT_REST, LONGEST_FAULT_REST, now);
        }
        (Class::CredentialFault, None) => upstream.state.rest(now + FAULT_REST),
        _ => {}
    }
}

fn passed_on(failure: Failure, exchange: &Exchange, resolved: &Resolved) -> Unanswered {
    match failure.passed_on {
        Some(answer) => {
            let (status, headers, body) = *answer;
            Unanswered::PassedOn { class: failure.class, status, headers, body }
        }
        None => Unanswered::Error(ProxyError::new(
            Reason::InvalidRequest,
            format!("{} (route `{}`)", summary(exchange), resolved.route.label),
        )),
    }
}

fn summary(exchange: &Exchange) -> String {
    exchange.failures.join("; ")
}

/// The error of a request that no target answered.
fn exhausted(
    exchange: &Exchange,
    resolved: &Resolved,
    last: Option<&Failure>,
    out_of_time: bool,
) -> ProxyError {
    let route = &resolved.route;
    let spared = spared(resolved);
    let soonest = soonest(&spared);
    let Some(last) = last else { return unasked(resolved, &spared, soonest) };
    let tried = summary(exchange);
    let message = if out_of_time {
        format!("route `{}` had no answer within `timeouts.request`: {tried}", route.label)
    } else {
        format!("no target of route `{}` answered: {tried}", route.label)
    };
    let reason = match last.class {
        _ if out_of_time => Reason::ProviderTimeout,
        Class::Throttled => Reason::Throttled,
        Class::TimedOut => Reason::ProviderTimeout,
        Class::CredentialFault => Reason::ProviderCredential,
        _ => Reason::ProviderFailed,
    };
    let error = ProxyError::new(reason, message);
    match reason {
        Reason::Throttled => error.retry_after(soonest.or(last.retry_after)),
        Reason::ProviderCredential => error.permanent(),
        _ => error,
    }
}

/// Why each target of the route was not asked, by name.
fn spared(resolved: &Resolved) -> Vec<(&str, Spared<'_>)> {
    let now = Instant::now();
    let all = resolved.route.targets.iter().enumerate();
    all.filter(|(index, target)| match resolved.backend {
        Some(picked) => picked == *index,
        None => target.weight > 0,
    })
    .filter_map(|(_, target)| {
        let reason = eligible(target, resolved.operation, now).err()?;
        Some((&*target.name, reason))
    })
    .collect()
}

fn soonest(spared: &[(&str, Spared<'_>)]) -> Option<Duration> {
    let now = Instant::now();
    let times = spared.iter().filter_map(|(_, reason)| reason.until());
    times.min().map(|until| until.saturating_duration_since(now))
}

/// The error of a request for which no target could even be asked.
fn unasked(
    resolved: &Resolved,
    spared: &[(&str, Spared<'_>)],
    soonest: Option<Duration>,
) -> ProxyError {
    let route = &resolved.route.label;
    if spared.iter().all(|(_, reason)| *reason == Spared::CannotServe) && !spared.is_empty() {
        let message = format!(
            "no target of route `{route}` offers `{}`: its providers speak another protocol or lack \
             this operation",
            resolved.operation.path
        );
        return ProxyError::new(Reason::InvalidRequest, message).permanent();
    }
    let reasons: Vec<String> =
        spared.iter().map(|(name, reason)| format!("{name}: {}", describe(*reason))).collect();
    let resting = spared.iter().any(|(_, reason)| matches!(reason, Spared::Resting(_)));
    let only_resting = spared.iter().all(|(_, reason)| {
        matches!(reason, Spared::Resting(_) | Spared::Unresolved(_) | Spared::CannotServe)
    });
    let reason =
        if resting && only_resting { Reason::Throttled } else { Reason::NoTargetAvailable };
    let message = if reasons.is_empty() {
        format!("route `{route}` has no target that may be asked")
    } else {
        format!("no target of route `{route}` may be asked now: {}", reasons.join("; "))
    };
    ProxyError::new(reason, message).retry_after(soonest)
}

fn describe(reason: Spared<'_>) -> String {
    match reason {
        Spared::Unresolved(message) => message.to_owned(),
        Spared::CannotServe => "does not offer this operation".into(),
        Spared::Resting(_) => "was asked to be left alone (429)".into(),
        Spared::Open(_) => "its circuit breaker is open".into(),
    }
}
