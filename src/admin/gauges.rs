//! What is true at the moment of a scrape: computed from the table and the controller's report, so
//! that a route which is gone leaves no series behind.

mod targets;

use std::time::SystemTime;

use prometheus::{Encoder, Gauge, GaugeVec, Opts, Registry, TextEncoder};

use super::Admin;
use crate::compile::Severity;

/// The gauges in Prometheus' text format.
pub(super) fn render(admin: &Admin) -> Vec<u8> {
    let mut text = Vec::new();
    let gathered = gather(admin).map(|registry| registry.gather());
    match gathered.and_then(|families| TextEncoder::new().encode(&families, &mut text)) {
        Ok(()) => text,
        Err(error) => {
            tracing::error!(%error, "gauges cannot be written");
            Vec::new()
        }
    }
}

fn gather(admin: &Admin) -> Result<Registry, prometheus::Error> {
    let registry = Registry::new();
    let gauge = |name: &str, help: &str, value: f64| {
        let gauge = Gauge::new(name, help)?;
        gauge.set(value);
        registry.register(Box::new(gauge))
    };
    let table = admin.cell.current();
    let report = admin.report.borrow().clone();
    gauge(
        "pilothouse_table_generation",
        "Generation of the routing table that is served; 0 before the first.",
        number(table.generation),
    )?;
    let age = SystemTime::now().duration_since(table.compiled_at).unwrap_or_default();
    let age = if table.generation == 0 { 0.0 } else { age.as_secs_f64() };
    gauge("pilothouse_table_age_seconds", "Time since the routing table was compiled.", age)?;
    gauge("pilothouse_routes", "Routes in the routing table.", number(table.routes.len()))?;
    gauge(
        "pilothouse_skipped_objects",
        "Objects and files that cannot be read now.",
        number(report.skipped.len()),
    )?;
    gauge(
        "pilothouse_failed_compiles",
        "Compiles of this process that ended in no table; a fault of the gateway.",
        number(report.failed_compiles),
    )?;
    gauge(
        "pilothouse_failed_controller_parts",
        "How often a part of the controller failed and was started again; a fault of the gateway.",
        number(report.failed_parts),
    )?;
    let failing = report.sources.values().filter(|source| source.failures_in_a_row > 0).count();
    gauge(
        "pilothouse_failing_sources",
        "Watches, folders and files that cannot be followed now; their last state is served.",
        number(failing),
    )?;
    gauge(
        "pilothouse_access_log_dropped_lines",
        "Lines of the access log that were lost because nobody read it.",
        number(admin.access_log.dropped()),
    )?;
    let findings = GaugeVec::new(
        Opts::new("pilothouse_findings", "What is wrong with the resources now."),
        &["severity"],
    )?;
    for severity in [Severity::Error, Severity::Warning] {
        let count = report.findings.iter().filter(|found| found.severity == severity).count();
        findings.with_label_values(&[severity.as_str()]).set(number(count));
    }
    registry.register(Box::new(findings))?;
    targets::register(&registry, &table, &report.objects)?;
    Ok(registry)
}

/// Gauges are floating-point numbers by definition.
#[allow(clippy::cast_precision_loss, reason = "no count here comes near 2^52")]
fn number(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}
