//! Whoever is likely to answer first.
//!
//! What counts is the usual time to the first token times the requests that would be waiting for
//! it, by weight: the product keeps everybody from rushing to the same target, since each request
//! that goes there makes it look slower at once, long before a sample says so.
//!
//! A target nobody knows the speed of is asked first, but by one request at a time; while that is
//! on its way, it counts as an average one. A slow target is not asked and so not measured: its
//! estimate sinks with time, and a small share of picks goes anywhere.

use std::time::Duration;

use super::{Candidate, Strategy, Turn, weighted};

/// One pick in so many goes anywhere, by weight. It costs little (one request in 64 that is perhaps
/// slower) and finds out about a target that got better.
const EXPLORE_ONE_IN: u64 = 64;

/// With more candidates than this the better of two drawn at random is taken. Several gateways that
/// each look for the best of many find the same one and crowd it; with two to choose from they
/// spread. Among a few, leaving the best out to chance would be felt.
const MANY: usize = 16;

/// No answer is faster than this as far as choosing is concerned: a zero would make any number of
/// waiting requests look like none.
const FASTEST: Duration = Duration::from_millis(1);

/// The candidate with the least time to the first token times requests waiting for it.
#[derive(Debug)]
pub(super) struct FastestResponse;

impl Strategy for FastestResponse {
    fn minds_load(&self) -> bool {
        true
    }

    fn minds_latency(&self) -> bool {
        true
    }

    fn pick(&self, candidates: &[Candidate], turn: Turn) -> Option<usize> {
        if turn.random.is_multiple_of(EXPLORE_ONE_IN) {
            // The multiples are as evenly spread as the numbers.
            return weighted::share(super::eligible(candidates), turn.random);
        }
        let unknown = super::eligible(candidates)
            .filter(|(_, candidate)| candidate.latency.is_none() && candidate.in_flight == 0);
        if let Some(first) = weighted::take_turns(unknown, turn) {
            return Some(first);
        }
        let average = average(candidates);
        let cost = |candidate: &Candidate| cost(candidate, average);

        let count = super::eligible(candidates).count();
        if count > MANY {
            return better_of_two(candidates, count as u64, turn.random, cost);
        }
        let least =
            super::eligible(candidates).map(|(_, candidate)| cost(candidate)).reduce(f64::min)?;
        let equals = super::eligible(candidates).filter(|(_, candidate)| cost(candidate) <= least);
        weighted::take_turns(equals, turn)
    }
}

/// Seconds of waiting, by weight. A candidate of unknown speed counts as an average one.
fn cost(candidate: &Candidate, average: Duration) -> f64 {
    let latency = candidate.latency.unwrap_or(average).max(FASTEST);
    latency.as_secs_f64() * (f64::from(candidate.in_flight) + 1.0) / f64::from(candidate.weight)
}

/// The average of the known latencies; where none is known any will do, since all count alike.
fn average(candidates: &[Candidate]) -> Duration {
    let known = super::eligible(candidates).filter_map(|(_, candidate)| candidate.latency);
    let (sum, count) = known.fold((Duration::ZERO, 0_u32), |(sum, count), latency| {
        (sum.saturating_add(latency), count + 1)
    });
    sum.checked_div(count).unwrap_or(FASTEST)
}

fn better_of_two(
    candidates: &[Candidate],
    count: u64,
    random: u64,
    cost: impl Fn(&Candidate) -> f64,
) -> Option<usize> {
    // Two different ones: the second is drawn from the others, counted on from the first.
    let first = (random >> 32) % count;
    let second = (first + 1 + (random & u64::from(u32::MAX)) % (count - 1)) % count;
    let [first, second] = [first, second].map(|turn| super::nth(super::eligible(candidates), turn));
    let (first, second) = (first?, second?);
    Some(if cost(&candidates[second]) < cost(&candidates[first]) { second } else { first })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::tests::{candidate, shares};

    fn known(millis: u64, in_flight: u32) -> Candidate {
        Candidate { in_flight, latency: Some(Duration::from_millis(millis)), ..candidate(1) }
    }

    /// How often each is picked in 10,000 turns.
    fn counts<const N: usize>(candidates: [Candidate; N]) -> [usize; N] {
        let shares = shares(&FastestResponse, &candidates, 10_000);
        std::array::from_fn(|index| shares[index])
    }

    #[test]
    fn the_fastest_is_asked_and_the_others_now_and_then() {
        let [fast, slow, slower] = counts([known(100, 0), known(200, 0), known(900, 0)]);
        assert!(fast > 9_700, "{fast}");
        assert!(slow > 20 && slower > 20, "{slow} {slower}");
    }

    #[test]
    fn waiting_requests_make_a_target_slower() {
        let [busy, idle] = counts([known(100, 3), known(300, 0)]);
        assert!(idle > 9_700 && busy > 20, "{busy} {idle}");
    }

    #[test]
    fn weight_counts() {
        let heavy = Candidate { weight: 3, ..known(200, 0) };
        let [light, heavy] = counts([known(100, 0), heavy]);
        assert!(heavy > light, "{light} {heavy}");
    }

    #[test]
    fn an_unknown_target_is_asked_first_and_by_one() {
        let [_, unknown] = counts([known(1, 0), candidate(1)]);
        assert!(unknown > 9_700, "{unknown}");
        // On its way there already: an average target now, with something to do.
        let asked = Candidate { in_flight: 1, ..candidate(1) };
        let [known, unknown] = counts([known(100, 0), asked]);
        assert!(known > 9_700 && unknown > 20, "{known} {unknown}");
    }

    #[test]
    fn where_nothing_is_known_load_decides() {
        let busy = |in_flight| Candidate { in_flight, ..candidate(1) };
        let [a, b] = counts([busy(2), busy(1)]);
        assert!(b > 9_700, "{a} {b}");
        let [a, b] = counts([busy(0), busy(0)]);
        assert!(a.abs_diff(b) < 400, "{a} {b}");
    }

    #[test]
    fn among_many_the_better_of_two_is_asked() {
        let candidates: [_; 32] = std::array::from_fn(|index| known(100 + index as u64, 0));
        let counts = counts(candidates);
        // Drawn by 2 in 32, the best always wins; the worst is only found by exploring.
        assert!((400..900).contains(&counts[0]), "{counts:?}");
        assert!(counts[31] < 100, "{counts:?}");
    }
}
