//! (skeleton)
#![allow(missing_docs)]
use std::sync::Arc;
use std::time::{Duration, Instant};

/// When a breaker opens and for how long. Immutable; part of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerPolicy {
    pub failure_threshold: u32,
    pub error_threshold_percentage: u32,
    pub min_requests: u32,
    pub monitoring_window: Duration,
    pub reset_timeout: Duration,
    pub permanent_base_timeout: Duration,
    pub permanent_max_multiplier: u32,
    /// Extra upstream statuses that count as permanent failures of the target.
    pub permanent_status_codes: Vec<u16>,
    /// Extra texts (case-insensitive substrings of the error message) that count as permanent.
    pub permanent_patterns: Vec<Box<str>>,
}

impl BreakerPolicy {
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Success,
    Failure,
    Permanent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerStatus {
    Closed,
    Open { until: Instant },
    HalfOpen,
}

#[derive(Debug)]
pub enum Admission {
    Closed,
    Probe(ProbePermit),
    Refused { until: Option<Instant> },
}

#[derive(Debug)]
pub struct ProbePermit(#[allow(dead_code)] Arc<()>);

#[derive(Debug, Default)]
pub struct Breaker(());

impl Breaker {
    pub fn status(&self, _policy: &BreakerPolicy, _now: Instant) -> BreakerStatus {
        BreakerStatus::Closed
    }
    pub fn admit(self: &Arc<Self>, _policy: &BreakerPolicy, _now: Instant) -> Admission {
        Admission::Closed
    }
    pub fn record(&self, _signal: Signal, _policy: &BreakerPolicy, _now: Instant) {}
    pub fn reset(&self) {}
}
