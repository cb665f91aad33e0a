//! What a broken edit costs, and what it must not.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{World, route};
use crate::api::{ConditionType, Kind, Reason};
use crate::compile::{Details, LastGood};

/// Edits that no API server would let through, or only one with a newer schema.
fn broken_edits() -> Vec<(Value, &'static str)> {
    let edit = |change: &dyn Fn(&mut Value)| {
        let mut spec = route(&["gpt"]);
        change(&mut spec);
        spec
    };
    vec![
        (json!(null), "spec"),
        (edit(&|s| s["targets"] = json!([])), "spec.targets"),
        (edit(&|s| s["targets"] = json!("x")), "spec.targets"),
        (edit(&|s| s["targets"][0]["priority"] = json!("x")), "spec.targets[0].priority"),
        (edit(&|s| s["targets"][0]["weight"] = json!(-1)), "spec.targets[0].weight"),
        (
            edit(&|s| s["targets"] = json!([s["targets"][0], s["targets"][0]])),
            "spec.targets[1].name",
        ),
        (edit(&|s| s["models"] = json!(["a*b"])), "spec.models[0]"),
        (edit(&|s| s["targetSelection"] = json!("Sometimes")), "spec.targetSelection"),
        (edit(&|s| s["timeouts"] = json!({ "idle": "0s" })), "spec.timeouts.idle"),
        (edit(&|s| s["timeouts"] = json!({ "idle": "soon" })), "spec.timeouts.idle"),
        (
            edit(&|s| s["targets"][0]["timeouts"] = json!({ "connect": "0s" })),
            "spec.targets[0].timeouts.connect",
        ),
        (edit(&|s| s["streaming"] = json!({ "commitAfter": "0s" })), "spec.streaming.commitAfter"),
        (
            edit(&|s| s["circuitBreaker"] = json!({ "failureThreshold": 0 })),
            "spec.circuitBreaker.failureThreshold",
        ),
        (
            edit(&|s| s["loadBalancing"] = json!({ "strategy": "Psychic" })),
            "spec.loadBalancing.strategy",
        ),
        (edit(&|s| s["parameters"] = json!({ "drop": ["mood"] })), "spec.parameters.drop[0]"),
        (
            edit(&|s| s["parameters"] = json!({ "drop": ["seed"], "overrides": { "seed": 1 } })),
            "spec.parameters.drop[0]",
        ),
    ]
}

#[test]
fn a_broken_edit_keeps_the_last_good_version() {
    for (spec, path) in broken_edits() {
        let mut world = World::new();
        world.route("a/r", route(&["gpt"]));
        world.compile();
        world.route("a/r", spec.clone());
        let outcome = world.compile();
        let served = outcome.route("a/r").unwrap_or_else(|| panic!("{path} took the route down"));
        assert_eq!(served.observed_generation, 1, "{path}");
        let accepted = outcome.condition(Kind::ModelRoute, "a/r", ConditionType::Accepted);
        assert!(!accepted.holds && accepted.message.contains(path), "{path}: {accepted:?}");
        let programmed = outcome.condition(Kind::ModelRoute, "a/r", ConditionType::Programmed);
        assert_eq!((programmed.holds, programmed.reason), (false, Reason::StaleGeneration));
        assert!(programmed.message.contains("generation 1 is served"), "{}", programmed.message);
        assert!(programmed.message.contains("restart loses"), "{}", programmed.message);
        let Details::Route { served_generation, .. } =
            outcome.report(Kind::ModelRoute, "a/r").details
        else {
            panic!("a route")
        };
        assert_eq!(served_generation, Some(1));
    }
}

#[test]
fn what_was_never_good_is_not_served_and_hurts_only_itself() {
    for (spec, path) in broken_edits() {
        let mut world = World::new();
        world.route("a/bad", spec);
        world.route("a/good", route(&["other"]));
        let outcome = world.compile();
        assert!(outcome.route("a/bad").is_none(), "{path}");
        assert!(outcome.asks("a", "other").is_some(), "{path}");
        let programmed = outcome.condition(Kind::ModelRoute, "a/bad", ConditionType::Programmed);
        assert_eq!((programmed.holds, programmed.reason), (false, Reason::Invalid));
        assert!(outcome.condition(Kind::ModelRoute, "a/good", ConditionType::Programmed).holds);
    }
}

#[test]
fn several_broken_edits_in_a_row_keep_the_one_that_was_good() {
    let mut world = World::new();
    world.route("a/r", route(&["gpt"]));
    world.compile();
    for _ in 0..3 {
        world.route("a/r", json!({ "targets": [] }));
        assert_eq!(world.compile().route("a/r").expect("served").observed_generation, 1);
    }
    world.route("a/r", route(&["mended"]));
    let outcome = world.compile();
    assert_eq!(outcome.route("a/r").expect("served").observed_generation, 5);
    assert_eq!(outcome.errors(), Vec::<String>::new());
}

#[test]
fn a_restart_loses_the_last_good_version() {
    let mut world = World::new();
    world.route("a/r", route(&["gpt"]));
    world.compile();
    world.route("a/r", json!({ "targets": [] }));
    world.last_good = LastGood::default();
    assert!(world.compile().route("a/r").is_none());
}

