//! The only writer of the table: waits for changes, compiles, publishes, reports.
//!
//! ```text
//! changed ─ debounce ─ all first lists in? ─ referenced secrets read? ─ compile ─ publish ─ report
//!    ▲                        no: report                 (bounded wait)              │
//!    └───────────────────────────────────────────────────────────────────────────────┘
//! ```

mod news;
mod wait;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::news::News;
use self::wait::Wait;
use super::inventory::Inventory;
use super::{Counts, Report};
use crate::compile::{self, Compiled, LastGood, References, Snapshot, Tenancy};
use crate::state::StateStore;
use crate::table::{ObjectName, TableCell};

/// A change is compiled once nothing has changed for so long: `kubectl apply -f` of several objects
/// sends them a few milliseconds apart, and one table for all of them is cheaper and truer than one
/// each.
const QUIET: Duration = Duration::from_millis(10);
/// A stream of changes that never pauses is compiled this often all the same, so that the promise
/// of well under a second holds on a busy cluster.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// How often memory that no table refers to any more is looked for: tables die with their last
/// stream, not at a publication.
const RETAIN_EVERY: Duration = Duration::from_secs(60);
/// How long memory is kept without a table that refers to it, so that a route that is deleted and
/// made again, or renamed back, finds its breakers as it left them.
const RETAIN_GRACE: Duration = Duration::from_secs(600);

/// Turns what the inventory holds into tables until it is told to stop.
#[derive(Clone)]
pub(super) struct Publisher {
    pub(super) inventory: Arc<Inventory>,
    pub(super) tenancy: Arc<Tenancy>,
    pub(super) cell: Arc<TableCell>,
    pub(super) state: Arc<StateStore>,
    /// What the readers of secrets and surroundings have to fetch.
    pub(super) wanted: watch::Sender<Arc<References>>,
    pub(super) report: watch::Sender<Arc<Report>>,
}

/// What one compile leaves to the next.
#[derive(Default)]
struct Progress {
    /// The revision of the inventory that is served; `None` before the first table.
    revision: Option<u64>,
    generation: u64,
    last_good: Arc<LastGood>,
    /// What was waited for in vain once: it does not hold up further tables.
    given_up: References,
    news: News,
}

impl Publisher {
    pub(super) async fn run(self, shutdown: CancellationToken) {
        // To stop in the middle of a turn is safe: a table is published in one step or not at all.
        shutdown.run_until_cancelled_owned(self.publish_forever()).await;
    }

    async fn publish_forever(self) {
        // After a fault of its own it goes on counting where it was.
        let generation = self.cell.current().generation;
        let mut progress = Progress { generation, ..Progress::default() };
        let mut retain = tokio::time::interval(RETAIN_EVERY);
        loop {
            tokio::select! {
                _ = retain.tick() => self.retain(),
                () = self.inventory.changed() => self.turn(&mut progress).await,
            }
        }
    }

    /// Deals with one burst of changes.
    async fn turn(&self, progress: &mut Progress) {
        let began = Instant::now();
        let compile_due = progress.revision != Some(self.inventory.revision());
        if compile_due && self.inventory.awaited().is_empty() {
            self.settle().await;
            // First, so that no report tells of a table and of lists that it still waits for.
            self.report_sources();
            self.publish(progress, began).await;
        }
        self.report_sources();
    }

    /// Waits until changes pause.
    async fn settle(&self) {
        let bound = Instant::now() + LONGEST_WAIT;
        loop {
            let quiet = (Instant::now() + QUIET).min(bound);
            if tokio::time::timeout_at(quiet, self.inventory.changed()).await.is_err() {
                return;
            }
        }
    }

