//! Everyone in turn.

use super::{Candidate, Strategy, Turn};

/// Candidates take turns; weights only say who takes part.
#[derive(Debug)]
pub(super) struct RoundRobin;

impl Strategy for RoundRobin {
    fn pick(&self, candidates: &[Candidate], turn: Turn) -> Option<usize> {
        super::nth(super::eligible(candidates), turn.sequence)
    }
}
