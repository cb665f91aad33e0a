//! How one target is chosen inside a priority tier.
//!
//! Health is decided before a strategy is asked: candidates are those that may be asked now, and a
//! strategy never learns why another is missing. What a strategy knows of a target is its weight,
//! what it is doing and how fast it usually is; what it knows of the moment is a number that counts
//! on and a random one. It keeps nothing, so a new table loses nothing.
//!
//! Requests that name their session do not ask the strategy: [`affinity`] finds the target that the
//! session belongs to.

pub mod affinity;
mod fastest_response;
mod least_connections;
pub mod registry;
mod round_robin;
mod weighted;

use std::fmt;
use std::time::Duration;

/// One target that may be asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Share within the tier; 0 is never chosen.
    pub weight: u32,
    /// Requests running there, streams until their last byte.
    pub in_flight: u32,
    /// Usual time to the first token; `None` while nothing is known, and for a strategy that does not
    /// mind.
    pub latency: Option<Duration>,
}

/// What differs from one pick to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Number of this pick within the tier; starts anywhere.
    pub sequence: u64,
    /// A random number, so that strategies need no generator of their own.
    pub random: u64,
}

/// A way to choose among candidates.
pub trait Strategy: fmt::Debug + Send + Sync {
    /// The index of the chosen candidate; `None` if and only if none has a weight above 0.
    fn pick(&self, candidates: &[Candidate], turn: Turn) -> Option<usize>;

    /// Whether it minds what candidates are doing. Then a session leaves a crowded target too.
    fn minds_load(&self) -> bool {
        false
    }

    /// Whether it minds how fast candidates usually are.
    fn minds_latency(&self) -> bool {
        false
    }
}

/// The index of the candidate with the least to do for its weight; of equals, one at random.
pub fn least_busy(candidates: &[Candidate], random: u64) -> Option<usize> {
    least_connections::LeastConnections.pick(candidates, Turn { sequence: random, random })
}

/// The candidates that may be chosen, each with its index.
fn eligible(candidates: &[Candidate]) -> impl Iterator<Item = (usize, &Candidate)> + Clone {
    candidates.iter().enumerate().filter(|(_, candidate)| candidate.weight > 0)
}

/// The candidate whose turn it is if all take turns.
fn nth<'c>(
    candidates: impl Iterator<Item = (usize, &'c Candidate)> + Clone,
    turn: u64,
) -> Option<usize> {
    let count = candidates.clone().count() as u64;
    let at = usize::try_from(turn.checked_rem(count)?).ok()?;
    candidates.map(|(index, _)| index).nth(at)
}

#[cfg(test)]
mod tests;
