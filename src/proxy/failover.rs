//! Target after target, until one answers.

mod exhausted;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode};

use super::Gateway;
use super::attempt::{Answer, Attempt, Failure, Limits};
use super::choose::{Chosen, Wish, can_serve};
use super::classify::Class;
use super::deadline::Deadline;
use super::error::{ProxyError, Reason};
use super::exchange::Exchange;
use super::fetch;
use super::guard::AttemptGuard;
use super::prepare::{Prepared, prepare};
use super::queue::wait_for_room;
use super::resolve::Resolved;
use crate::table::{Key, Upstream};
use exhausted::exhausted;

/// A throttled key or target that does not say for how long rests this long: providers count
/// requests by the minute, and a few tries in any few seconds find out when it is over.
const UNTOLD_REST: Duration = Duration::from_secs(5);
/// A refused key stays refused until a person does something; one request in a while finds out. A
/// key that is replaced starts afresh at once. Whoever grants tokens may be back sooner.
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
    let deadline =
        Deadline::new(exchange.started, resolved.route.request_timeout, &resolved.headers);
    let mut tried: Vec<usize> = Vec::new();
    let mut failed: Vec<Class> = Vec::new();
    let mut untranslatable = None;
    while let Some(chosen) = next(&exchange.gateway, resolved, &tried, deadline).await {
        if deadline.is_over() {
            break;
        }
        tried.push(chosen.index);
        exchange.breaker = chosen.breaker;
        exchange.fallback = tried.len() > 1 || is_spill(resolved, &chosen);
        exchange.target = Some(Arc::clone(&chosen.target));
        let target = Arc::clone(&chosen.target);
        let Some(upstream) = target.upstream() else { continue };
        if fetch::may_be_needed(&exchange.gateway, resolved, upstream) {
            // Boxed: few requests need it, and every one would have room for it.
            Box::pin(fetch::fetch(&exchange.gateway, resolved, upstream, deadline))
                .await
                .map_err(Unanswered::Error)?;
        }
        let prepared = match prepare(resolved, upstream) {
            Ok(prepared) => prepared,
            Err(failure) => {
                exchange.failures.push(format!("{}: {}", target.name, failure.detail));
                if !failure.class.fails_over() {
                    return Err(passed_on(failure, exchange, resolved));
                }
                failed.push(failure.class);
                untranslatable = untranslatable.or(failure.param);
                continue;
            }
        };
        // A try is a target's: which of its keys were asked with is nobody else's business.
        exchange.attempts += 1;
        let streamed = resolved.streams();
        let mut guard = AttemptGuard::new(&exchange.gateway, &resolved.route, chosen, streamed);
        let limits = limits(exchange, resolved, upstream, &tried, deadline);
        match try_target(exchange, upstream, resolved, &prepared, limits).await {
            Ok(answer) => {
                exchange.provider_time = Some(guard.elapsed());
                return Ok(Answered { answer, guard });
            }
            Err(mut failure) => {
                let gone =
                    failure.class == Class::TimedOut && deadline.is_clients && deadline.is_over();
                if gone {
                    // A target is not slow because a client waits for a second only, or every
                    // caller could open its breaker.
                    failure.class = Class::Cancelled;
                }
                guard.record_failure(failure.class, &failure.detail);
                drop(guard);
                exchange.failures.push(format!("{}: {}", target.name, failure.detail));
                tracing::debug!(
                    route = %resolved.route.label,
                    target = %target.name,
                    class = failure.class.as_str(),
                    detail = %failure.detail,
                    "a try failed"
                );
                if gone {
                    failed.push(failure.class);
                    break;
                }
                if !failure.class.fails_over() {
                    return Err(passed_on(failure, exchange, resolved));
                }
                failed.push(failure.class);
            }
        }
    }
    let error = exhausted(exchange, resolved, &tried, &failed, deadline);
    Err(Unanswered::Error(error.about(untranslatable)))
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

/// The target to ask next. Where only the limits of targets are in the way, they are waited for.
async fn next(
    gateway: &Gateway,
    resolved: &Resolved,
    tried: &[usize],
    deadline: Deadline,
) -> Option<Chosen> {
    match Wish::of(resolved).next(tried, Instant::now()) {
        Some(chosen) => Some(chosen),
        // Boxed: few requests need it, and every one would have room for it.
        None => Box::pin(wait_for_room(gateway, resolved, tried, deadline.at)).await,
    }
}

