//! Writes what the last compile found into the status of the objects.
//!
//! One replica writes (see [`leader`](super::leader)), and only what differs from what the API
//! server holds, so a cluster at rest sees no writes. Serving never waits for status: this task
//! reads reports at its own pace, and of several it sees only the newest.

mod merge;
mod render;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior};

use super::Report;
use super::connect::describe;
use super::inventory::Inventory;
use super::kind::resource;
use super::leader::Leadership;
use crate::compile::{ObjectRef, ObjectReport};

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
/// How often all statuses are compared even if nothing was reported, in case somebody else edited
/// one. The comparison is with what is watched anyway and asks nobody.
const COMPARE_EVERY: Duration = Duration::from_secs(30);

/// The writer.
#[derive(Clone)]
pub(super) struct StatusWriter {
    pub(super) client: Client,
    pub(super) inventory: Arc<Inventory>,
    pub(super) report: watch::Receiver<Arc<Report>>,
    pub(super) leadership: Leadership,
}

/// How a pass over all objects ended.
enum Pass {
    /// All statuses are as they should be.
    Complete,
    /// Some could not be written.
    Failed,
    /// Leadership was lost or a newer report came.
    Interrupted,
}

impl StatusWriter {
    /// Writes whenever this process is the leader, until the publisher or the election is gone.
    pub(super) async fn run(mut self) {
        let mut pace = tokio::time::interval(WRITE_EVERY);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last: Option<ObjectRef> = None;
        let mut last_error = None;
        while self.leadership.gained().await {
            let report = self.report.borrow_and_update().clone();
            let wait = match self.pass(&report, &mut pace, &mut last, &mut last_error).await {
                Pass::Complete => COMPARE_EVERY,
                Pass::Failed => RETRY,
                Pass::Interrupted => continue,
            };
            tokio::select! {
                changed = self.report.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Writes every status that differs. It begins behind the object that was written last, so
    /// that one that changes all the time cannot keep the others from their turn.
    async fn pass(
        &self,
        report: &Report,
        pace: &mut Interval,
        last: &mut Option<ObjectRef>,
        last_error: &mut Option<String>,
    ) -> Pass {
        let mut objects: Vec<_> = report.objects.iter().collect();
        objects.sort_unstable_by(|a, b| a.object.cmp(&b.object));
        let begin =
            objects.partition_point(|one| last.as_ref().is_some_and(|last| one.object <= *last));
        objects.rotate_left(begin);
        let mut failed = false;
        for object in objects {
            let Some(status) = self.due(object) else { continue };
            pace.tick().await;
            if !self.leadership.holds() || self.is_outdated(report) {
                return Pass::Interrupted;
            }
            *last = Some(object.object.clone());
            match self.write(object, &status).await {
                Ok(()) => *last_error = None,
                Err(error) => {
                    failed = true;
                    // The same for every object, as a rule: a missing permission, or no API server.
                    if last_error.as_ref() != Some(&error) {
                        tracing::warn!(object = %object.object, error, "cannot write status");
                        *last_error = Some(error);
                    }
                }
            }
        }
        if failed { Pass::Failed } else { Pass::Complete }
    }

    fn is_outdated(&self, report: &Report) -> bool {
        !Arc::ptr_eq(&self.report.borrow().objects, &report.objects)
    }

    /// The status to write, if it differs from what the API server holds.
    fn due(&self, report: &ObjectReport) -> Option<Value> {
        let stored = self.inventory.object(report.object.kind, &report.object.name)?;
        if stored.raw.uid != report.uid {
            return None;
        }
        merge::merged(render::status(report), &stored.status, Timestamp::now())
    }

    async fn write(&self, report: &ObjectReport, status: &Value) -> Result<(), String> {
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
                let status = object.data.get_mut("status").map(Value::take).unwrap_or_default();
                self.inventory.set_status(*kind, name, &report.uid, status);
                Ok(())
            }
            // It was deleted, or made again, meanwhile: the next report knows.
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() || status.is_conflict() => {
                Ok(())
            }
            Ok(Err(error)) => Err(describe(&error)),
            Err(_) => Err("the API server is slow to answer".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
