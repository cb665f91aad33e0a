//! The controller half: from where configuration comes to the published table.
//!
//! ```text
//! cluster ─ watches ┐                                 ┌► TableCell ─► data plane
//! folder  ─ files ──┼─► Inventory ─► publisher ───────┤
//! secrets, services ┘       ▲       (compile)         └► Report ─► admin, readiness
//! ambient ▲                 │           │                   ├► replicas (a Lease of its own)
//!         └── References ───┼───────────┘                   └► status, events (leader only)
//! ```
//!
//! Sources write into the inventory and know nothing of each other; the publisher is the only
//! reader of it and the only writer of the table. What resources refer to flows back to the readers
//! of Secrets and Services, so that nothing else is ever read. Any source may be away: what it said last stands.

mod ambient;
mod cluster;
mod connect;
mod events;
#[cfg(test)]
mod fake_api;
mod file_changes;
mod folder;
mod inventory;
mod kind;
mod leader;
mod publisher;
mod referenced;
mod replicas;
mod report;
mod secrets;
mod services;
mod status;
mod supervise;

use std::path::PathBuf;
use std::sync::Arc;

use kube::Client;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use self::ambient::{AllowedEnv, AmbientConfig};
use self::cluster::Lists;
pub use self::connect::{ConnectError, connect};
use self::inventory::Inventory;
use self::publisher::Publisher;
pub use self::report::{Counts, Report, Skipped, SourceFailure, SourceHealth};
pub use self::secrets::SecretWatch;
use self::secrets::{ByName, Labelled, Reader};
use self::services::Services;
use self::supervise::Parts;
use crate::compile::{References, Tenancy};
use crate::manifest::Admission;
use crate::state::StateStore;
use crate::table::TableCell;

/// What the controller has to know.
#[derive(Debug)]
pub struct ControlConfig {
    /// Where resources come from.
    pub source: Source,
    /// What the operator decided for the whole installation.
    pub tenancy: Tenancy,
    /// What resources may read of the gateway's surroundings.
    pub ambient: AmbientConfig,
}

/// Where resources come from.
pub enum Source {
    /// An API server.
    Cluster {
        /// How to reach it.
        client: Client,
        /// The namespaces to watch; none for all of them.
        watch_namespaces: Vec<Arc<str>>,
        /// How Secrets are followed.
        secret_watch: SecretWatch,
        /// Who writes status; `None` if this process never does.
        status: Option<StatusConfig>,
    },
    /// Manifest files and folders.
    Folder {
        /// Where they are.
        paths: Vec<PathBuf>,
        /// What checks them as an API server would.
        admission: Admission,
    },
}

/// How replicas agree on who writes status, and on what to write.
#[derive(Debug, Clone)]
pub struct StatusConfig {
    /// The namespace of the Leases: the release's own.
    pub namespace: String,
    /// This replica's name for people who look at the Leases and at status: the pod's.
    pub replica: String,
    /// The pod that this process runs in, where that is known.
    pub pod: Option<Pod>,
    /// Set once this replica is on its way out and no longer counts.
    pub draining: CancellationToken,
}

/// A pod.
#[derive(Debug, Clone)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// A running controller.
#[derive(Debug)]
pub struct ControlHandle {
    report: watch::Receiver<Arc<Report>>,
    task: JoinHandle<()>,
}

impl ControlHandle {
    /// The controller's account of itself; it follows every publication and every change of a
    /// source's health.
    pub fn report(&self) -> watch::Receiver<Arc<Report>> {
        self.report.clone()
    }

    /// Returns when the first table is published: `true`, or `false` if the controller was stopped
    /// before.
    pub async fn published(&self) -> bool {
        self.report.clone().wait_for(|report| report.is_published()).await.is_ok()
    }

    /// Returns when the controller has stopped.
    pub async fn stopped(self) {
        // Its tasks catch what they can; a panic is logged by the runtime's hook.
        let _ = self.task.await;
    }
}

/// Starts the controller on the current runtime. It stops when `shutdown` is cancelled; the table
/// that is in `cell` then stays.
pub fn start(
    config: ControlConfig,
    cell: Arc<TableCell>,
    state: Arc<StateStore>,
    shutdown: CancellationToken,
) -> ControlHandle {
    let ControlConfig { source, tenancy, ambient } = config;
    let inventory = Arc::new(Inventory::default());
    let (wanted, wants) = watch::channel(Arc::new(References::default()));
    let (report_sender, report) = watch::channel(Arc::new(Report::default()));
    let mut parts = Parts::new(report_sender.clone());
    let mut last_words = Vec::new();
    match source {
        Source::Cluster { client, watch_namespaces, secret_watch, status } => {
            // Turns of their own: who may do what must not wait behind lists of Secrets that hang.
            let (gateway, own) = (&tenancy.gateway_name, Lists::default());
            cluster::spawn(&mut parts, &client, &watch_namespaces, gateway, &inventory, &own);
            let lists = Lists::default();
            let reader = Reader {
                client: client.clone(),
                inventory: inventory.clone(),
                lists: lists.clone(),
            };
            let wanted = wants.clone();
            match secret_watch {
                SecretWatch::ByName(labels) => {
                    let secrets = ByName { reader, labels };
                    parts
                        .spawn("secrets", move || referenced::run(secrets.clone(), wanted.clone()));
                }
                SecretWatch::Labelled(labels) => {
                    let secrets = Labelled::new(reader, labels);
                    parts
                        .spawn("secrets", move || referenced::run(secrets.clone(), wanted.clone()));
                }
            }
            let services = Services::new(client.clone(), inventory.clone(), lists);
            let wanted = wants.clone();
            parts.spawn("services", move || referenced::run(services.clone(), wanted.clone()));
            if let Some(status) = status {
                let around = status::Surroundings {
                    client,
                    gateway: gateway.clone(),
                    inventory: inventory.clone(),
                    report: report.clone(),
                    cell: cell.clone(),
                };
                last_words = status::start(&mut parts, around, status, &shutdown);
            }
        }
        Source::Folder { paths, admission } => {
            folder::expect(&inventory);
            let folder = (paths, Arc::new(Mutex::new(admission)));
            let (inventory, wants) = (inventory.clone(), wants.clone());
            parts.spawn("folder", move || {
                let (paths, admission) = folder.clone();
                folder::run(paths, admission, inventory.clone(), wants.clone())
            });
        }
    }
    let surroundings = (ambient, inventory.clone(), wants);
    parts.spawn("surroundings", move || {
        let (ambient, inventory, wants) = surroundings.clone();
        ambient::run(ambient, inventory, wants)
    });
    let publisher = Publisher {
        inventory,
        tenancy: Arc::new(tenancy),
        cell,
        state,
        wanted,
        report: report_sender,
    };
    let stop = shutdown.clone();
    parts.spawn("publisher", move || publisher.clone().run(stop.clone()));
    ControlHandle { report, task: tokio::spawn(parts.hold(last_words, shutdown)) }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cluster { watch_namespaces, secret_watch, status, .. } => f
                .debug_struct("Cluster")
                .field("watch_namespaces", watch_namespaces)
                .field("secret_watch", secret_watch)
                .field("status", status)
                .finish_non_exhaustive(),
            Self::Folder { paths, .. } => f.debug_struct("Folder").field("paths", paths).finish(),
        }
    }
}
