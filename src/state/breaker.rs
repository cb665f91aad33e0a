//! Whether a target is healthy enough to be asked.
//!
//! ```text
//!            failures reach a threshold            the rest is over
//!   Closed ────────────────────────────► Open ────────────────────────► HalfOpen
//!     ▲                                   ▲       a probe fails            │
//!     │                                   └────────────────────────────────┤
//!     └────────────────────────────────────────────────────────────────────┘
//!                                a probe succeeds
//! ```
//!
//! None of these states is stored. What is stored is what happened ([`memory`]): failures in a row,
//! outcomes by the second, when it last failed, permanent failures, and whether a probe is out. A
//! state is what a policy makes of that at a moment. So an edited threshold acts at once, two
//! routes with different policies share the facts and not the verdict, and looking never changes
//! anything.
//!
//! **A probe** is a permit of which one is out at a time, or a second one where the first hangs. What
//! becomes of it decides alone: a success forgets everything, a failure makes the target rest again,
//! and a permit dropped without an outcome (the client left) only makes room for the next.
//!
//! **Other outcomes while tripped** belong to requests that were let in before. They tell of the
//! time that has been judged already, so they count for nothing: a stream that began in good days
//! and ends well now does not reopen a broken target, and a hanging request that times out a minute
//! later does not prolong the rest. The exception is a first permanent failure, which is news.

mod account;
mod memory;
mod policy;
mod window;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

pub use account::BreakerAccount;
use memory::Memory;
pub use policy::BreakerPolicy;

/// How a request ended, as far as the target's health is concerned. What says nothing about it
/// (the client's fault, a cancelled request, a throttled key) is not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// It answered.
    Success,
    /// It did not, and may the next time.
    Failure,
    /// It did not, and will not until somebody does something (the model does not exist there).
    Permanent,
}

/// What a policy makes of the memory at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerStatus {
    /// It can be asked.
    Closed,
    /// It rests.
    Open {
        /// When the rest is over.
        until: Instant,
    },
    /// It has rested and one request at a time may find out how it is.
    HalfOpen,
}

impl BreakerStatus {
    /// The state without its time.
    pub fn phase(self) -> Phase {
        match self {
            Self::Closed => Phase::Closed,
            Self::Open { .. } => Phase::Open,
            Self::HalfOpen => Phase::HalfOpen,
        }
    }
}

/// A breaker's state by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It can be asked.
    Closed,
    /// It rests.
    Open,
    /// It has rested and may be probed.
    HalfOpen,
}

impl Phase {
    /// The name in headers, logs, metrics and admin.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// A change of state that an outcome brought about, in the eyes of the policy it was recorded
/// under. An open breaker becomes half-open by time alone, which nobody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The state before.
    pub from: Phase,
    /// The state after.
    pub to: Phase,
}

/// The answer to whether a request may be sent.
#[derive(Debug)]
pub enum Admission {
    /// It may.
    Closed,
    /// It may, and its outcome decides whether others may.
    Probe(ProbePermit),
    /// It may not.
    Refused {
        /// When the rest is over; `None` while another request is probing.
        until: Option<Instant>,
    },
}

impl Admission {
    /// What a request that was let in holds on to: its permit, if it is a probe, and the state that
    /// the breaker was found in. `None` if it was refused.
    pub fn admitted(self) -> Option<(Option<ProbePermit>, Phase)> {
        match self {
            Self::Closed => Some((None, Phase::Closed)),
            Self::Probe(permit) => Some((Some(permit), Phase::HalfOpen)),
            Self::Refused { .. } => None,
        }
    }
}

/// The memory of one target's health, and the rules of who may ask it.
#[derive(Debug, Default)]
pub struct Breaker {
    /// Whether the memory holds any failure. While it does not, no policy can be against the
    /// target, and requests are let in without taking the lock.
    troubled: AtomicBool,
    memory: Mutex<Memory>,
}

impl Breaker {
    /// What `policy` makes of the memory now. Changes nothing.
    pub fn status(&self, policy: &BreakerPolicy, now: Instant) -> BreakerStatus {
        if self.troubled() { self.memory.lock().status(policy, now) } else { BreakerStatus::Closed }
    }

    /// Whether a probe is out, so that nobody else is let into a half-open breaker. Changes nothing.
    pub fn is_probing(&self, now: Instant) -> bool {
        self.troubled() && self.memory.lock().is_probing(now)
    }

