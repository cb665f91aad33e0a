//! What becomes of a target.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::World;
use super::world::Outcome;
use crate::api::{ConditionType, Kind, Reason};
use crate::state::TargetLimits;
use crate::table::{Affinity, HealthCheck, Timeouts, Upstream};

fn served(spec: Value) -> Outcome {
    let mut world = World::new();
    world.route("a/r", spec);
    world.compile()
}

fn upstream(outcome: &Outcome) -> &Upstream {
    outcome.target("a/r", "t").upstream().expect("resolved")
}

fn target() -> Value {
    json!({ "name": "t", "provider": "vllm", "baseURL": "https://vllm.example/v1" })
}

fn one(target: &Value) -> Value {
    json!({ "models": ["gpt"], "targets": [target] })
}

#[test]
fn one_bad_target_does_not_stop_another() {
    let outcome = served(json!({ "targets": [
        { "name": "bad", "provider": "nobody" },
        { "name": "worse", "provider": "openai", "parameters": { "drop": ["mood"] } },
        target()
    ] }));
    assert_eq!(outcome.fault("a/r", "bad"), "UnknownProvider");
    assert_eq!(outcome.fault("a/r", "worse"), "UnsupportedValue");
    assert_eq!(outcome.fault("a/r", "t"), "");
    let message = "there is no provider `nobody`";
    outcome.tells("a/r", "spec.targets[0].provider", Reason::UnknownProvider, message);
    let path = "spec.targets[1].parameters.drop[0]";
    outcome.tells("a/r", path, Reason::UnsupportedValue, "`mood`");
    let tiers = &outcome.route("a/r").expect("served").tiers;
    assert_eq!(tiers.len(), 1);
    assert_eq!(tiers[0].members, [2]);
    let refs = outcome.condition(Kind::ModelRoute, "a/r", ConditionType::ResolvedRefs);
    assert!(!refs.holds);
    assert!(outcome.condition(Kind::ModelRoute, "a/r", ConditionType::Programmed).holds);
}

#[test]
fn a_route_without_a_usable_target_is_served_with_a_reason() {
    let outcome = served(one(&json!({ "name": "t", "provider": "nobody" })));
    assert!(outcome.asks("a", "gpt").is_some());
    assert!(outcome.route("a/r").expect("served").tiers.is_empty());
    let text = format!("{:?}", outcome.target("a/r", "t").resolution);
    assert!(text.contains("ModelRoute a/r: spec.targets[0].provider: there is no provider"));
}

#[test]
fn tiers_go_by_priority_and_leave_out_weight_zero() {
    let with = |name: &str, priority: i32, weight: i32| json!({ "name": name, "provider": "openai", "priority": priority, "weight": weight });
    let outcome = served(json!({ "targets": [
        with("c", 2, 1), with("a", 0, 10), with("hidden", 0, 0), with("b", 0, 5)] }));
    let tiers = &outcome.route("a/r").expect("served").tiers;
    let shape: Vec<_> = tiers.iter().map(|tier| (tier.priority, tier.members.clone())).collect();
    assert_eq!(shape, [(0, vec![1, 3]), (2, vec![0])]);
    assert_eq!(outcome.fault("a/r", "hidden"), "", "it can still be picked");
}

#[test]
fn a_keyless_target_of_a_vendor_is_allowed_with_a_warning() {
    let outcome = served(one(&json!({ "name": "t", "provider": "openai" })));
    assert!(upstream(&outcome).keys.is_none());
    let path = "spec.targets[0].credentialRef";
    outcome.tells("a/r", path, Reason::NoCredential, "name a CredentialStore");
    assert_eq!(outcome.errors(), Vec::<String>::new());
    assert!(outcome.condition(Kind::ModelRoute, "a/r", ConditionType::ResolvedRefs).holds);
    assert!(served(one(&target())).0.findings.is_empty(), "a server of one's own needs none");
}

#[test]
fn without_a_model_the_clients_name_is_asked_for() {
    assert_eq!(upstream(&served(one(&target()))).model, None);
    let mut named = target();
    named["model"] = json!("llama");
    assert_eq!(upstream(&served(one(&named))).model.as_deref(), Some("llama"));
}

