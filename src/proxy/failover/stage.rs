//! One route on the way: which of its targets were asked, and whose turn it is.

use std::sync::Arc;
use std::time::Instant;

use super::running::Running;
use crate::proxy::choose::{Chosen, Spared, Wish, can_serve};
use crate::proxy::resolve::Resolved;
use crate::state::EndpointState;
use crate::table::{Target, Upstream};

/// One route on the way of a request.
#[derive(Debug)]
pub(super) struct Stage {
    pub resolved: Arc<Resolved>,
    /// How often each target was asked, by its index.
    tries: Vec<(usize, u32)>,
    /// Targets that are not asked again.
    pub done: Vec<usize>,
    /// Endpoints at which the request has failed.
    pub shunned: Vec<Arc<EndpointState>>,
}

impl Stage {
    /// A route that is come to with a request which has failed at those endpoints.
    pub fn new(resolved: Arc<Resolved>, shunned: Vec<Arc<EndpointState>>) -> Self {
        Self { resolved, tries: Vec::new(), done: Vec::new(), shunned }
    }

    /// The target to ask next, leaving out those that are being asked: the one that the caller picked,
    /// or the route's choice.
    pub fn next(&self, running: &[usize]) -> Option<Chosen> {
        let out = [&*self.done, running].concat();
        self.wish().next(&out, Instant::now())
    }

    /// The same target once more, if it may still be asked.
    pub fn again(&self, index: usize) -> Option<Chosen> {
        self.wish().at(index, Instant::now())
    }

    /// What is looked for.
    pub fn wish(&self) -> Wish<'_> {
        Wish { shunned: &self.shunned, ..Wish::of(&self.resolved) }
    }

    /// The targets that are being asked and have nobody else to ask. Of those with several servers another
    /// one is asked, as often as a target may be.
    pub fn busy<'r>(&mut self, running: impl Iterator<Item = &'r Running>) -> Vec<usize> {
        let mut busy = Vec::new();
        for one in running {
            let upstream = one.asked.target.upstream();
            let may_more = |upstream: &Upstream| {
                upstream.has_siblings() && self.tries(one.index) < upstream.retry.per_target
            };
            if upstream.is_some_and(may_more) {
                self.shun(one.guard.endpoint());
            } else {
                busy.push(one.index);
            }
        }
        busy
    }

    /// Notes endpoints at which the request has failed: others are asked first.
    pub fn shun(&mut self, endpoints: impl IntoIterator<Item = Arc<EndpointState>>) {
        for endpoint in endpoints {
            if !self.shuns(&endpoint) {
                self.shunned.push(endpoint);
            }
        }
    }

    /// Whether the request has failed at that endpoint.
    pub fn shuns(&self, endpoint: &Arc<EndpointState>) -> bool {
        self.shunned.iter().any(|one| Arc::ptr_eq(one, endpoint))
    }

    /// Notes a try.
    pub fn tried(&mut self, index: usize) {
        match self.tries.iter_mut().find(|(tried, _)| *tried == index) {
            Some((_, count)) => *count += 1,
            None => self.tries.push((index, 1)),
        }
    }

    /// How often a target was asked.
    pub fn tries(&self, index: usize) -> u32 {
        self.tries.iter().find(|(tried, _)| *tried == index).map_or(0, |(_, count)| *count)
    }

    pub fn give_up(&mut self, index: usize) {
        if !self.done.contains(&index) {
            self.done.push(index);
        }
    }

    /// The resting target that may be asked soonest, of those that are worth waiting for.
    pub fn soonest(&self) -> Option<(usize, Instant)> {
        let (resolved, now) = (&*self.resolved, Instant::now());
        let targets = resolved.route.targets.iter().enumerate();
        let resting = targets.filter_map(|(index, target)| {
            if self.done.contains(&index) || !is_meant(resolved, index, target) {
                return None;
            }
            let upstream = target.upstream()?;
            match Wish::of(resolved).check(index, now) {
                Err(Spared::Resting(until))
                    if until.duration_since(now) <= upstream.retry.max_retry_after =>
                {
                    Some((index, until))
                }
                _ => None,
            }
        });
        resting.min_by_key(|(_, until)| *until)
    }

    /// Whether a tier before the chosen target's could have answered, had its health allowed it.
    pub fn is_spill(&self, chosen: &Chosen) -> bool {
        let Resolved { route, operation, backend, .. } = &*self.resolved;
        backend.is_none()
            && route.tiers.iter().any(|tier| {
                tier.priority < chosen.target.priority
                    && tier.members.iter().any(|index| {
                        let upstream = route.targets[*index].upstream();
                        upstream.is_some_and(|upstream| can_serve(upstream, operation))
                    })
            })
    }

    /// Leaves only targets whose models may take a prompt that was too long for `asked`.
    pub fn keep_longer(&mut self, asked: &str, window: Option<u64>) {
        let resolved = Arc::clone(&self.resolved);
        for (index, target) in resolved.route.targets.iter().enumerate() {
            let may = target.upstream().is_some_and(|upstream| {
                let model = upstream.model_for(&resolved.model);
                let theirs = upstream.facts(&model).context_tokens;
                *model != *asked && window.zip(theirs).is_none_or(|(short, long)| long > short)
            });
            if !may {
                self.give_up(index);
            }
        }
    }
}

/// Whether a target is among those that this request may be answered by.
pub(super) fn is_meant(resolved: &Resolved, index: usize, target: &Target) -> bool {
    match resolved.backend {
        Some(picked) => picked == index,
        None => target.weight > 0,
    }
}
