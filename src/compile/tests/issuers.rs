//! Stores of identities by which tokens are asked for: Google Cloud's and Azure's.

use std::sync::Arc;

use serde_json::{Value, json};

use super::World;
use super::world::Outcome;
use crate::api::Reason;
use crate::compile::Details;
use crate::credential::google::stand_in;
use crate::provider::Cloud;
use crate::table::{KeyPool, Proof};

fn google() -> Value {
    json!({ "type": "Google", "google": {
        "serviceAccountKey": { "secretKeyRef": { "name": "keys", "key": "key" } } } })
}

fn azure() -> Value {
    json!({ "type": "Azure", "azure": {
        "tenantId": "contoso.example", "clientId": "the-app",
        "clientSecret": { "secretKeyRef": { "name": "keys", "key": "key" } } } })
}

/// A world with a store `a/s`, and a route `a/r` that uses it for that provider.
fn world(store: Value, secret: &str, provider: &str, url: &str) -> World {
    let mut world = World::new();
    world.secret("a/keys", "key", secret);
    world.store("a/s", store);
    world.route(
        "a/r",
        json!({ "targets": [{ "name": "t", "provider": provider, "model": "m", "baseURL": url,
            "credentialRef": { "name": "s" } }] }),
    );
    world
}

const VERTEX: &str = "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/l";
const AZURE: &str = "https://res.openai.azure.com/openai/v1";

fn in_vertex(store: Value, secret: &str) -> World {
    world(store, secret, "vertex", VERTEX)
}

fn in_azure(store: Value, secret: &str) -> World {
    world(store, secret, "azure-openai", AZURE)
}

fn account_key() -> String {
    stand_in().expect("random numbers")
}

fn pool(outcome: &Outcome) -> Arc<KeyPool> {
    let target = outcome.target("a/r", "t");
    let upstream = target.upstream().unwrap_or_else(|| panic!("{:?}", outcome.0.findings));
    upstream.keys.clone().expect("an identity")
}

#[test]
fn a_service_account_is_an_identity_that_vertex_takes() {
    let outcome = in_vertex(google(), &account_key()).compile();
    assert_eq!(outcome.errors(), Vec::<String>::new());
    let pool = pool(&outcome);
    assert_eq!((pool.cloud, pool.keys.len()), (Some(Cloud::Google), 1));
    assert!(matches!(pool.keys[0].proof, Proof::Identity(_)) && &*pool.keys[0].name == "identity");
    let report = outcome.report(crate::api::Kind::CredentialStore, "a/s");
    let Details::Store { keys } = &report.details else { panic!("a store") };
    assert_eq!((keys[0].name.as_str(), keys[0].fault), ("identity", None));
}

#[test]
fn an_application_is_an_identity_that_azures_hosts_take() {
    for (provider, url) in [
        ("azure-openai", AZURE),
        ("azure-openai", "https://res.services.ai.azure.com/openai/v1"),
        ("azure-anthropic", "https://res.services.ai.azure.com/anthropic"),
    ] {
        let outcome = world(azure(), "s3cret", provider, url).compile();
        assert_eq!(outcome.errors(), Vec::<String>::new(), "{url}");
        assert_eq!(pool(&outcome).cloud, Some(Cloud::Azure));
    }
}

#[test]
fn no_other_provider_gets_a_token_without_being_listed() {
    let openai = "https://api.openai.com/v1";
    let mut world = world(azure(), "s3cret", "openai", openai);
    let outcome = world.compile();
    assert_eq!(outcome.fault("a/r", "t"), "DestinationNotAllowed");
    outcome.tells("a/r", "spec.targets[0].credentialRef", Reason::DestinationNotAllowed, "Azure");
    let mut store = azure();
    store["allowedHosts"] = json!(["api.openai.com"]);
    world.store("a/s", store);
    assert_eq!(world.compile().fault("a/r", "t"), "");
    let gemini = "https://generativelanguage.googleapis.com/v1beta";
    let mut world = self::world(google(), &account_key(), "gemini", gemini);
    assert_eq!(world.compile().fault("a/r", "t"), "DestinationNotAllowed");
}

