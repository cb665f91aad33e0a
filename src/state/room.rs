//! Whether a target has room for one more request, by the limits that its owner set.
//!
//! A request that goes to a target holds a [`Slot`] until its last byte. Taking one is a single
//! step under a lock, so the limits hold however many requests come at once; where a target has no
//! limits no lock is taken. Requests and tokens are counted in a window that slides by the second
//! ([`window`]): requests when they are sent, tokens by an estimate that is corrected when the target
//! says what it really used.
//!
//! Who waits for room stands in a line of the target ([`line`]): first come, first served. While
//! anybody waits, others find the target full, or the line would never move.
//!
//! Policy is passed in with every call, as everywhere here: an edited limit holds from the next
//! request on, and what was counted stays counted.

mod line;
mod slot;
mod window;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::InFlight;
use line::Line;
pub use line::Place;
pub use slot::Slot;
use window::Window;

/// How much may be asked of a target. Immutable; part of the table. Each process counts for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetLimits {
    /// Requests at a time, streams until their last byte.
    pub max_concurrent: Option<u32>,
    /// The same at each endpoint of a Service. Who is asked keeps it ([`Room`] knows no endpoints);
    /// here it only opens the line.
    pub max_concurrent_per_endpoint: Option<u32>,
    /// Requests that may wait at an endpoint of a Service, as its server counts them. Kept where the
    /// one before is.
    pub max_queued_per_endpoint: Option<u32>,
    /// Requests within any 60 seconds.
    pub requests_per_minute: Option<u32>,
    /// Tokens within any 60 seconds, input and output together.
    pub tokens_per_minute: Option<u64>,
    /// Requests that wait for room; 0 is no queue.
    pub max_queue: u32,
    /// How long one of them waits.
    pub queue_timeout: Duration,
}

impl TargetLimits {
    /// No limit. The queue's two are what holds where only limits are given: two seconds are less
    /// than what a person takes for a hang, and callers that wait hold memory.
    pub const NONE: Self = Self {
        max_concurrent: None,
        max_concurrent_per_endpoint: None,
        max_queued_per_endpoint: None,
        requests_per_minute: None,
        tokens_per_minute: None,
        max_queue: 64,
        queue_timeout: Duration::from_secs(2),
    };

    /// Whether nothing is limited.
    pub fn is_none(&self) -> bool {
        self.max_concurrent.is_none() && !self.are_per_endpoint() && !self.counts_by_minute()
    }

    /// Whether any of them is one of each endpoint.
    pub fn are_per_endpoint(&self) -> bool {
        self.max_concurrent_per_endpoint.is_some() || self.max_queued_per_endpoint.is_some()
    }

    fn counts_by_minute(&self) -> bool {
        self.requests_per_minute.is_some() || self.tokens_per_minute.is_some()
    }
}

/// What one request will use of a target, as far as can be told beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Tokens of the prompt.
    pub input: u64,
    /// Tokens that may be generated.
    pub output: u64,
}

impl Demand {
    /// The least that any request uses.
    pub const LEAST: Self = Self { input: 1, output: 0 };

    fn tokens(self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

/// That a target has no room now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// What is used up.
    pub limit: Limit,
    /// When there is room again, if that is a matter of time alone.
    pub until: Option<Instant>,
}

/// What of a target can be used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Too many requests are running.
    Concurrent,
    /// Too many requests are running at every endpoint.
    PerEndpoint,
    /// Every endpoint is busy, and at some of them it is too many requests that wait.
    Queued,
    /// Too many requests were sent in the last minute.
    Requests,
    /// Too many tokens were used in the last minute.
    Tokens,
    /// Others wait already.
    Turn,
}

impl Limit {
    /// What is used up, by the field that says so.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Concurrent => "limits.maxConcurrent",
            Self::PerEndpoint => "limits.maxConcurrentPerEndpoint",
            Self::Queued => "limits.maxQueuedPerEndpoint",
            Self::Requests => "limits.requestsPerMinute",
            Self::Tokens => "limits.tokensPerMinute",
            Self::Turn => "others wait for it already",
        }
    }
}

