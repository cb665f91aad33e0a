//! Who serves a target that is a Service: the endpoints that are ready, as the table saw them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ServerMetrics;
use crate::balance::affinity::Mark;
use crate::state::{
    BreakerAccount, BreakerPolicy, BreakerStatus, EndpointState, Full, Limit, TargetLimits,
};

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
    /// How their servers are asked what they are doing, if they are.
    pub metrics: Option<ServerMetrics>,
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
}

impl Endpoints {
    /// Whether any may be asked, as far as their health is concerned.
    pub fn any_may_be_asked(&self, policy: &BreakerPolicy, now: Instant) -> bool {
        self.members.iter().any(|endpoint| endpoint.may_be_asked(policy, now))
    }

    /// Those that may be asked and have room for one request more, each with its index.
    pub fn open(
        &self,
        limits: &TargetLimits,
        policy: &BreakerPolicy,
        now: Instant,
    ) -> impl Iterator<Item = (usize, &Endpoint)> {
        let is_open = move |one: &Endpoint| {
            one.state.server.check(limits, now).is_ok() && one.may_be_asked(policy, now)
        };
        self.members.iter().enumerate().filter(move |(_, one)| is_open(one))
    }

    /// Whether any that may be asked has room.
    pub fn check_room(
        &self,
        limits: &TargetLimits,
        policy: &BreakerPolicy,
        now: Instant,
    ) -> Result<(), Full> {
        if !limits.are_per_endpoint() || self.open(limits, policy, now).next().is_some() {
            return Ok(());
        }
        let well = self.members.iter().filter(|one| one.may_be_asked(policy, now));
        let queued = |one: &Endpoint| one.state.server.check(limits, now) == Err(Limit::Queued);
        // Where one has places left, its queue is what is in the way.
        let limit = if well.into_iter().any(queued) { Limit::Queued } else { Limit::PerEndpoint };
        Err(Full { limit, until: Some(now + LOOK_AGAIN) })
    }

    /// How many requests others have at each of these, in the same order; `None` where that is not
    /// known of all: a load that is known only seems to be more than one that is not.
    pub fn loads_of_others(
        &self,
        which: impl IntoIterator<Item = usize>,
        now: Instant,
    ) -> Option<Vec<u32>> {
        self.metrics.as_ref()?;
        let of_others = |at: usize| self.members.get(at)?.state.server.load.of_others(now);
        which.into_iter().map(of_others).collect()
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

    /// What there is to tell of their breakers together.
    pub fn breaker_account(&self, policy: &BreakerPolicy, now: Instant) -> Option<BreakerAccount> {
        let all = self.members.iter().map(|endpoint| endpoint.state.breaker.account(policy, now));
        all.reduce(BreakerAccount::together)
    }

    /// The state of the breaker of the one that is best off.
    pub fn breaker_status(&self, policy: &BreakerPolicy, now: Instant) -> BreakerStatus {
        let all = self.members.iter().map(|endpoint| endpoint.state.breaker.status(policy, now));
        all.reduce(BreakerStatus::better).unwrap_or(BreakerStatus::Closed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::uri::PathAndQuery;

    use super::*;
    use crate::state::{
        EndpointIdentity, LoadReport, ServerIdentity, Signal, StateStore, TargetIdentity,
    };

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
        Endpoints { members: members.into(), prefix_affinity: true, metrics: None }
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

    fn limits(concurrent: Option<u32>, queued: Option<u32>) -> TargetLimits {
        TargetLimits {
            max_concurrent_per_endpoint: concurrent,
            max_queued_per_endpoint: queued,
            ..TargetLimits::NONE
        }
    }

    #[test]
    fn there_is_room_while_one_that_is_well_has_some() {
        let (store, now) = (StateStore::new(), Instant::now());
        let (all, policy) = (endpoints(&store), BreakerPolicy::built_in());
        let _one = all.members[0].state.server.in_flight.enter();
        let one_each = limits(Some(1), None);
        assert!(all.check_room(&one_each, &policy, now).is_ok());
        all.members[1].state.rest(now + Duration::from_secs(1));
        let full = all.check_room(&one_each, &policy, now).expect_err("the other rests");
        assert_eq!((full.limit, full.until), (Limit::PerEndpoint, Some(now + LOOK_AGAIN)));
        assert!(all.check_room(&TargetLimits::NONE, &policy, now).is_ok());
    }

    #[test]
    fn what_is_in_the_way_is_the_queue_where_one_has_places_left() {
        let (store, now) = (StateStore::new(), Instant::now());
        let (mut all, policy) = (endpoints(&store), BreakerPolicy::built_in());
        let say = |all: &Endpoints, at: usize, waiting: u32| {
            let report = LoadReport { waiting, running: Some(3) };
            all.members[at].state.server.load.note(report, 0, now, now + LOOK_AGAIN);
        };
        let both = limits(Some(1), Some(2));
        let _one = all.members[0].state.server.in_flight.enter();
        say(&all, 1, 3);
        let full = all.check_room(&both, &policy, now).expect_err("one runs, the other queues");
        assert_eq!(full.limit, Limit::Queued);
        let _two = all.members[1].state.server.in_flight.enter();
        let full = all.check_room(&both, &policy, now).expect_err("both run");
        assert_eq!(full.limit, Limit::PerEndpoint);
        assert!(all.check_room(&limits(None, Some(3)), &policy, now).is_ok());

        assert_eq!(all.loads_of_others([1], now), None, "nobody asks");
        all.metrics = Some(ServerMetrics {
            path: PathAndQuery::from_static(ServerMetrics::PATH),
            interval: ServerMetrics::INTERVAL,
            timeout: ServerMetrics::TIMEOUT,
            authenticated: false,
        });
        assert_eq!(all.loads_of_others([1], now), Some(vec![6]));
        assert_eq!(all.loads_of_others([0, 1], now), None, "of one it is not known");
        say(&all, 0, 0);
        assert_eq!(all.loads_of_others([0, 1], now), Some(vec![3, 6]));
    }
}
