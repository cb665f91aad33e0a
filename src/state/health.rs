//! What checks of a target's health have found.
//!
//! Unlike the breaker's, this verdict is stored: it was reached by whoever checks, by thresholds of
//! its own, and holds until checks say otherwise. Before the first one nothing is held against a
//! target.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

/// How many checks in a row change the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthThresholds {
    /// So many failed ones make a target unhealthy; at least 1.
    pub unhealthy: u32,
    /// So many passed ones make it healthy again; at least 1.
    pub healthy: u32,
}

/// A verdict that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthChange {
    /// Enough checks failed.
    Failing,
    /// Enough checks passed.
    Passing,
}

/// What checks of one target have found.
#[derive(Debug, Default)]
pub struct Health {
    /// The verdict, apart, so that requests take no lock.
    failing: AtomicBool,
    memory: Mutex<HealthAccount>,
}

/// What there is to tell of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthAccount {
    /// Whether the target is unhealthy.
    pub failing: bool,
    /// Since when it is what it is; `None` if that never changed.
    pub since: Option<Instant>,
    /// When it was checked last.
    pub checked_at: Option<Instant>,
    /// Passed checks since the last failed one.
    pub passed_in_a_row: u32,
    /// Failed checks since the last passed one.
    pub failed_in_a_row: u32,
    /// Checks that passed.
    pub passed: u64,
    /// Checks that failed.
    pub failed: u64,
    /// What the last failed check met.
    pub last_failure: Option<String>,
}

impl Health {
    /// Whether checks say that the target is not well.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Takes the result of a check: nothing, or what was wrong. Tells a verdict that it changes.
    pub fn record(
        &self,
        result: Result<(), String>,
        thresholds: HealthThresholds,
        now: Instant,
    ) -> Option<HealthChange> {
        let mut memory = self.memory.lock();
        memory.checked_at = Some(now);
        let enough = match result {
            Ok(()) => {
                memory.passed += 1;
                memory.failed_in_a_row = 0;
                memory.passed_in_a_row = memory.passed_in_a_row.saturating_add(1);
                memory.passed_in_a_row >= thresholds.healthy
            }
            Err(fault) => {
                memory.failed += 1;
                memory.passed_in_a_row = 0;
                memory.failed_in_a_row = memory.failed_in_a_row.saturating_add(1);
                memory.last_failure = Some(fault);
                memory.failed_in_a_row >= thresholds.unhealthy
            }
        };
        let says_failing = memory.passed_in_a_row == 0;
        if !enough || says_failing == memory.failing {
            return None;
        }
        memory.failing = says_failing;
        memory.since = Some(now);
        self.failing.store(says_failing, Ordering::Relaxed);
        Some(if says_failing { HealthChange::Failing } else { HealthChange::Passing })
    }

    /// What there is to tell of it.
    pub fn account(&self) -> HealthAccount {
        self.memory.lock().clone()
    }

    /// Forgets the verdict and what led to it: nobody checks any more, or an operator knows better.
    /// How many checks there were stays known, as counters have to.
    pub fn forget(&self) {
        let mut memory = self.memory.lock();
        let HealthAccount { passed, failed, .. } = *memory;
        *memory = HealthAccount { passed, failed, ..HealthAccount::default() };
        self.failing.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: HealthThresholds = HealthThresholds { unhealthy: 3, healthy: 2 };

    fn fail(health: &Health, now: Instant) -> Option<HealthChange> {
        health.record(Err("answered 503".into()), THRESHOLDS, now)
    }

    #[test]
    fn only_so_many_in_a_row_change_the_verdict() {
        let (health, now) = (Health::default(), Instant::now());
        for _ in 0..2 {
            assert_eq!((fail(&health, now), fail(&health, now)), (None, None));
            assert_eq!(health.record(Ok(()), THRESHOLDS, now), None);
            assert!(!health.is_failing());
        }
        assert_eq!((fail(&health, now), fail(&health, now)), (None, None));
        assert_eq!(fail(&health, now), Some(HealthChange::Failing));
        assert_eq!(fail(&health, now), None, "it is known");
        let account = health.account();
        assert!(health.is_failing() && account.failing);
        assert_eq!((account.since, account.checked_at), (Some(now), Some(now)));
        assert_eq!((account.passed, account.failed, account.failed_in_a_row), (2, 8, 4));
        assert_eq!(account.last_failure.as_deref(), Some("answered 503"));

        assert_eq!(health.record(Ok(()), THRESHOLDS, now), None);
        assert!(health.is_failing());
        assert_eq!(health.record(Ok(()), THRESHOLDS, now), Some(HealthChange::Passing));
        assert!(!health.is_failing() && !health.account().failing);
    }

    #[test]
    fn what_is_forgotten_takes_as_many_failures_again() {
        let (health, now) = (Health::default(), Instant::now());
        for _ in 0..3 {
            fail(&health, now);
        }
        health.forget();
        assert!(!health.is_failing());
        assert_eq!((fail(&health, now), fail(&health, now)), (None, None));
        assert_eq!(fail(&health, now), Some(HealthChange::Failing));
        assert_eq!(health.account().failed, 6);
    }
}
