//! Keeps this replica's own Lease: makes it once the first table is served, renews it, says in it
//! what has changed, and removes it when the replica drains.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, OwnerReference};
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, Preconditions};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;

use super::health::Health;
use super::word::{Serves, Word};
use super::{LEASE_DURATION, LeaseNames, WORD};
use crate::compile::ObjectReport;
use crate::control::connect::describe;
use crate::control::{Pod, Report};
use crate::table::TableCell;

/// Server-side apply's name for us.
const FIELD_MANAGER: &str = "pilothouse";
/// How often the Lease is renewed, which is how often the health in it is: a third of what it lasts,
/// so that two lost renewals do no harm.
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// How long after a publication the Lease says so: the tables of one `kubectl apply` follow each
/// other within this time.
const SETTLE: Duration = Duration::from_millis(100);
/// Between two writes for news: twice as long each time while the configuration changes all the time,
/// up to a length by which a status that waits for every replica may be late.
const FIRST_APART: Duration = Duration::from_millis(250);
const LONGEST_APART: Duration = Duration::from_secs(2);
/// When a write that failed is tried again.
const RETRY: Duration = Duration::from_secs(3);
/// How long one write may take: three fit into a Lease.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// How long the removal may hold up a shutdown. Without it the others wait for [`LEASE_DURATION`],
/// which only makes status late.
const REMOVE_LIMIT: Duration = Duration::from_secs(2);

/// The keeper of one replica's Lease.
pub(in crate::control) struct Keeper {
    api: Api<Lease>,
    names: LeaseNames,
    identity: String,
    owner: Option<OwnerReference>,
    began: Timestamp,
    report: watch::Receiver<Arc<Report>>,
    cell: Arc<TableCell>,
    /// The uid of the Lease that was written last.
    written: Option<String>,
    last_error: Option<String>,
}

impl Keeper {
    /// `replica` is this process's name for people, such as the pod's; `pod` is the pod itself where
    /// it is known, with which the Lease then goes.
    pub(in crate::control) fn new(
        client: Client,
        namespace: &str,
        names: LeaseNames,
        replica: &str,
        pod: Option<&Pod>,
        (report, cell): (watch::Receiver<Arc<Report>>, Arc<TableCell>),
    ) -> Self {
        let owner = pod.map(|pod| OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            name: pod.name.clone(),
            uid: pod.uid.clone(),
            ..OwnerReference::default()
        });
        Self {
            api: Api::namespaced(client, namespace),
            names,
            identity: replica.to_owned(),
            owner,
            began: Timestamp::now(),
            report,
            cell,
            written: None,
            last_error: None,
        }
    }

    /// Keeps the Lease until the replica goes, then removes it.
    pub(in crate::control) async fn run(mut self, goes: impl Future<Output = ()>) {
        let mut goes = pin!(goes);
        tokio::select! {
            () = &mut goes => return,
            published = self.report.wait_for(|report| report.is_published()) => {
                if published.is_err() {
                    return;
                }
            }
        }
        let mut apart = FIRST_APART;
        loop {
            let objects = self.report.borrow_and_update().objects.clone();
            let serves = Serves::of(&objects);
            let word = Word::new(serves.clone(), &Health::read(&self.cell.current()));
            // To its end: one that is given up may be carried out after the removal.
            let wait = if self.write(&word).await { RENEW_EVERY } else { RETRY };
            // Up to a tenth sooner, so that replicas do not write in step.
            let renewal = tokio::time::sleep(wait.mul_f64(1.0 - fastrand::f64() / 10.0));
            tokio::select! {
                () = &mut goes => break,
                () = news(&mut self.report, objects, &serves, Instant::now() + apart) => {
                    apart = (2 * apart).min(LONGEST_APART);
                }
                () = renewal => apart = FIRST_APART,
            }
        }
        self.remove().await;
    }

    /// Writes the Lease; whether that went well.
    async fn write(&mut self, word: &Word) -> bool {
        let patch = Patch::Apply(self.lease(word));
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let written = self.api.patch(&self.names.own, &params, &patch);
        let error = match tokio::time::timeout(WRITE_LIMIT, written).await {
            Ok(Ok(lease)) => {
                self.written = lease.metadata.uid;
                self.last_error = None;
                return true;
            }
            Ok(Err(error)) => describe(&error),
            Err(_) => "the API server is slow to answer".to_owned(),
        };
        if self.last_error.as_ref() != Some(&error) {
            let lease = self.names.own.as_str();
            tracing::warn!(
                lease,
                error,
                "cannot say in this replica's Lease what it serves; status does not count it meanwhile"
            );
            self.last_error = Some(error);
        }
        false
    }

    fn lease(&self, word: &Word) -> Lease {
        // To serialize what has string keys into memory cannot fail.
        let word = serde_json::to_string(word).unwrap_or_default();
        Lease {
            metadata: ObjectMeta {
                name: Some(self.names.own.clone()),
                labels: Some(self.names.labels()),
                annotations: Some([(WORD.to_owned(), word)].into()),
                owner_references: self.owner.clone().map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
                acquire_time: Some(MicroTime(self.began)),
                renew_time: Some(MicroTime(Timestamp::now())),
                ..LeaseSpec::default()
            }),
        }
    }

    async fn remove(&self) {
        let Some(uid) = self.written.clone() else { return };
        // Not one that somebody else has made meanwhile.
        let preconditions = Preconditions { uid: Some(uid), resource_version: None };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        let removed = self.api.delete(&self.names.own, &params);
        match tokio::time::timeout(REMOVE_LIMIT, removed).await {
            Ok(Ok(_)) => tracing::debug!(lease = self.names.own, "removed this replica's Lease"),
            Ok(Err(error)) => {
                tracing::debug!(error = describe(&error), "could not remove this replica's Lease");
            }
            Err(_) => tracing::debug!("removing this replica's Lease took too long"),
        }
    }
}

/// Returns when what is served differs from what was said, not before `earliest`.
async fn news(
    report: &mut watch::Receiver<Arc<Report>>,
    mut objects: Arc<[ObjectReport]>,
    said: &Serves,
    earliest: Instant,
) {
    loop {
        if report.changed().await.is_err() {
            // The controller ends. The drain is told otherwise.
            return std::future::pending().await;
        }
        let now = report.borrow_and_update().objects.clone();
        if !Arc::ptr_eq(&now, &objects) && Serves::of(&now) != *said {
            tokio::time::sleep_until((Instant::now() + SETTLE).max(earliest)).await;
            return;
        }
        objects = now;
    }
}

#[cfg(test)]
mod tests;
