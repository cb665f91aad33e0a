//! How the servers behind a Service are asked what they are doing.

use std::time::Duration;

use http::uri::PathAndQuery;

use crate::state::ReportedLoad;

/// How each server behind a Service is asked for its metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerMetrics {
    /// Where they are, from the server's root.
    pub path: PathAndQuery,
    /// From one answer to the next question, within 10 %.
    pub interval: Duration,
    /// How long a whole answer may take.
    pub timeout: Duration,
    /// Whether a key of the target's is shown.
    pub authenticated: bool,
}

impl ServerMetrics {
    /// Where the metrics of all servers are that are known.
    pub const PATH: &'static str = "/metrics";
    /// How often a server is asked where nobody says: queues come and go within seconds, and an
    /// answer costs a server less than the shortest of prompts.
    pub const INTERVAL: Duration = Duration::from_secs(1);
    /// It is not asked more often: what a route's author may have others' servers asked.
    pub const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
    /// Nor less often: in between the gateway can only reckon what became of a queue.
    pub const LONGEST_INTERVAL: Duration = Duration::from_secs(60);
    /// How long an answer may take where nobody says: the page comes from the same process that
    /// tokenizes prompts, and a later one is as old as the next.
    pub const TIMEOUT: Duration = Duration::from_secs(1);

    /// How long an answer counts at most: as long as so many questions take that may remain without one.
    pub fn fresh_for(&self) -> Duration {
        (self.interval + self.timeout) * ReportedLoad::MISSED
    }
}
