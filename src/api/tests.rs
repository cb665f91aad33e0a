use std::collections::BTreeSet;

use kube::core::cel::Validator;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

fn schema(kind: &str) -> Value {
    let crd = crds(&["Weighted", "RoundRobin"])
        .into_iter()
        .find(|crd| crd.spec.names.kind == kind)
        .expect("a definition of that kind");
    let schema = crd.spec.versions[0].schema.clone().and_then(|schema| schema.open_api_v3_schema);
    serde_json::to_value(schema.expect("a schema")).expect("plain data")
}

fn messages(kind: &str, spec: &Value) -> Vec<String> {
    let object = json!({ "metadata": { "name": "x" }, "spec": spec });
    match Validator::new().validate_with_defaults(&schema(kind), &object, None) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.into_vec().into_iter().map(|error| error.message).collect(),
    }
}

fn refused(kind: &str, mut spec: Value, path: &str, value: Value, message: &str) {
    assert_eq!(messages(kind, &spec), Vec::<String>::new(), "the starting point is fine");
    let (parent, field) = path.rsplit_once('/').expect("a pointer");
    let shown = value.to_string();
    spec.pointer_mut(parent).expect("the parent is there")[field] = value;
    let found = messages(kind, &spec);
    assert!(
        found.iter().any(|text| text.contains(message)),
        "{kind} {path} = {shown}: expected `{message}`, found {found:?}"
    );
}

fn route() -> Value {
    json!({ "targets": [{ "name": "a", "provider": "openai", "timeouts": {}, "circuitBreaker": {
        "permanentFailures": {} } }], "timeouts": {}, "streaming": {}, "parameters": {} })
}

fn store() -> Value {
    json!({ "type": "APIKey", "apiKey": { "keys": [
        { "name": "a", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } }
    ] } })
}

fn consumer() -> Value {
    json!({ "apiKeys": [{ "name": "a", "sha256": "0".repeat(64) }], "allowedModels": ["*"] })
}

#[test]
fn a_model_name_may_hold_one_star_at_an_end() {
    let message = "an entry is an exact name, or holds one `*` at its start or its end";
    for bad in ["g*t", "*gpt*", "**", "g**"] {
        refused("ModelRoute", route(), "/models", json!([bad]), message);
        refused("Consumer", consumer(), "/allowedModels", json!([bad]), message);
    }
    for good in ["*", "gpt-*", "*-latest", "gpt-4o:2024"] {
        let mut spec = route();
        spec["models"] = json!([good]);
        assert!(messages("ModelRoute", &spec).is_empty(), "{good}");
    }
}

#[test]
fn limits_that_must_not_be_off_refuse_zero() {
    let message = "must be longer than 0s";
    for field in ["connect", "idle", "thinkingIdle"] {
        refused("ModelRoute", route(), &format!("/timeouts/{field}"), json!("0s"), message);
        let path = format!("/targets/0/timeouts/{field}");
        refused("ModelRoute", route(), &path, json!("0h0ms"), message);
    }
    for path in [
        "/timeouts/request",
        "/streaming/commitAfter",
        "/targets/0/circuitBreaker/monitoringWindow",
        "/targets/0/circuitBreaker/resetTimeout",
        "/targets/0/circuitBreaker/permanentFailures/baseTimeout",
    ] {
        refused("ModelRoute", route(), path, json!("0s"), message);
    }
    let mut spec = route();
    spec["timeouts"] = json!({ "firstToken": "0s", "response": "0s" });
    assert!(messages("ModelRoute", &spec).is_empty(), "these two may be off");
}

