//! Stores that hold an identity of a cloud.

use std::sync::Arc;

use serde_json::{Value, json};

use super::World;
use super::world::Outcome;
use crate::api::{ConditionType, Kind, Reason};
use crate::compile::{AmbientSource, Details};
use crate::provider::Cloud;
use crate::state::KeyState;
use crate::table::Proof;

const HOST: &str = "https://bedrock-runtime.eu-west-1.amazonaws.com";

fn from_secret(entry: &str) -> Value {
    json!({ "secretKeyRef": { "name": "keys", "key": entry } })
}

fn aws(block: &Value) -> Value {
    json!({ "type": "AWS", "aws": block })
}

fn access_key() -> Value {
    json!({ "accessKeyId": from_secret("id"), "secretAccessKey": from_secret("secret") })
}

/// A world with a route `a/r` to Bedrock that uses the store `a/s`.
fn world(store: Value) -> World {
    let mut world = World::new();
    world.secrets("a/keys", &[("id", "AKIDEXAMPLE\n"), ("secret", "wJalr+/x"), ("token", "t")]);
    world.store("a/s", store);
    world.route("a/r", route("bedrock", HOST));
    world
}

fn route(provider: &str, base_url: &str) -> Value {
    json!({ "models": ["m"], "targets": [{
        "name": "t", "provider": provider, "model": "m", "baseURL": base_url,
        "credentialRef": { "name": "s" }
    }] })
}

fn state(outcome: &Outcome) -> Arc<KeyState> {
    let upstream = outcome.target("a/r", "t").upstream().expect("resolved");
    upstream.keys.as_ref().expect("keys").keys[0].state.clone()
}

#[test]
fn an_access_key_makes_an_identity() {
    let mut world = world(aws(&access_key()));
    let outcome = world.compile();
    assert_eq!(outcome.errors(), Vec::<String>::new());
    let upstream = outcome.target("a/r", "t").upstream().expect("resolved");
    let pool = upstream.keys.as_ref().expect("keys");
    assert_eq!(pool.cloud, Some(Cloud::Aws));
    assert!(matches!(pool.keys[0].proof, Proof::Identity(_)));
    let Details::Store { keys } = &outcome.report(Kind::CredentialStore, "a/s").details else {
        panic!("a store")
    };
    let keys: Vec<_> = keys.iter().map(|key| (key.name.as_str(), key.fault)).collect();
    assert_eq!(keys, [("identity", None)]);
}

#[test]
fn an_identity_stays_until_a_part_of_it_changes() {
    let mut all = access_key();
    all["sessionToken"] = from_secret("token");
    all["region"] = json!("eu-west-1");
    all["assumeRole"] = json!({ "roleArn": "arn:aws:iam::123456789012:role/a",
        "externalId": "one", "sessionName": "two" });
    let mut world = world(aws(&all));
    let mut known = vec![state(&world.compile())];
    assert!(Arc::ptr_eq(&known[0], &state(&world.compile())), "the same identity");
    let edits: [(&str, Value); 5] = [
        ("/region", json!("us-east-1")),
        ("/assumeRole/roleArn", json!("arn:aws:iam::123456789012:role/b")),
        ("/assumeRole/externalId", json!("other")),
        ("/assumeRole/sessionName", json!("other")),
        ("/sessionToken", from_secret("id")),
    ];
    for (path, value) in edits {
        let mut edited = all.clone();
        *edited.pointer_mut(path).expect("a field") = value;
        world.store("a/s", aws(&edited));
        let state = state(&world.compile());
        assert!(known.iter().all(|one| !Arc::ptr_eq(one, &state)), "{path}");
        known.push(state);
    }
    world.store("a/s", aws(&all));
    assert!(Arc::ptr_eq(&known[0], &state(&world.compile())), "as it was");
    world.secrets("a/keys", &[("id", "AKIDEXAMPLE"), ("secret", "other"), ("token", "t")]);
    assert!(!Arc::ptr_eq(&known[0], &state(&world.compile())), "a new secret");
}

#[test]
fn the_gateways_own_identity_is_for_the_namespace_that_the_operator_chose() {
    let mut world = world(aws(&json!({})));
    world.tenancy.ambient_namespace = Some("ops".into());
    let outcome = world.compile();
    assert_eq!(outcome.fault("a/r", "t"), "NoUsableKey");
    outcome.tells("a/s", "spec.aws", Reason::AmbientNotPermitted, "set `accessKeyId` and");
    let ready = outcome.condition(Kind::CredentialStore, "a/s", ConditionType::Ready);
    assert_eq!((ready.holds, ready.reason), (false, Reason::AmbientNotPermitted));

    let role = json!({ "assumeRole": { "roleArn": "arn:aws:iam::123456789012:role/a" } });
    world.store("a/s", aws(&role));
    assert_eq!(world.compile().fault("a/r", "t"), "NoUsableKey", "nor is a role assumed with it");

    world.tenancy.ambient_namespace = Some("a".into());
    assert_eq!(world.compile().fault("a/r", "t"), "");
    world.tenancy.ambient_namespace = None;
    world.tenancy.operator_owned = true;
    assert_eq!(world.compile().fault("a/r", "t"), "", "files belong to the operator");
}

