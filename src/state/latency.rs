//! How long a target usually takes to its first token.
//!
//! A peak-sensitive moving average, as linkerd and Finagle balance by: a sample above the estimate
//! replaces it at once, one below pulls it down by its age, `e^(-age/DECAY)` being what is left of
//! the old. Getting slow shows immediately; getting fast has to be proven for a while.
//!
//! The estimate also sinks while no sample comes, since nobody asks a target that once was slow:
//! after a while it looks good enough to be tried, and after [`FORGOTTEN`] nothing is known of it.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// In this time an estimate loses 63 % of its weight. Time to a first token is measured in seconds
/// and many routes see a request every few: a memory of one minute holds some samples of those.
const DECAY: Duration = Duration::from_secs(60);

/// After this time without a sample nothing is known. It also bounds how good a target can look by
/// having sunk: to a seventh of what it took, not to nothing, which would draw every request.
const FORGOTTEN: Duration = Duration::from_secs(120);

/// What is known of a target's time to the first token.
#[derive(Debug, Default)]
pub struct Latency(Mutex<Option<Estimate>>);

#[derive(Debug, Clone, Copy)]
struct Estimate {
    seconds: f64,
    at: Instant,
}

impl Latency {
    /// Adds a sample. A limit that passed without an answer is a sample too.
    pub fn observe(&self, sample: Duration, now: Instant) {
        let sample = sample.as_secs_f64();
        let mut estimate = self.0.lock();
        let seconds = match *estimate {
            Some(known) if !known.is_forgotten(now) && sample < known.seconds => {
                let kept = known.kept(now);
                known.seconds * kept + sample * (1.0 - kept)
            }
            _ => sample,
        };
        *estimate = Some(Estimate { seconds, at: now });
    }

    /// The usual time to the first token; `None` while nothing is known, or nothing any more.
    pub fn estimate(&self, now: Instant) -> Option<Duration> {
        let known = (*self.0.lock()).filter(|known| !known.is_forgotten(now))?;
        Duration::try_from_secs_f64(known.seconds * known.kept(now)).ok()
    }
}

impl Estimate {
    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.at)
    }

    fn is_forgotten(&self, now: Instant) -> bool {
        self.age(now) >= FORGOTTEN
    }

    fn kept(&self, now: Instant) -> f64 {
        (-self.age(now).as_secs_f64() / DECAY.as_secs_f64()).exp()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn rises_at_once_and_sinks_slowly() {
        let (latency, start) = (Latency::default(), Instant::now());
        assert_eq!(latency.estimate(start), None);
        latency.observe(SECOND, start);
        latency.observe(4 * SECOND, start);
        assert_eq!(latency.estimate(start), Some(4 * SECOND));
        latency.observe(SECOND, start + SECOND);
        let after = latency.estimate(start + SECOND).expect("just observed");
        assert!(after > 3 * SECOND && after < 4 * SECOND, "{after:?}");
        for second in 2..600 {
            latency.observe(SECOND, start + second * SECOND);
        }
        let settled = latency.estimate(start + 599 * SECOND).expect("just observed");
        assert!(settled < SECOND.mul_f64(1.01), "{settled:?}");
    }

    #[test]
    fn a_slow_target_that_nobody_asks_comes_back() {
        let (latency, start) = (Latency::default(), Instant::now());
        latency.observe(8 * SECOND, start);
        let later = |after| latency.estimate(start + after);
        assert!(later(DECAY).expect("known") < 3 * SECOND);
        assert!(later(FORGOTTEN.mul_f64(0.99)).expect("known") > SECOND);
        assert_eq!(later(FORGOTTEN), None);
        // What comes after that is the first sample again.
        latency.observe(SECOND, start + FORGOTTEN);
        assert_eq!(later(FORGOTTEN), Some(SECOND));
    }

    proptest! {
        #[test]
        fn stays_within_what_was_observed(
            samples in proptest::collection::vec((0u64..100_000, 0u64..50_000), 1..40),
        ) {
            let latency = Latency::default();
            let mut now = Instant::now();
            for (sample, pause) in &samples {
                now += Duration::from_millis(*pause);
                latency.observe(Duration::from_millis(*sample), now);
            }
            let longest = samples.iter().map(|(sample, _)| *sample).max().unwrap_or(0);
            let estimate = latency.estimate(now).expect("just observed");
            prop_assert!(estimate <= Duration::from_millis(longest) + Duration::from_micros(1));
        }
    }
}