#[test]
fn a_base_url_is_a_plain_http_url() {
    for (bad, message) in [
        ("ftp://x", "must begin with https:// or http://"),
        ("api.example.com", "must begin with https:// or http://"),
        ("https://x?a=b", "must not hold a query or a fragment"),
        ("https://x#a", "must not hold a query or a fragment"),
        ("https://u:p@x", "must not hold a user name or password: use credentialRef"),
    ] {
        refused("ModelRoute", route(), "/targets/0/baseURL", json!(bad), message);
    }
    let mut spec = route();
    spec["targets"][0]["baseURL"] = json!("https://example.com/a@b/v1");
    assert!(messages("ModelRoute", &spec).is_empty());
}

#[test]
fn a_dropped_parameter_is_not_set_in_the_same_breath() {
    let message = "a parameter in `drop` must not be in `defaults` or `overrides` too";
    for (place, name, value) in [
        ("defaults", "topK", json!(4)),
        ("overrides", "stop", json!(["x"])),
        ("overrides", "temperature", json!(0.5)),
    ] {
        let parameters = json!({ "drop": [name], place: { name: value } });
        refused("ModelRoute", route(), "/parameters", parameters.clone(), message);
        refused("ModelRoute", route(), "/targets/0/parameters", parameters, message);
    }
    let mut spec = route();
    spec["parameters"] = json!({ "drop": ["topK"], "defaults": { "topP": 0.5 } });
    assert!(messages("ModelRoute", &spec).is_empty());
}

#[test]
fn a_choice_of_namespaces_is_a_union() {
    for (kind, spec) in [("ModelRoute", route()), ("CredentialStore", store())] {
        for (choice, message) in [
            (json!({ "names": ["a"] }), "`names` is set if and only if `from` is Names"),
            (json!({ "from": "Names" }), "`names` is set if and only if `from` is Names"),
            (
                json!({ "from": "Same", "names": ["a"] }),
                "`names` is set if and only if `from` is Names",
            ),
            (json!({ "from": "Selector" }), "`selector` is set if and only if `from` is Selector"),
            (
                json!({ "from": "All", "selector": { "matchLabels": { "a": "b" } } }),
                "`selector` is set if and only if `from` is Selector",
            ),
            (json!({ "from": "Selector", "selector": {} }), "must not be empty"),
            (json!({ "from": "Selector", "selector": { "matchLabels": {} } }), "must not be empty"),
            (
                json!({ "from": "Selector", "selector": { "matchExpressions": [
                    { "key": "a", "operator": "In" }] } }),
                "`values` must be given with In and NotIn",
            ),
            (
                json!({ "from": "Selector", "selector": { "matchExpressions": [
                    { "key": "a", "operator": "Exists", "values": ["b"] }] } }),
                "`values` must be given with In and NotIn",
            ),
        ] {
            refused(kind, spec.clone(), "/allowedNamespaces", choice, message);
        }
    }
}

#[test]
fn a_store_holds_what_its_type_says() {
    refused_without(
        "CredentialStore",
        store(),
        "/apiKey",
        "`apiKey` is set if and only if `type` is APIKey",
    );
}

fn refused_without(kind: &str, mut spec: Value, path: &str, message: &str) {
    let (parent, field) = path.rsplit_once('/').expect("a pointer");
    let parent = if parent.is_empty() { Some(&mut spec) } else { spec.pointer_mut(parent) };
    parent.and_then(Value::as_object_mut).expect("an object").remove(field);
    let found = messages(kind, &spec);
    assert!(found.iter().any(|text| text.contains(message)), "{kind} without {path}: {found:?}");
}

#[test]
fn a_value_comes_from_exactly_one_place() {
    let message = "set exactly one of `secretKeyRef`, `env` and `file`";
    let path = "/apiKey/keys/0/valueFrom";
    refused("CredentialStore", store(), path, json!({}), message);
    let two = json!({ "env": { "name": "A" }, "file": { "path": "a" } });
    refused("CredentialStore", store(), path, two, message);

    let message = "set exactly one of `valueFrom` and `sha256`";
    refused("Consumer", consumer(), "/apiKeys", json!([{ "name": "a" }]), message);
    let source = json!({ "secretKeyRef": { "name": "s", "key": "k" } });
    refused("Consumer", consumer(), "/apiKeys/0/valueFrom", source, message);
}

