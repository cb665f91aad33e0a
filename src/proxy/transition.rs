//! Telling that a circuit breaker changed.

use crate::state::{Phase, Transition};
use crate::table::{Route, Target};
use crate::telemetry::Metrics;

/// Tells the log and the metrics that a try of that route changed the breaker of a target, or of one
/// of its endpoints.
pub(super) fn tell(
    metrics: &Metrics,
    route: &Route,
    target: &Target,
    endpoint: Option<&str>,
    Transition { from, to }: Transition,
) {
    let (route, target) = (&*route.label, &*target.name);
    if to == Phase::Open {
        metrics.breaker_opened.with_label_values(&[route, target]).inc();
    }
    let (from, to) = (from.as_str(), to.as_str());
    tracing::warn!(route, target, endpoint, from, to, "a circuit breaker changed");
}
