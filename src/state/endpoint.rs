//! What is remembered of one endpoint of a Service.

use std::sync::Arc;
use std::time::Instant;

use super::rest::Rest;
use super::{Breaker, ServerIdentity, ServerState, TargetIdentity};

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

/// What is remembered of an endpoint.
#[derive(Debug)]
pub struct EndpointState {
    /// Whether it is healthy enough to be asked.
    pub breaker: Arc<Breaker>,
    /// What its server is doing.
    pub server: Arc<ServerState>,
    resting: Rest,
}

impl EndpointState {
    /// One that nothing is known of, on that server.
    pub(super) fn new(server: Arc<ServerState>) -> Self {
        Self { breaker: Arc::default(), server, resting: Rest::default() }
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
