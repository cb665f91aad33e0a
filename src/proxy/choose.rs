//! Which target is asked next.

use std::sync::Arc;
use std::time::Instant;

use crate::balance::{Candidate, Turn};
use crate::protocol::registry::Operation;
use crate::state::{Admission, BreakerStatus, Phase, ProbePermit};
use crate::table::{Resolution, Route, Target, Upstream};

/// A target that may be asked now.
#[derive(Debug)]
pub(super) struct Chosen {
    /// Its index in the route.
    pub index: usize,
    pub target: Arc<Target>,
    /// Held while this request is the probe of a half-open breaker.
    pub permit: Option<ProbePermit>,
    /// The breaker's state as it was when the target was chosen.
    pub breaker: Phase,
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
    /// Its breaker is open until then, or lets another request find out whether it is back.
    Open(Option<Instant>),
    /// Checks of its health fail, which is all there is against it: it is a last resort.
    Unhealthy,
}

impl Spared<'_> {
    /// When it is worth asking again, if that is a matter of time.
    pub fn until(self) -> Option<Instant> {
        match self {
            Self::Resting(until) => Some(until),
            Self::Open(until) => until,
            Self::Unresolved(_) | Self::CannotServe | Self::Unhealthy => None,
        }
    }

    /// Whether time alone changes nothing about it.
    pub fn is_lasting(self) -> bool {
        matches!(self, Self::Unresolved(_) | Self::CannotServe)
    }
}

/// Whether a target may be asked for this operation now, if not only as a last resort.
pub(super) fn eligible<'t>(
    target: &'t Target,
    operation: &'static Operation,
    now: Instant,
) -> Result<&'t Upstream, Spared<'t>> {
    let upstream = unchecked(target, operation, now)?;
    if upstream.is_unhealthy() { Err(Spared::Unhealthy) } else { Ok(upstream) }
}

/// The same, whatever checks of its health say.
fn unchecked<'t>(
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
        return Err(Spared::Resting(until));
    }
    match upstream.state.breaker.status(&upstream.breaker, now) {
        BreakerStatus::Closed => Ok(upstream),
        BreakerStatus::HalfOpen if upstream.state.breaker.is_probing() => Err(Spared::Open(None)),
        BreakerStatus::HalfOpen => Ok(upstream),
        BreakerStatus::Open { until } => Err(Spared::Open(Some(until))),
    }
}

/// Whether the target's vendor has this operation at all.
pub(super) fn can_serve(upstream: &Upstream, operation: &'static Operation) -> bool {
    upstream.provider.serves(operation)
}

/// The target that is likely to be asked next: the heaviest of the first tier that has one. Nobody's
/// turn is used up by looking. A last resort is not worth asking for what can be estimated.
pub(super) fn likely<'r>(
    route: &'r Route,
    picked: Option<usize>,
    operation: &'static Operation,
    now: Instant,
) -> Option<&'r Arc<Target>> {
    let may = |index: &usize| eligible(&route.targets[*index], operation, now).is_ok();
    if let Some(index) = picked {
        return Some(&route.targets[index]).filter(|_| may(&index));
    }
    route.tiers.iter().find_map(|tier| {
        let members = tier.members.iter().filter(|index| may(index));
        // Of equals the first: `max_by_key` alone would take the last.
        members.rev().max_by_key(|index| route.targets[**index].weight).map(|i| &route.targets[*i])
    })
}

/// The next target of the route that may be asked, leaving out those in `tried`. `streamed` says
/// which of its times a target is judged by.
///
/// Where nobody else is left, targets whose health checks fail are asked as well: a check can be
/// wrong (a page that moved, a firewall), and an answer that may come is better than an error that
/// is certain. Their breakers guard them like any other's.
pub(super) fn choose(
    route: &Route,
    operation: &'static Operation,
    streamed: bool,
    tried: &[usize],
    now: Instant,
) -> Option<Chosen> {
    choose_among(route, operation, streamed, tried, now, eligible).or_else(|| {
        let has_unhealthy =
            |target: &Arc<Target>| target.upstream().is_some_and(Upstream::is_unhealthy);
        // Mostly there is none, and nothing is looked at twice.
        route.targets.iter().any(has_unhealthy).then_some(())?;
        choose_among(route, operation, streamed, tried, now, unchecked)
    })
}

type Eligible =
    for<'t> fn(&'t Target, &'static Operation, Instant) -> Result<&'t Upstream, Spared<'t>>;

fn choose_among(
    route: &Route,
    operation: &'static Operation,
    streamed: bool,
    tried: &[usize],
    now: Instant,
    eligible: Eligible,
) -> Option<Chosen> {
    for tier in &route.tiers {
        let (mut open, mut candidates) = (Vec::new(), Vec::new());
        for index in tier.members.iter().copied().filter(|index| !tried.contains(index)) {
            let target = &route.targets[index];
            let Ok(upstream) = eligible(target, operation, now) else { continue };
            let state = &upstream.state;
            open.push((index, upstream));
            candidates.push(Candidate {
                weight: target.weight,
                in_flight: state.in_flight.count(),
                latency: if streamed { &state.latency } else { &state.reply_time }.estimate(now),
            });
        }
        if candidates.is_empty() {
            continue;
        }
        let turn = Turn { sequence: tier.next_turn(), random: fastrand::u64(..) };
        while let Some(position) = route.strategy.pick(&candidates, turn) {
            let (index, upstream) = open.swap_remove(position);
            candidates.swap_remove(position);
            // Another request may have taken a half-open breaker's one permit in the meantime.
            if let Some(chosen) = admit(route, index, upstream, now) {
                return Some(chosen);
            }
        }
    }
    None
}

/// The target that the caller picked, if it may be asked: there is no other, so it may be a last
/// resort.
pub(super) fn picked(
    route: &Route,
    index: usize,
    operation: &'static Operation,
    now: Instant,
) -> Option<Chosen> {
    let upstream = unchecked(route.targets.get(index)?, operation, now).ok()?;
    admit(route, index, upstream, now)
}

/// Asks the breaker of one target for admission.
fn admit(route: &Route, index: usize, upstream: &Upstream, now: Instant) -> Option<Chosen> {
    let (permit, breaker) = match upstream.state.breaker.admit(&upstream.breaker, now) {
        Admission::Closed => (None, Phase::Closed),
        Admission::Probe(permit) => (Some(permit), Phase::HalfOpen),
        Admission::Refused { .. } => return None,
    };
    Some(Chosen { index, target: Arc::clone(&route.targets[index]), permit, breaker })
}
