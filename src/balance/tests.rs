//! What holds for every row of the registry, and what the strategies' own tests need.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::Strategy as _;

use super::registry::{DEFAULT, STRATEGIES, find};
use super::{Candidate, Strategy, Turn};

/// An idle candidate of unknown speed.
pub(super) fn candidate(weight: u32) -> Candidate {
    Candidate { weight, in_flight: 0, latency: None }
}

/// The picks of so many turns, with random numbers that are the same each time.
pub(super) fn picks(strategy: &dyn Strategy, candidates: &[Candidate], turns: u64) -> Vec<usize> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..turns)
        .map(|sequence| Turn { sequence, random: random.u64(..) })
        .map(|turn| strategy.pick(candidates, turn).expect("there is something to pick"))
        .collect()
}

/// How often each candidate is picked.
pub(super) fn shares(strategy: &dyn Strategy, candidates: &[Candidate], turns: u64) -> Vec<usize> {
    let picks = picks(strategy, candidates, turns);
    (0..candidates.len()).map(|at| picks.iter().filter(|pick| **pick == at).count()).collect()
}

fn any_candidate() -> impl proptest::strategy::Strategy<Value = Candidate> {
    let weight = prop_oneof![Just(0), 1u32..=4, 1u32..=1_000_000, Just(u32::MAX)];
    let in_flight = prop_oneof![Just(0), 1u32..5, any::<u32>()];
    let latency = prop_oneof![
        Just(None),
        (0u64..60_000).prop_map(|millis| Some(Duration::from_millis(millis))),
        Just(Some(Duration::MAX)),
    ];
    (weight, in_flight, latency).prop_map(|(weight, in_flight, latency)| Candidate {
        weight,
        in_flight,
        latency,
    })
}

fn any_turn() -> impl proptest::strategy::Strategy<Value = Turn> {
    (any::<u64>(), any::<u64>()).prop_map(|(sequence, random)| Turn { sequence, random })
}

proptest! {
    #[test]
    fn picks_one_that_may_be_picked_and_the_same_again(
        candidates in proptest::collection::vec(any_candidate(), 0..40),
        turn in any_turn(),
    ) {
        for row in STRATEGIES {
            let pick = row.strategy.pick(&candidates, turn);
            prop_assert_eq!(pick, row.strategy.pick(&candidates, turn), "{}", row.name);
            match pick {
                Some(at) => prop_assert!(candidates[at].weight > 0, "{} picks {at}", row.name),
                None => prop_assert!(candidates.iter().all(|c| c.weight == 0), "{}", row.name),
            }
        }
    }

    /// Nothing depends on where a count begins, as it does anew with every table.
    #[test]
    fn shares_of_equals_are_equal(count in 1usize..9, start in any::<u64>()) {
        let candidates = vec![candidate(100); count];
        for row in STRATEGIES {
            let mut random = fastrand::Rng::with_seed(start);
            let mut counts = vec![0_usize; count];
            for step in 0..(count as u64 * 200) {
                let turn = Turn { sequence: start.wrapping_add(step), random: random.u64(..) };
                counts[row.strategy.pick(&candidates, turn).expect("all may be picked")] += 1;
            }
            prop_assert!(counts.iter().all(|c| c.abs_diff(200) <= 25), "{} {counts:?}", row.name);
        }
    }

    #[test]
    fn weights_are_shares(
        weights in proptest::collection::vec(0u32..1000, 1..9),
        start in any::<u64>(),
    ) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let candidates: Vec<_> = weights.iter().copied().map(candidate).collect();
        let total: u32 = weights.iter().sum();
        let mut counts = vec![0_u32; weights.len()];
        let weighted = find("Weighted").expect("a row").strategy;
        for step in 0..2000 {
            let turn = Turn { sequence: start.wrapping_add(step), random: 0 };
            counts[weighted.pick(&candidates, turn).expect("one has weight")] += 1;
        }
        for (count, weight) in counts.iter().zip(&weights) {
            let expected = 2000.0 * f64::from(*weight) / f64::from(total);
            prop_assert!((f64::from(*count) - expected).abs() <= 8.0, "{counts:?} {weights:?}");
        }
    }
}

#[test]
fn round_robin_asks_in_order_and_ignores_weights() {
    let round_robin = find("RoundRobin").expect("a row").strategy;
    let candidates = [1, 0, 900].map(candidate);
    assert_eq!(picks(round_robin, &candidates, 6), [0, 2, 0, 2, 0, 2]);
}

#[test]
fn the_registry_is_in_order() {
    assert!(find(DEFAULT).is_some() && find("weighted").is_none());
    for (at, row) in STRATEGIES.iter().enumerate() {
        assert!(STRATEGIES[..at].iter().all(|other| other.name != row.name), "{}", row.name);
        let sentence = row.summary.starts_with(char::is_lowercase) && !row.summary.ends_with('.');
        assert!(sentence, "{}: {}", row.name, row.summary);
    }
}
