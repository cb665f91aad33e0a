//! Who serves a target that is a Service: the endpoints that are ready, as the table saw them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::balance::affinity::Mark;
use crate::state::{BreakerPolicy, BreakerStatus, EndpointState, Full, Limit};

/// When it is worth looking again for room at an endpoint. Other targets have requests at the same
/// servers, and rests end: neither rings a bell here.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The ready endpoints of a Service; never none.
#[derive(Debug)]
pub struct Endpoints {
    /// In no order that means anything.
    pub members: Vec<Endpoint>,
    /// Whether prompts that begin alike go to the same one.
    pub prefix_affinity: bool,
}

/// One endpoint.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// The pod's name, for people; the address where there is no pod.
    pub name: Arc<str>,
    /// What tells it from the others when sessions are divided.
    pub mark: Mark,
    /// What is remembered of it across tables.
    pub state: Arc<EndpointState>,
}

impl Endpoint {
    /// Whether it may be asked, as far as its health is concerned.
    pub fn may_be_asked(&self, policy: &BreakerPolicy, now: Instant) -> bool {
        if self.state.resting_until(now).is_some() {
            return false;
        }
        match self.state.breaker.status(policy, now) {
            BreakerStatus::Closed => true,
            BreakerStatus::HalfOpen => !self.state.breaker.is_probing(now),
            BreakerStatus::Open { .. } => false,
        }
    }

    /// Whether it may take one request more.
    pub fn has_room(&self, limit: Option<u32>) -> bool {
        limit.is_none_or(|limit| self.state.in_flight.count() < limit)
    }
}

impl Endpoints {
    /// Whether any may be asked, as far as their health is concerned.
    pub fn any_may_be_asked(&self, policy: &BreakerPolicy, now: Instant) -> bool {
        self.members.iter().any(|endpoint| endpoint.may_be_asked(policy, now))
    }

    /// Whether any that may be asked has room, of that many requests each.
    pub fn check_room(
        &self,
        limit: Option<u32>,
        policy: &BreakerPolicy,
        now: Instant,
    ) -> Result<(), Full> {
        let has_room = |one: &Endpoint| one.has_room(limit) && one.may_be_asked(policy, now);
        if limit.is_none() || self.members.iter().any(has_room) {
            return Ok(());
        }
        Err(Full { limit: Limit::PerEndpoint, until: Some(now + LOOK_AGAIN) })
    }

    /// When the first of them may be asked again, if that is a matter of time alone.
    pub fn soonest(&self, policy: &BreakerPolicy, now: Instant) -> Option<Instant> {
        let times = self.members.iter().filter_map(|endpoint| {
            let rest = endpoint.state.resting_until(now);
            match endpoint.state.breaker.status(policy, now) {
                BreakerStatus::Open { until } => rest.max(Some(until)),
                BreakerStatus::Closed | BreakerStatus::HalfOpen => rest,
            }
        });
        times.min()
    }

    /// Until when all of them are left alone; `None` if one is not.
    pub fn resting_until(&self, now: Instant) -> Option<Instant> {
        let rests = self.members.iter().map(|endpoint| endpoint.state.resting_until(now));
        rests.reduce(|a, b| Some(a?.min(b?))).flatten()
    }

    /// The state of the breaker of the one that is best off.
    pub fn breaker_status(&self, policy: &BreakerPolicy, now: Instant) -> BreakerStatus {
        let all = self.members.iter().map(|endpoint| endpoint.state.breaker.status(policy, now));
        all.reduce(better).unwrap_or(BreakerStatus::Closed)
    }
}

fn better(a: BreakerStatus, b: BreakerStatus) -> BreakerStatus {
    use BreakerStatus::{Closed, HalfOpen, Open};
    match (a, b) {
        (Closed, _) | (_, Closed) => Closed,
        (HalfOpen, _) | (_, HalfOpen) => HalfOpen,
        (Open { until: a }, Open { until: b }) => Open { until: a.min(b) },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::state::{EndpointIdentity, ServerIdentity, Signal, StateStore, TargetIdentity};

    fn endpoints(store: &StateStore) -> Endpoints {
        let target = TargetIdentity {
            namespace: "ai".into(),
            base_url: "http://vllm.ai.svc:80/v1".into(),
            protocol: "openai",
            model: "m".into(),
            credential: "".into(),
        };
        let members = ["a", "b"].map(|pod| {
            let server = ServerIdentity { namespace: "ai".into(), pod: pod.into(), port: 80 };
            Endpoint {
                address: ([10, 0, 0, 1], 80).into(),
                name: pod.into(),
                mark: Mark::of(&[pod]),
                state: store.endpoint(&EndpointIdentity { target: target.clone(), server }),
            }
        });
        Endpoints { members: members.into(), prefix_affinity: true }
    }

    #[test]
    fn a_target_is_as_well_as_the_best_of_its_endpoints() {
        let (store, now) = (StateStore::new(), Instant::now());
        let (all, policy) = (endpoints(&store), BreakerPolicy::built_in());
        let second = Duration::from_secs(1);
        all.members[0].state.rest(now + second);
        assert_eq!(all.resting_until(now), None, "the other does not rest");
        assert!(all.any_may_be_asked(&policy, now));
        all.members[1].state.rest(now + 5 * second);
        assert_eq!(all.resting_until(now), Some(now + second));
        assert!(!all.any_may_be_asked(&policy, now));
        assert_eq!(all.soonest(&policy, now), Some(now + second));

        for _ in 0..5 {
            all.members[0].state.breaker.record(Signal::Failure, &policy, now);
        }
        assert_eq!(all.breaker_status(&policy, now), BreakerStatus::Closed);
        for _ in 0..5 {
            all.members[1].state.breaker.record(Signal::Failure, &policy, now);
        }
        assert!(matches!(all.breaker_status(&policy, now), BreakerStatus::Open { .. }));
        let later = now + 60 * second;
        assert_eq!(all.breaker_status(&policy, later), BreakerStatus::HalfOpen);
        assert!(all.any_may_be_asked(&policy, later));
    }

    #[test]
    fn there_is_room_while_one_that_is_well_has_some() {
        let (store, now) = (StateStore::new(), Instant::now());
        let (all, policy) = (endpoints(&store), BreakerPolicy::built_in());
        let _one = all.members[0].state.in_flight.enter();
        assert!(all.check_room(Some(1), &policy, now).is_ok());
        all.members[1].state.rest(now + Duration::from_secs(1));
        let full = all.check_room(Some(1), &policy, now).expect_err("the other rests");
        assert_eq!((full.limit, full.until), (Limit::PerEndpoint, Some(now + LOOK_AGAIN)));
        assert!(all.check_room(None, &policy, now).is_ok());
    }
}
