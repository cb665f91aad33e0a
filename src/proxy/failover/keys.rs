//! One try at one target, with one key after another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::proxy::attempt::{Answer, Attempt, Failure};
use crate::proxy::classify::Class;
use crate::proxy::endpoint_lease::EndpointLease;
use crate::table::{Key, Upstream};

/// A throttled key or target that does not say for how long rests this long: providers count
/// requests by the minute, and a few tries in any few seconds find out when it is over.
const UNTOLD_REST: Duration = Duration::from_secs(5);
/// A refused key stays refused until a person does something; one request in a while finds out. A
/// key that is replaced starts afresh at once. Whoever grants tokens may be back sooner.
const FAULT_REST: Duration = Duration::from_secs(60);
const LONGEST_FAULT_REST: Duration = Duration::from_secs(3600);

/// Asks a target with one key after another: a key that is throttled or refused rests, and the next
/// one is used at once. `attempt` is without a key.
pub(super) async fn ask(attempt: Attempt<'_>) -> Result<Answer, Failure> {
    let upstream = attempt.upstream;
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
                    attempt.resolved.session,
                );
                if rested.is_none() {
                    return Err(failure.unwrap_or_else(Failure::keys_resting));
                }
                rested
            }
        };
        // Boxed: whatever holds this future would be as large, and moved about as such.
        match Box::pin(Attempt { key: key.as_deref(), ..attempt }.ask()).await {
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
                rest(upstream, attempt.lease, key.as_deref(), &failed);
                // It is the server that has enough to do, whatever key it is asked with.
                if failed.class == Class::Throttled && attempt.lease.is_some() {
                    return Err(failed);
                }
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

/// Leaves a key alone that was throttled or refused; without keys, the target or the endpoint.
pub(in crate::proxy) fn rest(
    upstream: &Upstream,
    lease: Option<&EndpointLease>,
    key: Option<&Key>,
    failure: &Failure,
) {
    let now = Instant::now();
    let asked = now + failure.retry_after.unwrap_or(UNTOLD_REST);
    let rest = |until| match lease {
        Some(lease) => lease.rest(until),
        None => upstream.state.rest(until),
    };
    match (failure.class, key) {
        // One server of several says that it has enough to do, whatever key it is asked with.
        (Class::Throttled, _) if lease.is_some() => rest(asked),
        (Class::Throttled, Some(key)) => {
            key.state.throttle(upstream.limited_model(), asked, now);
        }
        (Class::Throttled, None) => rest(asked),
        // Without a word it is over at any moment: one try after the usual back-off finds out.
        (Class::Overloaded, _) => {
            rest(now + failure.retry_after.unwrap_or(upstream.retry.backoff));
        }
        (Class::CredentialFault, Some(key)) => {
            key.state.fault(FAULT_REST, LONGEST_FAULT_REST, now);
        }
        (Class::Unproven, Some(key)) => {
            key.state.fault(UNTOLD_REST, FAULT_REST, now);
        }
        (Class::CredentialFault, None) => rest(now + FAULT_REST),
        _ => {}
    }
    if failure.class == Class::Throttled
        && lease.is_none()
        && let Some(until) = upstream.resting_until(now)
    {
        upstream.state.recovery.begin_after_pause(until, now);
    }
}
