//! The same target for the same session.
//!
//! Providers keep what they have read of a prompt for some minutes, and charge a tenth for what they
//! find there. A session that goes to another target pays for all of it again.
//!
//! Nothing is remembered: every target draws a number for every session, and the highest weighted
//! number wins (rendezvous hashing). So all gateways and every next table agree; a target that goes
//! takes only its own sessions along, each to the target that came second, and they come back with it;
//! and sessions are divided by weight.

use super::Candidate;

/// A target takes a session that is its own until it has this many times as many requests for its
/// weight as the average: beyond that waiting costs more than the cache saves. The bound of
/// "Consistent Hashing with Bounded Loads" (Mirrokni, Thorup, Zadimoghaddam), wider than its 1.25,
/// because sessions move for the sake of a moment and pay for it.
const MOST_TIMES_AVERAGE: u64 = 2;

/// Below this many requests no target is crowded: twice the average of next to nothing is nothing.
const NEVER_CROWDED: u64 = 4;

/// What requests of one session have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session(u64);

/// What tells one of several choices from the others, the same in every process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(u64);

impl Session {
    /// The session that these texts name together.
    pub fn of(parts: &[&str]) -> Self {
        Self(digest(parts))
    }

    /// The number that a choice draws for this session: evenly distributed, and another for each.
    pub fn draw(self, mark: Mark) -> u64 {
        scramble(self.0 ^ scramble(mark.0))
    }
}

impl Mark {
    /// The mark of what these texts name together.
    pub fn of(parts: &[&str]) -> Self {
        Self(digest(parts))
    }
}

/// The candidate that a session belongs to; `marks` are theirs. Where `bounded`, one that is crowded
/// is left out, and the session goes to the one that comes next.
pub fn pick(
    candidates: &[Candidate],
    marks: &[Mark],
    session: Session,
    bounded: bool,
) -> Option<usize> {
    let total = super::eligible(candidates).fold((0, 0), |(running, weight), (_, candidate)| {
        (running + u64::from(candidate.in_flight), weight + u64::from(candidate.weight))
    });
    super::eligible(candidates)
        .filter(|(_, candidate)| !bounded || !is_crowded(candidate, total))
        .filter_map(|(index, candidate)| {
            Some((index, score(session.draw(*marks.get(index)?), candidate.weight)))
        })
        .reduce(|best, next| if next.1 > best.1 { next } else { best })
        .map(|(index, _)| index)
}

/// Whether a candidate would, with one request more, have too many of all that are running.
fn is_crowded(candidate: &Candidate, (running, weight): (u64, u64)) -> bool {
    let (own, share) = (u64::from(candidate.in_flight) + 1, u64::from(candidate.weight));
    let most = u128::from(MOST_TIMES_AVERAGE) * u128::from(running + 1) * u128::from(share);
    own > NEVER_CROWDED && u128::from(own) * u128::from(weight) > most
}

/// A number of which the highest is drawn as often as the weight says (Efraimidis and Spirakis):
/// the logarithm of a number between 0 and 1, divided by the weight.
#[allow(clippy::cast_precision_loss, reason = "53 of 64 random bits are as random")]
fn score(draw: u64, weight: u32) -> f64 {
    // In the middle of its step, so that it is neither 0 nor 1.
    let between = ((draw >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    between.ln() / f64::from(weight)
}

/// FNV-1a over the texts, each ended by a byte that is in none of them. Nobody gains anything by a
/// collision: two sessions would share a target.
fn digest(parts: &[&str]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

/// The finalizer of SplitMix64: every bit of the input changes half of those of the result.
fn scramble(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::balance::tests::candidate;

    fn marks(names: impl Iterator<Item = usize>) -> Vec<Mark> {
        names.map(|name| Mark::of(&["ns", &format!("target-{name}")])).collect()
    }

    fn session(number: u32) -> Session {
        Session::of(&["ns", "consumer", &format!("session-{number}")])
    }

    fn running(in_flight: u32) -> Candidate {
        Candidate { in_flight, ..candidate(1) }
    }

    #[test]
    fn sessions_are_divided_by_weight() {
        let weights = [600, 300, 100];
        let (candidates, marks) = (weights.map(candidate), marks(0..3));
        let mut counts = [0_u32; 3];
        for number in 0..10_000 {
            let pick = pick(&candidates, &marks, session(number), false).expect("three");
            counts[pick] += 1;
        }
        for (count, weight) in counts.iter().zip(weights) {
            assert!(count.abs_diff(weight * 10) < 200, "{counts:?}");
        }
    }

    #[test]
    fn a_crowded_target_hands_its_sessions_to_the_next_and_an_idle_one_never_is() {
        let marks = marks(0..4);
        for number in 0..100 {
            let mine = |candidates: &[Candidate], bounded| {
                pick(candidates, &marks, session(number), bounded).expect("four")
            };
            let own = mine(&[running(0); 4], true);
            let mut busy = [running(0); 4];
            busy[own] = running(3);
            assert_eq!(mine(&busy, true), own, "a few requests are no crowd");
            busy[own] = running(9);
            let other = mine(&busy, true);
            assert_ne!(other, own);
            let mut gone = [candidate(1); 4];
            gone[own].weight = 0;
            assert_eq!(mine(&gone, true), other, "where it would go if its own were gone");
            assert_eq!(mine(&busy, false), own, "unless only weights count");
            assert_eq!(mine(&[running(9); 4], true), own, "all are as busy");
        }
    }

    proptest! {
        #[test]
        fn nobody_moves_but_who_must(
            count in 2_usize..9,
            gone in any::<prop::sample::Index>(),
            start in any::<u32>(),
            weights in proptest::collection::vec(1_u32..1000, 9),
        ) {
            let gone = gone.index(count);
            let all: Vec<_> = weights[..count].iter().copied().map(candidate).collect();
            // As in a new table, where the others stand in other places.
            let mut left = all.clone();
            left.remove(gone);
            left.reverse();
            let without = marks((0..count).filter(|at| *at != gone).rev());
            for number in 0..64 {
                let session = session(start.wrapping_add(number));
                let before = pick(&all, &marks(0..count), session, false).expect("some");
                let after = pick(&left, &without, session, false).expect("some");
                if before != gone {
                    prop_assert_eq!(without[after], marks(0..count)[before]);
                }
            }
        }

        #[test]
        fn a_heavier_target_only_gains(
            raised in any::<prop::sample::Index>(),
            start in any::<u32>(),
            weights in proptest::collection::vec(1_u32..1000, 2..9),
        ) {
            let raised = raised.index(weights.len());
            let marks = marks(0..weights.len());
            let before: Vec<_> = weights.iter().copied().map(candidate).collect();
            let mut after = before.clone();
            after[raised].weight *= 2;
            for number in 0..64 {
                let session = session(start.wrapping_add(number));
                let [old, new] = [&before, &after].map(|c| pick(c, &marks, session, false));
                prop_assert!(old == new || new == Some(raised));
            }
        }

        #[test]
        fn somebody_is_always_found_where_anybody_may_be(
            candidates in proptest::collection::vec((0_u32..4, 0_u32..100), 0..9),
            number in any::<u32>(),
        ) {
            let candidates: Vec<_> = candidates
                .into_iter()
                .map(|(weight, in_flight)| Candidate { in_flight, ..candidate(weight) })
                .collect();
            let marks = marks(0..candidates.len());
            let found = pick(&candidates, &marks, session(number), true);
            prop_assert_eq!(found.is_some(), candidates.iter().any(|c| c.weight > 0));
            prop_assert!(found.is_none_or(|at| candidates[at].weight > 0));
        }
    }
}
