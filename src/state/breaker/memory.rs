//! What a breaker remembers, and what a policy makes of it.

use std::time::{Duration, Instant};

use super::window::Window;
use super::{BreakerAccount, BreakerPolicy, BreakerStatus, Phase, Signal};

/// A rest never ends later than this, whatever was configured: `Instant`s do not reach for ever.
const LONGEST_REST: Duration = Duration::from_secs(365 * 24 * 3600);

/// How far a rest may differ from what was configured, in thousandths: gateways that saw a target
/// fail together shall not probe it together.
const JITTER: std::ops::RangeInclusive<i32> = -200..=200;

/// How long a probe keeps others out. One that hangs would do so for as long as a plain reply may take,
/// which is minutes, and a target that has come back would have to wait for it: it shall be in use
/// again within 30 s. Not less, because each probe into a hole is somebody's request.
const PROBE_PATIENCE: Duration = Duration::from_secs(25);

#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Failures since the last success.
    consecutive: u32,
    /// Outcomes of requests that were let in while the breaker was closed.
    window: Window,
    pub(super) last_failure: Option<Failure>,
    /// Permanent failures since the target was last seen healthy.
    permanent: u32,
    last_permanent: Option<Instant>,
    /// The last probe, while it is out, and when it began.
    probe: Option<(u64, Instant)>,
    probes_begun: u64,
    /// Probes up to this one are forgotten: their outcomes are those of ordinary requests.
    probes_forgotten: u64,
    /// The rest that began with the last failure is over before its time.
    rest_ended: bool,
    /// A rest was ended before its time since the target was last seen healthy.
    hastened: bool,
    history: History,
}

/// When it opened and closed, in the eyes of the policy that was recorded under.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct History {
    pub(super) opened_at: Option<Instant>,
    pub(super) closed_at: Option<Instant>,
    /// How often it opened.
    pub(super) opened: u64,
}

/// A failure, and by how many thousandths the rest that begins with it is longer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failure {
    pub(super) at: Instant,
    pub(super) jitter: i32,
}

impl Memory {
    /// Whether there is anything that a policy could hold against the target.
    pub(super) fn is_troubled(&self) -> bool {
        self.consecutive > 0 || self.permanent > 0 || self.window.has_failures()
    }

    pub(super) fn status(&self, policy: &BreakerPolicy, now: Instant) -> BreakerStatus {
        if !self.is_tripped(policy) {
            return BreakerStatus::Closed;
        }
        match self.rested_at(policy) {
            Some(until) if until > now => BreakerStatus::Open { until },
            _ => BreakerStatus::HalfOpen,
        }
    }

    /// Takes the outcome of a request without a permit.
    pub(super) fn record(&mut self, signal: Signal, policy: &BreakerPolicy, now: Instant) {
        let tripped = self.is_tripped(policy);
        match signal {
            Signal::Permanent if policy.knows_permanent() => {
                // Requests on their way fail alike: only a probe doubles the rest.
                if self.permanent == 0 {
                    self.fail_for_good(now);
                }
            }
            _ if tripped => {}
            Signal::Success => {
                self.consecutive = 0;
                self.window.success(now);
            }
            Signal::Failure | Signal::Permanent => {
                self.window.failure(now);
                self.fail(now);
            }
        }
    }

    /// Takes the outcome of the probe.
    pub(super) fn record_probe(&mut self, signal: Signal, policy: &BreakerPolicy, now: Instant) {
        match signal {
            Signal::Success => self.clear(),
            Signal::Permanent if policy.knows_permanent() => self.fail_for_good(now),
            // Not in the window: where it looks less far back than the target rests, it would have
            // moved past the failures that tripped it, and a failed probe would close the breaker.
            Signal::Failure | Signal::Permanent => self.fail(now),
        }
    }

    /// Whether a probe is out that has not hung for long.
    pub(super) fn is_probing(&self, now: Instant) -> bool {
        self.probe.is_some_and(|(_, begun)| now.duration_since(begun) < PROBE_PATIENCE)
    }

