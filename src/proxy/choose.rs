//! Which target is asked next.

use std::sync::Arc;
use std::time::Instant;

use super::endpoint_lease::EndpointLease;
use super::queue::Places;
use super::resolve::Resolved;
use crate::balance::affinity::{self, Mark};
use crate::balance::{Candidate, Turn};
use crate::protocol::registry::Operation;
use crate::state::{BreakerStatus, Demand, EndpointState, Full, Phase, Place, ProbePermit, Slot};
use crate::table::{Resolution, Route, Target, Tier, Upstream};

/// A target that may be asked now, and the room that was taken there.
#[derive(Debug)]
pub(super) struct Chosen {
    /// Its index in the route.
    pub index: usize,
    pub target: Arc<Target>,
    /// Held while this request is the probe of a half-open breaker.
    pub permit: Option<ProbePermit>,
    /// The breaker's state as it was when the target was chosen.
    pub breaker: Phase,
    /// The endpoint that is asked, where the target has endpoints. Before the slot, so that whoever
    /// is told of the slot finds room at the endpoint.
    pub lease: Option<Arc<EndpointLease>>,
    /// What the request takes of the target's limits, until its last byte.
    pub slot: Slot,
}

/// Why a target may not be asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spared<'t> {
    /// Something it refers to is missing or forbidden.
    Unresolved(&'t str),
    /// It speaks another protocol, or its vendor lacks this operation.
    CannotServe,
    /// It or all of its keys were asked to be left alone.
    Resting(Instant),
    /// Its provider did not accept any of its keys: a person has to do something.
    Refused,
    /// Its breaker is open until then, or lets another request find out whether it is back.
    Open(Option<Instant>),
    /// Checks of its health fail, which is all there is against it: it is a last resort.
    Unhealthy,
    /// It is as busy as its limits allow, and well otherwise.
    Full(Full),
}

impl Spared<'_> {
    /// When it is worth asking again, if that is a matter of time.
    pub fn until(self) -> Option<Instant> {
        match self {
            Self::Resting(until) => Some(until),
            Self::Open(until) => until,
            Self::Full(full) => full.until,
            Self::Unresolved(_) | Self::CannotServe | Self::Refused | Self::Unhealthy => None,
        }
    }

    /// Whether time alone changes nothing about it.
    pub fn is_lasting(self) -> bool {
        matches!(self, Self::Unresolved(_) | Self::CannotServe | Self::Refused)
    }
}

/// Whether targets are left out whose health checks fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resort {
    Usual,
    Last,
}

/// What is looked for: a target for this request, by somebody who may stand in line already.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    pub resolved: &'a Resolved,
    pub places: Option<&'a Places>,
    /// Endpoints at which the request has failed.
    pub shunned: &'a [Arc<EndpointState>],
}

impl<'a> Wish<'a> {
    /// The wish of a request that has not waited.
    pub fn of(resolved: &'a Resolved) -> Self {
        Self { resolved, places: None, shunned: &[] }
    }

    /// What it takes of a target. Estimated only where it matters.
    fn demand(&self, upstream: &Upstream) -> Demand {
        match upstream.limits.tokens_per_minute {
            Some(_) => self.resolved.demand(),
            None => Demand::LEAST,
        }
    }

