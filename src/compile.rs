//! From resources to a routing table: a pure function that never fails as a whole.
//!
//! ```text
//! Snapshot ─ whose ─ decode ─┬─ stores ── keys, hosts, grants ─┐
//!  Tenancy                   ├─ routes ── names, targets ◄─────┴─► RouteTable
//!  LastGood                  └─ consumers ── keys ─────────────►   findings, reports, LastGood
//! ```
//!
//! A mistake costs what holds it and nothing else: a bad key its key, a bad target its target, an
//! unreadable route its newest edit. Where going on would fail open (grants, credentials, callers)
//! the mistake closes instead. What cannot be read keeps what it owned, a route its names and a
//! Consumer its keys, so that nobody else inherits them by accident. Everything is decided by
//! names, ages and contents, never by the order in which objects came, so that every replica serves
//! the same table.
//!
//! Nothing is fetched here: [`references`] says what a caller has to fetch, and what has not been
//! fetched yet is missing from the [`Snapshot`].

mod address;
mod balancing;
mod capabilities;
mod consumer;
mod credential;
mod decode;
mod endpoints;
mod failover;
mod finding;
mod grant;
mod health_check;
mod host;
mod last_good;
mod limits;
mod names;
mod policy;
mod report;
mod route;
mod secret;
mod server_metrics;
mod service;
mod service_data;
mod snapshot;
mod target;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

pub use finding::{Finding, ObjectRef, Severity};
pub use last_good::LastGood;
pub use report::{ConditionReport, Details, ObjectReport, PartReport};
pub use snapshot::*;

use self::consumer::{Callers, Claimant};
use self::credential::Stores;
use self::finding::{Fault, Notes};
use self::names::Ownership;
use self::route::Accepted;
use crate::api::{ConditionType, Kind, Reason};
use crate::state::StateStore;
use crate::table::{Caller, KeyDigest, NameScope, ObjectName, Route, RouteTable};

/// What compile makes of a snapshot.
#[derive(Debug)]
pub struct Compiled {
    /// The table to serve; its generation is 0 until it is published.
    pub table: RouteTable,
    /// What is wrong, sorted by object and field.
    pub findings: Vec<Finding>,
    /// To be handed to the next compile.
    pub last_good: LastGood,
    /// What has to be fetched; the same as [`references`] says.
    pub references: References,
    /// How each object of this gateway fares, sorted by kind, namespace and name.
    pub reports: Vec<ObjectReport>,
}

/// What the objects of this gateway refer to and may refer to.
/// `last_good` is what the
/// next compile will be handed.
pub fn references(snapshot: &Snapshot, tenancy: &Tenancy, last_good: &LastGood) -> References {
    let mut references = References::default();
    for (raw, _) in decode::ours(Kind::CredentialStore, &snapshot.stores, tenancy).into_values() {
        credential::references(raw, tenancy, &mut references);
    }
    for (raw, _) in decode::ours(Kind::Consumer, &snapshot.consumers, tenancy).into_values() {
        consumer::references(raw, &mut references);
    }
    for (raw, _) in decode::ours(Kind::ModelRoute, &snapshot.routes, tenancy).into_values() {
        service::references(raw, tenancy, last_good, &mut references);
    }
    references
}

/// Makes the table that serves this snapshot. `state` gives targets and keys their memory.
pub fn compile(
    snapshot: &Snapshot,
    tenancy: &Tenancy,
    last_good: &LastGood,
    state: &StateStore,
) -> Compiled {
    let namespaces = &grant::Namespaces::new(snapshot);
    let input = Input { snapshot, tenancy, namespaces, last_good, state };
    let mut output = Output::default();
    let stores = compile_stores(input, &mut output);
    let (routes, scopes) = compile_routes(input, &stores, &mut output);
    let callers = compile_consumers(input, &mut output);
    let table = RouteTable {
        generation: 0,
        compiled_at: SystemTime::now(),
        shared: shared(&routes, tenancy),
        routes,
        scopes,
        callers,
        anonymous: consumer::anonymous(tenancy),
    };
    let Output { mut findings, mut reports, last_good } = output;
    findings.sort();
    reports.sort_by(|a, b| a.object.cmp(&b.object));
    let references = references(snapshot, tenancy, &last_good);
    Compiled { table, findings, last_good, references, reports }
}

