//! Which key speaks for whom.

use serde_json::{Value, json};

use super::world::{KEY, object};
use super::{World, consumer};
use crate::api::{ConditionType, Kind, Reason};

fn with_digest(key: &str) -> Value {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.as_bytes());
    let hex = digest.as_ref().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    json!({ "allowedModels": ["*"], "apiKeys": [{ "name": "d", "sha256": hex }] })
}

#[test]
fn a_key_from_a_secret_and_its_digest_are_the_same() {
    let mut world = World::new();
    world.secret("a/token", "key", &format!("{KEY}\n"));
    world.consumer("a/c", consumer());
    assert_eq!(world.compile().who(KEY).as_deref(), Some("a/c"));

    let mut world = World::new();
    world.consumer("b/c", with_digest(KEY));
    assert_eq!(world.compile().who(KEY).as_deref(), Some("b/c"));
    assert_eq!(world.compile().who("something-else-entirely"), None);
}

#[test]
fn a_short_key_is_refused_by_name() {
    let mut world = World::new();
    world.secret("a/token", "key", "fifteen-bytes-1\n");
    world.consumer("a/c", consumer());
    let outcome = world.compile();
    assert!(outcome.0.table.callers.is_empty());
    let message = "key `a` has fewer than 16 bytes";
    outcome.tells("a/c", "spec.apiKeys[0].valueFrom", Reason::InvalidKey, message);
    let ready = outcome.condition(Kind::Consumer, "a/c", ConditionType::Ready);
    assert_eq!((ready.holds, ready.reason), (false, Reason::InvalidKey));
}

#[test]
fn a_key_belongs_to_the_older_consumer() {
    let mut world = World::new();
    world.consumer("z/older", with_digest(KEY));
    world.secret("a/token", "key", KEY);
    world.consumer("a/younger", consumer());
    let outcome = world.compile();
    assert_eq!(outcome.who(KEY).as_deref(), Some("z/older"));
    outcome.tells("a/younger", "spec.apiKeys[0]", Reason::KeyConflict, "another Consumer");
    let told = outcome.0.findings.iter().all(|found| !found.message.contains("z/older"));
    assert!(told, "one tenant learns nothing about another");
    assert!(outcome.condition(Kind::Consumer, "z/older", ConditionType::Ready).holds);
}

#[test]
fn a_disabled_consumer_is_turned_away_and_keeps_its_key() {
    let mut world = World::new();
    let mut spec = with_digest(KEY);
    spec["disabled"] = json!(true);
    world.consumer("a/off", spec);
    world.consumer("b/on", with_digest(KEY));
    let outcome = world.compile();
    assert_eq!(outcome.who(KEY), None, "neither the one nor the other");
    let ready = outcome.condition(Kind::Consumer, "a/off", ConditionType::Ready);
    assert_eq!((ready.holds, ready.reason), (false, Reason::Disabled));
    outcome.tells("b/on", "spec.apiKeys[0]", Reason::KeyConflict, "another Consumer");
}

#[test]
fn a_key_that_is_given_twice_is_not_taken_from_its_owner() {
    let mut world = World::new();
    world.consumer("a/older", with_digest(KEY));
    let mut twice = with_digest(KEY);
    let key = twice["apiKeys"][0].clone();
    twice["apiKeys"] = json!([key, key]);
    world.consumer("b/younger", twice);
    let outcome = world.compile();
    assert_eq!(outcome.who(KEY).as_deref(), Some("a/older"));
    outcome.tells("b/younger", "spec.apiKeys[0]", Reason::KeyConflict, "another Consumer");
    outcome.tells("b/younger", "spec.apiKeys[1]", Reason::KeyConflict, "another Consumer");
}

/// An older Consumer with a key from a Secret, and a younger one that wants the same key.
fn rivals() -> World {
    let mut world = World::new();
    world.secret("a/token", "key", KEY);
    world.consumer("a/older", consumer());
    world.consumer("b/younger", with_digest(KEY));
    assert_eq!(world.compile().who(KEY).as_deref(), Some("a/older"));
    world
}

/// Twice: what one compile keeps, the next must keep as well.
fn nobody_has_the_key(world: &mut World) {
    for _ in 0..2 {
        let outcome = world.compile();
        assert_eq!(outcome.who(KEY), None);
        outcome.tells("b/younger", "spec.apiKeys[0]", Reason::KeyConflict, "another Consumer");
    }
}