/// The memory of what is being used of a target.
#[derive(Debug, Default)]
pub struct Room {
    in_flight: InFlight,
    books: Mutex<Books>,
    /// How many stand in line, so that mostly nobody takes the lock.
    waiting: AtomicU32,
}

#[derive(Debug, Default)]
struct Books {
    window: Window,
    line: Line,
}

impl Room {
    /// The room of a target whose running requests are counted there.
    pub fn new(in_flight: InFlight) -> Self {
        Self { in_flight, ..Self::default() }
    }

    /// Whether there is room for that. `place` is the asker's own in the line. Changes nothing.
    pub fn check(
        &self,
        limits: &TargetLimits,
        demand: Demand,
        place: Option<&Place>,
        now: Instant,
    ) -> Result<(), Full> {
        if limits.is_none() {
            return Ok(());
        }
        let books = self.books.lock();
        books.check(limits, demand, now)?;
        match limits.max_concurrent {
            Some(max) if self.in_flight.count() >= max => Err(Full::of(Limit::Concurrent)),
            _ => books.line.check(place),
        }
    }

    /// Takes room for a request.
    pub fn enter(
        self: &Arc<Self>,
        limits: &TargetLimits,
        demand: Demand,
        place: Option<&Place>,
        now: Instant,
    ) -> Result<Slot, Full> {
        if limits.is_none() {
            return Ok(Slot::new(self, self.in_flight.enter(), None));
        }
        let mut books = self.books.lock();
        books.check(limits, demand, now)?;
        books.line.check(place)?;
        let entered = match limits.max_concurrent {
            Some(max) => self.in_flight.enter_below(max).ok_or(Full::of(Limit::Concurrent))?,
            None => self.in_flight.enter(),
        };
        let reserved = limits.counts_by_minute().then(|| books.window.take(demand.tokens(), now));
        Ok(Slot::new(self, entered, reserved.map(|second| (second, demand))))
    }

    /// Stands in line, where the line has a place. `bell` is rung when there may be room.
    pub fn queue(
        self: &Arc<Self>,
        limits: &TargetLimits,
        bell: &Arc<tokio::sync::Notify>,
        now: Instant,
    ) -> Option<Place> {
        let mut books = self.books.lock();
        if limits.is_none() || books.line.len() >= limits.max_queue as usize {
            return None;
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        // Whoever leaves counts out and then looks for who waits; whoever waits counts in and then
        // looks for room. One of the two sees the other.
        fence(Ordering::SeqCst);
        let ticket = books.line.join(bell);
        Some(Place::new(self, ticket, now + limits.queue_timeout))
    }

    /// How many stand in line.
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// There may be room: whoever is first is told.
    fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.books.lock().line.ring();
        }
    }
}

impl Books {
    /// Whether the minute has room for that.
    fn check(&self, limits: &TargetLimits, demand: Demand, now: Instant) -> Result<(), Full> {
        if !limits.counts_by_minute() {
            return Ok(());
        }
        let used = self.window.used(now);
        if let Some(most) = limits.requests_per_minute {
            let fits = |used: window::Count| used.requests < most;
            if !fits(used) {
                let until = Some(self.window.when(fits, now));
                return Err(Full { limit: Limit::Requests, until });
            }
        }
        if let Some(most) = limits.tokens_per_minute {
            // A request that is larger than the limit passes when nothing else counts: refused for
            // ever it would only be sent again.
            let tokens = demand.tokens().min(most);
            let fits = |used: window::Count| used.tokens.saturating_add(tokens) <= most;
            if !fits(used) {
                let until = Some(self.window.when(fits, now));
                return Err(Full { limit: Limit::Tokens, until });
            }
        }
        Ok(())
    }
}

impl Full {
    /// That this is used up, for nobody knows how long.
    pub fn of(limit: Limit) -> Self {
        Self { limit, until: None }
    }
}

#[cfg(test)]
mod tests;
