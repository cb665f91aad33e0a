//! Which generations of which routes a replica has taken in, in a kilobyte or two.
//!
//! Each route falls into a bucket by its mark, and a bucket holds the exclusive or of the stamps of
//! its routes, a stamp being 32 bits made of mark and generation. Whoever knows the routes can
//! compute the same: where a bucket is equal, so is every generation in it.
//!
//! Where it differs, mostly one route of it does, because one was just changed, or because a watch
//! has missed something. The difference of two such sums is then the difference of two stamps of
//! one route, which is found by trying: each route of the bucket, some generations to either side
//! and its absence. So a replica that lags behind with one route is known to lag with that one and
//! no other, and if no route explains a difference, nothing is claimed of that bucket.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Mark;

/// More buckets would make each route's own, and a Lease of 5,000 routes a large one: 256 take 1.4 KB.
const MAX_BUCKETS: usize = 256;
/// How many generations to either side are tried: a replica that is further behind has missed whole
/// minutes of edits, and need not be told from one that knows nothing of the route. More would make
/// chance hits likelier: at 20 routes a bucket and 17 tries each it is one in ten million.
const TRIED: i64 = 8;

/// The newest generation of every route, by its mark.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Census(BTreeMap<Mark, i64>);

/// A census as a replica tells it. As many as the routes, up to the next power of two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::control) struct Buckets(Vec<u32>);

/// What a replica has taken in, in the eyes of one that knows all routes.
#[derive(Debug)]
pub(super) struct Comparison(Vec<Bucket>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bucket {
    Same,
    /// All is the same but this route.
    AllBut(Mark, Seen),
    Different,
}

/// Whether a replica has taken in the newest generation of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It has.
    Newest,
    /// It knows an older one, or none.
    Older,
    /// That cannot be told: something else of the bucket differs as well, or the replica is ahead.
    Unclear,
}

impl FromIterator<(Mark, i64)> for Census {
    fn from_iter<I: IntoIterator<Item = (Mark, i64)>>(routes: I) -> Self {
        Self(routes.into_iter().collect())
    }
}

impl Census {
    /// For a replica's own Lease.
    pub(super) fn buckets(&self) -> Buckets {
        self.sums(self.0.len().next_power_of_two().clamp(1, MAX_BUCKETS))
    }

    fn sums(&self, count: usize) -> Buckets {
        let mut sums = vec![0; count];
        for (mark, generation) in &self.0 {
            sums[place(*mark, count)] ^= stamp(*mark, *generation);
        }
        Buckets(sums)
    }

    /// What `said` means to one who knows these routes.
    pub(super) fn compare(&self, said: &Buckets) -> Comparison {
        let count = said.0.len();
        let Buckets(own) = self.sums(count);
        let differences: Vec<u32> = own.iter().zip(&said.0).map(|(own, said)| own ^ said).collect();
        let judge = |difference: &u32| match difference {
            0 => Bucket::Same,
            _ => Bucket::Different,
        };
        let mut buckets: Vec<Bucket> = differences.iter().map(judge).collect();
        let mut explained = vec![0_u32; count];
        for (mark, generation) in &self.0 {
            let at = place(*mark, count);
            let Some(seen) = explain(*mark, *generation, differences[at]) else { continue };
            explained[at] += 1;
            // Two explanations are none.
            buckets[at] =
                if explained[at] == 1 { Bucket::AllBut(*mark, seen) } else { Bucket::Different };
        }
        Comparison(buckets)
    }
}

impl Comparison {
    /// Whether the replica has taken in the newest generation of that route.
    pub(super) fn seen(&self, route: Mark) -> Seen {
        match self.0[place(route, self.0.len())] {
            Bucket::Same => Seen::Newest,
            Bucket::AllBut(other, seen) if other == route => seen,
            Bucket::AllBut(..) => Seen::Newest,
            Bucket::Different => Seen::Unclear,
        }
    }
}

/// Whether another generation of that route, or its absence, is the whole difference.
fn explain(mark: Mark, generation: i64, difference: u32) -> Option<Seen> {
    if difference == 0 {
        return None;
    }
    let own = stamp(mark, generation);
    let other = own ^ difference;
    let oldest = (generation - TRIED).max(1);
    if other == 0 || (oldest..generation).any(|older| stamp(mark, older) == other) {
        return Some(Seen::Older);
    }
    let mut newer = generation + 1..=generation + TRIED;
    newer.any(|newer| stamp(mark, newer) == other).then_some(Seen::Unclear)
}

