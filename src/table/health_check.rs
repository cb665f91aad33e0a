//! How a target's health is asked after.

use std::time::Duration;

use http::uri::PathAndQuery;

use crate::state::HealthThresholds;

/// How a target's health is asked after, beside the requests that it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked for, from the server's root.
    pub path: PathAndQuery,
    /// From one check to the next, within 10 %.
    pub interval: Duration,
    /// How long a whole answer may take.
    pub timeout: Duration,
    /// How many checks in a row change the verdict.
    pub thresholds: HealthThresholds,
    /// Whether a key of the target's is shown.
    pub authenticated: bool,
}

impl HealthCheck {
    /// From one check to the next where nobody says.
    pub const INTERVAL: Duration = Duration::from_secs(10);
    /// No check comes sooner after another: what a route's author may have others' servers asked.
    pub const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
    /// How long an answer may take where nobody says: servers of models answer late under load,
    /// and a busy one is not a dead one.
    pub const TIMEOUT: Duration = Duration::from_secs(5);
    /// How many checks in a row change the verdict where nobody says: one lost packet is no
    /// outage, and one answer is the end of one.
    pub const THRESHOLDS: HealthThresholds = HealthThresholds { unhealthy: 3, healthy: 1 };
}
