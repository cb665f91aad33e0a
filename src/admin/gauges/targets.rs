//! How targets and keys fare, as gauges: one series for each state of each, so that an alert or a
//! panel picks the states it is about. What there can be is bounded by the resources.

use std::time::Instant;

use prometheus::{GaugeVec, IntCounterVec, Opts, Registry};

use super::number;
use crate::admin::credentials::{self, KeyStanding};
use crate::admin::filter::Filter;
use crate::compile::ObjectReport;
use crate::state::Phase;
use crate::table::{RouteTable, Standing};

/// Registers them with what they are now.
pub(super) fn register(
    registry: &Registry,
    table: &RouteTable,
    reports: &[ObjectReport],
) -> Result<(), prometheus::Error> {
    let now = Instant::now();
    register_targets(registry, table, now)?;
    register_checks(registry, table)?;
    register_loads(registry, table, now)?;
    register_keys(registry, table, reports, now)
}

fn register_targets(
    registry: &Registry,
    table: &RouteTable,
    now: Instant,
) -> Result<(), prometheus::Error> {
    let gauge =
        |name: &str, help: &str, labels: &[&str]| GaugeVec::new(Opts::new(name, help), labels);
    let breakers = gauge(
        "pilothouse_breaker_state",
        "State of each target's circuit breaker: 0 closed, 1 half-open, 2 open.",
        &["route", "target"],
    )?;
    let states = gauge(
        "pilothouse_target_state",
        "1 for the state that a target is in, 0 for the others.",
        &["route", "target", "state"],
    )?;
    let in_flight = gauge(
        "pilothouse_target_in_flight",
        "Requests running at a target, streams until their last byte, whichever route of its \
         namespace sent them.",
        &["route", "target"],
    )?;
    for (route, target) in table.routes.iter().flat_map(|r| r.targets.iter().map(move |t| (r, t))) {
        let labels = [&*route.label, &*target.name];
        let standing = target.standing(now).as_str();
        for state in Standing::WORDS {
            let is = f64::from(u8::from(state == standing));
            states.with_label_values(&[labels[0], labels[1], state]).set(is);
        }
        let Some(upstream) = target.upstream() else { continue };
        let breaker = match upstream.breaker_status(now).phase() {
            Phase::Closed => 0.0,
            Phase::HalfOpen => 1.0,
            Phase::Open => 2.0,
        };
        breakers.with_label_values(&labels).set(breaker);
        in_flight.with_label_values(&labels).set(number(upstream.state.in_flight.count()));
    }
    registry.register(Box::new(breakers))?;
    registry.register(Box::new(states))?;
    registry.register(Box::new(in_flight))
}

fn register_checks(registry: &Registry, table: &RouteTable) -> Result<(), prometheus::Error> {
    let checks = IntCounterVec::new(
        Opts::new(
            "pilothouse_health_checks_total",
            "Checks of a target's health, by what became of them.",
        ),
        &["route", "target", "outcome"],
    )?;
    for route in &table.routes {
        for target in &route.targets {
            let upstream = target.upstream().filter(|upstream| upstream.health_check.is_some());
            let Some(upstream) = upstream else { continue };
            let account = upstream.state.health.account();
            for (outcome, count) in [("passed", account.passed), ("failed", account.failed)] {
                let labels = [&*route.label, &*target.name, outcome];
                checks.with_label_values(&labels).inc_by(count);
            }
        }
    }
    registry.register(Box::new(checks))
}

/// By target and not by endpoint, of which there is no end: pods come and go.
fn register_loads(
    registry: &Registry,
    table: &RouteTable,
    now: Instant,
) -> Result<(), prometheus::Error> {
    let labels = ["route", "target"];
    let queued = GaugeVec::new(
        Opts::new(
            "pilothouse_target_reported_queue",
            "Requests that wait at the endpoints of a target, whoever sent them, as far as its \
             servers say.",
        ),
        &labels,
    )?;
    let silent = GaugeVec::new(
        Opts::new(
            "pilothouse_target_silent_endpoints",
            "Endpoints of a target whose servers are asked how many requests wait and do not say.",
        ),
        &labels,
    )?;
    for route in &table.routes {
        for target in &route.targets {
            let endpoints = target.upstream().and_then(|upstream| upstream.endpoints.as_ref());
            let Some(endpoints) = endpoints.filter(|all| all.metrics.is_some()) else { continue };
            let (mut waiting, mut unknown) = (0_u64, 0_u64);
            for endpoint in &endpoints.members {
                match endpoint.state.server.load.account(now).report {
                    Some(report) => waiting += u64::from(report.waiting),
                    None => unknown += 1,
                }
            }
            let labels = [&*route.label, &*target.name];
            queued.with_label_values(&labels).set(number(waiting));
            silent.with_label_values(&labels).set(number(unknown));
        }
    }
    registry.register(Box::new(queued))?;
    registry.register(Box::new(silent))
}

fn register_keys(
    registry: &Registry,
    table: &RouteTable,
    reports: &[ObjectReport],
    now: Instant,
) -> Result<(), prometheus::Error> {
    let states = GaugeVec::new(
        Opts::new(
            "pilothouse_key_state",
            "1 for the state that a key of a CredentialStore is in, 0 for the others.",
        ),
        &["store", "key", "state"],
    )?;
    for (name, store) in credentials::stores(table, reports, &Filter::default()) {
        let name = name.to_string();
        for (key, standing, ..) in store.keys(now) {
            for state in KeyStanding::WORDS {
                let is = f64::from(u8::from(state == standing.as_str()));
                states.with_label_values(&[&*name, key, state]).set(is);
            }
        }
    }
    registry.register(Box::new(states))
}