#[test]
fn a_key_whose_secret_is_missing_goes_to_nobody_else() {
    let mut world = rivals();
    world.no_secret("a/token");
    nobody_has_the_key(&mut world);
    world.secret("a/token", "another", "something-else-entirely");
    nobody_has_the_key(&mut world);
    world.snapshot.secrets.clear();
    nobody_has_the_key(&mut world);
    world.secret("a/token", "key", KEY);
    assert_eq!(world.compile().who(KEY).as_deref(), Some("a/older"));
}

#[test]
fn a_key_that_was_replaced_is_free() {
    let mut world = rivals();
    world.secret("a/token", "key", "something-else-entirely");
    let outcome = world.compile();
    assert_eq!(outcome.who(KEY).as_deref(), Some("b/younger"));
    assert_eq!(outcome.who("something-else-entirely").as_deref(), Some("a/older"));
    world.no_secret("a/token");
    let outcome = world.compile();
    assert_eq!(outcome.who(KEY).as_deref(), Some("b/younger"), "it is not asked back");
    world.secret("a/token", "key", "too-short");
    assert_eq!(world.compile().who(KEY).as_deref(), Some("b/younger"));
}

#[test]
fn a_key_whose_consumer_cannot_be_read_goes_to_nobody_else() {
    let mut world = rivals();
    let mut spec = consumer();
    spec["expiresAt"] = json!("2001-01-01T00:00:00Z");
    world.consumer("a/older", spec);
    nobody_has_the_key(&mut world);
}

#[test]
fn a_key_is_kept_for_a_consumer_that_still_refers_to_it_only() {
    let gone: [fn(&mut World); 4] = [
        |world| world.snapshot.consumers.retain(|raw| raw.name != object("a/older")),
        |world| world.consumer("a/older", consumer()).uid = "another".into(),
        |world| {
            // What takes its place was read, and is another key.
            let mut spec = consumer();
            spec["apiKeys"][0]["valueFrom"]["secretKeyRef"]["name"] = json!("elsewhere");
            world.consumer("a/older", spec);
            world.secret("a/elsewhere", "key", "another-key-of-some-length");
        },
        |world| {
            let mut spec = consumer();
            spec["gateway"] = json!("other");
            world.consumer("a/older", spec);
        },
    ];
    for (index, change) in gone.into_iter().enumerate() {
        let mut world = rivals();
        world.no_secret("a/token");
        nobody_has_the_key(&mut world);
        change(&mut world);
        assert_eq!(world.compile().who(KEY).as_deref(), Some("b/younger"), "change {index}");
    }
}

#[test]
fn a_key_is_kept_as_a_digest_that_nobody_can_print() {
    let mut world = rivals();
    world.no_secret("a/token");
    world.compile();
    let shown = format!("{:?}", world.last_good);
    assert!(shown.contains("KeyDigest(..)") && !shown.contains(KEY), "{shown}");
}

#[test]
fn a_key_stays_with_whom_it_was_when_its_consumer_takes_it_from_elsewhere() {
    let mut world = World::new();
    world.consumer("b/older", with_digest("what-it-had-before-that-day"));
    world.consumer("a/younger", with_digest(KEY));
    world.compile();
    world.consumer("b/older", with_digest(KEY));
    world.compile();
    // The same key, from a Secret that comes a moment later.
    world.consumer("a/younger", consumer());
    assert_eq!(world.compile().who(KEY), None);
    world.secret("a/token", "key", KEY);
    assert_eq!(world.compile().who(KEY).as_deref(), Some("a/younger"));
}

#[test]
fn a_key_stays_with_whom_it_was_when_an_older_consumer_takes_its_digest_up() {
    let mut world = World::new();
    world.consumer("b/older", with_digest("what-it-had-before-that-day"));
    world.consumer("a/younger", with_digest(KEY));
    assert_eq!(world.compile().who(KEY).as_deref(), Some("a/younger"));
    world.consumer("b/older", with_digest(KEY));
    // Twice: what one compile keeps, the next must keep as well.
    for _ in 0..2 {
        let outcome = world.compile();
        assert_eq!(outcome.who(KEY).as_deref(), Some("a/younger"));
        outcome.tells("b/older", "spec.apiKeys[0]", Reason::KeyConflict, "another Consumer");
    }
    world.consumer("a/younger", with_digest("a-key-that-was-made-anew"));
    assert_eq!(world.compile().who(KEY).as_deref(), Some("b/older"), "it is free");
}

#[test]
fn a_deleted_consumer_is_gone_at_once() {
    let mut world = World::new();
    world.consumer("a/c", with_digest(KEY));
    assert!(world.compile().who(KEY).is_some());
    world.snapshot.consumers.clear();
    assert_eq!(world.compile().who(KEY), None);
}

