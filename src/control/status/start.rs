//! Puts together what status takes: an election, this replica's Lease, and what only the leader does.

use std::sync::Arc;

use kube::Client;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::StatusWriter;
use crate::control::inventory::Inventory;
use crate::control::leader::Elector;
use crate::control::replicas::{Follower, Keeper, LeaseNames};
use crate::control::supervise::Parts;
use crate::control::{Report, StatusConfig, events};
use crate::table::TableCell;

/// What status is made of and written to.
pub(in crate::control) struct Surroundings {
    pub(in crate::control) client: Client,
    pub(in crate::control) gateway: Arc<str>,
    pub(in crate::control) inventory: Arc<Inventory>,
    pub(in crate::control) report: watch::Receiver<Arc<Report>>,
    pub(in crate::control) cell: Arc<TableCell>,
}

/// Starts everything. What it gives is to be waited for at the end: those who then tell the API
/// server that this replica goes.
pub(in crate::control) fn start(
    parts: &mut Parts,
    around: Surroundings,
    config: StatusConfig,
    shutdown: &CancellationToken,
) -> Vec<JoinHandle<()>> {
    let Surroundings { client, gateway, inventory, report, cell } = around;
    let StatusConfig { namespace, replica, pod, draining } = config;
    let lease = format!("pilothouse-{gateway}-leader");
    let (elector, leadership) = Elector::new(client.clone(), &namespace, lease, &replica);
    let election = tokio::spawn(elector.run(shutdown.clone()));

    let names = LeaseNames::new(&gateway, &replica);
    let told = (report.clone(), cell.clone());
    let keeper =
        Keeper::new(client.clone(), &namespace, names.clone(), &replica, pod.as_ref(), told);
    let (drains, stops) = (draining.clone(), shutdown.clone());
    let keeping = tokio::spawn(keeper.run(async move {
        // Who stops without having drained is gone all the same.
        tokio::select! {
            () = drains.cancelled() => {}
            () = stops.cancelled() => {}
        }
    }));

    let (follower, fleet) =
        Follower::new(client.clone(), &namespace, names, leadership.clone(), inventory.clone());
    parts.spawn("replicas", move || follower.clone().run());
    let events = (client.clone(), replica, leadership.clone());
    parts.spawn("status", move || {
        let (client, replica, leadership) = events.clone();
        let (herald, publication) = events::herald(client.clone(), &replica, leadership.clone());
        let writer = StatusWriter {
            client,
            inventory: inventory.clone(),
            report: report.clone(),
            leadership,
            fleet: fleet.clone(),
            cell: cell.clone(),
            draining: draining.clone(),
            herald,
        };
        async move {
            tokio::join!(writer.run(), publication.run());
        }
    });
    vec![election, keeping]
}