#[test]
fn a_file_stays_in_its_directory() {
    let message = "must be relative to the credential directory and must not hold `..`";
    for bad in ["/etc/passwd", "..", "../a", "a/../../b", "a/.."] {
        let source = json!({ "file": { "path": bad } });
        refused("CredentialStore", store(), "/apiKey/keys/0/valueFrom", source, message);
    }
    let mut spec = store();
    spec["apiKey"]["keys"][0]["valueFrom"] = json!({ "file": { "path": "a..b/c" } });
    assert!(messages("CredentialStore", &spec).is_empty());
}

#[test]
fn an_allowed_host_has_no_scheme_and_no_path() {
    let message = "an entry is `host`, `host:port`, `*.suffix`, `*.suffix:port` or";
    for bad in ["https://a.example", "a.example/v1", "*", "a.*.example", "a.example:", "a b"] {
        refused("CredentialStore", store(), "/allowedHosts", json!([bad]), message);
    }
    let mut spec = store();
    spec["allowedHosts"] = json!([
        "a.example",
        "a.example:8443",
        "*.a.example",
        "10.0.0.1:80",
        "[::1]:80",
        "vllm",
        "service/ai/vllm"
    ]);
    assert_eq!(messages("CredentialStore", &spec), Vec::<String>::new());
}

#[test]
fn a_digest_is_lower_case_hex() {
    let message = "must be 64 lower-case hex digits";
    for bad in ["A".repeat(64), "0".repeat(63), format!("{} -", "0".repeat(64))] {
        refused("Consumer", consumer(), "/apiKeys/0/sha256", json!(bad), message);
    }
}

#[test]
fn schemas_are_structural_and_bounded() {
    for kind in ["ModelRoute", "CredentialStore", "Consumer"] {
        check_shape(&schema(kind)["properties"]["spec"], kind);
    }
}

/// Every node has a type; every list, map and string that a user fills has a maximum size.
fn check_shape(schema: &Value, path: &str) {
    assert!(schema.get("nullable").is_none(), "{path} takes null");
    assert!(schema.get("oneOf").is_none() && schema.get("anyOf").is_none(), "{path} is a union");
    assert!(schema["description"].is_string() || path.ends_with("[]"), "{path} is not explained");
    match schema["type"].as_str() {
        Some("object") => {
            let bounded = schema.get("maxProperties").is_some();
            assert!(schema.get("properties").is_some() || bounded, "{path} has no maximum size");
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                check_shape(property, &format!("{path}.{name}"));
            }
        }
        Some("array") => {
            assert!(schema["maxItems"].is_number(), "{path} has no maximum size");
            assert!(schema["x-kubernetes-list-type"].is_string(), "{path} has no list type");
            check_shape(&schema["items"], &format!("{path}[]"));
        }
        Some("string") => {
            let bounded = schema["maxLength"].is_number() || schema["enum"].is_array();
            assert!(bounded, "{path} has no maximum size");
        }
        Some("integer" | "number" | "boolean") => {}
        None if schema["x-kubernetes-int-or-string"] == true => {
            assert!(schema["maxLength"].is_number(), "{path} has no maximum size");
        }
        other => panic!("{path} has the type {other:?}"),
    }
}