    /// Asks to send a request. Its outcome goes to [`Self::settle`] together with the permit, if
    /// there is one.
    pub fn admit(self: &Arc<Self>, policy: &BreakerPolicy, now: Instant) -> Admission {
        if !self.troubled() {
            return Admission::Closed;
        }
        let mut memory = self.memory.lock();
        match memory.status(policy, now) {
            BreakerStatus::Closed => Admission::Closed,
            BreakerStatus::Open { until } => Admission::Refused { until: Some(until) },
            BreakerStatus::HalfOpen => match memory.begin_probe(now) {
                Some(id) => {
                    Admission::Probe(ProbePermit { breaker: Arc::clone(self), id, begun: now })
                }
                None => Admission::Refused { until: None },
            },
        }
    }

    /// Takes the outcome of a request that was let in without a permit.
    pub fn record(
        &self,
        signal: Signal,
        policy: &BreakerPolicy,
        now: Instant,
    ) -> Option<Transition> {
        self.change(policy, now, |memory| memory.record(signal, policy, now))
    }

    /// Takes the outcome of a request, with the permit it was let in on.
    pub fn settle(
        &self,
        permit: Option<ProbePermit>,
        signal: Signal,
        policy: &BreakerPolicy,
        now: Instant,
    ) -> Option<Transition> {
        match permit {
            Some(permit) => permit.record(signal, policy, now),
            None => self.record(signal, policy, now),
        }
    }

    /// What there is to tell of it, for people. Changes nothing.
    pub fn account(&self, policy: &BreakerPolicy, now: Instant) -> BreakerAccount {
        self.memory.lock().account(policy, now)
    }

    /// Somebody has seen signs of life: if it rests after ordinary failures, the next request may
    /// find out how it is. That is done once for each time it opens: where the sign was wrong, the
    /// probe fails and the rests after it are whole ones.
    pub fn end_rest(&self, policy: &BreakerPolicy, now: Instant) {
        if !self.troubled() {
            return;
        }
        let mut memory = self.memory.lock();
        if memory.status(policy, now).phase() == Phase::Open {
            memory.end_rest();
        }
    }

    /// Forgets everything. A probe that is out counts as an ordinary request from now on.
    pub fn reset(&self) {
        let mut memory = self.memory.lock();
        memory.clear();
        self.troubled.store(false, Ordering::Release);
    }

    fn troubled(&self) -> bool {
        // A request that reads this a moment too early is one that came a moment earlier.
        self.troubled.load(Ordering::Acquire)
    }

    fn change(
        &self,
        policy: &BreakerPolicy,
        now: Instant,
        change: impl FnOnce(&mut Memory),
    ) -> Option<Transition> {
        let mut memory = self.memory.lock();
        let was_troubled = memory.is_troubled();
        let from = memory.status(policy, now).phase();
        change(&mut memory);
        let troubled = memory.is_troubled();
        if troubled != was_troubled {
            self.troubled.store(troubled, Ordering::Release);
        }
        let to = memory.status(policy, now).phase();
        memory.note(from, to, now);
        (from != to).then_some(Transition { from, to })
    }
}

/// The right to find out how a target is. Dropped without an outcome it counts for nothing and
/// another request may probe.
///
/// While it is out nobody else is let in for a while, so its outcome should be recorded as soon as the
/// target has shown that it answers, not at the end of a long stream.
#[derive(Debug)]
#[must_use = "dropping the permit gives up the probe"]
pub struct ProbePermit {
    breaker: Arc<Breaker>,
    id: u64,
    begun: Instant,
}

impl ProbePermit {
    /// Takes the outcome of the probe.
    pub fn record(
        self,
        signal: Signal,
        policy: &BreakerPolicy,
        now: Instant,
    ) -> Option<Transition> {
        // The slot is free before the permit is dropped, which then finds nothing to do.
        self.breaker.change(policy, now, |memory| {
            if memory.end_probe(self.id, self.begun, Some(signal)) {
                memory.record_probe(signal, policy, now);
            } else {
                memory.record(signal, policy, now);
            }
        })
    }
}

impl Drop for ProbePermit {
    fn drop(&mut self) {
        self.breaker.memory.lock().end_probe(self.id, self.begun, None);
    }
}

#[cfg(test)]
mod tests;
