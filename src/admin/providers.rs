//! How targets fare: what is remembered of each, and what each route that uses it makes of that.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::clock::{Clock, length, millis};
use super::credentials;
use super::filter::Filter;
use crate::state::{BreakerPolicy, ReportedLoad, TargetState};
use crate::table::{Endpoints, KeyPool, Resolution, Route, RouteTable, Standing, Target, Upstream};

/// `GET /admin/providers/status`.
pub(super) fn list(table: &RouteTable, filter: &Filter) -> Value {
    let clock = Clock::read();
    let mut providers: BTreeMap<String, (&Upstream, Vec<Value>)> = BTreeMap::new();
    let mut unresolved = Vec::new();
    for route in table.routes.iter().filter(|route| filter.admits(route)) {
        for target in &route.targets {
            match &target.resolution {
                Resolution::Ready(upstream) => {
                    let identity = upstream.state.identity();
                    let name = format!("{identity} {}", identity.credential);
                    let (_, users) = providers.entry(name).or_insert((upstream, Vec::new()));
                    users.push(user(route, target, upstream, clock));
                }
                Resolution::Unresolved { reason, message } => unresolved.push(json!({
                    "namespace": &*route.name.namespace,
                    "route": &*route.name.name,
                    "target": &*target.name,
                    "state": Standing::Unresolved.as_str(),
                    "reason": reason,
                    "detail": &**message,
                })),
            }
        }
    }
    let providers = providers.into_values().map(|(upstream, users)| {
        let mut shown = memory(&upstream.state, upstream.keys.as_ref(), clock);
        shown.insert("usedBy".into(), users.into());
        Value::Object(shown)
    });
    json!({
        "generation": table.generation,
        "providers": providers.collect::<Vec<_>>(),
        "unresolved": unresolved,
    })
}

/// One target of one route, and what is remembered of it.
pub(super) fn one(route: &Route, target: &Target, upstream: &Upstream) -> Value {
    let clock = Clock::read();
    let mut shown = memory(&upstream.state, upstream.keys.as_ref(), clock);
    shown.insert("usedBy".into(), Value::Array(vec![user(route, target, upstream, clock)]));
    shown.into()
}

/// What every user of the target shares.
fn memory(state: &TargetState, keys: Option<&Arc<KeyPool>>, clock: Clock) -> Map<String, Value> {
    let identity = state.identity();
    let failure = state.last_failure().map(|failure| {
        let at = clock.date(Some(failure.at));
        json!({"at": at, "class": failure.class, "detail": failure.detail})
    });
    let keys = keys.map(|pool| {
        json!({
            "store": pool.store.to_string(),
            "keys": credentials::keys(pool, clock),
        })
    });
    let fields = [
        ("namespace", (*identity.namespace).into()),
        ("baseURL", (*identity.base_url).into()),
        ("protocol", identity.protocol.into()),
        ("model", (*identity.model).into()),
        ("inFlight", state.in_flight.count().into()),
        ("usualFirstTokenMs", millis(state.latency.estimate(clock.now))),
        ("usualReplyMs", millis(state.reply_time.estimate(clock.now))),
        ("throttledUntil", clock.date(state.resting_until(clock.now))),
        ("slowStartShare", state.recovery.share(clock.now).into()),
        ("lastFailure", failure.into()),
        ("health", health(state, clock)),
        ("credential", keys.into()),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What checks have found; `null` where nobody checks.
fn health(state: &TargetState, clock: Clock) -> Value {
    let account = state.health.account();
    if account.checked_at.is_none() {
        return Value::Null;
    }
    json!({
        "state": if account.failing { "failing" } else { "passing" },
        "since": clock.date(account.since),
        "checkedAt": clock.date(account.checked_at),
        "passedInARow": account.passed_in_a_row,
        "failedInARow": account.failed_in_a_row,
        "lastFailure": account.last_failure,
    })
}

/// What the policy of one route makes of it.
fn user(route: &Route, target: &Target, upstream: &Upstream, clock: Clock) -> Value {
    let (state, policy) = (&upstream.state, &upstream.breaker);
    let breaker = upstream.breaker_account(clock.now);
    let standing = upstream.standing(clock.now);
    let (since, reason) = match standing {
        Standing::Open { .. } | Standing::HalfOpen => (breaker.since, Some("CircuitBreaker")),
        Standing::Resting { .. } if upstream.throttled_until(clock.now).is_some() => {
            (None, Some("Throttled"))
        }
        Standing::Resting { .. } => (None, Some("KeysResting")),
        Standing::Unhealthy => (state.health.account().since, Some("HealthCheck")),
        Standing::Closed | Standing::Unresolved => (breaker.since, None),
    };
    json!({
        "namespace": &*route.name.namespace,
        "route": &*route.name.name,
        "target": &*target.name,
        "state": standing.as_str(),
        "since": clock.date(since),
        "reason": reason,
        "detail": detail(standing, state),
        "nextProbeAt": clock.date(standing.until()),
        "endpoints": upstream.endpoints.as_ref().map(|all| endpoints(all, policy, clock)),
        "circuitBreaker": {
            "state": breaker.status.phase().as_str(),
            "probing": breaker.probing,
            "opened": breaker.opened,
            "consecutiveFailures": breaker.consecutive_failures,
            "permanentFailures": breaker.permanent_failures,
            "window": {
                "length": length(policy.monitoring_window),
                "failures": breaker.window_failures,
                "requests": breaker.window_requests,
            },
        },
    })
}

/// The ready endpoints of a Service, each with what is held against it.
fn endpoints(endpoints: &Endpoints, policy: &BreakerPolicy, clock: Clock) -> Value {
    let shown = endpoints.members.iter().map(|endpoint| {
        let state = &endpoint.state;
        let breaker = state.breaker.account(policy, clock.now);
        json!({
            "name": &*endpoint.name,
            "address": endpoint.address.to_string(),
            "inFlight": state.server.in_flight.count(),
            "reported": endpoints.metrics.as_ref().map(|_| reported(&state.server.load, clock)),
            "restingUntil": clock.date(state.resting_until(clock.now)),
            "circuitBreaker": {
                "state": breaker.status.phase().as_str(),
                "since": clock.date(breaker.since),
                "opened": breaker.opened,
                "consecutiveFailures": breaker.consecutive_failures,
            },
        })
    });
    shown.collect()
}

/// What a server says of its load: nothing of that where it does not say so, or not any more.
fn reported(load: &ReportedLoad, clock: Clock) -> Value {
    let account = load.account(clock.now);
    json!({
        "queued": account.report.map(|report| report.waiting),
        "running": account.report.and_then(|report| report.running),
        "ageMs": millis(account.at.map(|at| clock.now.saturating_duration_since(at))),
        "failedInARow": account.failures,
        "lastFailure": account.last_failure,
    })
}

/// What led to it, in words.
fn detail(standing: Standing, state: &TargetState) -> Option<String> {
    match standing {
        Standing::Closed | Standing::Unresolved => None,
        Standing::Unhealthy => state.health.account().last_failure,
        Standing::Open { .. } | Standing::HalfOpen | Standing::Resting { .. } => {
            state.last_failure().map(|failure| format!("{}: {}", failure.class, failure.detail))
        }
    }
}
