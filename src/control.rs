//! The controller half: from where configuration comes to the published table.
//!
//! ```text
//! cluster ─ watches ┐                                 ┌► TableCell ─► data plane
//! folder  ─ files ──┼─► Inventory ─► publisher ───────┤
//! secrets, ambient ─┘       ▲       (compile)         └► Report ─► admin, readiness
//!      ▲                    │           │                   │
//!      └──── References ────┼───────────┘                   └► status (leader only)
//! ```
//!
//! Sources write into the inventory and know nothing of each other; the publisher is the only
//! reader of it and the only writer of the table. What resources refer to flows back to the readers
//! of secrets, so that nothing else is ever read. Any source may be away: what it said last stands.

mod ambient;
mod cluster;
mod connect;
#[cfg(test)]
mod fake_api;
mod file_changes;
mod folder;
mod inventory;
mod kind;
mod leader;
mod publisher;
mod report;
mod secrets;
mod status;

use std::path::PathBuf;
use std::sync::Arc;

use kube::Client;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

pub use self::ambient::{AllowedEnv, AmbientConfig};
pub use self::connect::{ConnectError, connect};
use self::inventory::Inventory;
use self::leader::Elector;
use self::publisher::Publisher;
pub use self::report::{Counts, Report, Skipped, SourceFailure, SourceHealth};
use self::status::StatusWriter;
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

/// How replicas agree on who writes status.
#[derive(Debug, Clone)]
pub struct StatusConfig {
    /// The namespace of the Lease: the release's own.
    pub namespace: String,
    /// This replica's name for people who look at the Lease: the pod's.
    pub replica: String,
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
    let mut tasks = JoinSet::new();
    let mut election = None;
    match source {
        Source::Cluster { client, watch_namespaces, status } => {
            let gateway = &tenancy.gateway_name;
            cluster::spawn(&mut tasks, &client, &watch_namespaces, gateway, &inventory);
            tasks.spawn(secrets::run(client.clone(), inventory.clone(), wants.clone()));
            if let Some(StatusConfig { namespace, replica }) = status {
                let lease = format!("pilothouse-{gateway}-leader");
                let (elector, leadership) =
                    Elector::new(client.clone(), &namespace, lease, &replica);
                election = Some(tokio::spawn(elector.run(shutdown.clone())));
                let (inventory, report) = (inventory.clone(), report.clone());
                tasks.spawn(StatusWriter { client, inventory, report, leadership }.run());
            }
        }
        Source::Folder { paths, admission } => {
            folder::expect(&inventory);
            tasks.spawn(folder::run(paths, admission, inventory.clone(), wants.clone()));
        }
    }
    tasks.spawn(ambient::run(ambient, inventory.clone(), wants));
    let publisher = Publisher {
        inventory,
        tenancy: Arc::new(tenancy),
        cell,
        state,
        wanted,
        report: report_sender,
    };
    tasks.spawn(publisher.run(shutdown.clone()));
    ControlHandle { report, task: tokio::spawn(supervise(tasks, election, shutdown)) }
}

/// Holds the tasks until the end. One that ends before is a fault of ours; the others go on, since
/// a gateway that follows some changes is better than one that follows none.
async fn supervise(
    mut tasks: JoinSet<()>,
    election: Option<JoinHandle<()>>,
    shutdown: CancellationToken,
) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            ended = tasks.join_next() => match ended {
                Some(Err(error)) if error.is_panic() => {
                    tracing::error!(%error, "a part of the controller failed; restart the gateway to follow all changes again");
                }
                Some(_) => {}
                None => break,
            },
        }
    }
    tasks.shutdown().await;
    if let Some(election) = election {
        // It gives the Lease back, within a limit of its own.
        let _ = election.await;
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cluster { watch_namespaces, status, .. } => f
                .debug_struct("Cluster")
                .field("watch_namespaces", watch_namespaces)
                .field("status", status)
                .finish_non_exhaustive(),
            Self::Folder { paths, .. } => f.debug_struct("Folder").field("paths", paths).finish(),
        }
    }
}
