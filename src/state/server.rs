//! What is remembered of one server behind a Service, whichever target asks it.

use std::sync::Arc;
use std::time::Instant;

use super::{InFlight, InFlightGuard, Limit, ReportedLoad, TargetLimits};

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

/// What a server is doing: its room is one, however many models it serves.
#[derive(Debug)]
pub struct ServerState {
    identity: ServerIdentity,
    /// How many requests it is answering, whichever target of the namespace sent them.
    pub in_flight: InFlight,
    /// What it says itself, where it is asked.
    pub load: ReportedLoad,
}

impl ServerState {
    /// One that nothing is known of.
    pub(super) fn new(identity: ServerIdentity) -> Self {
        Self { identity, in_flight: InFlight::default(), load: ReportedLoad::default() }
    }

    /// Which server it is.
    pub fn identity(&self) -> &ServerIdentity {
        &self.identity
    }

    /// Whether it has room for one request more; if not, by which limit.
    pub fn check(&self, limits: &TargetLimits, now: Instant) -> Result<(), Limit> {
        let running = self.in_flight.count();
        if limits.max_concurrent_per_endpoint.is_some_and(|most| running >= most) {
            return Err(Limit::PerEndpoint);
        }
        if self.most_by_queue(limits, now).is_some_and(|most| running >= most) {
            return Err(Limit::Queued);
        }
        Ok(())
    }

    /// Takes room for one request, in one step: the limits hold however many come at once.
    pub fn enter(&self, limits: &TargetLimits, now: Instant) -> Option<InFlightGuard> {
        let by_queue = self.most_by_queue(limits, now);
        match limits.max_concurrent_per_endpoint.into_iter().chain(by_queue).min() {
            Some(most) => self.in_flight.enter_below(most),
            None => Some(self.in_flight.enter()),
        }
    }

    fn most_by_queue(&self, limits: &TargetLimits, now: Instant) -> Option<u32> {
        self.load.most(limits.max_queued_per_endpoint?, now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::state::LoadReport;

    #[test]
    fn the_stricter_of_both_limits_holds_and_is_told_by_name() {
        let identity = ServerIdentity { namespace: "ai".into(), pod: "a".into(), port: 80 };
        let (server, now) = (ServerState::new(identity), Instant::now());
        let limits = TargetLimits {
            max_concurrent_per_endpoint: Some(3),
            max_queued_per_endpoint: Some(0),
            ..TargetLimits::NONE
        };
        let mut held: Vec<_> = (0..9).map_while(|_| server.enter(&limits, now)).collect();
        assert_eq!(held.len(), 3, "its queue is not known");
        assert_eq!(server.check(&limits, now), Err(Limit::PerEndpoint));
        held.truncate(1);

        let fresh_until = now + Duration::from_secs(5);
        let report = |waiting| LoadReport { waiting, running: None };
        server.load.note(report(0), 1, now, fresh_until);
        held.extend(std::iter::from_fn(|| server.enter(&limits, now)));
        assert_eq!(held.len(), 2, "the one that may wait now");
        assert_eq!(server.check(&limits, now), Err(Limit::Queued));
        let without = TargetLimits { max_queued_per_endpoint: None, ..limits };
        assert_eq!(server.check(&without, now), Ok(()), "another target does not mind queues");
        assert_eq!(server.check(&limits, fresh_until), Ok(()), "what it said is too old");
    }
}
