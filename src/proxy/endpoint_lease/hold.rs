//! Which endpoint is held.

use std::sync::Arc;
use std::time::Instant;

use crate::balance::affinity::{self, Mark, Session};
use crate::balance::{self, Candidate};
use crate::state::{EndpointState, InFlightGuard, Phase, ProbePermit};
use crate::table::{Endpoint, Endpoints, Upstream};

/// An endpoint that is held.
#[derive(Debug)]
pub(super) struct Held {
    /// Its index among the endpoints.
    pub at: usize,
    _running: InFlightGuard,
    /// While this request is the probe of its half-open breaker.
    pub permit: Option<ProbePermit>,
    pub phase: Phase,
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub upstream: &'a Upstream,
    pub endpoints: &'a Endpoints,
    pub session: Option<Session>,
    /// Those at which the request has failed before.
    pub shunned: &'a [Arc<EndpointState>],
    /// Those that are out of the question.
    pub left: &'a [usize],
}

impl Wanted<'_> {
    /// Takes a place at one of the endpoints that may be asked and have room. Those that are shunned
    /// are taken only if there is no other.
    pub fn hold(self, now: Instant) -> Option<Held> {
        let held = self.hold_any(|at| !self.is_shunned(at), now);
        if held.is_some() || self.shunned.is_empty() {
            return held;
        }
        self.hold_any(|at| self.is_shunned(at), now)
    }

    fn is_shunned(self, at: usize) -> bool {
        let state = &self.endpoints.members[at].state;
        self.shunned.iter().any(|one| Arc::ptr_eq(one, state))
    }

    fn hold_any(self, meant: impl Fn(usize) -> bool, now: Instant) -> Option<Held> {
        let Self { upstream, endpoints, session, left, .. } = self;
        let (mut open, mut candidates) = (Vec::new(), Vec::new());
        for (at, endpoint) in endpoints.open(&upstream.limits, &upstream.breaker, now) {
            if meant(at) && !left.contains(&at) {
                let in_flight = endpoint.state.server.in_flight.count();
                open.push((at, endpoint.mark));
                candidates.push(Candidate { weight: 1, in_flight, latency: None });
            }
        }
        let of_others = endpoints.loads_of_others(open.iter().map(|(at, _)| *at), now);
        for (candidate, of_others) in candidates.iter_mut().zip(of_others.into_iter().flatten()) {
            candidate.in_flight = candidate.in_flight.saturating_add(of_others);
        }
        loop {
            let position = match session {
                Some(session) => {
                    let marks: Vec<Mark> = open.iter().map(|(_, mark)| *mark).collect();
                    affinity::pick(&candidates, &marks, session, true)
                }
                None => balance::least_busy(&candidates, fastrand::u64(..)),
            }?;
            let (at, _) = open.swap_remove(position);
            candidates.swap_remove(position);
            // Others may have taken the last room, or the one permit, in the meantime.
            if let Some(held) = hold(upstream, &endpoints.members[at], at, now) {
                return Some(held);
            }
        }
    }
}

fn hold(upstream: &Upstream, endpoint: &Endpoint, at: usize, now: Instant) -> Option<Held> {
    let state = &endpoint.state;
    let running = state.server.enter(&upstream.limits, now)?;
    let (permit, phase) = state.breaker.admit(&upstream.breaker, now).admitted()?;
    Some(Held { at, _running: running, permit, phase })
}
