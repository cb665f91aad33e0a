//! What routes come to: the values that hold once target, route and what is built in are merged.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::clock::{date, length};
use super::filter::Filter;
use crate::state::{BreakerPolicy, TargetLimits};
use crate::table::{
    Admission, Affinity, HealthCheck, Hedging, Parameters, Resolution, Route, RouteTable, Target,
    TargetRetry, Timeouts, Upstream,
};

/// `GET /admin/routes`.
pub(super) fn list(table: &RouteTable, filter: &Filter) -> Value {
    let routes = table.routes.iter().filter(|route| filter.admits(route));
    json!({
        "generation": table.generation,
        "compiledAt": date((table.generation > 0).then_some(table.compiled_at)),
        "routes": routes.map(|one| route(one)).collect::<Vec<_>>(),
    })
}

fn route(route: &Route) -> Value {
    let admission: Value = match &route.admission {
        Admission::All => "All".into(),
        Admission::Namespaces(names) => names.iter().map(|name| &**name).collect(),
    };
    let tiers = route.tiers.iter().map(|tier| {
        let members = tier.members.iter().map(|index| &*route.targets[*index].name);
        json!({"priority": tier.priority, "targets": members.collect::<Vec<_>>()})
    });
    json!({
        "namespace": &*route.name.namespace,
        "name": &*route.name.name,
        "generation": route.observed_generation,
        "unreadable": route.unreadable.as_deref(),
        "models": route.models.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "allowedNamespaces": admission,
        "targetSelection": if route.target_selection { "Allowed" } else { "Denied" },
        "sessionAffinity": affinity(route.affinity.as_ref()),
        "strategy": format!("{:?}", route.strategy),
        "timeouts": {"request": length(route.request_timeout)},
        "retry": {
            "maxAttempts": route.retry.max_attempts,
            "repeatable": if route.retry.repeatable { "Auto" } else { "Never" },
        },
        "fallback": {
            "routes": names(&route.fallbacks),
            "contextWindow": names(&route.longer),
        },
        "hedging": route.hedging.map(|hedging| match hedging {
            Hedging::After(delay) => json!({"delay": length(delay)}),
            Hedging::Percentile(percent) => json!({"percentile": percent}),
        }),
        "streaming": {
            "commitAfter": length(route.commit_after),
            "onInterruption": if route.resume { "Resume" } else { "Error" },
        },
        "tiers": tiers.collect::<Vec<_>>(),
        "targets": route.targets.iter().map(|one| target(one)).collect::<Vec<_>>(),
    })
}

fn target(target: &Target) -> Value {
    let mut shown = Map::new();
    shown.insert("name".into(), (*target.name).into());
    shown.insert("priority".into(), target.priority.into());
    shown.insert("weight".into(), target.weight.into());
    match &target.resolution {
        Resolution::Ready(upstream) => shown.extend(effective(upstream)),
        Resolution::Unresolved { reason, message } => {
            shown.insert("unresolved".into(), json!({"reason": reason, "message": &**message}));
        }
    }
    shown.into()
}

fn effective(upstream: &Upstream) -> Map<String, Value> {
    let keys = upstream.keys.as_ref();
    let fields = [
        ("provider", upstream.provider.name.into()),
        ("protocol", upstream.provider.protocol.as_str().into()),
        ("baseURL", upstream.base_url.to_string().into()),
        ("model", upstream.model.as_deref().into()),
        ("credential", keys.map(|pool| pool.store.to_string()).into()),
        ("compatibility", format!("{:?}", upstream.compatibility).into()),
        ("timeouts", timeouts(upstream)),
        ("retry", retry(&upstream.retry)),
        ("circuitBreaker", breaker(&upstream.breaker)),
        ("limits", limits(&upstream.limits)),
        ("parameters", parameters(&upstream.parameters)),
        ("healthCheck", upstream.health_check.as_ref().map_or(Value::Null, health_check)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What holds now; those that are listed as adapting follow what the target needs.
fn timeouts(upstream: &Upstream) -> Value {
    let Timeouts { connect, first_token, idle, thinking_idle, response, request } =
        upstream.timeouts;
    let adapting = [("firstToken", first_token), ("response", response)];
    let adapting = adapting.into_iter().filter(|(_, set)| set.is_none()).map(|(name, _)| name);
    json!({
        "connect": length(connect),
        "firstToken": length(upstream.first_token_limit(false)),
        "idle": length(idle),
        "thinkingIdle": length(thinking_idle),
        "response": length(upstream.response_limit()),
        "request": length(request),
        "adapting": adapting.collect::<Vec<_>>(),
    })
}

fn retry(retry: &TargetRetry) -> Value {
    json!({
        "perTarget": retry.per_target,
        "backoff": {"base": length(retry.backoff), "max": length(retry.max_backoff)},
        "maxRetryAfter": length(retry.max_retry_after),
    })
}

fn names(names: &[Arc<str>]) -> Vec<&str> {
    names.iter().map(|name| &**name).collect()
}

fn breaker(policy: &BreakerPolicy) -> Value {
    json!({
        "failureThreshold": policy.failure_threshold,
        "errorThresholdPercentage": policy.error_threshold_percentage,
        "minRequests": policy.min_requests,
        "monitoringWindow": length(policy.monitoring_window),
        "resetTimeout": length(policy.reset_timeout),
        "permanentFailures": {
            "statusCodes": policy.permanent_status_codes,
            "patterns": policy.permanent_patterns,
            "baseTimeout": length(policy.permanent_base_timeout),
            "maxBackoffMultiplier": policy.permanent_max_multiplier,
        },
    })
}

/// What is not limited is `null`.
fn limits(limits: &TargetLimits) -> Value {
    json!({
        "maxConcurrent": limits.max_concurrent,
        "requestsPerMinute": limits.requests_per_minute,
        "tokensPerMinute": limits.tokens_per_minute,
        "maxQueue": limits.max_queue,
        "queueTimeout": length(limits.queue_timeout),
    })
}

fn affinity(affinity: Option<&Affinity>) -> Value {
    match affinity {
        None => json!({"type": "None"}),
        Some(Affinity::Auto) => json!({"type": "Auto"}),
        Some(Affinity::Header(name)) => json!({"type": "Header", "header": name.as_str()}),
        Some(Affinity::Consumer) => json!({"type": "Consumer"}),
        Some(Affinity::User) => json!({"type": "User"}),
    }
}

/// Names alone: values may be texts that are nobody else's business.
fn parameters(parameters: &Parameters) -> Value {
    let names = |fields: &Map<String, Value>| fields.keys().cloned().collect::<Vec<_>>();
    json!({
        "defaults": names(&parameters.defaults),
        "overrides": names(&parameters.overrides),
        "drop": parameters.drop,
        "raw": names(&parameters.raw),
    })
}

fn health_check(check: &HealthCheck) -> Value {
    json!({
        "path": check.path.as_str(),
        "interval": length(check.interval),
        "timeout": length(check.timeout),
        "unhealthyThreshold": check.thresholds.unhealthy,
        "healthyThreshold": check.thresholds.healthy,
        "authentication": if check.authenticated { "Target" } else { "None" },
    })
}

#[cfg(test)]
mod tests {
    use crate::balance::registry::STRATEGIES;

    #[test]
    fn a_strategy_is_called_what_manifests_call_it() {
        for row in STRATEGIES {
            assert_eq!(format!("{:?}", row.strategy), row.name);
        }
    }
}