#[test]
fn nothing_said_means_what_is_built_in() {
    let outcome = served(one(&target()));
    let route = outcome.route("a/r").expect("served");
    assert_eq!(upstream(&outcome).timeouts, Timeouts::BUILT_IN);
    assert_eq!(upstream(&outcome).breaker, crate::state::BreakerPolicy::built_in());
    assert!(upstream(&outcome).parameters.is_empty());
    assert_eq!(route.commit_after, Duration::from_secs(20));
    assert_eq!(route.request_timeout, Timeouts::BUILT_IN.request);
    assert!(!route.target_selection);
}

#[test]
fn timeouts_are_the_targets_then_the_routes_then_built_in() {
    let mut own = target();
    own["timeouts"] = json!({ "connect": "1s", "firstToken": "2s" });
    let mut spec = one(&own);
    spec["timeouts"] = json!({ "firstToken": "7s", "idle": "8s", "request": "1m" });
    let timeouts = upstream(&served(spec)).timeouts;
    let expected = Timeouts {
        connect: Duration::from_secs(1),
        first_token: Some(Duration::from_secs(2)),
        idle: Duration::from_secs(8),
        request: Duration::from_secs(60),
        ..Timeouts::BUILT_IN
    };
    assert_eq!(timeouts, expected);
}

#[test]
fn a_limit_that_is_off_lasts_as_long_as_the_request() {
    let mut spec = one(&target());
    spec["timeouts"] = json!({ "firstToken": "0s", "response": "0s", "request": "7m" });
    let timeouts = upstream(&served(spec)).timeouts;
    assert_eq!(timeouts.first_token, Some(Duration::from_secs(420)));
    assert_eq!(timeouts.response, Some(Duration::from_secs(420)));
}

#[test]
fn breakers_merge_field_by_field() {
    let mut own = target();
    own["circuitBreaker"] =
        json!({ "failureThreshold": 2, "permanentFailures": { "statusCodes": [410] } });
    let mut spec = one(&own);
    spec["circuitBreaker"] = json!({ "failureThreshold": 9, "resetTimeout": "1m",
        "permanentFailures": { "statusCodes": [451], "patterns": ["gone"] } });
    let breaker = &upstream(&served(spec)).breaker.clone();
    assert_eq!(breaker.failure_threshold, 2);
    assert_eq!(breaker.reset_timeout, Duration::from_secs(60));
    assert_eq!(breaker.permanent_status_codes, [410]);
    assert_eq!(breaker.permanent_patterns, [Box::from("gone")]);
    assert_eq!(breaker.min_requests, 10);
}

#[test]
fn a_health_check_is_made_of_what_is_said_and_the_rest_is_built_in() {
    assert!(upstream(&served(one(&target()))).health_check.is_none());
    let mut checked = target();
    checked["healthCheck"] = json!({ "path": "/v2/health/ready?deep=true" });
    let outcome = served(one(&checked));
    let check = upstream(&outcome).health_check.clone().expect("it is asked for");
    assert_eq!(check.path, "/v2/health/ready?deep=true");
    assert_eq!((check.interval, check.timeout), (HealthCheck::INTERVAL, HealthCheck::TIMEOUT));
    assert_eq!((check.thresholds, check.authenticated), (HealthCheck::THRESHOLDS, false));
    checked["healthCheck"] = json!({ "path": "/", "interval": "1m", "timeout": "2s",
        "unhealthyThreshold": 5, "healthyThreshold": 2, "authentication": "Target" });
    let outcome = served(one(&checked));
    let check = upstream(&outcome).health_check.clone().expect("it is asked for");
    assert_eq!((check.interval.as_secs(), check.timeout.as_secs()), (60, 2));
    assert_eq!((check.thresholds.unhealthy, check.thresholds.healthy), (5, 2));
    assert!(check.authenticated);
}

#[test]
fn what_a_target_says_of_a_parameter_replaces_what_the_route_says() {
    let mut own = target();
    own["parameters"] = json!({ "defaults": { "temperature": 0.5, "seed": 1 }, "drop": ["topP"] });
    own["rawParameters"] = json!({ "min_p": 0.1 });
    let mut spec = one(&own);
    spec["parameters"] = json!({
        "defaults": { "topP": 0.9, "maxOutputTokens": 10 },
        "overrides": { "temperature": 1.0 },
        "drop": ["seed", "stop"]
    });
    let outcome = served(spec);
    let parameters = &upstream(&outcome).parameters;
    assert_eq!(
        Value::Object(parameters.defaults.clone()),
        json!({ "maxOutputTokens": 10, "temperature": 0.5, "seed": 1 })
    );
    assert!(parameters.overrides.is_empty());
    assert_eq!(parameters.drop, ["stop", "topP"]);
    assert_eq!(Value::Object(parameters.raw.clone()), json!({ "min_p": 0.1 }));
}

