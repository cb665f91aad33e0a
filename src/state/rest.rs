//! A moment before which something is left alone.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What rests are counted from. An `Instant` has no number of its own, and one word that many
/// requests read without a lock needs one.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds from [`ORIGIN`] until which it rests; 0 while it never did.
#[derive(Debug, Default)]
pub(super) struct Rest(AtomicU64);

impl Rest {
    /// Rests until `until` at least: an earlier moment does not cut a longer rest short.
    pub(super) fn extend(&self, until: Instant) {
        let nanos = until.saturating_duration_since(*ORIGIN).as_nanos();
        self.0.fetch_max(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        // Mostly there is nothing to end, and a read does not take the word from other cores.
        if self.0.load(Ordering::Relaxed) != 0 {
            self.0.store(0, Ordering::Relaxed);
        }
    }

    /// When the rest is over, if it is not.
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            nanos => ORIGIN.checked_add(Duration::from_nanos(nanos)).filter(|until| *until > now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_rest_holds_until_it_is_over_or_ended() {
        let (rest, now) = (Rest::default(), Instant::now());
        let second = Duration::from_secs(1);
        assert_eq!(rest.until(now), None);
        rest.extend(now + 5 * second);
        rest.extend(now + second);
        assert_eq!(rest.until(now), Some(now + 5 * second));
        assert_eq!(rest.until(now + 5 * second), None);
        rest.end();
        assert_eq!(rest.until(now), None);
    }
}
