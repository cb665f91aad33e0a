//! Keys that are another's: of providers, and of callers.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use http::StatusCode;
use pilothouse::api::Consumer;
use serde_json::{Value, json};

use super::Scene;
use super::scene::{A_KEY, B_KEY, at, pool};
use crate::support::eventually;
use crate::support::objects::{consumer, ours, route, secret};
use crate::support::pods::target;

fn with_store_of(namespace: &str, store: &str) -> Value {
    let mut target = target();
    target["credentialRef"] = json!({"name": store, "namespace": namespace});
    target
}

#[tokio::test]
async fn a_store_that_admits_others_not_is_as_one_that_is_missing() {
    let Some(scene) = Scene::start("store").await else { return };
    let server = scene.server_of_b().await;
    let a = scene.a.namespace.clone();
    let mut said = Vec::new();
    for (route_name, store) in [("forbidden", "keys"), ("missing", "no-such-store")] {
        scene.b.apply(route(route_name, &[with_store_of(&a, store)])).await;
        let why = format!("there is no CredentialStore `{a}/{store}` that admits namespace");
        let condition = scene.b_is_refused(route_name, "RefNotPermitted", &why).await;
        assert!(
            condition.message.starts_with("spec.targets[0].credentialRef.name"),
            "{condition:?}"
        );
        said.push(condition.message.replace(store, "STORE"));
    }
    assert_eq!(said[0], said[1], "whether A has such a store is nobody's business");
    assert_eq!(server.count(), 0);
    scene.ends_well(&[&server]).await;
}

#[tokio::test]
async fn a_key_that_may_be_used_goes_to_no_host_of_the_users_choice() {
    let Some(scene) = Scene::start("host").await else { return };
    let server = scene.server_of_b().await;
    let (a, b) = (scene.a.namespace.clone(), scene.b.namespace.clone());
    let allowed = json!([format!("service/{a}/pool"), "api.provider.example"]);
    let mut shared = pool("keys", &json!({"secretKeyRef": {"name": "provider", "key": "key"}}));
    shared["spec"]["allowedHosts"] = allowed;
    shared["spec"]["allowedNamespaces"] = json!({"from": "Names", "names": [a, b]});
    scene.a.apply(shared).await;

    scene.b.apply(route("service", &[with_store_of(&a, "keys")])).await;
    let why = format!("may not be sent to `service/{b}/pool`");
    scene.b_is_refused("service", "DestinationNotAllowed", &why).await;
    for (number, host) in [
        "server-of-b.example",
        "api.provider.example.server-of-b.example",
        "api.provider.example:8443",
        "11.0.0.77",
    ]
    .iter()
    .enumerate()
    {
        let mut elsewhere = at(&format!("host-{number}"), &format!("https://{host}/v1"));
        elsewhere["spec"]["targets"][0]["credentialRef"] = json!({"name": "keys", "namespace": a});
        scene.b.apply(elsewhere).await;
        let why = format!("may not be sent to `{host}`");
        scene.b_is_refused(&format!("host-{number}"), "DestinationNotAllowed", &why).await;
    }
    assert_eq!(server.count(), 0);
    scene.ends_well(&[&server]).await;
}

#[tokio::test]
async fn a_store_reads_no_secret_of_another_namespace() {
    let Some(scene) = Scene::start("secret").await else { return };
    let server = scene.server_of_b().await;
    let (a, b) = (&scene.a.namespace, &scene.b.namespace);
    let mut named = Vec::new();
    for path in ["provider", &*format!("{a}/provider"), &format!("../{a}/secrets/provider")] {
        let name = format!("store-{}", named.len());
        let mut thief = pool(&name, &json!({"secretKeyRef": {"name": path, "key": "key"}}));
        thief["spec"]["allowedHosts"] = json!([format!("service/{b}/pool")]);
        match scene.b.try_apply(thief).await {
            Ok(_) => named.push(name),
            Err(refusal) => assert!(refusal.to_string().contains("secretKeyRef.name"), "{refusal}"),
        }
    }
    assert_eq!(named.len(), 1, "the others are no names");
    for name in named {
        let missing = ("False", "SecretNotFound");
        let ready = scene.b.condition_is(("CredentialStore", &name), "Ready", missing).await;
        let field = "spec.apiKey.keys[0].valueFrom.secretKeyRef.name";
        assert!(ready.message.contains(field), "{ready:?}");
        scene.b.apply(route(&name, &[with_store_of(b, &name)])).await;
        scene.b_is_refused(&name, "NoUsableKey", "has no usable key").await;
    }
    scene.b.apply(consumer("thief", "provider")).await;
    scene.b.condition_is(("Consumer", "thief"), "Ready", ("False", "SecretNotFound")).await;
    assert_eq!(server.count(), 0);
    scene.ends_well(&[&server]).await;
}