/// What every object is compiled against.
#[derive(Debug, Clone, Copy)]
struct Input<'a> {
    snapshot: &'a Snapshot,
    tenancy: &'a Tenancy,
    namespaces: &'a grant::Namespaces,
    last_good: &'a LastGood,
    state: &'a StateStore,
}

/// What comes of the objects besides the table.
#[derive(Debug, Default)]
struct Output {
    findings: Vec<Finding>,
    reports: Vec<ObjectReport>,
    last_good: LastGood,
}

impl Output {
    fn take(&mut self, notes: Notes, report: ObjectReport) {
        self.findings.extend(notes.into_findings());
        self.reports.push(report);
    }
}

fn compile_stores(input: Input<'_>, output: &mut Output) -> Stores {
    let mut stores = Stores::new();
    let objects = decode::ours(Kind::CredentialStore, &input.snapshot.stores, input.tenancy);
    for (name, (raw, mut notes)) in objects {
        let (store, report) = credential::compile(raw, input, &mut notes);
        stores.insert(name.clone(), store);
        output.take(notes, report);
    }
    stores
}

fn compile_routes(
    input: Input<'_>,
    stores: &Stores,
    output: &mut Output,
) -> (Vec<Arc<Route>>, HashMap<Arc<str>, NameScope>) {
    let (read, notes): (Vec<Accepted<'_>>, Vec<Notes>) =
        decode::ours(Kind::ModelRoute, &input.snapshot.routes, input.tenancy)
            .into_values()
            .map(|(raw, mut notes)| (route::accept(raw, &mut notes, input), notes))
            .unzip();
    let mut by_age: Vec<usize> = (0..read.len()).collect();
    by_age.sort_by(|a, b| names::by_age(read[*a].raw, read[*b].raw, input.tenancy));
    let ownership = Ownership::settle(by_age.into_iter().map(|index| {
        let accepted = &read[index];
        (index, accepted.raw, &*accepted.patterns)
    }));
    // They come sorted.
    let exists = |name: &ObjectName| read.binary_search_by(|one| one.raw.name.cmp(name)).is_ok();
    let mut routes = Vec::with_capacity(read.len());
    for (index, (accepted, mut notes)) in read.iter().zip(notes).enumerate() {
        output.last_good.remember_route(accepted);
        let owners = ownership.owners(accepted.raw, &accepted.patterns);
        let models = owners.map(|(pattern, owner)| {
            let owner = owner.unwrap_or(index);
            names::status(pattern, owner == index, read[owner].raw)
        });
        let models = models.collect();
        let (route, report) = route::compile(accepted, models, input, stores, exists, &mut notes);
        routes.push(Arc::new(route));
        output.take(notes, report);
    }
    (routes, ownership.into_scopes())
}

fn compile_consumers(input: Input<'_>, output: &mut Output) -> HashMap<KeyDigest, Arc<Caller>> {
    let objects = decode::ours(Kind::Consumer, &input.snapshot.consumers, input.tenancy);
    let mut objects: Vec<_> = objects.into_values().collect();
    objects.sort_by(|(a, _), (b, _)| names::by_age(a, b, input.tenancy));
    let objects: Vec<_> =
        objects.into_iter().map(|(raw, notes)| (Claimant::read(raw), notes)).collect();
    let mut callers = Callers::default();
    for (claimant, _) in &objects {
        callers.keep(claimant, input, &mut output.last_good);
    }
    for (claimant, mut notes) in objects {
        let report = callers.add(claimant, &mut notes, input, &mut output.last_good);
        output.take(notes, report);
    }
    callers.into_map()
}

/// The namespaces whose names everybody may use: with files all of them, in the order of names.
fn shared(routes: &[Arc<Route>], tenancy: &Tenancy) -> Vec<Arc<str>> {
    if !tenancy.operator_owned {
        return tenancy.shared_namespaces.clone();
    }
    let namespaces: BTreeSet<_> = routes.iter().map(|route| &route.name.namespace).collect();
    namespaces.into_iter().cloned().collect()
}

/// Notes a key that cannot be used. One that has not been read yet may still be fine.
fn note_unread(notes: &mut Notes, condition: ConditionType, fault: Fault) {
    let severity =
        if fault.reason == Reason::Pending { Severity::Warning } else { Severity::Error };
    notes.add(severity, condition, fault);
}

#[cfg(test)]
mod tests;