/// A stream that is slow to begin is given up only where somebody else can be asked.
fn limits(
    exchange: &Exchange,
    resolved: &Resolved,
    upstream: &Upstream,
    tried: &[usize],
    deadline: Deadline,
) -> Limits {
    let now = Instant::now();
    let (own, name) = if !resolved.streams() {
        (Some(now + upstream.timeouts.response), "timeouts.response")
    } else if has_alternative(resolved, tried, now) {
        (Some(now + upstream.timeouts.first_token), "timeouts.firstToken")
    } else {
        (None, deadline.name)
    };
    let (give_up, name) = match own {
        Some(own) if own < deadline.at => (own, name),
        _ => (deadline.at, deadline.name),
    };
    Limits {
        give_up: give_up.into(),
        name,
        commit: (exchange.started + resolved.route.commit_after).into(),
    }
}

fn has_alternative(resolved: &Resolved, tried: &[usize], now: Instant) -> bool {
    resolved.backend.is_none()
        && resolved
            .route
            .tiers
            .iter()
            .flat_map(|tier| &tier.members)
            .any(|index| !tried.contains(index) && Wish::of(resolved).check(*index, now).is_ok())
}

/// Asks one target with one key after another: a key that is throttled or refused rests, and the
/// next one is used at once.
async fn try_target(
    exchange: &Exchange,
    upstream: &Upstream,
    resolved: &Resolved,
    prepared: &Prepared,
    limits: Limits,
) -> Result<Answer, Failure> {
    let mut tried_keys: Vec<Arc<str>> = Vec::new();
    let mut failure: Option<Failure> = None;
    // A key to be asked with once more, whose proof is another one by now.
    let mut renewed: Option<Arc<Key>> = None;
    let mut may_renew = true;
    loop {
        let key = match &upstream.keys {
            None => None,
            Some(_) if renewed.is_some() => renewed.take(),
            Some(pool) => {
                let rested = pool.pick(
                    upstream.limited_model(),
                    Instant::now(),
                    &tried_keys,
                    resolved.session,
                );
                if rested.is_none() {
                    return Err(failure.unwrap_or_else(Failure::keys_resting));
                }
                rested
            }
        };
        let key_used = key.as_deref();
        let attempt = Attempt { exchange, upstream, key: key_used, resolved, prepared, limits };
        match attempt.ask().await {
            Ok(answer) => {
                if let Some(key) = &key {
                    key.state.succeeded();
                }
                return Ok(answer);
            }
            Err(failed) => {
                if failed.class == Class::CredentialFault && std::mem::take(&mut may_renew) {
                    renewed = key.clone().filter(|key| key.refused());
                    if renewed.is_some() {
                        continue;
                    }
                }
                rest(upstream, key.as_deref(), &failed);
                let key_is_at_fault = matches!(
                    failed.class,
                    Class::Throttled | Class::CredentialFault | Class::Unproven
                );
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
        (Class::Throttled, Some(key)) => {
            key.state.throttle(upstream.limited_model(), asked, now);
        }
        (Class::Throttled, None) => upstream.state.rest(asked),
        (Class::CredentialFault, Some(key)) => {
            key.state.fault(FAULT_REST, LONGEST_FAULT_REST, now);
        }
        (Class::Unproven, Some(key)) => {
            key.state.fault(UNTOLD_REST, FAULT_REST, now);
        }
        (Class::CredentialFault, None) => upstream.state.rest(now + FAULT_REST),
        _ => {}
    }
    if failure.class == Class::Throttled
        && let Some(until) = upstream.resting_until(now)
    {
        upstream.state.recovery.begin_after_pause(until, now);
    }
}

fn passed_on(failure: Failure, exchange: &Exchange, resolved: &Resolved) -> Unanswered {
    match failure.passed_on {
        Some(answer) => {
            let (status, headers, body) = *answer;
            Unanswered::PassedOn { class: failure.class, status, headers, body }
        }
        None => {
            let message = format!("{} (route `{}`)", summary(exchange), resolved.route.label);
            let error = ProxyError::new(Reason::InvalidRequest, message).permanent();
            Unanswered::Error(error.about(failure.param))
        }
    }
}

fn summary(exchange: &Exchange) -> String {
    exchange.failures.join("; ")
}