/// A Consumer with the digest of a key, as people who see A's objects can read it there.
fn with_digest(name: &str, key: &str) -> Value {
    let mut hex = String::new();
    for byte in digest::digest(&digest::SHA256, key.as_bytes()).as_ref() {
        write!(hex, "{byte:02x}").expect("a string takes all");
    }
    let keys = json!([{"name": "default", "sha256": hex}]);
    ours("Consumer", name, &json!({"apiKeys": keys, "allowedModels": ["*"]}))
}

#[tokio::test]
async fn a_key_of_another_tenants_caller_opens_nothing_of_ones_own() {
    let Some(scene) = Scene::start("collide").await else { return };
    let server = scene.server_of_b().await;
    scene.b.apply(route("of-b", &[target()])).await;
    scene.gateway.serves(B_KEY, "of-b", "pool").await;
    scene.b.apply(secret("stolen", A_KEY)).await;
    // Ages are whole seconds, and of two of the same age the name decides.
    let rivals = [consumer("thief", "stolen"), with_digest("thief-of-digests", A_KEY)];
    for rival in rivals {
        let name = rival["metadata"]["name"].as_str().expect("a name").to_owned();
        scene.b.apply(rival).await;
        let lost = ("False", "KeyConflict");
        let ready = scene.b.condition_is(("Consumer", &name), "Ready", lost).await;
        assert!(ready.message.contains("spec.apiKeys[0]"), "{ready:?}");
        assert!(!ready.message.contains(&scene.a.namespace), "not told whose: {ready:?}");
    }
    assert_eq!(scene.gateway.chat(A_KEY, "of-b").await.status, StatusCode::NOT_FOUND);
    assert_eq!(scene.gateway.chat(B_KEY, "chat").await.status, StatusCode::NOT_FOUND);
    scene.ends_well(&[&server]).await;
}

/// A digest is no secret: whoever may read A's Consumer can write it into one of his own, which may
/// be older.
#[tokio::test]
async fn a_digest_that_an_older_consumer_takes_up_later_stays_whose_it_was() {
    let Some(scene) = Scene::start("digest").await else { return };
    let server = scene.server_of_b().await;
    scene.b.apply(route("chat", &[target()])).await;
    let key = "a-key-that-is-given-by-its-digest-alone";
    // B's Consumer is there before A's, with another key.
    let old = scene.b.apply(with_digest("old", "what-b-had-before-it-saw-the-digest")).await;
    eventually("a Consumer of a later second", async || {
        let made = scene.a.apply(with_digest("young", key)).await;
        if made.metadata.creation_timestamp > old.metadata.creation_timestamp {
            return true;
        }
        let consumers = scene.a.api::<Consumer>();
        consumers.delete("young", &kube::api::DeleteParams::default()).await.expect("it was there");
        false
    })
    .await;
    let of_a = "Served by provider-of-a.";
    eventually("an answer of A's", async || {
        scene.gateway.chat(key, "chat").await.text().contains(of_a)
    })
    .await;

    scene.b.apply(with_digest("old", key)).await;
    scene.b.condition_is(("Consumer", "old"), "Ready", ("False", "KeyConflict")).await;
    let answer = scene.gateway.chat(key, "chat").await;
    assert!(answer.text().contains(of_a), "A's caller was led to B: {}", answer.text());
    scene.a.condition_is(("Consumer", "young"), "Ready", ("True", "Ready")).await;
    scene.ends_well(&[&server]).await;
}
