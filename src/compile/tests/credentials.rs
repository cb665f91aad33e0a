//! Whose keys are used by whom, and where they come from.

use serde_json::{Value, json};

use super::world::{Outcome, object};
use super::{World, consumer, key_store, route};
use crate::api::{ConditionType, Kind, Reason};
use crate::compile::{AmbientSource, Details};
use crate::table::{KeySelection, Proof};

fn with_keys(store: &str) -> Value {
    let (namespace, name) = store.split_once('/').expect("namespace/name");
    json!({ "models": ["gpt"], "targets": [{
        "name": "t", "provider": "openai", "model": "gpt",
        "credentialRef": { "name": name, "namespace": namespace }
    }] })
}

fn keys_of(outcome: &Outcome, route: &str) -> Vec<String> {
    let upstream = outcome.target(route, "t").upstream().expect("resolved");
    let pool = upstream.keys.as_ref().expect("keys");
    pool.keys.iter().map(|key| key.name.to_string()).collect()
}

#[test]
fn what_can_be_no_name_of_a_secret_is_never_asked_for() {
    for name in ["../a/secrets/key", "a/key", "key,metadata.namespace=a", "key?x=", "Key", "-key"] {
        let mut world = World::new();
        let mut store = key_store();
        store["apiKey"]["keys"][0]["valueFrom"]["secretKeyRef"]["name"] = json!(name);
        world.store("b/s", store);
        let outcome = world.compile();
        let path = "spec.apiKey.keys[0].valueFrom.secretKeyRef.name";
        outcome.tells("b/s", path, Reason::SecretNotFound, "no Secret can be named");
        assert!(outcome.0.references.secrets.is_empty(), "{name}");
    }
}

#[test]
fn a_store_of_the_own_namespace_is_used() {
    let mut world = World::new();
    world.secret("a/keys", "key", "sk-test\n");
    world.store("a/s", key_store());
    world.route("a/r", with_keys("a/s"));
    let outcome = world.compile();
    assert_eq!(outcome.errors(), Vec::<String>::new());
    let upstream = outcome.target("a/r", "t").upstream().expect("resolved");
    let key = upstream.keys.as_ref().expect("keys").keys[0].clone();
    let Proof::Header { bearer, plain } = &key.proof else { panic!("{key:?}") };
    assert_eq!(bearer.as_bytes(), b"Bearer sk-test", "without the newline");
    assert!(plain.is_sensitive());
}

#[test]
fn a_missing_and_a_forbidden_store_look_the_same() {
    let mut world = World::new();
    world.secret("b/keys", "key", "sk-test");
    world.store("b/there", key_store());
    world.route("a/forbidden", with_keys("b/there"));
    world.route("a/missing", with_keys("b/gone"));
    let outcome = world.compile();
    let messages: Vec<_> = outcome
        .0
        .findings
        .iter()
        .map(|found| (found.reason, found.path.as_str(), found.message.replace("there`", "gone`")))
        .collect();
    assert_eq!(messages.len(), 2 + 1, "and a conflict between the two routes");
    assert_eq!(outcome.fault("a/forbidden", "t"), "RefNotPermitted");
    assert_eq!(outcome.fault("a/missing", "t"), "RefNotPermitted");
    let refs: Vec<_> =
        messages.into_iter().filter(|(reason, ..)| *reason == Reason::RefNotPermitted).collect();
    assert_eq!(refs[0], refs[1]);
    assert_eq!(refs[0].1, "spec.targets[0].credentialRef.name");
}

#[test]
fn a_store_of_another_namespace_needs_its_grant() {
    for (grant, fault) in [
        (json!({ "from": "Same" }), "RefNotPermitted"),
        (json!({ "from": "Names", "names": ["c"] }), "RefNotPermitted"),
        (json!({ "from": "Names", "names": ["a"] }), ""),
        (json!({ "from": "All" }), ""),
        (json!({ "from": "Selector", "selector": { "matchLabels": { "team": "x" } } }), ""),
        (
            json!({ "from": "Selector", "selector": { "matchLabels": { "team": "y" } } }),
            "RefNotPermitted",
        ),
    ] {
        let mut world = World::new();
        world.labels("a", &[("team", "x")]);
        world.secret("b/keys", "key", "sk-test");
        let mut store = key_store();
        store["allowedNamespaces"] = grant.clone();
        world.store("b/s", store);
        world.route("a/r", with_keys("b/s"));
        assert_eq!(world.compile().fault("a/r", "t"), fault, "{grant}");
    }
}

#[test]
fn a_withdrawn_grant_acts_at_once() {
    let mut world = World::new();
    world.secret("b/keys", "key", "sk-test");
    let mut store = key_store();
    store["allowedNamespaces"] = json!({ "from": "All" });
    world.store("b/s", store);
    world.route("a/r", with_keys("b/s"));
    assert_eq!(world.compile().fault("a/r", "t"), "");
    world.store("b/s", key_store());
    assert_eq!(world.compile().fault("a/r", "t"), "RefNotPermitted");
}

