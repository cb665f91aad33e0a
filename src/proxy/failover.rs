//! Target after target, until one answers.
//!
//! ```text
//!            ┌─────────────── a repeat, after its back-off ───────────────┐
//!            ▼                                                            │
//!   choose ─ start ─ wait ─┬─ it answers: done; whoever else runs is ended
//!            ▲             ├─ it fails ─ what now ([`verdict`]) ──────────┤
//!            │             └─ it is slow: the next is asked as well       │
//!            └──────── the next target, the next route ◄──────────────────┘
//! ```
//!
//! Every target that may be asked gets a try, then those of each fallback route. Repeats are bounded
//! by the route's numbers, by its time and by each target's retry budget.

mod exhausted;
mod keys;
mod patience;
mod resume;
mod running;
mod stage;
mod unanswered;
mod verdict;
mod waiting;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;

use super::attempt::{Answer, Failure};
use super::budget::Reservation;
use super::choose::Chosen;
use super::classify::Class;
use super::context::Context;
use super::deadline::Deadline;
use super::fetch;
use super::guard::AttemptGuard;
use super::queue::wait_for_room;
use super::resolve::Resolved;
use super::trail::Asked;
use crate::state::{EndpointState, RetryPermit};
use crate::table::Route;
use patience::Company;
pub(super) use resume::{Broken, may_resume};
use running::{Errand, Repeat, Running, Woken, wake};
use stage::Stage;
pub(super) use unanswered::Unanswered;
use verdict::Verdict;

/// Tries under way at a time: the slow one and the one that was asked as well.
const AT_ONCE: usize = 2;

/// The answer of a target, and what holds that target.
pub(super) struct Answered {
    pub answer: Answer,
    pub guard: AttemptGuard,
    /// How long that target took.
    pub provider_time: Duration,
}

/// A search for an answer that goes on by itself, and gives the searcher back.
pub(super) type Search = BoxFuture<'static, (Box<Failover>, Result<Answered, Unanswered>)>;

/// The search for somebody who answers one request.
#[derive(Debug)]
pub(super) struct Failover {
    context: Arc<Context>,
    deadline: Deadline,
    /// The routes that were come to, in their order; the last is the one that is asked.
    stages: Vec<Stage>,
    /// Fallback routes that are still to come.
    to_come: VecDeque<Arc<Route>>,
    /// The target that was asked first.
    first: Option<(usize, usize)>,
    /// Why each try failed.
    failed: Vec<Class>,
    attempts: u32,
    /// How long throttled targets were waited for.
    waited: Duration,
    /// The stream that is to be gone on with.
    broken: Option<Broken>,
    /// The target whose stream broke off, which is asked once more if no other one goes on.
    last_resort: Option<usize>,
    /// The targets that broke off before.
    broke: Vec<usize>,
    /// How often the stream broke off.
    breaks: u32,
    /// A refusal that is shown if nobody answers, and whose it is.
    refusal: Option<(Failure, Asked)>,
    /// The field that a target could not be asked.
    untranslatable: Option<String>,
    /// The memory of the request, which may have to be sent again.
    _reservation: Reservation,
}

impl Failover {
    /// A search that begins at the route that was called.
    pub fn new(
        context: Arc<Context>,
        resolved: Arc<Resolved>,
        reservation: Reservation,
        started: Instant,
    ) -> Self {
        Self {
            deadline: Deadline::new(started, resolved.route.request_timeout, &resolved.headers),
            to_come: resolved.fallbacks.iter().cloned().collect(),
            stages: vec![Stage::new(resolved, Vec::new())],
            context,
            first: None,
            failed: Vec::new(),
            attempts: 0,
            waited: Duration::ZERO,
            broken: None,
            last_resort: None,
            broke: Vec::new(),
            breaks: 0,
            refusal: None,
            untranslatable: None,
            _reservation: reservation,
        }
    }

    /// Searches until somebody answers.
    pub fn search(mut self: Box<Self>) -> Search {
        async move {
            let answer = self.answer().await;
            (self, answer)
        }
        .boxed()
    }

    fn resolved(&self) -> &Resolved {
        &self.stages[0].resolved
    }