#[test]
fn a_consumer_with_an_unknown_field_is_refused() {
    let mut world = World::new();
    let mut spec = with_digest(KEY);
    spec["expiresAt"] = json!("2001-01-01T00:00:00Z");
    world.consumer("a/c", spec);
    let outcome = world.compile();
    assert_eq!(outcome.who(KEY), None);
    outcome.tells("a/c", "spec.expiresAt", Reason::UnknownField, "check its spelling");
    let accepted = outcome.condition(Kind::Consumer, "a/c", ConditionType::Accepted);
    assert_eq!((accepted.holds, accepted.reason), (false, Reason::UnknownField));
}

#[test]
fn a_broken_consumer_is_turned_away_at_once() {
    let mut world = World::new();
    world.consumer("a/c", with_digest(KEY));
    assert!(world.compile().who(KEY).is_some());
    let mut spec = with_digest(KEY);
    spec["allowedModels"] = json!(["a*b"]);
    world.consumer("a/c", spec);
    let outcome = world.compile();
    assert_eq!(outcome.who(KEY), None);
    outcome.tells("a/c", "spec.allowedModels[0]", Reason::Invalid, "one `*`");

    let mut spec = with_digest(KEY);
    spec.as_object_mut().expect("an object").remove("allowedModels");
    world.consumer("a/c", spec);
    assert_eq!(world.compile().who(KEY), None, "what it may ask for must be said");
}

#[test]
fn one_bad_key_does_not_stop_the_others() {
    let mut world = World::new();
    let mut spec = with_digest(KEY);
    let good = spec["apiKeys"][0].clone();
    spec["apiKeys"] = json!([
        { "name": "upper", "sha256": "A".repeat(64) },
        { "name": "none" },
        { "name": "gone", "valueFrom": { "secretKeyRef": { "name": "gone", "key": "k" } } },
        good, good
    ]);
    world.no_secret("a/gone");
    world.consumer("a/c", spec);
    let outcome = world.compile();
    assert_eq!(outcome.who(KEY).as_deref(), Some("a/c"), "the same key twice is one key");
    outcome.tells("a/c", "spec.apiKeys[0].sha256", Reason::InvalidKey, "64 lower-case hex");
    outcome.tells("a/c", "spec.apiKeys[1]", Reason::Invalid, "exactly one");
    let path = "spec.apiKeys[2].valueFrom.secretKeyRef.name";
    outcome.tells("a/c", path, Reason::SecretNotFound, "`gone`");
    assert!(outcome.condition(Kind::Consumer, "a/c", ConditionType::Ready).holds);
}

#[test]
fn what_a_consumer_may_ask_for_is_what_it_says() {
    let mut world = World::new();
    let mut spec = with_digest(KEY);
    spec["allowedModels"] = json!(["gpt-*", "claude"]);
    world.consumer("a/c", spec);
    let outcome = world.compile();
    let caller = outcome.0.table.callers.values().next().expect("one").clone();
    assert!(caller.models.allows("gpt-4") && caller.models.allows("claude"));
    assert!(!caller.models.allows("claude-4"));
}

#[test]
fn a_consumers_secret_is_its_own_namespaces() {
    let mut world = World::new();
    world.consumer("a/c", consumer());
    assert_eq!(world.compile().0.references.secrets, [object("a/token")].into());
}

#[test]
fn nobody_is_served_without_a_key_unless_the_operator_says_so() {
    let mut world = World::new();
    assert!(world.compile().0.table.anonymous.is_none());

    world.tenancy.anonymous = true;
    assert!(world.compile().0.table.anonymous.is_none(), "in a cluster, from which namespace?");

    world.tenancy.anonymous_namespace = Some("web".into());
    world.route("web/r", super::route(&["gpt"]));
    world.route("a/r", super::route(&["claude"]));
    let outcome = world.compile();
    let caller = outcome.0.table.anonymous.clone().expect("allowed");
    assert_eq!((&*caller.namespace, &caller.consumer), ("web", &None));
    assert!(outcome.0.table.resolve(&caller, "gpt").is_some());
    assert!(outcome.0.table.resolve(&caller, "a/claude").is_none());

    world.tenancy.operator_owned = true;
    world.tenancy.anonymous_namespace = None;
    let outcome = world.compile();
    let caller = outcome.0.table.anonymous.clone().expect("allowed");
    assert!(outcome.0.table.resolve(&caller, "claude").is_some(), "every route admits it");
}