#[test]
fn a_secret_is_only_taken_from_the_stores_own_namespace() {
    let mut world = World::new();
    world.secret("b/keys", "key", "sk-of-b");
    world.no_secret("a/keys");
    world.store("a/s", key_store());
    world.route("a/r", with_keys("a/s"));
    let outcome = world.compile();
    assert_eq!(outcome.fault("a/r", "t"), "NoUsableKey");
    assert!(outcome.0.references.secrets.contains(&object("a/keys")));
    assert!(!outcome.0.references.secrets.contains(&object("b/keys")));
}

#[test]
fn env_and_file_are_for_the_namespace_that_the_operator_chose() {
    let env = json!({ "type": "APIKey", "apiKey": { "keys": [
        { "name": "a", "valueFrom": { "env": { "name": "GATEWAY_KEY" } } }] } });
    let mut world = World::new();
    world.env("GATEWAY_KEY", "sk-env");
    world.store("a/s", env.clone());
    world.store("ops/s", env);
    world.route("a/r", with_keys("a/s"));
    world.route("ops/r", with_keys("ops/s"));

    let outcome = world.compile();
    assert_eq!(outcome.fault("ops/r", "t"), "NoUsableKey", "no namespace is chosen by default");
    assert!(outcome.0.references.ambient.is_empty(), "nor is anything read");

    world.tenancy.ambient_namespace = Some("ops".into());
    let outcome = world.compile();
    assert_eq!(outcome.fault("a/r", "t"), "NoUsableKey");
    assert_eq!(outcome.fault("ops/r", "t"), "");
    let path = "spec.apiKey.keys[0].valueFrom";
    outcome.tells("a/s", path, Reason::AmbientNotPermitted, "use `secretKeyRef`");
    let wanted = AmbientSource::Env("GATEWAY_KEY".into());
    assert_eq!(outcome.0.references.ambient, [wanted].into());

    world.tenancy.ambient_namespace = None;
    world.tenancy.operator_owned = true;
    assert_eq!(world.compile().fault("a/r", "t"), "", "files belong to the operator");
}

#[test]
fn a_file_outside_the_directory_is_never_asked_for() {
    for path in ["/etc/shadow", "../up", "a/../../b", ""] {
        let mut world = World::new();
        world.tenancy.operator_owned = true;
        world.store(
            "a/s",
            json!({ "type": "APIKey", "apiKey": { "keys": [
                { "name": "a", "valueFrom": { "file": { "path": path } } }] } }),
        );
        let outcome = world.compile();
        assert!(outcome.0.references.ambient.is_empty(), "{path}");
        let field = "spec.apiKey.keys[0].valueFrom.file.path";
        outcome.tells("a/s", field, Reason::Invalid, "relative");
    }
}

#[test]
fn one_bad_key_does_not_stop_the_others() {
    let mut world = World::new();
    world.secret("a/keys", "good", "sk-good");
    world.secret("a/odd", "key", "two\nlines");
    world.secret("a/empty", "key", "\n");
    let key = |name: &str, secret: &str, entry: &str, priority: i32| {
        json!({ "name": name, "priority": priority,
            "valueFrom": { "secretKeyRef": { "name": secret, "key": entry } } })
    };
    world.no_secret("a/gone");
    world.store(
        "a/s",
        json!({ "type": "APIKey", "apiKey": { "selection": "RoundRobin", "keys": [
            key("late", "keys", "good", 5), key("gone", "gone", "k", 0), key("odd", "odd", "key", 0),
            key("empty", "empty", "key", 0), key("wrong", "keys", "bad", 0),
            key("unread", "unread", "k", 0), key("early", "keys", "good", 1),
            key("early", "keys", "good", 1), { "name": "none", "valueFrom": {} }
        ] } }),
    );
    world.route("a/r", with_keys("a/s"));
    let outcome = world.compile();
    assert_eq!(keys_of(&outcome, "a/r"), ["early", "late"], "by priority");
    let upstream = outcome.target("a/r", "t").upstream().expect("resolved");
    assert_eq!(upstream.keys.as_ref().expect("keys").selection, KeySelection::RoundRobin);
    let path = |index: usize, rest: &str| format!("spec.apiKey.keys[{index}]{rest}");
    for (index, rest, reason, message) in [
        (1, ".valueFrom.secretKeyRef.name", Reason::SecretNotFound, "no Secret `gone`"),
        (2, ".valueFrom", Reason::InvalidKey, "no HTTP header can"),
        (3, ".valueFrom", Reason::InvalidKey, "empty"),
        (4, ".valueFrom.secretKeyRef.key", Reason::SecretNotFound, "no key `bad`"),
        (5, ".valueFrom.secretKeyRef.name", Reason::Pending, "not been read yet"),
        (7, ".name", Reason::Invalid, "names must differ"),
        (8, ".valueFrom", Reason::Invalid, "exactly one"),
    ] {
        outcome.tells("a/s", &path(index, rest), reason, message);
    }
    let ready = outcome.condition(Kind::CredentialStore, "a/s", ConditionType::Ready);
    assert!(ready.holds, "it can be used");
    let Details::Store { keys } = &outcome.report(Kind::CredentialStore, "a/s").details else {
        panic!("a store")
    };
    assert_eq!(keys.iter().filter(|key| key.fault.is_some()).count(), 7);
}

