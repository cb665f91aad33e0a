//! What comes after a failure.

use std::time::{Duration, Instant};

use super::stage::Stage;
use crate::proxy::attempt::Failure;
use crate::proxy::choose::Wish;
use crate::proxy::classify::Class;
use crate::state::RetryPermit;
use crate::table::{Target, TargetRetry, Upstream};

/// Requests that were told to come back at the same moment are spread over this time.
pub(super) const REST_JITTER: Duration = Duration::from_millis(250);

/// What comes after a failure.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The caller is to see it: every target would say the same.
    PassOn,
    /// Somebody with a longer context is looked for.
    TooLong,
    /// The same target, after a while.
    Again { after: Duration, permit: RetryPermit },
    /// The next target.
    Next,
    /// Nobody else may be asked.
    Stop,
}

/// Decides. `may_repeat` says that nothing but the target's own limits forbids it.
pub(super) fn verdict(
    stage: &Stage,
    target: &Target,
    index: usize,
    failure: &Failure,
    may_repeat: bool,
) -> Verdict {
    let resolved = &stage.resolved;
    match failure.class {
        Class::ClientFault | Class::Refused => return Verdict::PassOn,
        Class::TooLong => return Verdict::TooLong,
        Class::Cancelled | Class::Success => return Verdict::Stop,
        _ if failure.sent && may_have_begun(failure.class) && !resolved.may_repeat() => {
            return Verdict::Stop;
        }
        _ => {}
    }
    let Some(upstream) = target.upstream() else { return Verdict::Next };
    let tries = stage.tries(index);
    if !may_repeat || tries >= upstream.retry.per_target {
        return Verdict::Next;
    }
    match failure.class {
        // Its breaker may have had enough.
        Class::Failure if Wish::of(resolved).check(index, Instant::now()).is_err() => Verdict::Next,
        Class::Failure => after_backoff(upstream, tries),
        // Another of its servers may be well.
        Class::TimedOut if upstream.has_siblings() => after_backoff(upstream, tries),
        Class::Throttled | Class::Overloaded => after_rest_of(upstream),
        // One that was silent until its limit passed has had its time; the others do not get better
        // by being asked again.
        _ => Verdict::Next,
    }
}

/// Whether a target that failed so may have begun to work on the request.
fn may_have_begun(class: Class) -> bool {
    matches!(class, Class::Failure | Class::TimedOut | Class::Overloaded | Class::Exhausted)
}

fn after_backoff(upstream: &Upstream, tries: u32) -> Verdict {
    let state = &upstream.state;
    // This one has ended by now, as far as its target is concerned.
    match state.retry_budget.draw(state.in_flight.count()) {
        Some(permit) => {
            Verdict::Again { after: backoff(&upstream.retry, tries, fastrand::f64()), permit }
        }
        None => Verdict::Next,
    }
}

/// The wait before a target is tried again that was tried so often: half of it at random, so that
/// those who failed together do not come back together.
fn backoff(retry: &TargetRetry, tries: u32, random: f64) -> Duration {
    let doublings = tries.saturating_sub(1).min(16);
    let longest = retry.backoff.saturating_mul(1 << doublings).min(retry.max_backoff);
    longest.mul_f64(0.5 + random / 2.0)
}

/// The target asked to be left alone: it is waited for if that is not for long.
fn after_rest_of(upstream: &Upstream) -> Verdict {
    let now = Instant::now();
    let rest = upstream.resting_until(now).map_or(Duration::ZERO, |until| until - now);
    if rest > upstream.retry.max_retry_after || upstream.retry.max_retry_after.is_zero() {
        return Verdict::Next;
    }
    match upstream.state.retry_budget.wait() {
        Some(permit) => Verdict::Again { after: after_rest(rest), permit },
        None => Verdict::Next,
    }
}

/// A little after a rest is over, never before.
pub(super) fn after_rest(rest: Duration) -> Duration {
    rest + REST_JITTER.mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_back_off_doubles_within_its_bounds(tries in 1_u32..40, random in 0.0..1.0) {
            let retry = TargetRetry::BUILT_IN;
            let wait = backoff(&retry, tries, random);
            prop_assert!(wait >= retry.backoff / 2 && wait <= retry.max_backoff);
            prop_assert!(backoff(&retry, tries + 1, random) >= wait);
            if tries == 1 {
                prop_assert!(wait <= retry.backoff);
            }
        }
    }
}
