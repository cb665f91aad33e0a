//! The endpoint of a Service that one try has, and the way to the next one.
//!
//! An endpoint is chosen when its target is, so that a target whose endpoints are all busy counts as
//! full and the next tier takes over. One that cannot be connected to is left for another within the
//! same try: nothing was sent, and its pod has most likely just ended. It rests for a moment, until
//! the cluster says so as well.

mod hold;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use parking_lot::Mutex;

use super::context::Context;
use super::transition;
use crate::balance::affinity::Session;
use crate::state::{BreakerPolicy, EndpointState, Phase, Signal, Transition};
use crate::table::{Endpoint, Endpoints, Route, Target, Upstream};
use crate::upstream::{Client, ConnectError, Destination, SendError, UpstreamBody};
use hold::{Held, Wanted};

/// How long an endpoint rests that could not be connected to. Pods that end leave their slices within
/// a second; one that refuses for longer opens its breaker.
const UNREACHABLE_REST: Duration = Duration::from_secs(1);

/// One try's place at an endpoint, until its last byte.
#[derive(Debug)]
pub(super) struct EndpointLease {
    target: Arc<Target>,
    session: Option<Session>,
    /// Those at which the request failed in earlier tries.
    shunned: Vec<Arc<EndpointState>>,
    place: Mutex<Place>,
}

#[derive(Debug)]
struct Place {
    held: Held,
    /// Those that could not be connected to.
    left: Vec<usize>,
}

impl EndpointLease {
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
        let held = Wanted { upstream, endpoints, session, shunned, left: &[] }.hold(now)?;
        let place = Mutex::new(Place { held, left: Vec::new() });
        Some(Self { target: Arc::clone(target), session, shunned: shunned.to_vec(), place })
    }

    /// The state of the endpoint's breaker when it was chosen.
    pub fn phase(&self) -> Phase {
        self.place.lock().held.phase
    }

    /// Whether this request finds out whether the endpoint is back.
    pub fn is_probe(&self) -> bool {
        self.place.lock().held.permit.is_some()
    }

    /// What is remembered of the endpoint.
    pub fn state(&self) -> Option<Arc<EndpointState>> {
        self.here(|endpoint| Arc::clone(&endpoint.state))
    }

    /// What is remembered of every endpoint that the try has come to: those that were left, and the
    /// one that it is at.
    pub fn states(&self) -> Vec<Arc<EndpointState>> {
        let Some((_, endpoints)) = parts(&self.target) else { return Vec::new() };
        let place = self.place.lock();
        let all = place.left.iter().chain([&place.held.at]);
        all.filter_map(|at| Some(Arc::clone(&endpoints.members.get(*at)?.state))).collect()
    }

    /// The endpoint's name for people.
    pub fn name(&self) -> Option<Arc<str>> {
        self.here(|endpoint| Arc::clone(&endpoint.name))
    }

    /// Gives up the probe, which has found out nothing.
    pub fn drop_permit(&self) {
        self.place.lock().held.permit = None;
    }

    /// Tells the endpoint's breaker what became of the try.
    pub fn settle(
        &self,
        signal: Signal,
        policy: &BreakerPolicy,
        now: Instant,
    ) -> Option<Transition> {
        let permit = self.place.lock().held.permit.take();
        self.state()?.breaker.settle(permit, signal, policy, now)
    }

    /// The endpoint asked to be left alone.
    pub fn rest(&self, until: Instant) {
        if let Some(state) = self.state() {
            state.rest(until);
        }
    }

    /// Sends a request of that route to the endpoint, or to the next one that can be connected to.
    pub async fn send(
        &self,
        context: &Context,
        route: &Route,
        upstream: &Upstream,
        request: Request<Bytes>,
    ) -> Result<Response<UpstreamBody>, SendError> {
        let client: &Client = &context.gateway.client;
        let (head, body) = request.into_parts();
        loop {
            let request = Request::from_parts(head.clone(), body.clone());
            let endpoint = self.here(|endpoint| endpoint.address);
            let to = Destination { base: &upstream.base_url, endpoint };
            match client.send(to, request, upstream.timeouts.connect).await {
                Err(SendError::Connect(error)) => {
                    if !self.move_on(context, route, &error) {
                        return Err(SendError::Connect(error));
                    }
                }
                answer => return answer,
            }
        }
    }

    /// Leaves an endpoint that could not be connected to for another; whether there is one.
    fn move_on(&self, context: &Context, route: &Route, error: &ConnectError) -> bool {
        let Some((upstream, endpoints)) = parts(&self.target) else { return false };
        let now = Instant::now();
        let mut place = self.place.lock();
        let here = &endpoints.members[place.held.at];
        // That there are too many connections already is nobody's fault.
        let blame = !matches!(error, ConnectError::Exhausted(_));
        if blame {
            // Whoever made a request wait would make the next one wait as long.
            let waited = matches!(error, ConnectError::Timeout(_));
            let rest = if waited { upstream.timeouts.connect } else { UNREACHABLE_REST };
            here.state.rest(now + rest.max(UNREACHABLE_REST));
        }
        let left = [&*place.left, &[place.held.at]].concat();
        let (session, shunned) = (self.session, &*self.shunned);
        let wanted = Wanted { upstream, endpoints, session, shunned, left: &left };
        let Some(next) = wanted.hold(now) else {
            // Whoever holds the try tells its breaker.
            return false;
        };
        if blame {
            let permit = place.held.permit.take();
            let change = here.state.breaker.settle(permit, Signal::Failure, &upstream.breaker, now);
            if let Some(change) = change {
                let metrics = &context.gateway.metrics;
                transition::tell(metrics, route, &self.target, Some(&here.name), change);
            }
        }
        // Callers may read the trail: which pod it was is for the log.
        context.trail.failed(&self.target.name, &format!("left an endpoint for another: {error}"));
        tracing::debug!(target_name = %self.target.name, endpoint = %here.name, %error, "an endpoint was left for another");
        *place = Place { held: next, left };
        true
    }

    fn here<T>(&self, of: impl FnOnce(&Endpoint) -> T) -> Option<T> {
        let (_, endpoints) = parts(&self.target)?;
        endpoints.members.get(self.place.lock().held.at).map(of)
    }
}

fn parts(target: &Target) -> Option<(&Upstream, &Endpoints)> {
    let upstream = target.upstream()?;
    Some((upstream, upstream.endpoints.as_ref()?))
}
