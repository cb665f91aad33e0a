//! Shares by weight.
//!
//! Random draws give the right shares in the end and runs of one target on the way. Multiples of
//! the golden ratio, taken modulo 1, fall evenly into any interval from the first one on: shares
//! hold over short stretches too, one target's turns lie apart, and no counter per target is needed
//! that the next table would lose.

use super::{Candidate, Strategy, Turn};

/// 2^64 divided by the golden ratio: the step around a circle of 2^64 points.
const GOLDEN_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Candidates take turns as often as their weight says.
#[derive(Debug)]
pub(super) struct Weighted;

impl Strategy for Weighted {
    fn pick(&self, candidates: &[Candidate], turn: Turn) -> Option<usize> {
        take_turns(super::eligible(candidates), turn)
    }
}

/// Whose turn it is among some candidates, by weight.
pub(super) fn take_turns<'c>(
    candidates: impl Iterator<Item = (usize, &'c Candidate)> + Clone,
    turn: Turn,
) -> Option<usize> {
    share(candidates, turn.sequence.wrapping_mul(GOLDEN_STEP))
}

/// The candidate in whose share of the circle of 2^64 points `point` lies.
pub(super) fn share<'c>(
    candidates: impl Iterator<Item = (usize, &'c Candidate)> + Clone,
    point: u64,
) -> Option<usize> {
    let total: u64 = candidates.clone().map(|(_, candidate)| u64::from(candidate.weight)).sum();
    // The upper half of the product: between 0 and `total`, the latter excluded.
    let mut left = u64::try_from((u128::from(point) * u128::from(total)) >> 64).ok()?;
    candidates
        .map(|(index, candidate)| (index, u64::from(candidate.weight)))
        .find(|(_, weight)| {
            let here = left < *weight;
            left = left.saturating_sub(*weight);
            here
        })
        .map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::tests::{candidate, picks};

    #[test]
    fn shares_hold_over_any_short_stretch() {
        let candidates = [7, 2, 1].map(candidate);
        let picks = picks(&Weighted, &candidates, 10_000);
        for stretch in picks.windows(100) {
            let mut counts = [0_i32; 3];
            for pick in stretch {
                counts[*pick] += 1;
            }
            for (count, expected) in counts.into_iter().zip([70, 20, 10]) {
                assert!((count - expected).abs() <= 3, "{counts:?}");
            }
        }
    }

    #[test]
    fn equal_weights_make_no_runs() {
        let picks = picks(&Weighted, &[1, 1].map(candidate), 1000);
        assert!(picks.windows(3).all(|run| run.iter().any(|pick| *pick != run[0])));
    }

    #[test]
    fn the_largest_weights_do_not_overflow() {
        let candidates = [u32::MAX; 64].map(candidate);
        for sequence in [0, 1, u64::MAX / 2, u64::MAX] {
            assert!(Weighted.pick(&candidates, Turn { sequence, random: 0 }).is_some());
        }
    }
}