    pub(super) fn begin_probe(&mut self, now: Instant) -> Option<u64> {
        if self.is_probing(now) {
            return None;
        }
        self.probes_begun += 1;
        self.probe = Some((self.probes_begun, now));
        Some(self.probes_begun)
    }

    /// Frees the slot if that probe holds it. Whether such an outcome of it is that of a probe. If
    /// another was let in beside it, because it hung, a failure is news only if nothing has failed since
    /// it began: several that hang together make for one rest.
    pub(super) fn end_probe(&mut self, id: u64, begun: Instant, signal: Option<Signal>) -> bool {
        let is_newest = self.probe.take_if(|(probe, _)| *probe == id).is_some();
        let last = self.last_failure.map(|failure| failure.at).max(self.last_permanent);
        let is_news = signal == Some(Signal::Success) || last.is_none_or(|last| last < begun);
        is_newest || (id > self.probes_forgotten && is_news)
    }

    /// Forgets everything that could be held against the target. How many probes there were stays
    /// known, so that an old permit is told from a new.
    pub(super) fn clear(&mut self) {
        let history = History { opened_at: None, ..self.history };
        let begun = self.probes_begun;
        let forgotten = Self { probes_begun: begun, probes_forgotten: begun, ..Self::default() };
        *self = Self { history, ..forgotten };
    }

    /// Remembers a change of state.
    pub(super) fn note(&mut self, from: Phase, to: Phase, now: Instant) {
        match (from, to) {
            (Phase::Closed, Phase::Open | Phase::HalfOpen) => {
                self.history.opened_at = Some(now);
                self.history.opened += 1;
            }
            (Phase::Open | Phase::HalfOpen, Phase::Closed) => {
                self.history.opened_at = None;
                self.history.closed_at = Some(now);
            }
            _ => {}
        }
    }

    /// Ends the rest after ordinary failures; once for each time that it opens.
    pub(super) fn end_rest(&mut self) {
        if !self.hastened {
            self.hastened = true;
            self.rest_ended = true;
        }
    }

    /// What there is to tell of it.
    pub(super) fn account(&self, policy: &BreakerPolicy, now: Instant) -> BreakerAccount {
        let status = self.status(policy, now);
        let last = self.last_failure.map(|failure| failure.at).max(self.last_permanent);
        let since = match status {
            BreakerStatus::Closed => self.history.closed_at,
            // Under another policy it may have been closed all the time.
            BreakerStatus::Open { .. } | BreakerStatus::HalfOpen => self.history.opened_at.or(last),
        };
        let (failures, requests) = self.window.sum(policy.monitoring_window);
        BreakerAccount {
            status,
            since,
            opened: self.history.opened,
            consecutive_failures: self.consecutive,
            permanent_failures: self.permanent,
            window_failures: failures,
            window_requests: requests,
            probing: self.is_probing(now),
        }
    }

    fn fail(&mut self, now: Instant) {
        self.consecutive = self.consecutive.saturating_add(1);
        self.last_failure = Some(Failure { at: now, jitter: fastrand::i32(JITTER) });
        self.rest_ended = false;
    }

    fn fail_for_good(&mut self, now: Instant) {
        self.permanent = self.permanent.saturating_add(1);
        self.last_permanent = Some(now);
    }

    /// Whether any rule of the policy is against the target. Time plays no part: what tripped a
    /// breaker is not undone by growing old, only by a probe.
    fn is_tripped(&self, policy: &BreakerPolicy) -> bool {
        let threshold = policy.failure_threshold;
        (threshold > 0 && self.consecutive >= threshold)
            || (self.permanent > 0 && policy.knows_permanent())
            || self.window.exceeds(policy)
    }

    /// When all rests are over.
    fn rested_at(&self, policy: &BreakerPolicy) -> Option<Instant> {
        let end = |from: Instant, rest: Duration| from.checked_add(rest.min(LONGEST_REST));
        let failure = self
            .last_failure
            .filter(|_| !self.rest_ended)
            .and_then(|failure| end(failure.at, policy.rest(failure.jitter)));
        let permanent = self
            .last_permanent
            .filter(|_| policy.knows_permanent())
            .and_then(|at| end(at, policy.permanent_rest(self.permanent)));
        failure.max(permanent)
    }
}
