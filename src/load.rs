//! Asks the servers behind Services how many requests wait there, where their routes want that.
//!
//! One that asks for each server, however many routes and targets share it, and none for the rest. It
//! follows the table: it starts and ends with the endpoint and with the field that wants it. What a
//! server says is kept in [`crate::state::ReportedLoad`], where requests find it; nobody waits for a
//! question that is under way, and what is too old is not looked at.

mod exposition;
mod poll;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::state::{ReportedLoad, ServerIdentity, ServerState};
use crate::table::{Endpoint, RouteTable, ServerMetrics, TableCell, Target, Upstream};
use crate::upstream::Client;

/// How long a request that was sent takes until a server counts it: its way, and the step of the
/// engine that is under way. What was sent within this time before a question counts as sent after
/// it; counted twice for a moment is better than not at all.
const SETTLING: Duration = Duration::from_millis(100);

/// Those who start together do not ask together: the first question comes within this time, or within
/// the interval if that is shorter.
const FIRST_WITHIN: Duration = Duration::from_secs(1);

/// Asks the servers of every table that is published in `cell`, by `client`, until `shutdown`.
pub async fn run(cell: Arc<TableCell>, client: Client, shutdown: CancellationToken) {
    let mut generations = cell.generations();
    let mut pollers = Pollers { client, running: HashMap::new() };
    loop {
        generations.mark_unchanged();
        pollers.follow(&cell.current());
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = generations.changed() => if changed.is_err() { return },
        }
    }
}

/// Those that ask, by whom they ask.
struct Pollers {
    client: Client,
    running: HashMap<ServerIdentity, Poller>,
}

/// One that asks. Dropped, it ends.
struct Poller {
    server: watch::Sender<Server>,
    task: JoinHandle<()>,
}

impl Drop for Poller {
    fn drop(&mut self) {
        self.task.abort();
        if let Some((.., endpoint)) = self.server.borrow().parts() {
            endpoint.state.server.load.forget();
        }
    }
}

/// A server, by the first target in the table that has it asked.
#[derive(Clone)]
struct Server {
    target: Arc<Target>,
    /// Its index among the endpoints.
    at: usize,
}

impl Server {
    fn parts(&self) -> Option<(&Upstream, &ServerMetrics, &Endpoint)> {
        let upstream = self.target.upstream()?;
        let endpoints = upstream.endpoints.as_ref()?;
        Some((upstream, endpoints.metrics.as_ref()?, endpoints.members.get(self.at)?))
    }
}

impl Pollers {
    /// Starts, instructs and ends those that ask as this table wants it.
    fn follow(&mut self, table: &RouteTable) {
        let mut wanted = wanted(table);
        // One that has ended by a fault of this program is begun anew.
        self.running
            .retain(|identity, poller| wanted.contains_key(identity) && !poller.task.is_finished());
        for (identity, poller) in &self.running {
            if let Some(server) = wanted.remove(identity) {
                poller.server.send_replace(server);
            }
        }
        for (identity, server) in wanted {
            if let Some((_, how, endpoint)) = server.parts() {
                let until = std::time::Instant::now() + how.fresh_for();
                endpoint.state.server.load.await_first(until);
            }
            let (server, told) = watch::channel(server);
            let task = tokio::spawn(poll_always(self.client.clone(), told));
            self.running.insert(identity, Poller { server, task });
        }
    }
}

/// The servers to be asked. Of several targets that share one, the first decides how.
fn wanted(table: &RouteTable) -> HashMap<ServerIdentity, Server> {
    let mut wanted = HashMap::new();
    for target in table.routes.iter().flat_map(|route| &route.targets) {
        let endpoints = target.upstream().and_then(|upstream| upstream.endpoints.as_ref());
        let Some(endpoints) = endpoints.filter(|all| all.metrics.is_some()) else { continue };
        for (at, endpoint) in endpoints.members.iter().enumerate() {
            let identity = endpoint.state.server.identity();
            if !wanted.contains_key(identity) {
                wanted.insert(identity.clone(), Server { target: Arc::clone(target), at });
            }
        }
    }
    wanted
}

/// Asks one server again and again. An edit takes effect with the next question.
async fn poll_always(client: Client, told: watch::Receiver<Server>) {
    let interval = told.borrow().parts().map(|(_, how, _)| how.interval).unwrap_or_default();
    let mut due = Instant::now() + interval.min(FIRST_WITHIN).mul_f64(fastrand::f64());
    loop {
        sleep_until(due).await;
        let server = told.borrow().clone();
        let Some((upstream, how, endpoint)) = server.parts() else { return };
        poll_once(&client, upstream, how, endpoint).await;
        // Gateways that were started together shall not ask together.
        due = Instant::now() + how.interval.mul_f64(0.9 + 0.2 * fastrand::f64());
    }
}

/// Asks a server, and remembers what it says.
async fn poll_once(client: &Client, upstream: &Upstream, how: &ServerMetrics, to: &Endpoint) {
    let state: &ServerState = &to.state.server;
    let before = state.in_flight.count();
    sleep(SETTLING).await;
    let Some(said) = poll::poll(client, upstream, how, to.address).await else { return };
    // Those that ended meanwhile made room that the server may or may not have told of.
    let base = before.min(state.in_flight.count());
    let now = std::time::Instant::now();
    let endpoint = &*to.name;
    match said {
        Ok(report) => {
            let failed = state.load.note(report, base, now, now + how.fresh_for());
            if failed >= ReportedLoad::MISSED {
                tracing::info!(endpoint, "a server says again how many requests wait there");
            }
        }
        Err(fault) => {
            tracing::debug!(endpoint, fault, "a server does not say how many requests wait there");
            if state.load.fail(fault.clone()) == ReportedLoad::MISSED {
                let url = &upstream.base_url;
                tracing::warn!(%url, endpoint, fault, "a server does not say how many requests wait there");
            }
        }
    }
}