#[test]
fn rules_do_not_nest_loops() {
    fn walk(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("rule").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| walk(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let mut rules = Vec::new();
    for kind in ["ModelRoute", "CredentialStore", "Consumer"] {
        walk(&schema(kind), &mut rules);
    }
    assert!(rules.len() > 10);
    for rule in rules {
        let loops = [".all(", ".exists(", ".exists_one(", ".map(", ".filter("];
        let count: usize = loops.iter().map(|word| rule.matches(word).count()).sum();
        assert!(count <= 1, "{rule}");
    }
}

#[test]
fn definitions_are_named_as_people_type_them() {
    let names: Vec<_> = crds(&[]).into_iter().map(|crd| (crd.metadata.name, crd.spec)).collect();
    let short: Vec<_> =
        names.iter().filter_map(|(_, spec)| spec.names.short_names.clone()).flatten().collect();
    assert_eq!(short, ["mr", "creds", "con"]);
    for (name, spec) in names {
        assert_eq!(name, Some(format!("{}.{GROUP}", spec.names.plural)));
        assert_eq!(spec.group, GROUP);
        assert_eq!(spec.versions[0].name, VERSION);
        assert_eq!(spec.scope, "Namespaced");
        assert_eq!(spec.names.categories, Some(vec!["ai".to_owned()]));
        assert!(spec.versions[0].subresources.as_ref().is_some_and(|s| s.status.is_some()));
    }
}

#[test]
fn the_strategies_are_those_that_were_given() {
    let schema = schema("ModelRoute");
    let strategy =
        &schema["properties"]["spec"]["properties"]["loadBalancing"]["properties"]["strategy"];
    assert_eq!(strategy["enum"], json!(["Weighted", "RoundRobin"]));
}

#[test]
fn policy_that_a_target_may_override_has_no_defaults() {
    fn defaults(value: &Value, path: &str, found: &mut BTreeSet<String>) {
        for (name, property) in value["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            if property.get("default").is_some() {
                found.insert(path.clone());
            }
            defaults(property, &path, found);
            defaults(&property["items"], &path, found);
        }
    }
    let mut found = BTreeSet::new();
    defaults(&schema("ModelRoute")["properties"]["spec"], "", &mut found);
    let expected = [
        ".allowedNamespaces.from",
        ".gateway",
        ".targetSelection",
        ".targets.compatibility",
        ".targets.healthCheck.authentication",
        ".targets.priority",
        ".targets.service.metrics.authentication",
        ".targets.weight",
    ];
    assert_eq!(found, expected.map(str::to_owned).into());
}

fn round_trip<T: Serialize + DeserializeOwned>(spec: &Value) {
    let read: T = serde_json::from_value(spec.clone()).expect("it can be read");
    assert_eq!(&serde_json::to_value(read).expect("it can be written"), spec);
}

#[test]
fn what_is_read_is_written_again_without_nulls() {
    round_trip::<ModelRouteSpec>(&json!({
        "gateway": "default", "models": ["a", "b-*"], "targetSelection": "Allowed",
        "allowedNamespaces": { "from": "Selector", "selector": { "matchLabels": { "a": "b" } } },
        "targets": [{
            "name": "t", "provider": "openai", "model": "gpt", "priority": 1, "weight": 5,
            "credentialRef": { "name": "c", "namespace": "n" }, "baseURL": "https://x/v1",
            "timeouts": { "connect": "1s", "firstToken": "0s" },
            "rawParameters": { "a": { "b": [1, null] } }, "compatibility": "Strict"
        }],
        "loadBalancing": { "strategy": "RoundRobin" }, "streaming": { "commitAfter": "20s" },
        "timeouts": { "request": "10m" },
        "circuitBreaker": { "failureThreshold": 3, "permanentFailures": { "statusCodes": [410] } },
        "parameters": { "defaults": { "temperature": 0.5, "maxOutputTokens": 5 }, "drop": ["seed"] }
    }));
    round_trip::<CredentialStoreSpec>(&json!({
        "gateway": "default", "type": "APIKey", "allowedHosts": ["a.example"],
        "apiKey": { "selection": "InOrder", "keys": [
            { "name": "k", "priority": 0, "valueFrom": { "env": { "name": "A" } } }] }
    }));
    round_trip::<ConsumerSpec>(&json!({
        "gateway": "g", "allowedModels": ["*"], "disabled": false,
        "apiKeys": [{ "name": "k", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } }]
    }));
}
