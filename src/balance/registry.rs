//! THE table of strategies: a new one is a file and a line here.
//!
//! The names are those of `spec.loadBalancing.strategy`; names and summaries become its
//! documentation in the custom resource.

use super::Strategy;
use super::fastest_response::FastestResponse;
use super::least_connections::LeastConnections;
use super::round_robin::RoundRobin;
use super::weighted::Weighted;

/// One strategy.
#[derive(Debug)]
pub struct StrategyRow {
    /// Its name in `spec.loadBalancing.strategy`.
    pub name: &'static str,
    /// What it does, as a sentence without its subject.
    pub summary: &'static str,
    /// The strategy itself; none has state, so one of each is enough.
    pub strategy: &'static dyn Strategy,
}

/// Every strategy.
pub static STRATEGIES: &[StrategyRow] = &[
    StrategyRow {
        name: "Weighted",
        summary: "divides requests by weight, evenly over any short stretch",
        strategy: &Weighted,
    },
    StrategyRow {
        name: "RoundRobin",
        summary: "asks the targets in turn, whatever their weight (0 takes a target out)",
        strategy: &RoundRobin,
    },
    StrategyRow {
        name: "LeastConnections",
        summary: "asks the target with the fewest running requests for its weight; \
                  a stream runs until its last byte",
        strategy: &LeastConnections,
    },
    StrategyRow {
        name: "FastestResponse",
        summary: "asks the target that usually needs the least time to its first token, counting \
                  the requests that are running there, by weight; a few requests try the others",
        strategy: &FastestResponse,
    },
];

/// The strategy of a route that names none.
pub const DEFAULT: &str = "Weighted";

/// The names that `spec.loadBalancing.strategy` may take.
pub fn names() -> impl Iterator<Item = &'static str> {
    STRATEGIES.iter().map(|row| row.name)
}

/// The strategy of that name.
pub fn find(name: &str) -> Option<&'static StrategyRow> {
    STRATEGIES.iter().find(|row| row.name == name)
}