    fn place(&self, index: usize) -> Option<&'a Place> {
        self.places.and_then(|places| places.at(index))
    }

    /// Whether the target may be asked now, if not only as a last resort.
    pub fn check(&self, index: usize, now: Instant) -> Result<&'a Upstream, Spared<'a>> {
        self.check_as(Resort::Usual, index, now)
    }

    fn check_as(
        &self,
        resort: Resort,
        index: usize,
        now: Instant,
    ) -> Result<&'a Upstream, Spared<'a>> {
        let upstream = healthy(&self.resolved.route.targets[index], self.resolved.operation, now)?;
        if resort == Resort::Usual && upstream.is_unhealthy() {
            return Err(Spared::Unhealthy);
        }
        let (demand, place) = (self.demand(upstream), self.place(index));
        let mut room = upstream.state.room.check(&upstream.limits, demand, place, now);
        if let Some(endpoints) = &upstream.endpoints {
            let check = || endpoints.check_room(&upstream.limits, &upstream.breaker, now);
            room = room.and_then(|()| check());
        }
        room.map(|()| upstream).map_err(Spared::Full)
    }

    /// The next target that may be asked, leaving out those in `tried`: the one that the caller
    /// picked, or the route's choice.
    pub fn next(&self, tried: &[usize], now: Instant) -> Option<Chosen> {
        match self.resolved.backend {
            Some(index) if tried.contains(&index) => None,
            Some(index) => self.at(index, now),
            None => self.choose(tried, now).or_else(|| self.choose_last(tried, now)),
        }
    }

    /// That target, if it may be asked now; health checks that fail are no reason then.
    pub fn at(&self, index: usize, now: Instant) -> Option<Chosen> {
        self.admit(index, self.check_as(Resort::Last, index, now).ok()?, now)
    }

    /// Where nobody else is left, targets whose health checks fail are asked as well: a check can be
    /// wrong (a page that moved, a firewall), and an answer that may come is better than an error
    /// that is certain. Their breakers guard them like any other's. Who is well and merely full is
    /// worth waiting for.
    fn choose_last(&self, tried: &[usize], now: Instant) -> Option<Chosen> {
        let members = self.resolved.route.tiers.iter().flat_map(|tier| &tier.members);
        let others = members.filter(|index| !tried.contains(index));
        let mut some_unhealthy = false;
        for index in others {
            match self.check(*index, now) {
                Err(Spared::Full(_)) => return None,
                Err(Spared::Unhealthy) => some_unhealthy = true,
                _ => {}
            }
        }
        some_unhealthy.then(|| self.choose_besides(Resort::Last, tried, now)).flatten()
    }

    fn choose(&self, tried: &[usize], now: Instant) -> Option<Chosen> {
        let away = self.kept_out(tried, now);
        let besides = (!away.is_empty()).then(|| [tried, &away].concat());
        besides
            .and_then(|besides| self.choose_besides(Resort::Usual, &besides, now))
            .or_else(|| self.choose_besides(Resort::Usual, tried, now))
    }

    /// The targets that have just come back and do not take part in this choice, if there is
    /// somebody else. A session that returns stays.
    fn kept_out(&self, tried: &[usize], now: Instant) -> Vec<usize> {
        let Resolved { route, session, .. } = self.resolved;
        let members = route.tiers.iter().flat_map(|tier| &tier.members).copied();
        let is_out = |index: &usize| {
            let upstream = route.targets[*index].upstream();
            let Some(share) = upstream.and_then(|upstream| upstream.state.recovery.share(now))
            else {
                return false;
            };
            let drawn = match session {
                Some(session) => session.draw(Mark::of(&["slow start"])),
                None => fastrand::u64(..),
            };
            #[expect(clippy::cast_precision_loss, reason = "a share is not that exact")]
            let drawn = drawn as f64 / u64::MAX as f64;
            drawn >= share
        };
        members.filter(|index| !tried.contains(index) && is_out(index)).collect()
    }

    fn choose_besides(&self, resort: Resort, tried: &[usize], now: Instant) -> Option<Chosen> {
        self.resolved.route.tiers.iter().find_map(|tier| self.choose_in(tier, resort, tried, now))
    }

    fn choose_in(
        &self,
        tier: &Tier,
        resort: Resort,
        tried: &[usize],
        now: Instant,
    ) -> Option<Chosen> {
        let Resolved { route, session, .. } = self.resolved;
        let minds_latency = route.strategy.minds_latency();
        let (mut open, mut candidates) = (Vec::new(), Vec::new());
        for index in tier.members.iter().copied().filter(|index| !tried.contains(index)) {
            let target = &route.targets[index];
            let Ok(upstream) = self.check_as(resort, index, now) else { continue };
            let state = &upstream.state;
            let times = if self.resolved.streams() { &state.latency } else { &state.reply_time };
            open.push((index, upstream, target.mark));
            candidates.push(Candidate {
                weight: target.weight,
                in_flight: state.in_flight.count(),
                latency: if minds_latency { times.estimate(now) } else { None },
            });
        }
        if candidates.is_empty() {
            return None;
        }
        // A session takes nobody's turn.
        let turn = session
            .is_none()
            .then(|| Turn { sequence: tier.next_turn(), random: fastrand::u64(..) });
        loop {
            let position = match (session, turn) {
                (Some(session), _) => {
                    let marks: Vec<Mark> = open.iter().map(|(.., mark)| *mark).collect();
                    affinity::pick(&candidates, &marks, *session, route.strategy.minds_load())
                }
                (None, turn) => route.strategy.pick(&candidates, turn?),
            }?;
            let (index, upstream, _) = open.swap_remove(position);
            candidates.swap_remove(position);
            // Another request may have taken the last room, or a half-open breaker's one permit, in
            // the meantime.
            if let Some(chosen) = self.admit(index, upstream, now) {
                return Some(chosen);
            }
        }
    }

    /// Takes room at one target, and asks its breaker for admission.
    fn admit(&self, index: usize, upstream: &Upstream, now: Instant) -> Option<Chosen> {
        let (demand, place) = (self.demand(upstream), self.place(index));
        let slot = upstream.state.room.enter(&upstream.limits, demand, place, now).ok()?;
        let target = Arc::clone(&self.resolved.route.targets[index]);
        if let Some(endpoints) = &upstream.endpoints {
            let session = self.resolved.session_at(endpoints);
            let lease = Arc::new(EndpointLease::take(&target, session, self.shunned, now)?);
            let breaker = lease.phase();
            return Some(Chosen { index, target, permit: None, breaker, lease: Some(lease), slot });
        }
        let admission = upstream.state.breaker.admit(&upstream.breaker, now);
        let (permit, breaker) = admission.admitted()?;
        Some(Chosen { index, target, permit, breaker, lease: None, slot })
    }
}