#[test]
fn a_store_with_an_unknown_field_is_refused() {
    let mut world = World::new();
    world.secret("a/keys", "key", "sk-test");
    let mut store = key_store();
    store["allowedHostz"] = json!(["only.example"]);
    store["allowedNamespaces"] = json!({ "from": "All" });
    world.store("a/s", store);
    world.route("a/r", with_keys("a/s"));
    world.route("b/r", with_keys("a/s"));
    let outcome = world.compile();
    assert_eq!(outcome.fault("a/r", "t"), "NoUsableKey");
    assert_eq!(outcome.fault("b/r", "t"), "RefNotPermitted", "its grant counts for nothing either");
    outcome.tells("a/s", "spec.allowedHostz", Reason::UnknownField, "check its spelling");
    assert!(outcome.0.references.secrets.is_empty(), "its Secret is not even read");
}

#[test]
fn a_broken_store_keeps_nothing_of_what_it_was() {
    let mut world = World::new();
    world.secret("a/keys", "key", "sk-test");
    world.store("a/s", key_store());
    world.route("a/r", with_keys("a/s"));
    assert_eq!(world.compile().fault("a/r", "t"), "");
    world.store("a/s", json!({ "type": "Vault" }));
    let outcome = world.compile();
    assert_eq!(outcome.fault("a/r", "t"), "NoUsableKey");
    outcome.tells("a/s", "spec.type", Reason::Invalid, "`APIKey`");
}

#[test]
fn a_key_that_was_put_in_the_wrong_field_is_not_repeated() {
    let secret = "sk-live-do-not-tell";
    let mut world = World::new();
    world.store(
        "a/s",
        json!({ "type": "APIKey", "apiKey": { "keys": [
            { "name": "a", "valueFrom": { "secretKeyRef": secret } }] } }),
    );
    world.consumer(
        "a/c",
        json!({ "allowedModels": ["*"], "apiKeys": [
        { "name": "a", "sha256": secret }, { "name": "b", "valueFrom": secret }] }),
    );
    let mut url = route(&["gpt"]);
    url["targets"][0]["baseURL"] = json!(format!("https://user:{secret}@vllm.example"));
    world.route("a/r", url);
    let outcome = world.compile();
    assert!(!format!("{:?}", outcome.0).contains(secret));
    let path = "spec.apiKey.keys[0].valueFrom.secretKeyRef";
    outcome.tells("a/s", path, Reason::Invalid, "must be an object");
    outcome.tells("a/r", "spec.targets[0].baseURL", Reason::Invalid, "use `credentialRef`");
}

#[test]
fn no_key_is_in_any_output() {
    let mut world = World::new();
    world.secret("a/keys", "key", "sk-live-do-not-tell");
    world.secret("a/token", "key", "sk-live-do-not-tell");
    world.store("a/s", key_store());
    world.consumer("a/c", consumer());
    world.route("a/r", with_keys("a/s"));
    let outcome = world.compile();
    assert_eq!(outcome.errors(), Vec::<String>::new());
    assert!(!format!("{:?} {:?}", outcome.0, world.snapshot).contains("do-not-tell"));
}

#[test]
fn a_rotated_key_is_used_with_a_memory_of_its_own() {
    let mut world = World::new();
    world.secret("a/keys", "key", "sk-one");
    world.store("a/s", key_store());
    world.route("a/r", with_keys("a/s"));
    let state_of = |outcome: &Outcome| {
        let upstream = outcome.target("a/r", "t").upstream().expect("resolved");
        upstream.keys.as_ref().expect("keys").keys[0].state.clone()
    };
    let first = state_of(&world.compile());
    assert!(std::sync::Arc::ptr_eq(&first, &state_of(&world.compile())), "the same key");
    world.secret("a/keys", "key", "sk-two");
    assert!(!std::sync::Arc::ptr_eq(&first, &state_of(&world.compile())), "another key");
}

#[test]
fn a_key_that_was_not_read_yet_is_no_mistake() {
    let mut world = World::new();
    world.store("a/s", key_store());
    world.route("a/r", with_keys("a/s"));
    let outcome = world.compile();
    assert_eq!(outcome.errors(), Vec::<String>::new());
    assert_eq!(outcome.fault("a/r", "t"), "Pending");
    assert!(!outcome.condition(Kind::CredentialStore, "a/s", ConditionType::Ready).holds);
    let refs = outcome.condition(Kind::ModelRoute, "a/r", ConditionType::ResolvedRefs);
    assert!(!refs.holds);
    assert_eq!(refs.reason, Reason::Pending);
}
