//! How many requests may be repeated at a target at a time.
//!
//! Repeats are a share of what runs there, so that an outage is not made worse by those who try
//! again: with everything failing, a target sees a fifth more than it was asked, not twice as much.
//! A few are always allowed, so that a lone request is repeated. Counting what runs rather than
//! what came in some seconds needs no clock, and a target that hangs uses the budget up by itself.
//! Envoy's retry budgets work so; share and floor are its defaults.
//!
//! Requests that wait because a throttled target asked them to are counted apart: they do what they
//! were told, and there need only not be too many of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Repeats for each hundred requests that run.
const SHARE_PERCENT: u32 = 20;
/// Repeats that are always allowed.
const FLOOR: u32 = 3;
/// Requests that wait for one throttled target: they all come back at about the same moment.
const WAITING: u32 = 64;

/// What is repeated at one target.
#[derive(Debug, Default)]
pub struct RetryBudget {
    repeats: Arc<AtomicU32>,
    waits: Arc<AtomicU32>,
}

/// One repeat, from the decision to its outcome; the wait before it counts as well.
#[derive(Debug)]
#[must_use = "dropping the permit says that the repeat is over"]
pub struct RetryPermit(Arc<AtomicU32>);

impl RetryBudget {
    /// Asks to repeat a request at a target where `in_flight` requests run.
    pub fn draw(&self, in_flight: u32) -> Option<RetryPermit> {
        take(&self.repeats, (in_flight.saturating_mul(SHARE_PERCENT) / 100).max(FLOOR))
    }

    /// Asks to wait until a throttled target may be asked again.
    pub fn wait(&self) -> Option<RetryPermit> {
        take(&self.waits, WAITING)
    }

    /// Repeats that wait or run.
    pub fn drawn(&self) -> u32 {
        self.repeats.load(Ordering::Relaxed)
    }
}

fn take(count: &Arc<AtomicU32>, allowed: u32) -> Option<RetryPermit> {
    let more = |running: u32| (running < allowed).then_some(running + 1);
    let taken = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    taken.ok().map(|_| RetryPermit(Arc::clone(count)))
}

impl Drop for RetryPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_request_may_always_be_repeated() {
        let budget = RetryBudget::default();
        let permits: Vec<_> = std::iter::from_fn(|| budget.draw(1)).collect();
        assert_eq!((permits.len(), budget.drawn()), (3, 3));
        drop(permits);
        assert!(budget.draw(0).is_some());
        assert_eq!(budget.drawn(), 0);
    }

    #[test]
    fn repeats_are_a_fifth_of_what_runs() {
        let budget = RetryBudget::default();
        let permits: Vec<_> = std::iter::from_fn(|| budget.draw(200)).collect();
        assert_eq!(permits.len(), 40);
    }

    #[test]
    fn who_waits_as_told_uses_up_no_repeat() {
        let budget = RetryBudget::default();
        let waiting: Vec<_> = std::iter::from_fn(|| budget.wait()).collect();
        assert_eq!(waiting.len(), 64);
        assert!(budget.draw(1).is_some());
    }
}
