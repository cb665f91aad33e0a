//! Asking a target to go on with a stream that another one began.

use std::sync::Arc;

use parking_lot::Mutex;

use super::stage::Stage;
use super::{Failover, Search};
use crate::protocol::continuation::{self, Mode, best_mode};
use crate::protocol::dialect::TargetView;
use crate::protocol::transcript::{Interrupted, Unresumable};
use crate::proxy::attempt::Failure;
use crate::proxy::classify::Class;
use crate::proxy::deadline::Deadline;
use crate::proxy::events::EventStream;
use crate::proxy::prepare::{Prepared, operation, prepare, prepare_to_resume};
use crate::proxy::resolve::Resolved;
use crate::table::Upstream;

/// A stream that broke off so often is not gone on with: something is wrong with what it says.
const MOST_BREAKS: u32 = 5;

/// A stream that broke off, for whoever goes on with it.
#[derive(Debug, Clone)]
pub(in crate::proxy) struct Broken {
    /// What the client has been shown.
    pub text: Arc<str>,
    /// The stream itself: taken by the try that reads an answer, and given back if that fails.
    stream: Arc<Mutex<Option<Interrupted>>>,
}

impl Broken {
    pub fn new(interrupted: Interrupted) -> Self {
        let text = interrupted.transcript().text().into();
        Self { text, stream: Arc::new(Mutex::new(Some(interrupted))) }
    }

    pub fn take(&self) -> Option<Interrupted> {
        self.stream.lock().take()
    }

    pub fn give_back(&self, interrupted: Interrupted) {
        *self.stream.lock() = Some(interrupted);
    }

    /// How this target is best asked.
    pub fn mode(&self, resolved: &Resolved, upstream: &Upstream) -> Result<Mode, Failure> {
        let dialect = operation(resolved, upstream).and_then(|operation| operation.dialect);
        let request = resolved.neutral().and_then(|request| request.as_ref().ok());
        let (Some(dialect), Some(request)) = (dialect, request) else {
            return Err(Failure::not_offered());
        };
        let model = upstream.model_for(&resolved.model);
        let facts = upstream.facts(&model);
        let quirks = &upstream.provider.quirks;
        let target = TargetView { model: &model, facts: &facts, quirks };
        best_mode(request, &self.text, dialect, &target).map_err(cannot)
    }
}

fn cannot(why: Unresumable) -> Failure {
    Failure::new(Class::Untranslatable, format!("cannot go on: {why}"))
}

/// Whether somebody else could go on with the answer to this request, should it break off.
pub(in crate::proxy) fn may_resume(resolved: &Resolved) -> bool {
    resolved.route.resume
        && resolved.streams()
        && resolved.facts.choices == 1
        && resolved.may_repeat()
        && resolved.operation.dialect.is_some()
        && !continuation::is_stored(&resolved.object)
}

impl Failover {
    /// Whether somebody else may go on with the stream, should it break off.
    pub fn may_resume(&self) -> bool {
        let resolved = self.resolved();
        self.breaks < MOST_BREAKS && may_resume(resolved) && !self.context.gateway.budget.is_tight()
    }

    /// The stream of the target that was found broke off: takes out of it what has to be known to go
    /// on with it. Says why that cannot be done otherwise.
    pub fn interrupt(&self, events: &mut EventStream) -> Result<Interrupted, Unresumable> {
        let resolved = self.resolved();
        if let Some(Ok(request)) = resolved.neutral() {
            continuation::check(request)?;
        }
        let last = self.context.trail.with(|steps| steps.last.clone());
        let upstream = last.as_ref().and_then(|asked| asked.target.upstream());
        let model = upstream.and_then(|upstream| upstream.model.as_deref());
        let view = self.context.client_view(resolved, model.unwrap_or(&resolved.facts.model));
        events.take_over(&view)
    }

    /// Searches for somebody who goes on with the stream: all targets again, since those that failed
    /// at its beginning may be well by now, the one that broke off last.
    pub fn resume(mut self: Box<Self>, interrupted: Interrupted) -> Search {
        let resolved = Arc::clone(&self.stages[0].resolved);
        self.deadline = Deadline::to_resume(resolved.route.request_timeout);
        self.to_come = resolved.fallbacks.iter().cloned().collect();
        // Of their endpoints, though, one that failed this request is not asked while another has room.
        let mut stage = Stage::new(Arc::clone(&resolved), self.shunned());
        // A fallback route may have a target of the same name.
        let last = self.context.trail.with(|steps| steps.last.clone());
        let broke = last.and_then(|asked| {
            stage.shun(asked.endpoint);
            let endpoints = asked.target.upstream().and_then(|one| one.endpoints.as_ref());
            let mut members = endpoints.iter().flat_map(|endpoints| &endpoints.members);
            if members.any(|endpoint| !stage.shuns(&endpoint.state)) {
                // One server broke off, and the others of its target are as good as any.
                return None;
            }
            let mut targets = resolved.route.targets.iter();
            targets.position(|target| Arc::ptr_eq(target, &asked.target))
        });
        // One that broke off twice will do so again, and a stream that it is alone to go on with
        // would be asked for over and over.
        self.last_resort = broke.filter(|index| !self.broke.contains(index));
        self.broke.extend(broke);
        self.broke.iter().for_each(|index| stage.give_up(*index));
        self.stages = vec![stage];
        self.failed.clear();
        self.refusal = None;
        self.breaks += 1;
        self.broken = Some(Broken::new(interrupted));
        self.search()
    }

    /// Comes back to the target whose stream broke off.
    pub(super) fn come_to_last_resort(&mut self) -> bool {
        let Some(index) = self.last_resort.take() else { return false };
        self.stages[0].done.retain(|done| *done != index);
        true
    }

    pub(super) fn prepare(
        &self,
        resolved: &Resolved,
        upstream: &Upstream,
    ) -> Result<(Prepared, Option<(Broken, Mode)>), Failure> {
        let Some(broken) = &self.broken else { return Ok((prepare(resolved, upstream)?, None)) };
        let mode = broken.mode(resolved, upstream)?;
        let prepared = prepare_to_resume(resolved, upstream, &broken.text, mode)?;
        Ok((prepared, Some((broken.clone(), mode))))
    }
}