    async fn publish(&self, progress: &mut Progress, began: Instant) {
        let (revision, snapshot) = self.complete_snapshot(progress).await;
        let mut counts = Counts {
            routes: snapshot.routes.len(),
            stores: snapshot.stores.len(),
            consumers: snapshot.consumers.len(),
            secrets: 0,
        };
        let (tenancy, last_good) = (self.tenancy.clone(), progress.last_good.clone());
        let state = self.state.clone();
        let compile_began = Instant::now();
        // Thousands of routes take milliseconds to compile, which no request should wait behind.
        let compiled = tokio::task::spawn_blocking(move || {
            compile::compile(&snapshot, &tenancy, &last_good, &state)
        });
        // The revision counts as dealt with either way: to compile the same again gives the same.
        progress.revision = Some(revision);
        let compiled = match compiled.await {
            Ok(compiled) => compiled,
            Err(error) => {
                tracing::error!(%error, "the resources could not be compiled, which is a fault of this program; the last table is served on");
                self.report.send_modify(|report| Arc::make_mut(report).failed_compiles += 1);
                return;
            }
        };
        let compile_duration = compile_began.elapsed();
        let Compiled { mut table, findings, last_good, references, reports } = compiled;
        counts.secrets = references.secrets.len();
        progress.generation += 1;
        table.generation = progress.generation;
        self.cell.publish(table);
        let publish_delay = began.elapsed();
        progress.last_good = Arc::new(last_good);
        progress.news.log(&findings);
        tracing::info!(
            generation = progress.generation,
            routes = counts.routes,
            findings = findings.len(),
            compile_ms = compile_duration.as_secs_f64() * 1e3,
            delay_ms = publish_delay.as_secs_f64() * 1e3,
            "published a table"
        );
        self.report.send_modify(|report| {
            let report = Arc::make_mut(report);
            report.generation = progress.generation;
            report.published_at = Some(SystemTime::now());
            report.compile_duration = compile_duration;
            report.publish_delay = publish_delay;
            report.findings = findings.into();
            // Endpoints come and go all the time, of which no object tells anything.
            if *report.objects != *reports {
                report.objects = reports.into();
            }
            report.counts = counts;
        });
        self.retain();
    }

    /// A snapshot in which everything it refers to has been read, as far as that does not take too
    /// long.
    async fn complete_snapshot(&self, progress: &mut Progress) -> (u64, Snapshot) {
        let mut wait = Wait::new(progress.revision.is_none());
        loop {
            let (revision, snapshot) = self.inventory.snapshot();
            let references = self.references(&snapshot, &progress.last_good).await;
            let unread = self.inventory.unread(&references);
            let waited_for = unread.secrets.is_subset(&progress.given_up.secrets)
                && unread.services.is_subset(&progress.given_up.services)
                && unread.ambient.is_subset(&progress.given_up.ambient);
            self.want(references);
            if waited_for {
                return (revision, snapshot);
            }
            let until = wait.until(&unread, self.inventory.lists());
            // Asked for by the clock as well: there may be something new whenever one looks.
            let changed = tokio::time::timeout_at(until, self.inventory.changed()).await;
            if changed.is_err() || Instant::now() >= until {
                let names = |names: &BTreeSet<ObjectName>| {
                    names.iter().map(ToString::to_string).collect::<Vec<_>>()
                };
                tracing::warn!(
                    secrets = ?names(&unread.secrets),
                    services = ?names(&unread.services),
                    ambient = ?unread.ambient,
                    "not read yet; publishing without them"
                );
                progress.given_up = unread;
                return self.inventory.snapshot();
            }
            if wait.is_first() {
                // They come by the hundred, and each look goes over all resources.
                self.settle().await;
            }
        }
    }

    fn retain(&self) {
        self.state.retain_referenced(std::time::Instant::now(), RETAIN_GRACE);
    }

    async fn references(&self, snapshot: &Snapshot, last_good: &Arc<LastGood>) -> References {
        let (snapshot, last_good) = (snapshot.clone(), last_good.clone());
        let tenancy = self.tenancy.clone();
        let found = tokio::task::spawn_blocking(move || {
            compile::references(&snapshot, &tenancy, &last_good)
        });
        found.await.unwrap_or_else(|error| {
            tracing::error!(%error, "the references could not be collected, which is a fault of this program");
            References::default()
        })
    }

    fn want(&self, references: References) {
        self.wanted.send_if_modified(|wanted| {
            let changed = **wanted != references;
            if changed {
                *wanted = Arc::new(references);
            }
            changed
        });
    }

    fn report_sources(&self) {
        let (skipped, skipped_total) = self.inventory.skipped();
        let waiting_for = self.inventory.awaited();
        let sources = self.inventory.health();
        self.report.send_if_modified(|report| {
            let changed = report.skipped != skipped
                || report.skipped_total != skipped_total
                || report.waiting_for != waiting_for
                || report.sources != sources;
            if changed {
                let report = Arc::make_mut(report);
                report.skipped = skipped;
                report.skipped_total = skipped_total;
                report.waiting_for = waiting_for;
                report.sources = sources;
            }
            changed
        });
    }
}

#[cfg(test)]
mod tests;