#[test]
fn the_gateways_own_identity_is_for_the_namespace_that_the_operator_chose() {
    for (store, provider, url, path, instead) in [
        (
            json!({ "type": "Google", "google": {} }),
            "vertex",
            VERTEX,
            "spec.google",
            "`serviceAccountKey`",
        ),
        (
            json!({ "type": "Azure", "azure": { "clientId": "user-assigned" } }),
            "azure-openai",
            AZURE,
            "spec.azure",
            "`clientSecret`",
        ),
    ] {
        let mut world = world(store, "", provider, url);
        let outcome = world.compile();
        assert_eq!(outcome.fault("a/r", "t"), "NoUsableKey");
        outcome.tells("a/s", path, Reason::AmbientNotPermitted, instead);
        world.tenancy.ambient_namespace = Some("b".into());
        assert_eq!(world.compile().fault("a/r", "t"), "NoUsableKey");
        world.tenancy.ambient_namespace = Some("a".into());
        assert_eq!(world.compile().fault("a/r", "t"), "");
        world.tenancy.ambient_namespace = None;
        world.tenancy.operator_owned = true;
        assert_eq!(world.compile().fault("a/r", "t"), "");
    }
}

#[test]
fn a_tenants_key_does_not_send_the_gateway_about() {
    // Nobody is asked for what a service account signs itself, wherever its key says to ask
    // (`credential::google`).
    let path = "spec.google.serviceAccountKey";
    // A file that would make the gateway read its own files and ask any URL.
    let external = json!({ "type": "external_account", "credential_source": { "file": "/etc/x" } });
    let outcome = in_vertex(google(), &external.to_string()).compile();
    outcome.tells("a/s", path, Reason::InvalidKey, "must be `service_account`");

    let mut store = azure();
    store["azure"]["authorityHost"] = json!("https://login.evil.example");
    let mut world = in_azure(store, "s3cret");
    let outcome = world.compile();
    assert_eq!(outcome.fault("a/r", "t"), "NoUsableKey");
    let path = "spec.azure.authorityHost";
    outcome.tells("a/s", path, Reason::Invalid, "login.microsoftonline.com");
    world.tenancy.operator_owned = true;
    assert_eq!(world.compile().fault("a/r", "t"), "");
}

#[test]
fn what_is_missing_is_told_by_field() {
    let told = |store: Value, path: &str, reason: Reason, message: &str| {
        let mut world = in_azure(store, "");
        world.tenancy.operator_owned = true;
        let outcome = world.compile();
        assert_eq!(outcome.fault("a/r", "t"), "NoUsableKey");
        outcome.tells("a/s", path, reason, message);
    };
    told(azure(), "spec.azure.clientSecret", Reason::InvalidKey, "empty");
    for field in ["tenantId", "clientId"] {
        let mut store = azure();
        store["azure"].as_object_mut().expect("a block").remove(field);
        told(store, &format!("spec.azure.{field}"), Reason::Invalid, "with `clientSecret`");
    }
    told(json!({ "type": "Azure" }), "spec.azure", Reason::Invalid, "required with `type: Azure`");
    let mut store = azure();
    store["google"] = json!({});
    told(store, "spec.google", Reason::Invalid, "only for `type: Google`");
    let mut store = azure();
    store["azure"]["tenantId"] = json!("../common");
    let mut world = in_azure(store, "s3cret");
    let tenant = "spec.azure.tenantId";
    world.compile().tells("a/s", tenant, Reason::Invalid, "the id of a tenant");
}

#[test]
fn tokens_outlive_tables_and_every_part_makes_another_identity() {
    let identity = |world: &mut World| pool(&world.compile()).keys[0].state.clone();
    let mut world = in_azure(azure(), "first");
    let mut last = identity(&mut world);
    assert!(Arc::ptr_eq(&last, &identity(&mut world)), "the same identity");
    world.secret("a/keys", "key", "second");
    let mut other = |world: &mut World, what: &str| {
        let next = identity(world);
        assert!(!Arc::ptr_eq(&last, &next), "{what}");
        last = next;
    };
    other(&mut world, "the secret");
    let mut store = azure();
    for (field, value) in [
        ("tenantId", "fabrikam.example"),
        ("clientId", "another-app"),
        ("scope", "api://another/.default"),
        ("authorityHost", "https://login.microsoftonline.us"),
    ] {
        store["azure"][field] = json!(value);
        world.store("a/s", store.clone());
        other(&mut world, field);
    }
}

#[test]
fn no_secret_of_an_identity_is_in_any_output() {
    let key = account_key();
    let parsed: Value = serde_json::from_str(&key).expect("JSON");
    let pem = parsed["private_key"].as_str().expect("PEM");
    let mut world = in_vertex(google(), &key);
    let shown = format!("{:?} {:?}", world.compile().0, world.snapshot);
    assert!(!shown.contains(&pem[100..140]));
    let broken = key.replace("\"type\"", "\"typ\"");
    let shown = format!("{:?}", in_vertex(google(), &broken).compile().0);
    assert!(!shown.contains(&pem[100..140]) && shown.contains("is no key of a service account"));
    let mut world = in_azure(azure(), "s3cret-do-not-tell");
    assert!(!format!("{:?} {:?}", world.compile().0, world.snapshot).contains("do-not-tell"));
}