    async fn answer(&mut self) -> Result<Answered, Unanswered> {
        let mut running: Vec<Running> = Vec::with_capacity(AT_ONCE);
        let mut repeat: Option<Repeat> = None;
        loop {
            if running.is_empty() && repeat.is_none() {
                match self.next().await {
                    Some(chosen) => running.extend(self.start(chosen, None).await?),
                    None if self.wait_for_someone().await
                        || self.come_to_last_resort()
                        || self.next_route() => {}
                    None => return Err(self.unanswered()),
                }
                continue;
            }
            match wake(&mut running, repeat.as_ref()).await {
                Woken::Answered(answer, mut one) => {
                    // Another endpoint than was chosen, where that could not be connected to.
                    one.asked.endpoint = one.guard.endpoint();
                    for other in running {
                        let name = &other.asked.target.name;
                        self.context.trail.failed(name, "had not begun when another answered");
                        let was_slower = other.started < one.started;
                        other.give_up(was_slower);
                    }
                    // Whoever was asked last may have lost.
                    self.context.trail.with(|steps| steps.last = Some(one.asked.clone()));
                    let provider_time = one.guard.elapsed();
                    return Ok(Answered { answer, guard: one.guard, provider_time });
                }
                Woken::Failed(failure, one) => match self.failed(one, failure) {
                    Ok(Some(again)) => repeat = Some(again),
                    // The one that is left was slow already: somebody else keeps it company.
                    Ok(None) => running.iter_mut().for_each(Running::wants_company),
                    Err(unanswered) => {
                        for other in running {
                            other.give_up(false);
                        }
                        return Err(*unanswered);
                    }
                },
                Woken::Late => self.ask_another(&mut running, repeat.is_some()).await,
                Woken::Rested => {
                    let Some(Repeat { stage, index, permit, .. }) = repeat.take() else { continue };
                    match self.stages[stage].again(index).filter(|_| !self.deadline.is_over()) {
                        Some(chosen) => running.extend(self.start(chosen, Some(permit)).await?),
                        None => {
                            self.stages[stage].give_up(index);
                            running.iter_mut().for_each(Running::wants_company);
                        }
                    }
                }
            }
        }
    }

    fn stage(&mut self) -> &mut Stage {
        self.stages.last_mut().expect("a search begins with a route and never loses one")
    }

    /// The target to ask next. Where only the limits of targets are in the way, they are waited for.
    async fn next(&mut self) -> Option<Chosen> {
        if self.deadline.is_over() || !self.may_try() {
            return None;
        }
        match self.stage().next(&[]) {
            Some(chosen) => Some(chosen),
            None => {
                let latest = self.deadline.at;
                let (gateway, stage) = (Arc::clone(&self.context.gateway), self.stage());
                // Boxed: few requests need it, and every one would have room for it.
                Box::pin(wait_for_room(&gateway, stage.wish(), &stage.done, latest)).await
            }
        }
    }

    /// Whether the route's number of tries allows one more.
    fn may_try(&self) -> bool {
        let limit = self.stages[0].resolved.route.retry.max_attempts;
        limit.is_none_or(|limit| self.attempts < limit)
    }

    /// Comes to the next fallback route.
    fn next_route(&mut self) -> bool {
        if self.deadline.is_over() || !self.may_try() {
            return false;
        }
        let Some(route) = self.to_come.pop_front() else { return false };
        let resolved = Arc::new(self.stages[0].resolved.at(&route));
        self.stages.push(Stage::new(resolved, self.shunned()));
        true
    }

    /// Endpoints at which the request has failed, whichever route came to them.
    fn shunned(&self) -> Vec<Arc<EndpointState>> {
        // Each stage began with what was known of the one before, of which a try may still have run.
        self.stages.iter().flat_map(|stage| stage.shunned.iter().cloned()).collect()
    }

    /// Begins a try. `None` if the target cannot be asked this.
    async fn start(
        &mut self,
        chosen: Chosen,
        permit: Option<RetryPermit>,
    ) -> Result<Option<Running>, Unanswered> {
        let (index, deadline) = (chosen.index, self.deadline);
        let resolved = Arc::clone(&self.stage().resolved);
        let target = Arc::clone(&chosen.target);
        let Some(upstream) = target.upstream() else { return Ok(None) };
        if fetch::may_be_needed(&self.context.gateway, &resolved, upstream) {
            // Boxed: few requests need it, and every one would have room for it.
            Box::pin(fetch::fetch(&self.context.gateway, &resolved, upstream, deadline))
                .await
                .map_err(Unanswered::Error)?;
        }
        let (prepared, resuming) = match self.prepare(&resolved, upstream) {
            Ok(prepared) => prepared,
            Err(failure) => {
                self.context.trail.failed(&target.name, &failure.detail);
                if !failure.class.fails_over() && self.broken.is_none() {
                    return Err(self.passed_on(failure, None));
                }
                self.stage().tried(index);
                self.stage().give_up(index);
                self.failed.push(failure.class);
                self.untranslatable = self.untranslatable.take().or(failure.param);
                return Ok(None);
            }
        };
        let place = (self.stages.len() - 1, index);
        // The first to be asked may be a fallback route's, when all targets before it are spared.
        let is_first = *self.first.get_or_insert(place) == place && place.0 == 0;
        let fallback = !is_first || self.stage().is_spill(&chosen);
        self.attempts += 1;
        self.stage().tried(index);
        let asked = Asked {
            route: Arc::clone(&resolved.route),
            target: Arc::clone(&target),
            endpoint: chosen.lease.as_ref().and_then(|lease| lease.state()),
            breaker: chosen.breaker,
            fallback,
        };
        self.context.trail.asks(asked.clone());
        let lease = chosen.lease.clone();
        let now = Instant::now();
        let streams = resolved.streams();
        let guard = AttemptGuard::new(&self.context.gateway, &resolved.route, chosen, streams, now);
        let limits = patience::limits(&resolved, upstream, deadline, self.broken.is_some(), now);
        // There is one stream to go on with, so one goes on at a time.
        let company = if self.broken.is_some() {
            Company::default()
        } else {
            Company::of(&resolved, upstream)
        };
        let context = Arc::clone(&self.context);
        let errand = Errand { context, resolved, target, lease, prepared, limits, resuming };
        Ok(Some(Running::start(errand, place, asked, guard, company, permit)))
    }

