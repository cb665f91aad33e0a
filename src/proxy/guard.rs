//! What holds a target while one try runs there, and records what became of it.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use super::Gateway;
use super::choose::Chosen;
use super::classify::Class;
use super::endpoint_lease::EndpointLease;
use super::transition;
use crate::protocol::usage::Usage;
use crate::state::{BreakerPolicy, EndpointState, Phase, ProbePermit, Signal, Slot};
use crate::table::{Route, Target, Timeouts, Upstream};

/// Holds a target while one try runs there, streams until their last byte. Records what became of
/// it exactly once; dropped without a record, it counts for nothing: the client went away.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is something that is told once")]
pub(super) struct AttemptGuard {
    gateway: Arc<Gateway>,
    route: Arc<Route>,
    target: Arc<Target>,
    permit: Option<ProbePermit>,
    started: Instant,
    recorded: bool,
    /// A probe's success was told to the breaker already.
    proven: bool,
    /// How fast the target was is known.
    timed: bool,
    streamed: bool,
    lease: Option<Arc<EndpointLease>>,
    slot: Slot,
}

impl AttemptGuard {
    pub(super) fn new(
        gateway: &Arc<Gateway>,
        route: &Arc<Route>,
        chosen: Chosen,
        streamed: bool,
        started: Instant,
    ) -> Self {
        let mut slot = chosen.slot;
        slot.sent();
        Self {
            gateway: Arc::clone(gateway),
            route: Arc::clone(route),
            target: chosen.target,
            permit: chosen.permit,
            started,
            recorded: false,
            proven: false,
            timed: false,
            streamed,
            lease: chosen.lease,
            slot,
        }
    }

    pub(super) fn target_name(&self) -> &str {
        &self.target.name
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// What is remembered of the endpoint that was asked, if the target has endpoints.
    pub(super) fn endpoint(&self) -> Option<Arc<EndpointState>> {
        self.lease.as_ref()?.state()
    }

    /// What is remembered of every endpoint that the try has come to.
    pub(super) fn endpoints(&self) -> Vec<Arc<EndpointState>> {
        self.lease.as_ref().map_or_else(Vec::new, |lease| lease.states())
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        self.target.upstream().map_or(Timeouts::BUILT_IN, |upstream| upstream.timeouts)
    }

    /// What in-band errors of this target are classified by.
    pub(super) fn classifying(&self) -> (Option<&str>, &BreakerPolicy) {
        static BUILT_IN: LazyLock<BreakerPolicy> = LazyLock::new(BreakerPolicy::built_in);
        match self.target.upstream() {
            Some(upstream) => (upstream.model.as_deref(), &upstream.breaker),
            None => (None, &BUILT_IN),
        }
    }

    /// The target has said how many tokens it used.
    pub(super) fn used(&mut self, usage: Usage) {
        self.slot.used(usage.input, usage.output, Instant::now());
    }

    /// The first output has come: a fact about the target's speed, and, if this is the probe of a
    /// half-open breaker, proof enough that the target is back. A stream may go on for minutes, and
    /// others need not wait for its end.
    pub(super) fn first_output(&mut self) {
        // Called with every event, of which the first alone says anything.
        if self.timed && self.permit.is_none() {
            return;
        }
        let target = Arc::clone(&self.target);
        let Some(upstream) = target.upstream() else { return };
        let now = Instant::now();
        self.observe(upstream, now.duration_since(self.started), now);
        if self.permit.is_some() || self.lease.as_ref().is_some_and(|lease| lease.is_probe()) {
            self.signal(upstream, Signal::Success, now);
            self.proven = true;
        }
    }

    /// Another target was faster. Whoever has sent a sign of life by then was slow and not at fault.
    pub(super) fn lost(&mut self, showed_life: bool) {
        if !showed_life {
            self.record(Class::TimedOut);
            return;
        }
        let target = Arc::clone(&self.target);
        if let Some(upstream) = target.upstream() {
            let now = Instant::now();
            self.observe(upstream, 2 * now.duration_since(self.started), now);
        }
        self.record(Class::Cancelled);
    }

    /// The same of a try that did not go well, with what there is to say of it. It holds no secret.
    pub(super) fn record_failure(&mut self, class: Class, detail: &str) {
        if !self.recorded
            && concerns_target(class)
            && let Some(upstream) = self.target.upstream()
        {
            upstream.state.note_failure(class.as_str(), detail, Instant::now());
        }
        self.record(class);
    }

    /// Records what became of the try; only the first record counts.
    pub(super) fn record(&mut self, class: Class) {
        if std::mem::replace(&mut self.recorded, true) {
            return;
        }
        self.gateway
            .metrics
            .attempts
            .with_label_values(&[&*self.route.label, &*self.target.name, class.as_str()])
            .inc();
        let target = Arc::clone(&self.target);
        let Some(upstream) = target.upstream() else { return };
        let now = Instant::now();
        if class == Class::TimedOut {
            // How long it would have taken nobody knows; at least this much longer. Otherwise a
            // target that hangs would look like one of which nothing is known, and be explored.
            self.observe(upstream, 2 * now.duration_since(self.started), now);
        }
        let signal = match class {
            Class::Success if self.proven => return,
            Class::Success => Signal::Success,
            Class::Failure | Class::TimedOut => Signal::Failure,
            Class::Permanent => Signal::Permanent,
            // The target did its part, or was never to blame; a probe that ends so proves nothing.
            Class::Throttled
            | Class::Overloaded
            | Class::CredentialFault
            | Class::Unproven
            | Class::ClientFault
            | Class::TooLong
            | Class::Refused
            | Class::Exhausted
            | Class::Mismatch
            | Class::Untranslatable
            | Class::Cancelled => {
                self.permit = None;
                if let Some(lease) = &self.lease {
                    lease.drop_permit();
                }
                // Whoever left, or had no room left here, may have had tokens generated.
                if !matches!(class, Class::Cancelled | Class::Exhausted) {
                    self.slot.refused();
                }
                return;
            }
        };
        self.signal(upstream, signal, now);
    }

    /// A stream's first output and a whole reply are times that cannot be compared.
    fn observe(&mut self, upstream: &Upstream, time: Duration, now: Instant) {
        if std::mem::replace(&mut self.timed, true) {
            return;
        }
        let state = &upstream.state;
        let (latency, usual) = if self.streamed {
            (&state.latency, &state.usual_first_token)
        } else {
            (&state.reply_time, &state.usual_reply)
        };
        latency.observe(time, now);
        usual.observe(time);
    }

    fn signal(&mut self, upstream: &Upstream, signal: Signal, now: Instant) {
        let change = match &self.lease {
            Some(lease) => lease.settle(signal, &upstream.breaker, now),
            None => {
                let permit = self.permit.take();
                upstream.state.breaker.settle(permit, signal, &upstream.breaker, now)
            }
        };
        let Some(change) = change else { return };
        let endpoint = self.lease.as_ref().and_then(|lease| lease.name());
        // An endpoint that is back is not flooded: the others have not less to do for that.
        if change.to == Phase::Closed && endpoint.is_none() {
            upstream.state.recovery.begin(now, upstream.breaker.reset_timeout);
        }
        let metrics = &self.gateway.metrics;
        transition::tell(metrics, &self.route, &self.target, endpoint.as_deref(), change);
    }
}

/// Whether a failure says something about the target or its keys.
fn concerns_target(class: Class) -> bool {
    matches!(
        class,
        Class::Failure
            | Class::TimedOut
            | Class::Permanent
            | Class::Throttled
            | Class::Overloaded
            | Class::CredentialFault
            | Class::Unproven
    )
}
