//! How many requests are running at a target.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A count that is exact because only [`InFlightGuard`]s change it.
#[derive(Debug, Default, Clone)]
pub struct InFlight(Arc<AtomicU32>);

impl InFlight {
    /// Requests running now, streams until their last byte.
    pub fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts a request in. It is counted out when the guard is dropped, so the guard belongs in
    /// the response body, not in the handler that returns it.
    #[must_use = "the request is counted out when the guard is dropped"]
    pub fn enter(&self) -> InFlightGuard {
        // Relaxed: the number orders nothing, it is only ever compared.
        self.0.fetch_add(1, Ordering::Relaxed);
        InFlightGuard(Self(Arc::clone(&self.0)))
    }

    /// The same, if fewer than `max` are running.
    pub fn enter_below(&self, max: u32) -> Option<InFlightGuard> {
        let one_more = |count: u32| (count < max).then(|| count + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(InFlightGuard(Self(Arc::clone(&self.0))))
    }
}

/// One running request. Holds the counter itself, so that it counts out where it counted in even
/// if the table it began under is long gone.
#[derive(Debug)]
pub struct InFlightGuard(InFlight);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_running_from_any_thread() {
        let in_flight = InFlight::default();
        let kept = in_flight.enter();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| drop(in_flight.enter())));
            }
        });
        assert_eq!(in_flight.count(), 1);
        drop(kept);
        assert_eq!(in_flight.count(), 0);
    }
}
