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