/// The low bits decide the bucket.
#[expect(clippy::cast_possible_truncation, reason = "only the low bits are looked at")]
fn place(mark: Mark, count: usize) -> usize {
    mark.bits() as usize & (count - 1)
}

/// SplitMix64's finalizer: cheap, the same in every version, and each bit of it hangs on every bit
/// of both. Nobody gains anything by a collision, so it need not be a cryptographic one.
#[expect(clippy::cast_possible_truncation, reason = "32 bits are what is wanted")]
fn stamp(mark: Mark, generation: i64) -> u32 {
    let mut mixed = mark.bits() ^ generation.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) as u32
}

impl Serialize for Buckets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|sum| sum.to_be_bytes()).collect();
        serializer.serialize_str(&BASE64.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Buckets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = BASE64.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)?;
        let (sums, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() || !sums.len().is_power_of_two() || sums.len() > MAX_BUCKETS {
            return Err(D::Error::custom("no power of two of 32-bit sums"));
        }
        Ok(Self(sums.iter().map(|sum| u32::from_be_bytes(*sum)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(number: usize) -> Mark {
        Mark::of(&[&number.to_string()])
    }

    fn census(routes: usize) -> Census {
        (0..routes).map(|number| (mark(number), 5)).collect()
    }

    fn with(mut census: Census, number: usize, generation: Option<i64>) -> Census {
        census.0.remove(&mark(number));
        census.0.extend(generation.map(|generation| (mark(number), generation)));
        census
    }

    #[test]
    fn equal_routes_are_equal_buckets_of_a_bounded_size() {
        for routes in [0, 1, 3, 100, 5000] {
            let text = serde_json::to_string(&census(routes).buckets()).unwrap();
            assert!(text.len() <= 1400, "{routes} routes take {} bytes", text.len());
            let said: Buckets = serde_json::from_str(&text).unwrap();
            let comparison = census(routes).compare(&said);
            assert!((0..routes).all(|number| comparison.seen(mark(number)) == Seen::Newest));
        }
    }

    #[test]
    fn who_lags_with_one_route_lags_with_no_other() {
        for older in [Some(4), Some(1), None] {
            let said = with(census(5000), 77, older).buckets();
            let comparison = census(5000).compare(&said);
            for number in 0..5000 {
                let expected = if number == 77 { Seen::Older } else { Seen::Newest };
                assert_eq!(comparison.seen(mark(number)), expected, "{number} after {older:?}");
            }
        }
    }

    #[test]
    fn who_is_ahead_with_one_route_is_unclear_in_it_alone() {
        let said = with(census(5000), 77, Some(6)).buckets();
        let comparison = census(5000).compare(&said);
        let unclear = |number: &usize| comparison.seen(mark(*number)) == Seen::Unclear;
        assert_eq!((0..5000).filter(unclear).collect::<Vec<_>>(), [77]);
        assert_eq!(comparison.seen(mark(78)), Seen::Newest);
    }

    #[test]
    fn nothing_is_claimed_of_a_bucket_that_nothing_explains() {
        // A route that only the other knows.
        let said = with(census(3), 9, Some(1)).sums(1);
        let comparison = census(3).compare(&said);
        assert!((0..3).all(|number| comparison.seen(mark(number)) == Seen::Unclear));
    }

    #[test]
    fn a_replica_without_any_route_has_seen_none() {
        let said = Census::default().buckets();
        let comparison = census(1).compare(&said);
        assert_eq!(comparison.seen(mark(0)), Seen::Older);
        let comparison = census(40).compare(&said);
        assert!((0..40).all(|number| comparison.seen(mark(number)) != Seen::Newest));
    }

    #[test]
    fn what_is_no_census_is_refused() {
        for text in ["\"\"", "\"AAAAAAAAAAAAAAAA\"", "\"AAA\"", "\"%\"", "7"] {
            assert!(serde_json::from_str::<Buckets>(text).is_err(), "{text}");
        }
    }
}
