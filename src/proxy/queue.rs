//! Waiting for room, where every target that is well is as busy as its limits allow.
//!
//! A request stands in the line of each such target that has a place for it, and goes to the first
//! that has room for it. Lines are short and so is the time in them: this is for the moment between
//! two answers, and not for an outage. Whoever goes away while waiting gives up the places with it.

use std::sync::Arc;
use std::time::Instant;

use prometheus::IntGauge;
use tokio::sync::Notify;
use tokio::time::timeout_at;

use super::Gateway;
use super::choose::{Chosen, Spared, Wish};
use super::resolve::Resolved;
use crate::state::Place;

/// The places of one request in the lines of targets, by their indexes.
#[derive(Debug)]
pub(super) struct Places {
    bell: Arc<Notify>,
    held: Vec<(usize, Place)>,
}

impl Places {
    /// The place in the line of that target.
    pub fn at(&self, index: usize) -> Option<&Place> {
        self.held.iter().find(|(of, _)| *of == index).map(|(_, place)| place)
    }

    /// Stands in the line of every target that is full and nothing else.
    fn take(wish: Wish<'_>, tried: &[usize], now: Instant) -> Self {
        let (bell, resolved) = (Arc::new(Notify::new()), wish.resolved);
        let held =
            candidates(resolved).filter(|index| !tried.contains(index)).filter_map(|index| {
                let Err(Spared::Full(_)) = wish.check(index, now) else { return None };
                let upstream = resolved.route.targets[index].upstream()?;
                Some((index, upstream.state.room.queue(&upstream.limits, &bell, now)?))
            });
        let held = held.collect();
        Self { bell, held }
    }

    /// Gives up the places whose time is over, and those of targets that are not full but unwell:
    /// nobody knows when they will be back.
    fn leave(&mut self, resolved: &Resolved, now: Instant) {
        let stays: Vec<bool> = self
            .held
            .iter()
            .map(|(index, place)| {
                let wish = Wish { places: Some(self), ..Wish::of(resolved) };
                place.until > now && matches!(wish.check(*index, now), Ok(_) | Err(Spared::Full(_)))
            })
            .collect();
        let mut stays = stays.into_iter();
        self.held.retain(|_| stays.next().unwrap_or_default());
    }

    /// When to look again even if nobody rings: when the next place is given up, when time alone
    /// makes room where this request is first, or when a target is back that is not waited for.
    fn look_again(&self, resolved: &Resolved, tried: &[usize], now: Instant) -> Option<Instant> {
        let wish = Wish { places: Some(self), ..Wish::of(resolved) };
        let given_up = self.held.iter().map(|(_, place)| place.until);
        let untried = candidates(resolved).filter(|index| !tried.contains(index));
        let changes = untried.filter_map(|index| wish.check(index, now).err()?.until());
        given_up.chain(changes).min()
    }
}

/// The targets that may be asked at all.
fn candidates(resolved: &Resolved) -> impl Iterator<Item = usize> {
    let picked = resolved.backend;
    let members = resolved.route.tiers.iter().flat_map(|tier| tier.members.iter().copied());
    picked.into_iter().chain(members.filter(move |_| picked.is_none()))
}

/// Counts a request among those that wait.
#[derive(Debug)]
struct Waiting(IntGauge);

impl Waiting {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Waits until a target has room, where at least one is well and full and its line has a place; until
/// `latest` at most. `None` if none of them has room in time.
pub(super) async fn wait_for_room(
    gateway: &Gateway,
    wish: Wish<'_>,
    tried: &[usize],
    latest: Instant,
) -> Option<Chosen> {
    let resolved = wish.resolved;
    let mut places = Places::take(wish, tried, Instant::now());
    if places.held.is_empty() {
        return None;
    }
    let _waiting = Waiting::new(&gateway.metrics.queued);
    loop {
        let now = Instant::now();
        // Also the first time: there may have come room before the places were taken.
        let wish = Wish { places: Some(&places), ..wish };
        if let Some(chosen) = wish.next(tried, now) {
            return Some(chosen);
        }
        places.leave(resolved, now);
        if places.held.is_empty() || now >= latest {
            return None;
        }
        let again = places.look_again(resolved, tried, now)?;
        let bell = Arc::clone(&places.bell);
        // That nobody rang in time is a reason to look, too.
        let _ = timeout_at(again.min(latest).into(), bell.notified()).await;
    }
}
