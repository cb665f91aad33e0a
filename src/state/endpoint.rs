//! What is remembered of one endpoint of a Service.

use std::sync::Arc;
use std::time::Instant;

use super::rest::Rest;
use super::{Breaker, InFlight, TargetIdentity};

/// What makes an endpoint the same one across tables.
///
/// By who it is and not by its address alone: a pod that is made anew is another server, even where
/// it gets the address of the one before.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EndpointIdentity {
    /// The target that asks it: a model that one server lacks says nothing about another model.
    pub target: TargetIdentity,
    /// The server.
    pub server: ServerIdentity,
}

/// A server, whichever target asks it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerIdentity {
    /// Namespace of the Service: what happens in one must not show in another.
    pub namespace: Arc<str>,
    /// The pod's UID, or the address where there is no pod.
    pub pod: Arc<str>,
    /// The port: a pod may run several servers.
    pub port: u16,
}

/// What is remembered of an endpoint.
#[derive(Debug)]
pub struct EndpointState {
    /// Whether it is healthy enough to be asked.
    pub breaker: Arc<Breaker>,
    /// How many requests the server is answering, whichever target of the namespace sent them: its
    /// room is one, however many models it serves.
    pub in_flight: Arc<InFlight>,
    resting: Rest,
}

impl EndpointState {
    /// One that nothing is known of, on a server that is doing that much.
    pub(super) fn new(in_flight: Arc<InFlight>) -> Self {
        Self { breaker: Arc::default(), in_flight, resting: Rest::default() }
    }

    /// It is left alone until then, because it asked for that or could not be reached. A shorter
    /// rest does not cut a longer one short.
    pub fn rest(&self, until: Instant) {
        self.resting.extend(until);
    }

    /// Until when it is left alone, if it is.
    pub fn resting_until(&self, now: Instant) -> Option<Instant> {
        self.resting.until(now)
    }

    /// Forgets what is held against it: an operator knows better.
    pub fn reset(&self) {
        self.resting.end();
        self.breaker.reset();
    }
}