    /// The newest try is slow: asks the next target as well, if there is one. It costs a request more
    /// than there are, so it comes out of the retry budget; with that used up, the slow one is given
    /// up instead.
    async fn ask_another(&mut self, running: &mut Vec<Running>, repeats: bool) {
        let now = tokio::time::Instant::now();
        let is_late =
            |one: &Running| one.company.late.is_some_and(|late| one.started + late <= now);
        let late = running.iter().any(is_late);
        for one in running.iter_mut() {
            one.company.hedge = None;
            if is_late(one) {
                one.had_its_time = true;
                one.company.late = None;
            }
        }
        // Somebody is about to be asked once more as it is.
        if repeats || !self.may_try() || !self.stages[0].resolved.may_repeat() {
            return;
        }
        let here = self.stages.len() - 1;
        let busy = self.stages[here].busy(running.iter().filter(|one| one.stage == here));
        let chosen = match self.stage().next(&busy) {
            // A route to fall back on is for those who were kept waiting.
            None if late && self.next_route() => self.stage().next(&[]),
            chosen => chosen,
        };
        let Some(chosen) = chosen else {
            // Whoever is full or rests may be back soon, and routes may be left.
            if late {
                running.iter_mut().for_each(Running::looks_again);
            }
            return;
        };
        let permit = chosen.target.upstream().and_then(|upstream| {
            upstream.state.retry_budget.draw(upstream.state.in_flight.count())
        });
        if permit.is_none() && !late {
            return;
        }
        let room = if permit.is_some() { AT_ONCE - 1 } else { 0 };
        let index = chosen.index;
        let stage = self.stages.len() - 1;
        // Nobody is given up before it is known that the next one can be asked.
        let Ok(Some(started)) = self.start(chosen, permit).await else {
            self.stages[stage].give_up(index);
            running.iter_mut().for_each(Running::wants_company);
            return;
        };
        while running.len() > room {
            let slow = running.remove(0);
            self.context.trail.failed(&slow.asked.target.name, "took too long to begin");
            self.stages[slow.stage].give_up(slow.index);
            self.failed.push(Class::TimedOut);
            slow.give_up(false);
        }
        running.push(started);
    }

    /// Decides what comes after a failure.
    fn failed(
        &mut self,
        mut one: Running,
        mut failure: Failure,
    ) -> Result<Option<Repeat>, Box<Unanswered>> {
        let is_over = self.deadline.is_clients && self.deadline.is_over();
        if failure.class == Class::TimedOut && is_over {
            // A target is not slow because a client waits for a second only, or every caller could
            // open its breaker.
            failure.class = Class::Cancelled;
        }
        one.guard.record_failure(failure.class, &failure.detail);
        let asked = one.asked.clone();
        let target = &asked.target;
        self.context.trail.failed(&target.name, &failure.detail);
        self.failed.push(failure.class);
        let Running { index, stage: at, .. } = one;
        tracing::debug!(
            target_name = %target.name,
            class = failure.class.as_str(),
            detail = %failure.detail,
            "a try failed"
        );
        // Of a route that was left behind for the next one, nobody is asked again.
        let may_repeat = self.may_try() && at + 1 == self.stages.len();
        let verdict = verdict::verdict(&self.stages[at], target, index, &failure, may_repeat);
        self.stages[at].shun(one.guard.endpoints());
        // Its place at the target is free from here on.
        drop(one);
        match verdict {
            // The caller did not ask anybody to go on.
            Verdict::PassOn | Verdict::TooLong if self.broken.is_some() => {
                self.stages[at].give_up(index);
            }
            Verdict::PassOn => return Err(Box::new(self.passed_on(failure, Some(asked)))),
            Verdict::TooLong => self.too_long(at, index, failure, asked),
            Verdict::Next => self.stages[at].give_up(index),
            Verdict::Stop => return Err(Box::new(self.unanswered())),
            Verdict::Again { after, permit } => {
                let at_time = tokio::time::Instant::now() + after;
                return Ok(Some(Repeat { stage: at, index, at: at_time, permit }));
            }
        }
        Ok(None)
    }
}