/// Whether a target may be asked for this operation now, as far as its health is concerned.
fn healthy<'t>(
    target: &'t Target,
    operation: &'static Operation,
    now: Instant,
) -> Result<&'t Upstream, Spared<'t>> {
    let upstream = match &target.resolution {
        Resolution::Ready(upstream) => upstream,
        Resolution::Unresolved { message, .. } => return Err(Spared::Unresolved(message)),
    };
    if !can_serve(upstream, operation) {
        return Err(Spared::CannotServe);
    }
    if let Some(until) = upstream.resting_until(now) {
        let model = upstream.limited_model();
        let refused = upstream.keys.as_ref().is_some_and(|keys| keys.are_refused(model, now));
        return Err(if refused { Spared::Refused } else { Spared::Resting(until) });
    }
    if let Some(endpoints) = &upstream.endpoints {
        return if endpoints.any_may_be_asked(&upstream.breaker, now) {
            Ok(upstream)
        } else {
            Err(Spared::Open(endpoints.soonest(&upstream.breaker, now)))
        };
    }
    match upstream.state.breaker.status(&upstream.breaker, now) {
        BreakerStatus::Closed => Ok(upstream),
        BreakerStatus::HalfOpen if upstream.state.breaker.is_probing(now) => {
            Err(Spared::Open(None))
        }
        BreakerStatus::HalfOpen => Ok(upstream),
        BreakerStatus::Open { until } => Err(Spared::Open(Some(until))),
    }
}

/// Whether the target's vendor has this operation at all.
pub(super) fn can_serve(upstream: &Upstream, operation: &'static Operation) -> bool {
    upstream.provider.serves(operation)
}

/// The target that is likely to be asked next: the heaviest of the first tier that has one. Nobody's
/// turn is used up by looking.
pub(super) fn likely<'r>(
    route: &'r Route,
    picked: Option<usize>,
    operation: &'static Operation,
    now: Instant,
) -> Option<&'r Arc<Target>> {
    // A last resort is not worth asking for what can be estimated.
    let may = |index: &usize| {
        let asked = healthy(&route.targets[*index], operation, now);
        asked.is_ok_and(|upstream| !upstream.is_unhealthy())
    };
    if let Some(index) = picked {
        return Some(&route.targets[index]).filter(|_| may(&index));
    }
    route.tiers.iter().find_map(|tier| {
        let members = tier.members.iter().filter(|index| may(index));
        // Of equals the first: `max_by_key` alone would take the last.
        members.rev().max_by_key(|index| route.targets[**index].weight).map(|i| &route.targets[*i])
    })
}
