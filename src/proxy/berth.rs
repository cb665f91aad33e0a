//! The endpoint of a Service that one try has, and the way to the next one.
//!
//! An endpoint is chosen when its target is, so that a target whose endpoints are all busy counts as
//! full and the next tier takes over. One that cannot be connected to is left for another within the
//! same try: nothing was sent, and its pod has most likely just ended. It rests for a moment, until
//! the cluster says so as well.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use parking_lot::Mutex;

use crate::balance::affinity::{self, Session};
use crate::balance::{self, Candidate};
use crate::state::{
    Admission, BreakerPolicy, EndpointState, InFlightGuard, Phase, ProbePermit, Signal, Transition,
};
use crate::table::{Endpoint, Endpoints, Target, Upstream};
use crate::upstream::{Client, ConnectError, Destination, SendError, UpstreamBody};

/// How long an endpoint rests that could not be connected to. Pods that end leave their slices within
/// a second; one that refuses for longer opens its breaker.
const UNREACHABLE_REST: Duration = Duration::from_secs(1);

/// One try's place at an endpoint, until its last byte.
#[derive(Debug)]
pub(super) struct Berth {
    target: Arc<Target>,
    session: Option<Session>,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    /// Its index among the endpoints.
    at: usize,
    /// Those that could not be connected to.
    left: Vec<usize>,
    _running: InFlightGuard,
    /// While this request is the probe of its half-open breaker.
    permit: Option<ProbePermit>,
    phase: Phase,
}

impl Berth {
    /// A place at an endpoint of `target`: at the one that the session belongs to, else at the least
    /// busy one. Those in `shunned`, at which the request has failed, are taken only if there is no
    /// other. `None` if none may be asked or has room.
    pub fn take(
        target: &Arc<Target>,
        session: Option<Session>,
        shunned: &[Arc<EndpointState>],
        now: Instant,
    ) -> Option<Self> {
        let (upstream, endpoints) = parts(target)?;
        let is_shunned =
            |at: usize| shunned.iter().any(|one| Arc::ptr_eq(one, &endpoints.members[at].state));
        let held = hold_any(upstream, endpoints, session, |at| !is_shunned(at), now);
        let held = match held {
            None if !shunned.is_empty() => hold_any(upstream, endpoints, session, is_shunned, now),
            held => held,
        }?;
        Some(Self { target: Arc::clone(target), session, held: Mutex::new(held) })
    }

    /// The state of the endpoint's breaker when it was chosen.
    pub fn phase(&self) -> Phase {
        self.held.lock().phase
    }

    /// Whether this request finds out whether the endpoint is back.
    pub fn is_probe(&self) -> bool {
        self.held.lock().permit.is_some()
    }

    /// What is remembered of the endpoint.
    pub fn state(&self) -> Option<Arc<EndpointState>> {
        self.here(|endpoint| Arc::clone(&endpoint.state))
    }

    /// The endpoint's name for people.
    pub fn name(&self) -> Option<Arc<str>> {
        self.here(|endpoint| Arc::clone(&endpoint.name))
    }

    /// Gives up the probe, which has found out nothing.
    pub fn drop_permit(&self) {
        self.held.lock().permit = None;
    }

    /// Tells the endpoint's breaker what became of the try.
    pub fn settle(
        &self,
        signal: Signal,
        policy: &BreakerPolicy,
        now: Instant,
    ) -> Option<Transition> {
        let permit = self.held.lock().permit.take();
        self.state()?.breaker.settle(permit, signal, policy, now)
    }

    /// The endpoint asked to be left alone.
    pub fn rest(&self, until: Instant) {
        if let Some(state) = self.state() {
            state.rest(until);
        }
    }

    /// Sends a request to the endpoint, or to the next one that can be connected to.
    pub async fn send(
        &self,
        client: &Client,
        upstream: &Upstream,
        request: Request<Bytes>,
    ) -> Result<Response<UpstreamBody>, SendError> {
        let (head, body) = request.into_parts();
        loop {
            let request = Request::from_parts(head.clone(), body.clone());
            let endpoint = self.here(|endpoint| endpoint.address);
            let to = Destination { base: &upstream.base_url, endpoint };
            match client.send(to, request, upstream.timeouts.connect).await {
                Err(SendError::Connect(error)) => {
                    // That there are too many connections already is nobody's fault.
                    let blame = !matches!(error, ConnectError::Exhausted(_));
                    if !self.move_on(blame, endpoint, &error) {
                        return Err(SendError::Connect(error));
                    }
                }
                answer => return answer,
            }
        }
    }