#[test]
fn secrets_are_read_from_every_source_that_a_key_may_have() {
    let mut block = access_key();
    block["secretAccessKey"] = json!({ "env": { "name": "AWS_SECRET" } });
    block["sessionToken"] = json!({ "file": { "path": "token" } });
    let mut world = world(aws(&block));
    let outcome = world.compile();
    let path = "spec.aws.secretAccessKey";
    outcome.tells("a/s", path, Reason::AmbientNotPermitted, "use `secretKeyRef`");
    assert!(outcome.0.references.ambient.is_empty());

    world.tenancy.ambient_namespace = Some("a".into());
    let outcome = world.compile();
    assert_eq!(outcome.fault("a/r", "t"), "Pending", "they have not been read yet");
    let wanted = [AmbientSource::Env("AWS_SECRET".into()), AmbientSource::File("token".into())];
    assert_eq!(outcome.0.references.ambient, wanted.into());
    assert_eq!(outcome.errors(), Vec::<String>::new());
}

#[test]
fn what_is_wrong_with_an_identity_is_told_by_field() {
    let key = access_key();
    let with = |field: &str, value: Value| {
        let mut block = key.clone();
        block[field] = value;
        aws(&block)
    };
    let cases = [
        (json!({ "type": "AWS" }), "spec.aws", Reason::Invalid, "is required with `type: AWS`"),
        (
            json!({ "type": "AWS", "aws": {}, "apiKey": { "keys": [] } }),
            "spec.apiKey",
            Reason::Invalid,
            "is only for `type: APIKey`: remove it",
        ),
        (
            aws(&json!({ "accessKeyId": from_secret("id") })),
            "spec.aws.secretAccessKey",
            Reason::Invalid,
            "is missing",
        ),
        (
            aws(&json!({ "secretAccessKey": from_secret("secret") })),
            "spec.aws.accessKeyId",
            Reason::Invalid,
            "is missing",
        ),
        (
            aws(&json!({ "sessionToken": from_secret("token") })),
            "spec.aws.sessionToken",
            Reason::Invalid,
            "set them too",
        ),
        (
            with("region", json!("evil.example/")),
            "spec.aws.region",
            Reason::Invalid,
            "must be a region's name",
        ),
        (
            with("secretAccessKey", from_secret("gone")),
            "spec.aws.secretAccessKey.secretKeyRef.key",
            Reason::SecretNotFound,
            "no key `gone`",
        ),
        (
            with("accessKeyId", from_secret("odd")),
            "spec.aws.accessKeyId",
            Reason::InvalidKey,
            "is it the key itself?",
        ),
        (
            with("accessKeyId", from_secret("empty")),
            "spec.aws.accessKeyId",
            Reason::InvalidKey,
            "the value is empty",
        ),
    ];
    for (store, path, reason, message) in cases {
        let mut world = world(store);
        let entries = [("id", "AKID"), ("secret", "s3cret"), ("odd", "two words"), ("empty", "")];
        world.secrets("a/keys", &entries);
        let outcome = world.compile();
        outcome.tells("a/s", path, reason, message);
        assert_eq!(outcome.fault("a/r", "t"), "NoUsableKey", "{path}");
    }
}

#[test]
fn an_identity_is_only_for_providers_that_take_it() {
    let mut world = world(aws(&access_key()));
    world.route("a/r", route("openai", "https://api.openai.com/v1"));
    let outcome = world.compile();
    assert_eq!(outcome.fault("a/r", "t"), "DestinationNotAllowed");
    let path = "spec.targets[0].credentialRef";
    outcome.tells("a/r", path, Reason::DestinationNotAllowed, "is an identity of AWS");

    world.route("a/r", route("bedrock", "https://bedrock.example"));
    assert_eq!(world.compile().fault("a/r", "t"), "DestinationNotAllowed", "not AWS's host");
}

#[test]
fn a_host_that_tells_no_region_needs_one_in_the_store() {
    let mut block = access_key();
    let mut store = aws(&block);
    store["allowedHosts"] = json!(["bedrock.example"]);
    let mut world = world(store.clone());
    world.route("a/r", route("bedrock", "https://bedrock.example"));
    let outcome = world.compile();
    let path = "spec.targets[0].credentialRef";
    outcome.tells("a/r", path, Reason::RegionRequired, "set the store's `spec.aws.region`");
    block["region"] = json!("eu-central-1");
    store["aws"] = block;
    world.store("a/s", store);
    assert_eq!(world.compile().fault("a/r", "t"), "");
}

#[test]
fn no_part_of_an_identity_is_in_any_output() {
    let mut block = access_key();
    block["sessionToken"] = from_secret("token");
    let mut world = world(aws(&block));
    world.secrets("a/keys", &[("id", "AKID-told"), ("secret", "s-told"), ("token", "t-told")]);
    let outcome = world.compile();
    assert_eq!(outcome.fault("a/r", "t"), "");
    assert!(!format!("{:?} {:?}", outcome.0, world.state).contains("told"));
}
