//! Asks after the health of targets, where their routes want that.
//!
//! One prober for each target, however many routes share it, and none for the rest. Probers follow
//! the table: they start and end with the field that asks for them, and an edit of it takes effect
//! with the next check. What they find is kept in [`crate::state`], so a new table loses nothing.
//!
//! A target whose checks fail is left out while another may be asked. One that passes again is back
//! at once, whatever its breaker held against it: what failed meanwhile failed for the same reason.
//! It begins slowly, like any other that comes back.
//! A check that passes all the while proves less, since a server may say that it is well and answer
//! nothing: it ends the breaker's rest once, and the next request finds out.

mod check;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::state::{HealthChange, TargetIdentity};
use crate::table::{RouteTable, TableCell, Target, Upstream};
use crate::upstream::Client;

/// Probers that start together do not check together: the first check comes within this time, or
/// within the interval if that is shorter.
const FIRST_WITHIN: Duration = Duration::from_secs(1);

/// Checks the targets of every table that is published in `cell`, by `client`, until `shutdown`.
pub async fn run(cell: Arc<TableCell>, client: Client, shutdown: CancellationToken) {
    let mut generations = cell.generations();
    let mut probers = Probers { client, running: HashMap::new() };
    loop {
        generations.mark_unchanged();
        probers.follow(&cell.current());
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = generations.changed() => if changed.is_err() { return },
        }
    }
}

/// The probers that are running, by the target they check.
struct Probers {
    client: Client,
    running: HashMap<TargetIdentity, Prober>,
}

/// One prober. Dropped, it ends.
struct Prober {
    target: watch::Sender<Arc<Target>>,
    task: JoinHandle<()>,
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(upstream) = self.target.borrow().upstream() {
            // Nobody asks after it any more, so nobody would ever take the verdict back.
            upstream.state.health.forget();
        }
    }
}

impl Probers {
    /// Starts, instructs and ends probers as this table wants it.
    fn follow(&mut self, table: &RouteTable) {
        let mut wanted = wanted(table);
        self.running.retain(|identity, _| wanted.contains_key(identity));
        for (identity, prober) in &self.running {
            if let Some(target) = wanted.remove(identity) {
                prober.target.send_replace(target);
            }
        }
        for (identity, target) in wanted {
            let (target, told) = watch::channel(target);
            let task = tokio::spawn(probe(self.client.clone(), told));
            self.running.insert(identity, Prober { target, task });
        }
    }
}

/// The targets to be checked. Of several routes that share one, the first by name decides how.
fn wanted(table: &RouteTable) -> HashMap<TargetIdentity, Arc<Target>> {
    let mut wanted = HashMap::new();
    for target in table.routes.iter().flat_map(|route| &route.targets) {
        if let Some(upstream) = checked(target) {
            let identity = upstream.state.identity();
            wanted.entry(identity.clone()).or_insert_with(|| Arc::clone(target));
        }
    }
    wanted
}

fn checked(target: &Target) -> Option<&Upstream> {
    target.upstream().filter(|upstream| upstream.health_check.is_some())
}

/// Checks one target again and again.
async fn probe(client: Client, mut told: watch::Receiver<Arc<Target>>) {
    let mut target = told.borrow_and_update().clone();
    let Some(interval) = interval(&target) else { return };
    let mut due = Instant::now() + interval.min(FIRST_WITHIN).mul_f64(fastrand::f64());
    loop {
        tokio::select! {
            () = sleep_until(due) => {
                check_once(&client, &target).await;
            }
            changed = told.changed() => {
                if changed.is_err() {
                    return;
                }
                let before = std::mem::replace(&mut target, told.borrow_and_update().clone());
                if same_check(&before, &target) {
                    continue;
                }
            }
        }
        match self::interval(&target) {
            // Gateways that were started together shall not check together.
            Some(interval) => due = Instant::now() + interval.mul_f64(0.9 + 0.2 * fastrand::f64()),
            None => return,
        }
    }
}

fn interval(target: &Target) -> Option<Duration> {
    Some(target.upstream()?.health_check.as_ref()?.interval)
}

fn same_check(before: &Target, now: &Target) -> bool {
    let check = |target: &Target| target.upstream().and_then(|one| one.health_check.clone());
    check(before) == check(now)
}

/// Checks a target, and draws the conclusions.
async fn check_once(client: &Client, target: &Target) {
    let Some(upstream) = target.upstream() else { return };
    let Some(policy) = &upstream.health_check else { return };
    let Some(result) = check::check(client, upstream, policy).await else { return };
    let now = std::time::Instant::now();
    let (state, passed) = (&upstream.state, result.is_ok());
    let fault = result.as_ref().err().cloned().unwrap_or_default();
    let since = state.health.account().since;
    let out_for = since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
    match state.health.record(result, policy.thresholds, now) {
        Some(HealthChange::Failing) => {
            tracing::warn!(target = %state.identity(), fault, "a target's health checks fail");
        }
        Some(HealthChange::Passing) => {
            state.breaker.reset();
            state.recovery.begin(now, out_for);
            tracing::warn!(target = %state.identity(), "a target's health checks pass again");
        }
        None if passed && !state.health.is_failing() => {
            state.breaker.end_rest(&upstream.breaker, now);
        }
        None => {}
    }
}