    /// Leaves an endpoint that could not be connected to for another; whether there is one.
    fn move_on(&self, blame: bool, from: Option<SocketAddr>, error: &ConnectError) -> bool {
        let Some((upstream, endpoints)) = parts(&self.target) else { return false };
        let now = Instant::now();
        let mut held = self.held.lock();
        let state = &endpoints.members[held.at].state;
        if blame {
            // Whoever made a request wait would make the next one wait as long.
            let waited = matches!(error, ConnectError::Timeout(_));
            let rest = if waited { upstream.timeouts.connect } else { UNREACHABLE_REST };
            state.rest(now + rest.max(UNREACHABLE_REST));
        }
        let mut left = std::mem::take(&mut held.left);
        left.push(held.at);
        let is_new = |at: usize| !left.contains(&at);
        let Some(next) = hold_any(upstream, endpoints, self.session, is_new, now) else {
            // Whoever holds the try tells its breaker.
            return false;
        };
        if blame {
            let permit = held.permit.take();
            let change = state.breaker.settle(permit, Signal::Failure, &upstream.breaker, now);
            if let Some(Transition { from, to }) = change {
                let (endpoint, target) = (&*endpoints.members[held.at].name, &*self.target.name);
                let (from, to) = (from.as_str(), to.as_str());
                tracing::warn!(target, endpoint, from, to, "a circuit breaker changed");
            }
        }
        tracing::debug!(target_name = %self.target.name, ?from, %error, "an endpoint was left for another");
        *held = Held { left, ..next };
        true
    }

    fn here<T>(&self, of: impl FnOnce(&Endpoint) -> T) -> Option<T> {
        let (_, endpoints) = parts(&self.target)?;
        endpoints.members.get(self.held.lock().at).map(of)
    }
}

fn parts(target: &Target) -> Option<(&Upstream, &Endpoints)> {
    let upstream = target.upstream()?;
    Some((upstream, upstream.endpoints.as_ref()?))
}

/// Takes a place at one of the endpoints that may be asked, have room and are `meant`.
fn hold_any(
    upstream: &Upstream,
    endpoints: &Endpoints,
    session: Option<Session>,
    meant: impl Fn(usize) -> bool,
    now: Instant,
) -> Option<Held> {
    let limit = upstream.limits.max_concurrent_per_endpoint;
    let (mut open, mut candidates, mut marks) = (Vec::new(), Vec::new(), Vec::new());
    for (at, endpoint) in endpoints.members.iter().enumerate() {
        if meant(at) && endpoint.has_room(limit) && endpoint.may_be_asked(&upstream.breaker, now) {
            let in_flight = endpoint.state.in_flight.count();
            open.push(at);
            candidates.push(Candidate { weight: 1, in_flight, latency: None });
            marks.push(endpoint.mark);
        }
    }
    loop {
        let position = match session {
            Some(session) => affinity::pick(&candidates, &marks, session, true),
            None => balance::least_busy(&candidates, fastrand::u64(..)),
        }?;
        let at = open.swap_remove(position);
        candidates.swap_remove(position);
        marks.swap_remove(position);
        // Others may have taken the last room, or the one permit, in the meantime.
        if let Some(held) = hold(upstream, &endpoints.members[at], at, now) {
            return Some(held);
        }
    }
}

fn hold(upstream: &Upstream, endpoint: &Endpoint, at: usize, now: Instant) -> Option<Held> {
    let state = &endpoint.state;
    let running = match upstream.limits.max_concurrent_per_endpoint {
        Some(limit) => state.in_flight.enter_below(limit)?,
        None => state.in_flight.enter(),
    };
    let (permit, phase) = match state.breaker.admit(&upstream.breaker, now) {
        Admission::Closed => (None, Phase::Closed),
        Admission::Probe(permit) => (Some(permit), Phase::HalfOpen),
        Admission::Refused { .. } => return None,
    };
    Some(Held { at, left: Vec::new(), _running: running, permit, phase })
}
