//! Which replica writes status: the holder of one Lease.
//!
//! Every replica serves by itself; only status needs a single writer. The rules are client-go's:
//!
//! - a Lease that nobody has touched for its duration, *by the observer's own clock since it last
//!   saw it change*, may be taken over: clocks of different nodes are never compared;
//! - every write carries the `resourceVersion` that was read, so of two that try one is refused;
//! - the holder counts from *before* it asked, and stops a good while before others may begin.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connect::describe;

/// How long a Lease lasts that is not renewed: client-go's default.
const LEASE_DURATION: Duration = Duration::from_secs(15);
/// How long a renewal lasts for the holder itself. The rest is for clocks that run at different
/// speeds and for a write that is still under way when leadership ends.
const TRUSTED: Duration = Duration::from_secs(10);
/// How often the holder renews and the others look.
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// How long one round may take: two of them fit into [`TRUSTED`], so one lost request costs nothing.
const ROUND_LIMIT: Duration = Duration::from_secs(4);
/// How long giving the Lease back may hold up a shutdown. Without it the next leader waits
/// [`LEASE_DURATION`], which only makes status late.
const RELEASE_LIMIT: Duration = Duration::from_secs(2);

/// Whether this process may write, for as long as that is certain.
#[derive(Debug, Clone)]
pub(super) struct Leadership(watch::Receiver<Option<Instant>>);

impl Leadership {
    #[cfg(test)]
    pub(super) fn of(until: watch::Receiver<Option<Instant>>) -> Self {
        Self(until)
    }

    /// Whether it may write at this moment. To be asked before every single write.
    pub(super) fn holds(&self) -> bool {
        self.0.borrow().is_some_and(|until| Instant::now() < until)
    }

    /// Returns when this process has become or still is the leader; `false` if it never will be.
    pub(super) async fn gained(&mut self) -> bool {
        while !self.holds() {
            if self.0.changed().await.is_err() {
                return false;
            }
        }
        true
    }

    /// Returns when this process is no longer the leader.
    pub(super) async fn lost(&mut self) {
        loop {
            let until = *self.0.borrow_and_update();
            let Some(until) = until.filter(|until| Instant::now() < *until) else { return };
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                changed = self.0.changed() => if changed.is_err() { return },
            }
        }
    }
}

/// One process's part in the election.
pub(super) struct Elector {
    api: Api<Lease>,
    lease: String,
    identity: String,
    /// The version of the Lease that was last seen, and since when.
    seen: Option<(String, Instant)>,
    until: watch::Sender<Option<Instant>>,
}

impl Elector {
    /// An election over the Lease `name` in `namespace`. `replica` is this process's name for
    /// people, such as the pod's; what makes it unique is added here.
    pub(super) fn new(
        client: Client,
        namespace: &str,
        name: String,
        replica: &str,
    ) -> (Self, Leadership) {
        let (until, leadership) = watch::channel(None);
        let elector = Self {
            api: Api::namespaced(client, namespace),
            lease: name,
            // A container that restarts keeps its pod's name, and the process before it may not
            // be quite dead.
            identity: format!("{replica}_{:016x}", fastrand::u64(..)),
            seen: None,
            until,
        };
        (elector, Leadership(leadership))
    }

    /// Takes part until `shutdown`, then gives the Lease back.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        let mut refused: Option<Arc<str>> = None;
        loop {
            let began = Instant::now();
            let round = tokio::time::timeout(ROUND_LIMIT, self.round());
            let outcome = tokio::select! {
                () = shutdown.cancelled() => break,
                outcome = round => outcome,
            };
            match outcome {
                Ok(Ok(holds)) => {
                    refused = None;
                    self.set(holds.then_some(began + TRUSTED));
                }
                // The last renewal still counts until it has run out; `Leadership` looks at the clock.
                Ok(Err(error)) => {
                    let error: Arc<str> = describe(&error).into();
                    if refused.as_ref() != Some(&error) {
                        tracing::warn!(
                            lease = self.lease,
                            error = &*error,
                            "cannot use the leader's Lease; status is not written meanwhile"
                        );
                        refused = Some(error);
                    }
                }
                Err(_) => tracing::debug!(lease = self.lease, "the API server is slow to answer"),
            }
            // Up to a quarter later, so that replicas do not ask in step.
            let wait = RENEW_EVERY.mul_f64(1.0 + fastrand::f64() / 4.0);
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.release().await;
    }

