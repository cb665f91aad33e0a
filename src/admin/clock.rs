//! Moments for people.

use std::time::{Duration, Instant, SystemTime};

use jiff::{Timestamp, Unit};
use serde_json::Value;

use crate::api;

/// What time it is. Memory counts by a clock that has no date; one reading of both clocks for all
/// that is shown together keeps it consistent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub(super) now: Instant,
    wall: SystemTime,
}

impl Clock {
    pub(super) fn read() -> Self {
        Self { now: Instant::now(), wall: SystemTime::now() }
    }

    /// A moment by its date, in milliseconds; `null` for none.
    pub(super) fn date(self, moment: Option<Instant>) -> Value {
        let Some(moment) = moment else { return Value::Null };
        let ahead = moment.saturating_duration_since(self.now);
        let ago = self.now.saturating_duration_since(moment);
        date((self.wall + ahead).checked_sub(ago))
    }
}

/// A date, in milliseconds.
pub(super) fn date(time: Option<SystemTime>) -> Value {
    let stamp = time.and_then(|time| Timestamp::try_from(time).ok());
    let rounded = stamp.and_then(|stamp| stamp.round(Unit::Millisecond).ok());
    rounded.map_or(Value::Null, |stamp| stamp.to_string().into())
}

/// A length of time as manifests have it.
pub(super) fn length(duration: Duration) -> Value {
    api::Duration::from(duration).to_string().into()
}

/// Milliseconds, of what is measured and not configured.
pub(super) fn millis(duration: Option<Duration>) -> Value {
    duration.map_or(Value::Null, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_before_and_after_now_have_their_dates() {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000);
        let clock = Clock { now: Instant::now(), wall };
        let second = Duration::from_secs(1);
        assert_eq!(clock.date(None), Value::Null);
        assert_eq!(clock.date(Some(clock.now)), "2025-06-15T15:06:40Z");
        assert_eq!(clock.date(Some(clock.now + second)), "2025-06-15T15:06:41Z");
        let before = clock.now.checked_sub(second).expect("a machine that runs for a second");
        assert_eq!(clock.date(Some(before)), "2025-06-15T15:06:39Z");
        assert_eq!((length(90 * second), millis(Some(second))), ("1m30s".into(), 1000.into()));
    }
}
