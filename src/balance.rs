//! How one target is chosen inside a priority tier.
//!
//! Health is decided before a strategy is asked: candidates are those that may be asked now, and a
//! strategy never learns why another is missing.

pub mod registry;

use std::fmt;
use std::time::Duration;

/// One target that may be asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Share within the tier; 0 is never chosen.
    pub weight: u32,
    /// Requests running there, streams until their last byte.
    pub in_flight: u32,
    /// Usual time to the first token; `None` while nothing is known.
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
}