#[test]
fn targets_that_are_one_thing_share_one_memory() {
    let mut world = World::new();
    let with = |model: Option<&str>, url: &str| {
        let mut target = json!({ "name": "t", "provider": "vllm", "baseURL": url });
        if let Some(model) = model {
            target["model"] = json!(model);
        }
        json!({ "targets": [target] })
    };
    world.route("a/one", with(Some("llama"), "https://v.example/v1"));
    world.route("a/same", with(Some("llama"), "https://v.example/v1/"));
    world.route("a/llama", with(None, "https://v.example/v1"));
    world.route("a/model", with(Some("other"), "https://v.example/v1"));
    world.route("a/url", with(Some("llama"), "https://w.example/v1"));
    world.route("b/tenant", with(Some("llama"), "https://v.example/v1"));
    let outcome = world.compile();
    let state =
        |route: &str| outcome.target(route, "t").upstream().expect("resolved").state.clone();
    let first = state("a/one");
    assert!(Arc::ptr_eq(&first, &state("a/same")));
    assert!(Arc::ptr_eq(&first, &state("a/llama")), "asked for by its name alone");
    for other in ["a/model", "a/url", "b/tenant"] {
        assert!(!Arc::ptr_eq(&first, &state(other)), "{other}");
    }
}

#[test]
fn a_finding_reads_as_object_field_and_advice() {
    let outcome = served(one(&json!({ "name": "t", "provider": "ollama" })));
    assert_eq!(
        outcome.0.findings[0].to_string(),
        "ModelRoute a/r: spec.targets[0].baseURL: is required: provider `ollama` has no public address"
    );
}

#[test]
fn limits_are_the_targets_own() {
    let mut own = target();
    assert_eq!(upstream(&served(one(&own))).limits, TargetLimits::NONE);
    own["limits"] = json!({ "maxConcurrent": 8, "tokensPerMinute": 5_000_000_000_i64 });
    let expected = TargetLimits {
        max_concurrent: Some(8),
        tokens_per_minute: Some(5_000_000_000),
        ..TargetLimits::NONE
    };
    assert_eq!(upstream(&served(one(&own))).limits, expected);
    own["limits"] = json!({ "requestsPerMinute": 5, "maxQueue": 7, "queueTimeout": "1s" });
    let expected = TargetLimits {
        requests_per_minute: Some(5),
        max_queue: 7,
        queue_timeout: Duration::from_secs(1),
        ..TargetLimits::NONE
    };
    assert_eq!(upstream(&served(one(&own))).limits, expected);
}

#[test]
fn a_session_is_looked_for_only_where_it_can_decide_something() {
    let affinity = |targets: Value, balancing: Value| {
        let spec = json!({ "targets": targets, "loadBalancing": balancing });
        served(spec).route("a/r").expect("served").affinity.clone()
    };
    let other = |priority: i32| json!({ "name": "u", "provider": "openai", "priority": priority });
    let (pair, tiers) = (json!([target(), other(0)]), json!([target(), other(1)]));
    assert_eq!(affinity(pair.clone(), json!({})), Some(Affinity::Auto));
    assert_eq!(affinity(tiers, json!({})), None);
    for (said, expected) in [
        (json!({ "type": "None" }), None),
        (json!({ "type": "Consumer" }), Some(Affinity::Consumer)),
        (json!({ "type": "User" }), Some(Affinity::User)),
        (
            json!({ "type": "Header", "header": { "name": "X-Conversation" } }),
            Some(Affinity::Header(http::HeaderName::from_static("x-conversation"))),
        ),
    ] {
        assert_eq!(affinity(pair.clone(), json!({ "sessionAffinity": said })), expected);
    }
}

#[test]
fn the_mark_is_who_answers_and_the_name() {
    let mark = |target: Value| served(one(&target)).target("a/r", "t").mark;
    let (same, mut tuned, mut moved) = (target(), target(), target());
    tuned["weight"] = json!(7);
    tuned["limits"] = json!({ "maxConcurrent": 8 });
    moved["baseURL"] = json!("https://other.example/v1");
    assert_eq!(mark(same), mark(tuned), "tuning moves no session");
    assert_ne!(mark(target()), mark(moved));
}
