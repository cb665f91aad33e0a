//! The other replicas, as the leader sees them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DeleteParams, Preconditions};
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use super::word::Word;
use super::{LEASE_DURATION, LeaseNames, WORD};
use crate::control::cluster::{Lists, Watched, explain, follow};
use crate::control::connect::describe;
use crate::control::inventory::Inventory;
use crate::control::leader::Leadership;

/// How often Leases are looked at that nobody renews.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After so long without a renewal a Lease is removed: its replica ended without a word, and its
/// pod, whose end would have removed it, is not known.
const FORGET_AFTER: Duration = Duration::from_secs(600);
/// The name of this watch among the controller's sources.
const SOURCE: &str = "replicas";

/// The other ready replicas, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::control) enum Fleet {
    /// Their first list is not in yet.
    #[default]
    Unread,
    /// They cannot be seen, and why.
    Unreadable(Arc<str>),
    /// Each with what it says; `None` for one that says nothing that this version understands.
    Read(BTreeMap<Arc<str>, Option<Arc<Word>>>),
}

/// Follows the Leases of the other replicas while this one leads.
#[derive(Clone)]
pub(in crate::control) struct Follower {
    api: Api<Lease>,
    names: LeaseNames,
    leadership: Leadership,
    inventory: Arc<Inventory>,
    fleet: watch::Sender<Fleet>,
}

impl Follower {
    pub(in crate::control) fn new(
        client: Client,
        namespace: &str,
        names: LeaseNames,
        leadership: Leadership,
        inventory: Arc<Inventory>,
    ) -> (Self, watch::Receiver<Fleet>) {
        let (fleet, seen) = watch::channel(Fleet::Unread);
        let api = Api::namespaced(client, namespace);
        (Self { api, names, leadership, inventory, fleet }, seen)
    }

    /// Follows them whenever this process is the leader, until the election is gone.
    pub(in crate::control) async fn run(mut self) {
        while self.leadership.gained().await {
            let mut leadership = self.leadership.clone();
            tokio::select! {
                () = self.follow() => {}
                () = leadership.lost() => {}
            }
            self.inventory.forget_source(SOURCE);
            self.fleet.send_replace(Fleet::Unread);
        }
    }

    async fn follow(&self) {
        let seen = Mutex::new(Seen::new(&self.names, Instant::now()));
        let config = Config::default().labels(&self.names.selector());
        let source = SOURCE.into();
        // A turn of its own: the first to fail would be the one that writes status.
        let (api, lists) = (self.api.clone(), Lists::default());
        let leases = follow(api, config, &source, &self.inventory, &lists, |event| {
            let mut seen = seen.lock();
            seen.observe(event, Instant::now());
            self.publish(seen.fleet(Instant::now()));
        });
        let look = async {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let now = Instant::now();
                self.publish(seen.lock().fleet(now));
                let forgotten = seen.lock().forgotten(now);
                if let Some((lease, version)) = forgotten {
                    self.remove(&lease, version).await;
                }
            }
        };
        tokio::select! {
            () = leases => {}
            () = look => {}
        }
    }

    fn publish(&self, now: Fleet) {
        self.fleet.send_if_modified(|fleet| {
            let changed = *fleet != now;
            if changed {
                *fleet = now;
            }
            changed
        });
    }

    /// Removes a Lease that is as it was at `version`.
    async fn remove(&self, lease: &str, version: String) {
        let preconditions = Preconditions { uid: None, resource_version: Some(version) };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match self.api.delete(lease, &params).await {
            Ok(_) => tracing::info!(lease, "removed the Lease of a replica that is gone"),
            // It is looked at again a second later.
            Err(error) => tracing::debug!(lease, error = describe(&error), "could not remove it"),
        }
    }
}

/// The Leases that were seen, by name.
struct Seen<'n> {
    names: &'n LeaseNames,
    leases: BTreeMap<String, SeenLease>,
    /// Those of a list that is under way.
    listed: Option<BTreeMap<String, SeenLease>>,
    is_read: bool,
    /// When any Lease was last heard of, this replica's own included.
    heard: Instant,
    failure: Option<Arc<str>>,
}

/// One Lease.
struct SeenLease {
    version: String,
    /// When that version was first seen.
    since: Instant,
    word: Option<Arc<Word>>,
}

impl<'n> Seen<'n> {
    fn new(names: &'n LeaseNames, now: Instant) -> Self {
        let leases = BTreeMap::new();
        Self { names, leases, listed: None, is_read: false, heard: now, failure: None }
    }

    fn observe(&mut self, event: Watched<Lease>, now: Instant) {
        if let Watched::Failed(error) = event {
            self.failure = Some(explain(&error).into());
            return;
        }
        if !matches!(event, Watched::Listing) {
            self.failure = None;
            self.heard = now;
        }
        match event {
            Watched::Listing => self.listed = Some(BTreeMap::new()),
            Watched::Listed(lease) => {
                let (name, lease) = self.read(lease, now);
                self.listed.get_or_insert_default().insert(name, lease);
            }
            Watched::ListEnd => {
                self.leases = self.listed.take().unwrap_or_default();
                self.is_read = true;
            }
            Watched::Applied(lease) => {
                let (name, lease) = self.read(lease, now);
                self.leases.insert(name, lease);
            }
            Watched::Deleted(lease) => {
                self.leases.remove(&lease.metadata.name.unwrap_or_default());
            }
            Watched::Failed(_) => {}
        }
    }

    fn read(&self, lease: Lease, now: Instant) -> (String, SeenLease) {
        let metadata = lease.metadata;
        let name = metadata.name.unwrap_or_default();
        let version = metadata.resource_version.unwrap_or_default();
        // What is listed again as it was has not been renewed by that.
        let known = self.leases.get(&name).filter(|known| known.version == version);
        let since = known.map_or(now, |known| known.since);
        let word = metadata.annotations.and_then(|mut all| all.remove(WORD));
        let word = word.and_then(|word| Word::parse(&word)).map(Arc::new);
        (name, SeenLease { version, since, word })
    }

    fn fleet(&self, now: Instant) -> Fleet {
        if now.duration_since(self.heard) > LEASE_DURATION {
            // This replica renews a Lease of its own, so it is cut off and not alone.
            let silent = || "no Lease of a replica is renewed any more, not even this one's".into();
            return Fleet::Unreadable(self.failure.clone().unwrap_or_else(silent));
        }
        match &self.failure {
            _ if self.is_read => {}
            Some(failure) => return Fleet::Unreadable(failure.clone()),
            None => return Fleet::Unread,
        }
        let is_ready = |lease: &SeenLease| now.duration_since(lease.since) <= LEASE_DURATION;
        let others =
            self.leases.iter().filter(|(name, lease)| **name != self.names.own && is_ready(lease));
        let said =
            others.map(|(name, lease)| (self.names.replica(name).into(), lease.word.clone()));
        Fleet::Read(said.collect())
    }

    /// A Lease that nobody will renew any more, and its version.
    fn forgotten(&self, now: Instant) -> Option<(String, String)> {
        let mut old = self.leases.iter().filter(|(name, lease)| {
            **name != self.names.own && now.duration_since(lease.since) > FORGET_AFTER
        });
        old.next().map(|(name, lease)| (name.clone(), lease.version.clone()))
    }
}

#[cfg(test)]
mod tests;
