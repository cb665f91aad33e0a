//! Outcomes by the second, for the share of failures.
//!
//! The share is looked at when a request fails, over the window that ends with that failure, and
//! stays as it was until the next: a success never opens a breaker, and time never closes one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::BreakerPolicy;

/// How many seconds are kept: the longest window a policy may have.
pub(super) const SPAN: u32 = 600;

/// Outcomes of the last [`SPAN`] seconds. Seconds in which nothing happened take no room.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// What seconds are counted from: the first outcome.
    origin: Option<Instant>,
    /// In order of time; a second has at most two, the second of which came after its last failure.
    buckets: VecDeque<Bucket>,
    /// How many of the buckets, from the oldest, reach up to the last failure.
    judged: usize,
    /// Failures in all buckets.
    failures: u64,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    second: u32,
    successes: u32,
    failures: u32,
}

impl Window {
    pub(super) fn has_failures(&self) -> bool {
        self.failures > 0
    }

    pub(super) fn success(&mut self, now: Instant) {
        let second = self.second(now);
        if self.buckets.len() == self.judged || !self.ends_with(second) {
            self.push(second);
        }
        if let Some(bucket) = self.buckets.back_mut() {
            bucket.successes = bucket.successes.saturating_add(1);
        }
    }

    pub(super) fn failure(&mut self, now: Instant) {
        let second = self.second(now);
        if self.ends_with(second) {
            self.join_last();
        } else {
            self.push(second);
        }
        if let Some(bucket) = self.buckets.back_mut() {
            bucket.failures = bucket.failures.saturating_add(1);
        }
        self.failures += 1;
        self.judged = self.buckets.len();
    }

    /// Whether the share of failures was over the policy's when the last request failed.
    pub(super) fn exceeds(&self, policy: &BreakerPolicy) -> bool {
        let percentage = u64::from(policy.error_threshold_percentage);
        let least = u64::from(policy.min_requests.max(1));
        // Not even if all failures were in the window: a sick minute ago costs no sum today.
        if percentage == 0 || self.failures * 100 < percentage * least {
            return false;
        }
        let (failures, total) = self.sum(policy.monitoring_window);
        total >= least && failures * 100 >= percentage * total
    }

    /// Failures and all outcomes of the time before the last failure.
    pub(super) fn sum(&self, window: Duration) -> (u64, u64) {
        let Some(last) = self.judged.checked_sub(1).map(|last| self.buckets[last].second) else {
            return (0, 0);
        };
        let seconds = u32::try_from(window.as_millis().div_ceil(1000)).unwrap_or(SPAN);
        let first = (last + 1).saturating_sub(seconds.clamp(1, SPAN));
        let judged = self.buckets.range(..self.judged).rev();
        judged.take_while(|bucket| bucket.second >= first).fold((0, 0), |(failures, total), b| {
            let failed = u64::from(b.failures);
            (failures + failed, total + failed + u64::from(b.successes))
        })
    }

    /// The current second. Clocks read by several threads may be recorded out of order; time then
    /// stands still for a moment.
    fn second(&mut self, now: Instant) -> u32 {
        let origin = *self.origin.get_or_insert(now);
        let second = now.saturating_duration_since(origin).as_secs();
        let second = u32::try_from(second).unwrap_or(u32::MAX);
        self.buckets.back().map_or(second, |last| last.second.max(second))
    }

    fn ends_with(&self, second: u32) -> bool {
        self.buckets.back().is_some_and(|last| last.second == second)
    }

    fn push(&mut self, second: u32) {
        self.buckets.push_back(Bucket { second, successes: 0, failures: 0 });
        while let Some(old) = self.buckets.front().filter(|b| second - b.second >= SPAN) {
            self.failures -= u64::from(old.failures);
            self.judged = self.judged.saturating_sub(1);
            self.buckets.pop_front();
        }
    }

    /// Makes the two buckets of the newest second one, if there are two.
    fn join_last(&mut self) {
        let Some(last) = self.buckets.pop_back() else { return };
        match self.buckets.back_mut() {
            Some(before) if before.second == last.second => {
                before.successes = before.successes.saturating_add(last.successes);
            }
            _ => self.buckets.push_back(last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_room_for_two_buckets_a_second_and_ten_minutes_at_most() {
        let (mut window, start) = (Window::default(), Instant::now());
        for tenth in 0..20_000 {
            let now = start + Duration::from_millis(tenth * 100);
            window.success(now);
            window.failure(now);
            window.success(now);
        }
        assert!(window.buckets.len() <= 2 * SPAN as usize, "{}", window.buckets.len());
        assert_eq!(window.failures, u64::from(SPAN) * 10);
    }

    #[test]
    fn a_clock_that_steps_back_is_read_as_standing_still() {
        let (mut window, start) = (Window::default(), Instant::now());
        window.success(start);
        window.failure(start + Duration::from_secs(5));
        window.failure(start + Duration::from_secs(3));
        assert_eq!(window.sum(Duration::from_secs(1)), (2, 2));
        assert_eq!(window.sum(Duration::from_secs(6)), (2, 3));
        assert_eq!(window.sum(Duration::MAX), (2, 3));
    }
}
