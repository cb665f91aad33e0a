//! How a target that was left alone takes its share back.
//!
//! A server that comes back has cold caches and a model to load, and whoever throttled us a moment
//! ago will again if everybody returns at once. So a target that was left alone takes part in a tenth
//! of the choices at first and in linearly more of them, until after the time that it rested (but
//! ten seconds at most) it takes part in all. Where it is not chosen for that reason another target
//! is; where there is no other it is asked as ever.
//!
//! The same keeps a tier from swinging to and fro: traffic goes away at once and comes back by and
//! by, so a target that cannot bear all of it fails or throttles on a part of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The longest slow start. With the breaker's own rest of 15 s, jitter included, a target that is
/// well again has its whole share within the 30 s after which it is promised to be back.
const LONGEST: Duration = Duration::from_secs(10);

/// A pause shorter than this is how providers ask to space requests out, and no outage.
const SHORTEST_PAUSE: Duration = Duration::from_secs(5);

/// With less than this a target whose tier sees few requests would seem to be still away.
const FIRST_SHARE: f64 = 0.1;

/// Whether a target has been back for a short while only.
#[derive(Debug, Default)]
pub struct Recovery {
    /// Whether there is anything to look at, so that mostly nobody takes the lock.
    pending: AtomicBool,
    /// When the slow start begins, and how long it takes.
    start: Mutex<Option<(Instant, Duration)>>,
}

impl Recovery {
    /// It is back from `at` on, after it was left alone for `rested`.
    pub fn begin(&self, at: Instant, rested: Duration) {
        *self.start.lock() = Some((at, rested.min(LONGEST)));
        self.pending.store(true, Ordering::Relaxed);
    }

    /// It was asked to be left alone until `until`: it will be back then.
    pub fn begin_after_pause(&self, until: Instant, now: Instant) {
        let pause = until.saturating_duration_since(now);
        if pause >= SHORTEST_PAUSE {
            self.begin(until, pause);
        }
    }

    /// Ends the slow start.
    pub fn end(&self) {
        *self.start.lock() = None;
        self.pending.store(false, Ordering::Relaxed);
    }

    /// In which part of the choices it takes part now; `None` if in all. Whoever is asked before a
    /// pause is over was freed from it, by a new key for example.
    pub fn share(&self, now: Instant) -> Option<f64> {
        if !self.pending.load(Ordering::Relaxed) {
            return None;
        }
        let mut start = self.start.lock();
        let (begin, length) = (*start)?;
        let passed = now.checked_duration_since(begin)?;
        if passed >= length {
            *start = None;
            self.pending.store(false, Ordering::Relaxed);
            return None;
        }
        let part = passed.as_secs_f64() / length.as_secs_f64();
        Some(FIRST_SHARE + (1.0 - FIRST_SHARE) * part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn percent(recovery: &Recovery, now: Instant) -> Option<u32> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
        recovery.share(now).map(|share| (share * 100.0).round() as u32)
    }

    #[test]
    fn the_share_grows_linearly_for_as_long_as_the_rest_was_and_ten_seconds_at_most() {
        for (rested, length) in [(4 * SECOND, 4 * SECOND), (300 * SECOND, 10 * SECOND)] {
            let (recovery, now) = (Recovery::default(), Instant::now());
            assert_eq!(percent(&recovery, now), None);
            recovery.begin(now, rested);
            assert_eq!(percent(&recovery, now), Some(10));
            assert_eq!(percent(&recovery, now + length / 2), Some(55));
            assert_eq!(percent(&recovery, now + length), None);
        }
    }

    #[test]
    fn after_a_pause_it_begins_when_the_pause_ends_and_short_ones_do_not_count() {
        let (recovery, now) = (Recovery::default(), Instant::now());
        recovery.begin_after_pause(now + 2 * SECOND, now);
        assert_eq!(percent(&recovery, now + 2 * SECOND), None);
        recovery.begin_after_pause(now + 60 * SECOND, now);
        assert_eq!(percent(&recovery, now + 30 * SECOND), None, "it was freed from the pause");
        assert_eq!(percent(&recovery, now + 60 * SECOND), Some(10));
        assert_eq!(percent(&recovery, now + 65 * SECOND), Some(55));
        recovery.end();
        assert_eq!(percent(&recovery, now + 65 * SECOND), None);
    }

    #[test]
    fn no_rest_at_all_is_no_slow_start() {
        let (recovery, now) = (Recovery::default(), Instant::now());
        recovery.begin(now, Duration::ZERO);
        assert_eq!(percent(&recovery, now), None);
    }
}
