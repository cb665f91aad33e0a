//! Writes into the status of the objects what the last compile found, and what all replicas make of
//! it.
//!
//! One replica writes (see [`leader`](super::leader)), and only what differs from what the API
//! server holds, so a cluster at rest sees no writes. Serving never waits for status: this task
//! reads reports at its own pace, and of several it sees only the newest.

mod merge;
mod opinion;
mod programmed;
mod render;
mod start;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use self::programmed::{Patience, Verdict};
pub(super) use self::start::{Surroundings, start};
use super::Report;
use super::connect::describe;
use super::events::Herald;
use super::inventory::Inventory;
use super::kind::resource;
use super::leader::Leadership;
use super::replicas::{Fleet, View};
use crate::api::{ConditionType, Kind};
use crate::compile::{ObjectRef, ObjectReport};
use crate::table::TableCell;

/// Server-side apply's name for us. The same for every installation: when an object goes from one
/// gateway to another, the new one takes over all of its status.
const FIELD_MANAGER: &str = "pilothouse";
/// At most ten writes a second: a change that touches thousands of objects must not crowd out
/// others at the API server.
const WRITE_EVERY: Duration = Duration::from_millis(100);
/// How long one write may take: it ends before another replica can have become the leader.
const WRITE_LIMIT: Duration = Duration::from_secs(4);
/// When writes that failed are tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How often all statuses are compared even if nothing was reported: how targets and keys fare is
/// asked for and not told, and somebody else may have edited a status. The comparison is with what is
/// watched anyway and asks nobody.
const COMPARE_EVERY: Duration = Duration::from_secs(10);
/// After news of other replicas, how much of the time comparisons may take: one in five. With
/// thousands of routes one takes tens of milliseconds, and each of fifty replicas may have news at
/// another moment.
const REST_FACTOR: u32 = 4;
/// The least time between two comparisons for news of other replicas, whose Leases come in crowds.
const SETTLE: Duration = Duration::from_millis(50);
/// How old a view may be that a status is made of: the writes of one pass over thousands of routes
/// take minutes. To look anew takes tens of milliseconds with as many routes.
const VIEW_AGE: Duration = Duration::from_secs(1);

/// The writer.
#[derive(Clone)]
pub(super) struct StatusWriter {
    pub(super) client: Client,
    pub(super) inventory: Arc<Inventory>,
    pub(super) report: watch::Receiver<Arc<Report>>,
    pub(super) leadership: Leadership,
    /// The other replicas.
    pub(super) fleet: watch::Receiver<Fleet>,
    /// The table that this replica serves, for how its targets fare.
    pub(super) cell: Arc<TableCell>,
    /// Set once this replica is on its way out.
    pub(super) draining: CancellationToken,
    pub(super) herald: Herald,
}

/// How a pass over all objects ended.
enum Pass {
    /// All statuses are as they should be, but for those that wait until then.
    Complete(Option<Instant>),
    /// Some could not be written.
    Failed,
    /// Leadership was lost, the other replicas are out of sight, or a newer report came.
    Interrupted,
}

/// What one pass leaves to the next.
#[derive(Default)]
struct Progress {
    /// The object that was written last.
    last: Option<ObjectRef>,
    last_error: Option<String>,
    patience: Patience,
    /// Fields that the API server has left out of what was written in this pass: its definitions are
    /// of an older release. They are not missed then, or each status would be written for ever; one
    /// write in each pass finds out whether they are stored by now.
    left_out: BTreeMap<Kind, BTreeSet<String>>,
}

/// What is to be done about the status of one object.
enum Due {
    /// To write it in place of `before`. `news`: it is of another generation.
    Write { status: Value, before: Arc<Value>, news: bool },
    /// To look again then.
    Later(Instant),
    /// Nothing.
    No,
}

