//! When a breaker opens and for how long.

use std::time::Duration;

/// When a breaker opens and for how long. Immutable; part of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerPolicy {
    /// It opens at this many failures in a row; 0 turns the rule off.
    pub failure_threshold: u32,
    /// It opens at this share of failures in the window; 0 turns the rule off.
    pub error_threshold_percentage: u32,
    /// The share says nothing below this many requests.
    pub min_requests: u32,
    /// How far back the share looks: in whole seconds, ten minutes at most.
    pub monitoring_window: Duration,
    /// How long it rests before a probe, within 20 %.
    pub reset_timeout: Duration,
    /// How long it rests after a permanent failure; twice as long after each further one. Zero
    /// makes permanent failures ordinary ones.
    pub permanent_base_timeout: Duration,
    /// How many times `permanent_base_timeout` such a rest may grow to.
    pub permanent_max_multiplier: u32,
    /// Extra upstream statuses that count as permanent failures of the target.
    pub permanent_status_codes: Vec<u16>,
    /// Extra texts (case-insensitive substrings of the error message) that count as permanent.
    pub permanent_patterns: Vec<Box<str>>,
}

impl BreakerPolicy {
    /// What holds where neither target nor route says anything.
    pub fn built_in() -> Self {
        Self {
            failure_threshold: 5,
            error_threshold_percentage: 50,
            min_requests: 10,
            monitoring_window: Duration::from_secs(60),
            reset_timeout: Duration::from_secs(15),
            permanent_base_timeout: Duration::from_secs(300),
            permanent_max_multiplier: 16,
            permanent_status_codes: Vec::new(),
            permanent_patterns: Vec::new(),
        }
    }

    /// Whether permanent failures are something of their own.
    pub(super) fn knows_permanent(&self) -> bool {
        !self.permanent_base_timeout.is_zero()
    }

    /// The rest after a failure: `reset_timeout` and so many thousandths of it (-200 to 200).
    pub(super) fn rest(&self, jitter: i32) -> Duration {
        (self.reset_timeout / 1000).saturating_mul(1000_u32.saturating_add_signed(jitter))
    }

    /// The rest after that many permanent failures.
    pub(super) fn permanent_rest(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1);
        let factor = 2u32.saturating_pow(doublings).min(self.permanent_max_multiplier.max(1));
        self.permanent_base_timeout.saturating_mul(factor)
    }
}