#[test]
fn a_deleted_route_is_gone_and_forgotten() {
    let mut world = World::new();
    world.route("a/r", route(&["gpt"]));
    world.compile();
    world.snapshot.routes.clear();
    assert!(world.compile().route("a/r").is_none());
    world.route("a/r", json!({ "targets": [] }));
    assert!(world.compile().route("a/r").is_none());
}

#[test]
fn a_route_that_was_made_again_under_its_name_is_another_route() {
    let mut world = World::new();
    world.route("a/r", route(&["gpt"]));
    world.compile();
    world.route("a/r", json!({ "targets": [] })).uid = "another".into();
    assert!(world.compile().route("a/r").is_none());
}

#[test]
fn a_route_that_moves_to_another_installation_is_gone() {
    let mut world = World::new();
    world.route("a/r", route(&["gpt"]));
    world.compile();
    world.route("a/r", json!({ "gateway": "other", "targets": [] }));
    assert!(world.compile().route("a/r").is_none());
}

#[test]
fn a_grant_that_a_broken_edit_narrows_is_narrowed_at_once() {
    let mut world = World::new();
    let mut open = route(&["gpt"]);
    open["allowedNamespaces"] = json!({ "from": "All" });
    world.route("shared/r", open);
    assert!(world.compile().asks("a", "gpt").is_some());
    world.route("shared/r", json!({ "targets": [] }));
    let outcome = world.compile();
    assert_eq!(outcome.asks("a", "gpt"), None);
    assert!(outcome.asks("shared", "gpt").is_some(), "its own namespace is served on");
}

#[test]
fn a_grant_that_cannot_be_read_admits_nobody() {
    for grant in [
        json!("everybody"),
        json!({ "from": "Everybody" }),
        json!({ "from": "Names" }),
        json!({ "from": "Same", "names": ["a"] }),
        json!({ "from": "All", "except": ["a"] }),
        json!({ "from": "Selector", "selector": { "matchLabels": {} } }),
    ] {
        let mut world = World::new();
        let mut open = route(&["gpt"]);
        open["allowedNamespaces"] = json!({ "from": "All" });
        world.route("shared/r", open.clone());
        world.compile();
        open["allowedNamespaces"] = grant.clone();
        world.route("shared/r", open);
        let outcome = world.compile();
        assert_eq!(outcome.asks("a", "gpt"), None, "{grant}");
        assert_eq!(outcome.asks("shared", "gpt"), None, "{grant}");
        assert!(!outcome.errors().is_empty(), "{grant}");
    }
}

#[test]
fn what_the_last_good_version_refers_to_is_looked_up_anew() {
    let mut world = World::new();
    world.secret("a/keys", "key", "sk-test");
    world.store("a/s", super::key_store());
    world.route(
        "a/r",
        json!({ "targets": [
        { "name": "t", "provider": "openai", "credentialRef": { "name": "s" } }] }),
    );
    assert_eq!(world.compile().fault("a/r", "t"), "");
    world.route("a/r", json!({ "targets": [] }));
    world.snapshot.stores.clear();
    assert_eq!(world.compile().fault("a/r", "t"), "RefNotPermitted");
}

#[test]
fn an_unknown_field_of_a_route_is_told_and_costs_nothing() {
    let mut world = World::new();
    let mut spec = route(&["gpt"]);
    spec["targets"][0]["modle"] = json!("gpt");
    world.route("a/r", spec);
    let outcome = world.compile();
    assert!(outcome.asks("a", "gpt").is_some());
    outcome.tells("a/r", "spec.targets[0].modle", Reason::UnknownField, "check its spelling");
    assert_eq!(outcome.errors(), Vec::<String>::new());
    assert!(outcome.condition(Kind::ModelRoute, "a/r", ConditionType::Accepted).holds);
}

#[test]
fn free_fields_are_not_unknown() {
    let mut world = World::new();
    let mut spec = route(&["gpt"]);
    spec["targets"][0]["rawParameters"] = json!({ "any": { "thing": [1] } });
    spec["allowedNamespaces"] =
        json!({ "from": "Selector", "selector": { "matchLabels": { "any": "thing" } } });
    world.route("a/r", spec);
    assert!(world.compile().0.findings.is_empty());
}

#[test]
fn memory_outlives_an_edit_that_changes_no_identity() {
    let mut world = World::new();
    world.route("a/r", route(&["gpt"]));
    let state = |world: &mut World| {
        world.compile().target("a/r", "t").upstream().expect("resolved").state.clone()
    };
    let before = state(&mut world);
    let mut spec = route(&["gpt"]);
    spec["circuitBreaker"] = json!({ "failureThreshold": 2 });
    spec["targets"][0]["weight"] = json!(1);
    world.route("a/r", spec);
    assert!(Arc::ptr_eq(&before, &state(&mut world)));
    world.route("a/r", route(&["claude"]));
    assert!(!Arc::ptr_eq(&before, &state(&mut world)), "another model");
}
