//! What there is to tell of a breaker.

use std::time::Instant;

use super::BreakerStatus;

/// A breaker at one moment, as a policy sees it, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerAccount {
    /// Its state.
    pub status: BreakerStatus,
    /// Since when it is closed, or not closed any more: probes that fail do not begin it anew.
    /// `None` if it never changed.
    pub since: Option<Instant>,
    /// How often it opened since the target is known.
    pub opened: u64,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// Permanent failures since the target was last seen healthy.
    pub permanent_failures: u32,
    /// Failures in the window, as they were when a request failed last.
    pub window_failures: u64,
    /// All outcomes in that window.
    pub window_requests: u64,
    /// Whether a request is finding out how the target is.
    pub probing: bool,
}

impl BreakerAccount {
    /// What several breakers come to, of servers that stand for each other: as well as the best of
    /// them, with what happened at all of them.
    #[must_use]
    pub fn together(self, other: Self) -> Self {
        let status = self.status.better(other.status);
        let since = match status {
            // Closed since one of them is, which may be always.
            BreakerStatus::Closed => self.closed_since(other),
            // None is closed since the last of them opened.
            BreakerStatus::Open { .. } | BreakerStatus::HalfOpen => self.since.max(other.since),
        };
        Self {
            status,
            since,
            opened: self.opened + other.opened,
            consecutive_failures: self.consecutive_failures.min(other.consecutive_failures),
            permanent_failures: self.permanent_failures.min(other.permanent_failures),
            window_failures: self.window_failures + other.window_failures,
            window_requests: self.window_requests + other.window_requests,
            probing: self.probing || other.probing,
        }
    }

    fn closed_since(self, other: Self) -> Option<Instant> {
        match (self.status, other.status) {
            (BreakerStatus::Closed, BreakerStatus::Closed) => self.since.min(other.since),
            (BreakerStatus::Closed, _) => self.since,
            _ => other.since,
        }
    }
}

impl BreakerStatus {
    /// The better one of two.
    #[must_use]
    pub fn better(self, other: Self) -> Self {
        match (self, other) {
            (Self::Closed, _) | (_, Self::Closed) => Self::Closed,
            (Self::HalfOpen, _) | (_, Self::HalfOpen) => Self::HalfOpen,
            (Self::Open { until: a }, Self::Open { until: b }) => Self::Open { until: a.min(b) },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn several_are_as_well_as_the_best_and_have_failed_together() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let closed = BreakerAccount {
            status: BreakerStatus::Closed,
            since: None,
            opened: 1,
            consecutive_failures: 2,
            permanent_failures: 0,
            window_failures: 3,
            window_requests: 9,
            probing: false,
        };
        let open = |since: Duration| BreakerAccount {
            status: BreakerStatus::Open { until: now + since + second },
            since: Some(now + since),
            consecutive_failures: 5,
            ..closed
        };
        let mixed = open(second).together(closed);
        assert_eq!((mixed.status, mixed.since), (BreakerStatus::Closed, None));
        assert_eq!((mixed.opened, mixed.consecutive_failures), (2, 2));
        assert_eq!((mixed.window_failures, mixed.window_requests), (6, 18));
        let both = open(second).together(open(2 * second));
        assert_eq!(both.status, BreakerStatus::Open { until: now + 2 * second });
        assert_eq!(both.since, Some(now + 2 * second), "before that one was closed");
    }
}
