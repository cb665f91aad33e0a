//! How long nearly every answer of a target takes: what a limit in time is set by that nobody set.
//!
//! A histogram whose buckets grow by a fifth, so that the answer is right within a fifth, which a
//! limit need not be better than. Once it holds [`HALVED_AT`] samples all counts are halved: what
//! was learned long ago fades, and a target that became faster is waited for less again.

use std::time::Duration;

use parking_lot::Mutex;

/// Buckets from [`FIRST`] up, each by [`GROWTH`] wider than the one before: up to more than an hour.
const BUCKETS: usize = 72;
/// Everything below is waited for anyway.
const FIRST: f64 = 0.01;
const GROWTH: f64 = 1.2;
/// Enough samples that one in twenty is more than chance; few enough that a change shows within
/// some minutes of ordinary traffic.
const HALVED_AT: u32 = 128;
/// The share of answers that have come by then, in percent.
const NEARLY_ALL: u32 = 95;
/// Room above what is usual: a prompt may be longer than those before.
const ROOM: f64 = 1.5;

/// What is known of a target's times of one kind.
#[derive(Debug)]
pub struct UsualTime(Mutex<Counts>);

#[derive(Debug)]
struct Counts {
    buckets: [u32; BUCKETS],
    total: u32,
}

impl Default for UsualTime {
    fn default() -> Self {
        Self(Mutex::new(Counts { buckets: [0; BUCKETS], total: 0 }))
    }
}

impl UsualTime {
    /// Adds a sample. A limit that passed without an answer is one too, of twice the limit.
    pub fn observe(&self, sample: Duration) {
        let mut counts = self.0.lock();
        counts.buckets[bucket(sample)] += 1;
        counts.total += 1;
        if counts.total >= HALVED_AT {
            for count in &mut counts.buckets {
                *count /= 2;
            }
            counts.total = counts.buckets.iter().sum();
        }
    }

    /// How long to wait for an answer: a good deal longer than nearly all of them take, within the
    /// bounds. The lower one while nothing is known.
    pub fn limit(&self, floor: Duration, ceiling: Duration) -> Duration {
        let usual = self.quantile(NEARLY_ALL).map(|usual| usual.mul_f64(ROOM));
        usual.unwrap_or(floor).clamp(floor, ceiling)
    }

    /// The time within which so many percent of the answers came; `None` while nothing is known.
    pub fn quantile(&self, percent: u32) -> Option<Duration> {
        let counts = self.0.lock();
        let wanted = (counts.total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let at = counts.buckets.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(upper_bound(at))
    }
}

fn bucket(sample: Duration) -> usize {
    let steps = (sample.as_secs_f64().max(FIRST) / FIRST).log(GROWTH).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to some hundred"
    )]
    let at = steps as usize;
    at.min(BUCKETS - 1)
}

fn upper_bound(bucket: usize) -> Duration {
    let steps = i32::try_from(bucket).unwrap_or(i32::MAX);
    Duration::from_secs_f64(FIRST * GROWTH.powi(steps))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FLOOR: Duration = Duration::from_secs(120);
    const CEILING: Duration = Duration::from_secs(600);

    #[test]
    fn nothing_is_known_at_first() {
        assert_eq!(UsualTime::default().limit(FLOOR, CEILING), FLOOR);
        assert_eq!(UsualTime::default().quantile(95), None);
    }

    #[test]
    fn a_limit_that_passed_once_is_long_enough_the_second_time() {
        let usual = UsualTime::default();
        usual.observe(2 * FLOOR);
        assert!(usual.limit(FLOOR, CEILING) > Duration::from_secs(150));
        for _ in 0..1000 {
            usual.observe(Duration::from_secs(150));
            assert!(usual.limit(FLOOR, CEILING) > Duration::from_secs(200));
        }
    }

    #[test]
    fn a_few_slow_answers_among_many_change_nothing_and_a_lasting_change_does() {
        let usual = UsualTime::default();
        for round in 0..1000 {
            usual.observe(Duration::from_secs(if round % 50 == 0 { 300 } else { 2 }));
        }
        assert_eq!(usual.limit(FLOOR, CEILING), FLOOR);
        for _ in 0..100 {
            usual.observe(Duration::from_secs(500));
        }
        assert_eq!(usual.limit(FLOOR, CEILING), CEILING);
        for _ in 0..2000 {
            usual.observe(Duration::from_secs(1));
        }
        assert_eq!(usual.limit(FLOOR, CEILING), FLOOR);
    }

    proptest! {
        #[test]
        fn a_quantile_is_right_within_a_bucket(
            samples in proptest::collection::vec(10_u64..1_000_000, 1..100),
        ) {
            let usual = UsualTime::default();
            for sample in &samples {
                usual.observe(Duration::from_millis(*sample));
            }
            let mut sorted = samples;
            sorted.sort_unstable();
            let rank = (sorted.len() * 95).div_ceil(100).max(1);
            let exact = Duration::from_millis(sorted[rank - 1]);
            let told = usual.quantile(95).expect("samples");
            prop_assert!(told >= exact.mul_f64(0.999), "{told:?} {exact:?}");
            prop_assert!(told <= exact.mul_f64(GROWTH * 1.001), "{told:?} {exact:?}");
        }
    }
}
