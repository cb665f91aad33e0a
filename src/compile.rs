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
//! the mistake closes instead. Everything is decided by names, ages and contents, never by the
//! order in which objects came, so that every replica serves the same table.
//!
//! Nothing is fetched here: [`references`] says what a caller has to fetch, and what has not been
//! fetched yet is missing from the [`Snapshot`].

mod consumer;
mod credential;
mod decode;
mod finding;
mod grant;
mod host;
mod last_good;
mod names;
mod policy;
mod report;
mod route;
mod secret;
mod snapshot;
mod target;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

pub use finding::{Finding, ObjectRef, Severity};
pub use last_good::LastGood;
pub use report::{ConditionReport, Details, ObjectReport, PartReport};
pub use snapshot::*;

use crate::api::{ConditionType, Kind, Reason};
use crate::state::StateStore;
use crate::table::RouteTable;

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
pub fn references(snapshot: &Snapshot, tenancy: &Tenancy) -> References {
    let mut references = References::default();
    for (raw, _) in decode::ours(Kind::CredentialStore, &snapshot.stores, tenancy).into_values() {
        credential::references(raw, tenancy, &mut references);
    }
    for (raw, _) in decode::ours(Kind::Consumer, &snapshot.consumers, tenancy).into_values() {
        consumer::references(raw, &mut references);
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
    let namespaces = grant::Namespaces::new(snapshot);
    let mut output = Output::default();
    let stores = compile_stores(snapshot, tenancy, &namespaces, state, &mut output);
    let around = Routes { snapshot, tenancy, last_good, namespaces: &namespaces, state };
    let (mut table, last_good) = compile_routes(&around, &stores, &mut output);
    table.callers = compile_consumers(snapshot, tenancy, &mut output);
    table.anonymous = consumer::anonymous(tenancy);
    output.findings.sort();
    output.reports.sort_by(|a, b| a.object.cmp(&b.object));
    Compiled {
        table,
        findings: output.findings,
        last_good,
        references: references(snapshot, tenancy),
        reports: output.reports,
    }
}

#[derive(Debug, Default)]
struct Output {
    findings: Vec<Finding>,
    reports: Vec<ObjectReport>,
}

impl Output {
    fn take(&mut self, notes: finding::Notes, report: ObjectReport) {
        self.findings.extend(notes.into_findings());
        self.reports.push(report);
    }
}

fn compile_stores(
    snapshot: &Snapshot,
    tenancy: &Tenancy,
    namespaces: &grant::Namespaces,
    state: &StateStore,
    output: &mut Output,
) -> credential::Stores {
    let mut stores = credential::Stores::new();
    for (name, (raw, mut notes)) in decode::ours(Kind::CredentialStore, &snapshot.stores, tenancy) {
        let (store, report) =
            credential::compile(raw, &mut notes, snapshot, tenancy, namespaces, state);
        stores.insert(name.clone(), store);
        output.take(notes, report);
    }
    stores
}

#[derive(Debug, Clone, Copy)]
struct Routes<'a> {
    snapshot: &'a Snapshot,
    tenancy: &'a Tenancy,
    last_good: &'a LastGood,
    namespaces: &'a grant::Namespaces,
    state: &'a StateStore,
}

fn compile_routes(
    input: &Routes<'_>,
    stores: &credential::Stores,
    output: &mut Output,
) -> (RouteTable, LastGood) {
    let tenancy = input.tenancy;
    let mut last_good = LastGood::default();
    let mut served = Vec::new();
    for (raw, mut notes) in
        decode::ours(Kind::ModelRoute, &input.snapshot.routes, tenancy).into_values()
    {
        match route::accept(raw, &mut notes, input.last_good, input.namespaces) {
            Some(accepted) => {
                last_good.remember(raw, accepted.generation, accepted.spec.clone());
                served.push((raw, accepted, notes));
            }
            None => {
                let report = route::report(raw, &notes, None, Vec::new(), Vec::new());
                output.take(notes, report);
            }
        }
    }

    let mut by_age: Vec<usize> = (0..served.len()).collect();
    by_age.sort_by(|a, b| names::by_age(served[*a].0, served[*b].0, tenancy));
    let (claims, notes): (Vec<_>, Vec<_>) =
        served.into_iter().map(|(raw, accepted, notes)| ((raw, accepted), notes)).unzip();
    let ownership = names::Ownership::settle(by_age.into_iter().map(|index| {
        let (raw, accepted) = &claims[index];
        (index, *raw, accepted.patterns.as_slice())
    }));

    let mut routes = Vec::with_capacity(claims.len());
    for (index, ((raw, accepted), mut notes)) in claims.iter().zip(notes).enumerate() {
        let name_of = |owner: usize| claims[owner].0.name.name.to_string();
        let models = route::models(raw, accepted, index, &ownership, name_of, &mut notes);
        let around = target::Surroundings {
            route: &raw.name,
            spec: &accepted.spec,
            names: &names::joined(&accepted.patterns),
            stores,
            tenancy,
            state: input.state,
        };
        let (compiled, targets) = route::compile(raw, accepted, &around, &mut notes);
        let report = route::report(raw, &notes, Some(accepted.generation), models, targets);
        routes.push(Arc::new(compiled));
        output.take(notes, report);
    }
    let shared = if tenancy.operator_owned {
        let namespaces: BTreeSet<_> = routes.iter().map(|route| &route.name.namespace).collect();
        namespaces.into_iter().cloned().collect()
    } else {
        tenancy.shared_namespaces.clone()
    };
    let scopes = ownership.into_scopes();
    let compiled_at = SystemTime::now();
    (RouteTable { routes, scopes, shared, compiled_at, ..RouteTable::empty() }, last_good)
}

fn compile_consumers(
    snapshot: &Snapshot,
    tenancy: &Tenancy,
    output: &mut Output,
) -> std::collections::HashMap<crate::table::KeyDigest, Arc<crate::table::Caller>> {
    let objects = decode::ours(Kind::Consumer, &snapshot.consumers, tenancy);
    let mut objects: Vec<_> = objects.into_values().collect();
    objects.sort_by(|(a, _), (b, _)| names::by_age(a, b, tenancy));
    let mut callers = consumer::Callers::default();
    for (raw, mut notes) in objects {
        let report = callers.add(raw, &mut notes, snapshot);
        output.take(notes, report);
    }
    callers.into_map()
}

/// Notes a key that cannot be used. One that has not been read yet may still be fine.
fn note_unread(notes: &mut finding::Notes, condition: ConditionType, fault: finding::Fault) {
    let severity =
        if fault.reason == Reason::Pending { Severity::Warning } else { Severity::Error };
    notes.add(severity, condition, fault);
}
