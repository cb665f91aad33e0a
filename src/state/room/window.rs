//! What was used in the last minute, by the second.
//!
//! The second that began more than a minute ago counts while any part of it is within the minute, so
//! in no 60 seconds whatever is more used than is allowed; in the long run up to one part in 61 less
//! is. A bucket that fills steadily would take less memory, and let twice as much through in the
//! minute in which it was full.

use std::time::{Duration, Instant};

/// The seconds of a minute, and the one that has begun.
const SECONDS: usize = 61;

/// What was used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub requests: u32,
    pub tokens: u64,
}

/// Uses by the second, counted from the first of them.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Made with the first use: most targets have no limits.
    uses: Option<Box<Uses>>,
}

#[derive(Debug)]
struct Uses {
    start: Instant,
    /// The newest second of all: a moment that was looked up earlier must not go back in time.
    latest: u64,
    seconds: [Count; SECONDS],
}

impl Window {
    /// What counts now.
    pub(super) fn used(&self, now: Instant) -> Count {
        let Some(uses) = &self.uses else { return Count::default() };
        uses.counting(now)
            .fold(Count::default(), |sum, second| sum.plus(uses.seconds[place(second)]))
    }

    /// Counts a request and its tokens. Gives the second that they are counted in.
    pub(super) fn take(&mut self, tokens: u64, now: Instant) -> u64 {
        let uses = self.uses.get_or_insert_with(|| {
            Box::new(Uses { start: now, latest: 0, seconds: [Count::default(); SECONDS] })
        });
        uses.advance(now);
        let second = uses.latest;
        let count = &mut uses.seconds[place(second)];
        count.requests = count.requests.saturating_add(1);
        count.tokens = count.tokens.saturating_add(tokens);
        second
    }

    /// Takes back what was counted in that second, if it counts still.
    pub(super) fn give_back(&mut self, second: u64, back: Count) {
        if let Some(uses) = &mut self.uses
            && second + SECONDS as u64 > uses.latest
        {
            let count = &mut uses.seconds[place(second)];
            count.requests = count.requests.saturating_sub(back.requests);
            count.tokens = count.tokens.saturating_sub(back.tokens);
        }
    }

    /// Counts tokens that nobody had expected.
    pub(super) fn add(&mut self, tokens: u64, now: Instant) {
        if let Some(uses) = &mut self.uses {
            uses.advance(now);
            let count = &mut uses.seconds[place(uses.latest)];
            count.tokens = count.tokens.saturating_add(tokens);
        }
    }

    /// When as little counts as `fits` asks for, if nothing is added.
    pub(super) fn when(&self, fits: impl Fn(Count) -> bool, now: Instant) -> Instant {
        let Some(uses) = &self.uses else { return now };
        let mut left = Count::default();
        // From the newest back: what counts at least as long as this second.
        for second in uses.counting(now).rev() {
            left = left.plus(uses.seconds[place(second)]);
            if !fits(left) {
                return uses.start + Duration::from_secs(second + SECONDS as u64);
            }
        }
        now
    }
}

impl Count {
    fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }
}

impl Uses {
    /// The second of a moment.
    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs().max(self.latest)
    }

    /// The seconds that count.
    fn counting(&self, now: Instant) -> std::ops::RangeInclusive<u64> {
        (self.second(now) + 1).saturating_sub(SECONDS as u64)..=self.latest
    }

    /// Forgets the seconds that do not count any more.
    fn advance(&mut self, now: Instant) {
        let second = self.second(now);
        for passed in (self.latest + 1..=second).take(SECONDS) {
            self.seconds[place(passed)] = Count::default();
        }
        self.latest = second;
    }
}

fn place(second: u64) -> usize {
    usize::try_from(second % SECONDS as u64).unwrap_or_default()
}
