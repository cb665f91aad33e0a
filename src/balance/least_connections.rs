//! Whoever has the least to do.

use std::cmp::Ordering;

use super::{Candidate, Strategy, Turn, weighted};

/// The candidate that would have the fewest requests for its weight with this one added. Among
/// equals turns decide, so that idle targets share what comes one by one.
#[derive(Debug)]
pub(super) struct LeastConnections;

impl Strategy for LeastConnections {
    fn minds_load(&self) -> bool {
        true
    }

    fn pick(&self, candidates: &[Candidate], turn: Turn) -> Option<usize> {
        let (_, least) = super::eligible(candidates).min_by(|(_, a), (_, b)| by_load(a, b))?;
        let equals = super::eligible(candidates).filter(|(_, other)| by_load(other, least).is_eq());
        weighted::take_turns(equals, turn)
    }
}

/// Compares `(in_flight + 1) / weight` of both, multiplied out to stay exact.
fn by_load(a: &Candidate, b: &Candidate) -> Ordering {
    let load = |one: &Candidate, other: &Candidate| {
        (u64::from(one.in_flight) + 1) * u64::from(other.weight)
    };
    load(a, b).cmp(&load(b, a))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::tests::{candidate, picks};

    fn busy(weight: u32, in_flight: u32) -> Candidate {
        Candidate { in_flight, ..candidate(weight) }
    }

    #[test]
    fn the_least_busy_for_its_weight_is_asked() {
        let always = |candidates: &[Candidate], expected| {
            assert!(picks(&LeastConnections, candidates, 20).iter().all(|pick| *pick == expected));
        };
        always(&[busy(1, 3), busy(1, 2), busy(1, 9)], 1);
        always(&[busy(1, 1), busy(10, 5)], 1);
        always(&[busy(1, 0), busy(3, 3)], 0);
        always(&[busy(0, 0), busy(1, 900)], 1);
    }

    #[test]
    fn equals_take_turns() {
        let picks = picks(&LeastConnections, &[1, 1, 1].map(candidate), 300);
        for index in 0..3 {
            let count = picks.iter().filter(|pick| **pick == index).count();
            assert!(count.abs_diff(100) <= 2, "{count}");
        }
    }

    #[test]
    fn running_requests_settle_at_the_weights() {
        let mut candidates = [6, 3, 1].map(candidate);
        for sequence in 0..100 {
            let turn = Turn { sequence, random: 0 };
            let pick = LeastConnections.pick(&candidates, turn).expect("three to choose from");
            candidates[pick].in_flight += 1;
        }
        assert_eq!(candidates.map(|candidate| candidate.in_flight), [60, 30, 10]);
    }
}