impl StatusWriter {
    /// Writes whenever this process is the leader, until the publisher or the election is gone.
    pub(super) async fn run(mut self) {
        let mut pace = tokio::time::interval(WRITE_EVERY);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut progress = Progress::default();
        while self.leadership.gained().await {
            let report = self.report.borrow_and_update().clone();
            self.fleet.mark_unchanged();
            let began = Instant::now();
            let wait = match self.view(&report) {
                // News of the other replicas comes of itself.
                None => COMPARE_EVERY,
                Some(view) => match self.pass(&report, view, &mut pace, &mut progress).await {
                    Pass::Complete(None) => COMPARE_EVERY,
                    Pass::Complete(Some(at)) => (at - Instant::now()).min(COMPARE_EVERY),
                    Pass::Failed => RETRY,
                    Pass::Interrupted => continue,
                },
            };
            let rest = SETTLE.max(began.elapsed() * REST_FACTOR).min(COMPARE_EVERY);
            let mut fleet = self.fleet.clone();
            let replicas = async {
                // Without anybody who follows them there is no news.
                if fleet.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(rest).await;
            };
            tokio::select! {
                changed = self.report.changed() => if changed.is_err() { return },
                () = replicas => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// What all replicas say at this moment; `None` as long as the others have not been heard: a new
    /// leader's own memory would undo what the last one told of all.
    fn view(&self, report: &Report) -> Option<View> {
        let counts = !self.draining.is_cancelled();
        let fleet = self.fleet.borrow().clone();
        View::new(self.cell.current(), &report.objects, &fleet, counts)
    }

    /// Writes every status that differs: first what is new, then how targets and keys fare, which
    /// may change for thousands of routes at once. It begins behind the object that was written
    /// last, so that one that changes all the time cannot keep the others from their turn.
    async fn pass(
        &self,
        report: &Report,
        mut view: View,
        pace: &mut Interval,
        progress: &mut Progress,
    ) -> Pass {
        let mut objects: Vec<_> = report.objects.iter().collect();
        objects.sort_unstable_by(|a, b| a.object.cmp(&b.object));
        progress.patience.retain(&report.objects);
        progress.left_out.clear();
        let last = progress.last.as_ref();
        let begin = objects.partition_point(|one| last.is_some_and(|last| one.object <= *last));
        objects.rotate_left(begin);
        let (mut first, mut then, mut later) = (Vec::new(), Vec::new(), None::<Instant>);
        for object in objects {
            match self.due(object, &view, progress) {
                Due::Write { news: true, .. } => first.push(object),
                Due::Write { news: false, .. } => then.push(object),
                Due::Later(at) => later = Some(later.map_or(at, |known| known.min(at))),
                Due::No => {}
            }
        }
        let (mut failed, mut looked) = (false, Instant::now());
        for object in first.into_iter().chain(then) {
            pace.tick().await;
            if !self.leadership.holds() || self.is_outdated(report) {
                return Pass::Interrupted;
            }
            if looked.elapsed() >= VIEW_AGE {
                let Some(newer) = self.view(report) else { return Pass::Interrupted };
                (view, looked) = (newer, Instant::now());
            }
            // Looked at once more: the turns of thousands take minutes.
            let due = self.due(object, &view, progress);
            let Due::Write { status, before, .. } = due else { continue };
            progress.last = Some(object.object.clone());
            match self.write(object, &status).await {
                Ok(stored) => {
                    progress.last_error = None;
                    if let Some(stored) = stored {
                        let missing = merge::left_out(&stored, &status);
                        progress.left_out.entry(object.object.kind).or_default().extend(missing);
                        self.herald.changed(object, &before, &status);
                    }
                }
                Err(error) => {
                    failed = true;
                    // The same for every object, as a rule: a missing permission, or no API server.
                    if progress.last_error.as_ref() != Some(&error) {
                        tracing::warn!(object = %object.object, error, "cannot write status");
                        progress.last_error = Some(error);
                    }
                }
            }
        }
        if failed { Pass::Failed } else { Pass::Complete(later) }
    }

    /// Whether there is a report that says something else. Reports that say the same share it.
    fn is_outdated(&self, report: &Report) -> bool {
        !Arc::ptr_eq(&self.report.borrow().objects, &report.objects)
    }

    /// What is to be done about the status of an object.
    fn due(&self, report: &ObjectReport, view: &View, progress: &mut Progress) -> Due {
        let Some(stored) = self.inventory.object(report.object.kind, &report.object.name) else {
            return Due::No;
        };
        if stored.raw.uid != report.uid {
            return Due::No;
        }
        let current = &*stored.status;
        let own = report.conditions.iter().find(|one| one.condition == ConditionType::Programmed);
        let programmed = match own.map(|own| programmed::verdict(report, own, view, current)) {
            None => None,
            Some(Verdict::Stated(stated)) => {
                progress.patience.end(&report.object);
                Some(stated)
            }
            Some(Verdict::Perhaps(stated)) => {
                match progress.patience.until(report, Instant::now()) {
                    Some(until) => return Due::Later(until),
                    None => Some(stated),
                }
            }
        };
        let now = Timestamp::now();
        let mut status = render::status(report, view, programmed);
        merge::hold(&mut status, current, now);
        render::conclude(&mut status);
        if let Some(fields) = progress.left_out.get(&report.object.kind) {
            merge::leave_out(&mut status, fields);
        }
        match merge::merged(status, current, now) {
            Some(status) => {
                let news = merge::newest_generation(current) != Some(report.generation);
                Due::Write { status, before: stored.status, news }
            }
            None => Due::No,
        }
    }

    /// Writes one status and gives what the API server holds then; `None` if the object is gone.
    async fn write(
        &self,
        report: &ObjectReport,
        status: &Value,
    ) -> Result<Option<Arc<Value>>, String> {
        let ObjectRef { kind, name } = &report.object;
        let resource = resource(*kind);
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &name.namespace, &resource);
        let patch = Patch::Apply(json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            // With its uid, so that an object that was made again is not told of the one before it.
            "metadata": {"name": &*name.name, "namespace": &*name.namespace, "uid": &*report.uid},
            "status": status,
        }));
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let written = api.patch_status(&name.name, &params, &patch);
        match tokio::time::timeout(WRITE_LIMIT, written).await {
            Ok(Ok(mut object)) => {
                let stored = object.data.get_mut("status").map(Value::take).unwrap_or_default();
                let stored = Arc::new(stored);
                self.inventory.set_status(*kind, name, &report.uid, stored.clone());
                Ok(Some(stored))
            }
            // It was deleted, or made again, meanwhile: the next report knows.
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() || status.is_conflict() => {
                Ok(None)
            }
            Ok(Err(error)) => Err(describe(&error)),
            Err(_) => Err("the API server is slow to answer".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
