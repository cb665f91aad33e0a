//! A try under way.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::keys;
use super::patience::Company;
use super::resume::Broken;
use crate::protocol::continuation::{Mode, next_mode};
use crate::proxy::attempt::{Answer, Attempt, Failure, Limits};
use crate::proxy::classify::Class;
use crate::proxy::context::Context;
use crate::proxy::endpoint_lease::EndpointLease;
use crate::proxy::guard::AttemptGuard;
use crate::proxy::prepare::{Prepared, prepare_to_resume};
use crate::proxy::resolve::Resolved;
use crate::proxy::trail::Asked;
use crate::state::RetryPermit;
use crate::table::Target;

/// When it is looked again for somebody who keeps a late try company: rests and full targets change by
/// the second.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A try under way. Dropping it ends the request at the provider; how it fared has to be recorded
/// before.
pub(super) struct Running {
    future: BoxFuture<'static, Result<Answer, Failure>>,
    /// Set with the first event that came of it.
    alive: Arc<AtomicBool>,
    /// The route on the way.
    pub stage: usize,
    /// The target's index in it.
    pub index: usize,
    pub asked: Asked,
    pub guard: AttemptGuard,
    pub started: Instant,
    /// After how long without output the next target is asked as well; nothing once that was done or
    /// there was nobody to ask.
    pub company: Company,
    /// It was late already.
    pub had_its_time: bool,
    /// Held by a try that is not the first at its target.
    _permit: Option<RetryPermit>,
}

/// A target that is to be asked once more.
#[derive(Debug)]
pub(super) struct Repeat {
    /// The route on the way.
    pub stage: usize,
    /// The target's index in it.
    pub index: usize,
    /// When.
    pub at: Instant,
    pub permit: RetryPermit,
}

/// What has happened.
pub(super) enum Woken {
    Answered(Answer, Running),
    Failed(Failure, Running),
    /// It is time to ask another target as well.
    Late,
    /// It is time for the repeat.
    Rested,
}

/// Waits until something happens.
pub(super) async fn wake(running: &mut Vec<Running>, repeat: Option<&Repeat>) -> Woken {
    let late = running.iter().filter_map(Running::company_at).max();
    let done = poll_fn(|cx| {
        for (at, one) in running.iter_mut().enumerate() {
            if let Poll::Ready(result) = one.poll(cx) {
                return Poll::Ready((result, at));
            }
        }
        Poll::Pending
    });
    let (result, at) = tokio::select! {
        biased;
        done = done => done,
        () = until(repeat.map(|repeat| repeat.at)) => return Woken::Rested,
        () = until(late) => return Woken::Late,
    };
    let one = running.swap_remove(at);
    match result {
        Ok(answer) => Woken::Answered(answer, one),
        Err(failure) => Woken::Failed(failure, one),
    }
}

/// Waits until then, or for ever.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// What a try needs.
pub(super) struct Errand {
    pub context: Arc<Context>,
    pub resolved: Arc<Resolved>,
    pub target: Arc<Target>,
    pub lease: Option<Arc<EndpointLease>>,
    pub prepared: Prepared,
    pub limits: Limits,
    pub resuming: Option<(Broken, Mode)>,
}

impl Running {
    pub fn start(
        errand: Errand,
        (stage, index): (usize, usize),
        asked: Asked,
        guard: AttemptGuard,
        company: Company,
        permit: Option<RetryPermit>,
    ) -> Self {
        let alive = Arc::new(AtomicBool::new(false));
        let future = run(errand, Arc::clone(&alive)).boxed();
        let started = guard.started().into();
        Self {
            future,
            alive,
            stage,
            index,
            asked,
            guard,
            started,
            company,
            had_its_time: false,
            _permit: permit,
        }
    }

    pub fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<Answer, Failure>> {
        self.future.poll_unpin(cx)
    }

    /// When the next target is to be asked as well.
    pub fn company_at(&self) -> Option<Instant> {
        self.company.next().map(|after| self.started + after)
    }

    /// Whoever was asked as well has failed: if this one has had its time before, the next target is
    /// to be asked, now.
    pub fn wants_company(&mut self) {
        if self.company.next().is_none() && self.had_its_time {
            self.company.late = Some(Duration::ZERO);
        }
    }

    /// There was nobody to keep it company: somebody may be there in a moment.
    pub fn looks_again(&mut self) {
        self.company.late = Some(self.started.elapsed() + LOOK_AGAIN);
    }

    /// Ends it, because another target was faster or it was waited for long enough.
    /// Who was asked too late to have been slow is not to blame. `was_slower`: whoever answered was asked
    /// later.
    pub fn give_up(mut self, was_slower: bool) {
        if self.had_its_time || was_slower {
            self.guard.lost(self.alive.load(Ordering::Relaxed));
        } else {
            self.guard.record(Class::Cancelled);
        }
    }
}

async fn run(errand: Errand, alive: Arc<AtomicBool>) -> Result<Answer, Failure> {
    let Errand { context, resolved, target, lease, prepared, limits, resuming } = errand;
    let Some(upstream) = target.upstream() else { return Err(Failure::not_offered()) };
    let (context, resolved, alive) = (&*context, &*resolved, &*alive);
    let resuming = resuming.as_ref().map(|(broken, mode)| (broken, *mode));
    let attempt = Attempt {
        context,
        upstream,
        lease: lease.as_deref(),
        key: None,
        resolved,
        prepared: &prepared,
        limits,
        alive,
        resuming,
    };
    // Not inside `match`, which would keep its future, and with it the room for two.
    let asked = keys::ask(attempt).await;
    match (asked, resuming) {
        // The words that were put into the model's mouth are ours: what is refused or misunderstood
        // of them is asked once more without.
        (Err(failure), Some((broken, mode))) if failure.class.is_about_the_request() => {
            let request = resolved.neutral().and_then(|request| request.as_ref().ok());
            let next = request.and_then(|request| next_mode(request, mode));
            let Some(mode) = next else { return Err(failure) };
            let prepared = prepare_to_resume(resolved, upstream, &broken.text, mode)?;
            let resuming = Some((broken, mode));
            keys::ask(Attempt { prepared: &prepared, resuming, ..attempt }).await
        }
        (asked, _) => asked,
    }
}