    fn set(&self, until: Option<Instant>) {
        let before = self.until.send_replace(until);
        if before.is_some() != until.is_some() {
            let leads = until.is_some();
            tracing::info!(
                lease = self.lease,
                identity = self.identity,
                leads,
                "leadership changed"
            );
        }
    }

    /// One look at the Lease, and one write if it is ours to write; whether it is held.
    async fn round(&mut self) -> kube::Result<bool> {
        let Some(mut lease) = self.api.get_opt(&self.lease).await? else {
            let lease = Lease {
                metadata: ObjectMeta { name: Some(self.lease.clone()), ..ObjectMeta::default() },
                spec: Some(claim(&LeaseSpec::default(), &self.identity, Timestamp::now())),
            };
            return won(self.api.create(&PostParams::default(), &lease).await);
        };
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let now = Instant::now();
        if self.seen.as_ref().is_none_or(|(seen, _)| *seen != version) {
            self.seen = Some((version, now));
        }
        let since = self.seen.as_ref().map_or(now, |(_, since)| *since);
        let spec = lease.spec.take().unwrap_or_default();
        if !may_claim(&spec, &self.identity, now.duration_since(since)) {
            return Ok(false);
        }
        lease.spec = Some(claim(&spec, &self.identity, Timestamp::now()));
        won(self.api.replace(&self.lease, &PostParams::default(), &lease).await)
    }

    /// Lets the next leader begin at once.
    async fn release(&self) {
        // First of all no more writes by this process.
        let held = self.until.send_replace(None).is_some();
        if !held {
            return;
        }
        let give_back = async {
            let Some(mut lease) = self.api.get_opt(&self.lease).await? else {
                return Ok::<(), kube::Error>(());
            };
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_ref() == Some(&self.identity) {
                spec.holder_identity = None;
                self.api.replace(&self.lease, &PostParams::default(), &lease).await?;
            }
            Ok(())
        };
        match tokio::time::timeout(RELEASE_LIMIT, give_back).await {
            Ok(Ok(())) => tracing::info!(lease = self.lease, "gave leadership back"),
            Ok(Err(error)) => {
                tracing::debug!(error = describe(&error), "could not give leadership back");
            }
            Err(_) => tracing::debug!("giving leadership back took too long"),
        }
    }
}

/// Whether the Lease may be written by `identity`, after it has not changed for `unchanged`.
fn may_claim(spec: &LeaseSpec, identity: &str, unchanged: Duration) -> bool {
    let Some(holder) = spec.holder_identity.as_deref().filter(|holder| !holder.is_empty()) else {
        return true;
    };
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    holder == identity || unchanged >= seconds.map_or(LEASE_DURATION, Duration::from_secs)
}

/// The Lease's content once `identity` holds it.
fn claim(before: &LeaseSpec, identity: &str, now: Timestamp) -> LeaseSpec {
    let renewal = before.holder_identity.as_deref() == Some(identity);
    let transitions = before.lease_transitions.unwrap_or_default();
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
        acquire_time: if renewal { before.acquire_time.clone() } else { Some(MicroTime(now)) },
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(if renewal { transitions } else { transitions.saturating_add(1) }),
        ..before.clone()
    }
}

/// A write that is refused because somebody else wrote first is no error: they won.
fn won<T>(written: kube::Result<T>) -> kube::Result<bool> {
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
