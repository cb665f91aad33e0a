//! What a broken edit costs, and what it must not.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{World, route};
use crate::api::{ConditionType, Kind, ModelState, Reason};
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
        (
            edit(&|s| s["targets"][0]["healthCheck"] = json!({ "path": "health" })),
            "spec.targets[0].healthCheck.path",
        ),
        (
            edit(&|s| s["targets"][0]["healthCheck"] = json!({ "path": "/", "interval": "99ms" })),
            "spec.targets[0].healthCheck.interval",
        ),
        (
            edit(&|s| s["targets"][0]["healthCheck"] = json!({ "path": "/", "timeout": "0s" })),
            "spec.targets[0].healthCheck.timeout",
        ),
        (
            edit(&|s| {
                s["targets"][0]["healthCheck"] = json!({ "path": "/", "healthyThreshold": 0 });
            }),
            "spec.targets[0].healthCheck.healthyThreshold",
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
        (
            edit(&|s| s["loadBalancing"] = json!({ "sessionAffinity": { "type": "Header" } })),
            "spec.loadBalancing.sessionAffinity.header",
        ),
        (
            edit(&|s| {
                let header = json!({ "type": "Header", "header": { "name": "not a name" } });
                s["loadBalancing"] = json!({ "sessionAffinity": header });
            }),
            "spec.loadBalancing.sessionAffinity.header.name",
        ),
        (
            edit(&|s| s["targets"][0]["limits"] = json!({ "maxConcurrent": 0 })),
            "spec.targets[0].limits.maxConcurrent",
        ),
        (edit(&|s| s["targets"][0]["limits"] = json!({ "maxQueue": 5 })), "spec.targets[0].limits"),
        (
            edit(&|s| {
                let limits = json!({ "maxConcurrent": 1, "maxQueue": 0, "queueTimeout": "1s" });
                s["targets"][0]["limits"] = limits;
            }),
            "spec.targets[0].limits.queueTimeout",
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
fn what_was_never_good_answers_nothing_and_hurts_only_itself() {
    for (spec, path) in broken_edits() {
        let mut world = World::new();
        world.route("a/bad", spec);
        world.route("a/good", route(&["other"]));
        let outcome = world.compile();
        let bad = outcome.route("a/bad").expect("it keeps its names");
        assert!(bad.targets.is_empty() && bad.tiers.is_empty(), "{path}");
        let fault = bad.unreadable.as_deref().expect("what is wrong");
        assert!(fault.starts_with(&format!("ModelRoute a/bad: {path}: ")), "{fault}");
        assert_eq!(outcome.asks("a", "other").as_deref(), Some("a/good"), "{path}");
        let accepted = outcome.condition(Kind::ModelRoute, "a/bad", ConditionType::Accepted);
        assert!(!accepted.holds && accepted.message.contains(path), "{path}: {accepted:?}");
        let resolved = outcome.condition(Kind::ModelRoute, "a/bad", ConditionType::ResolvedRefs);
        assert!(!resolved.holds, "{path}");
        let programmed = outcome.condition(Kind::ModelRoute, "a/bad", ConditionType::Programmed);
        assert_eq!((programmed.holds, programmed.reason), (false, Reason::Invalid));
        assert!(programmed.message.contains("answer 503"), "{}", programmed.message);
        let details = &outcome.report(Kind::ModelRoute, "a/bad").details;
        assert!(matches!(details, Details::Route { served_generation: None, .. }), "{details:?}");
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
fn a_restart_loses_the_last_good_version_and_no_name() {
    let mut world = World::new();
    world.route("a/r", route(&["gpt", "claude-*"]));
    world.route("a/younger", route(&["gpt", "*"]));
    world.compile();
    let mut broken = route(&["gpt", "claude-*"]);
    broken["targets"] = json!([]);
    world.route("a/r", broken);
    world.last_good = LastGood::default();
    let outcome = world.compile();
    assert_eq!(outcome.asks("a", "gpt").as_deref(), Some("a/r"));
    assert_eq!(outcome.asks("a", "claude-4").as_deref(), Some("a/r"));
    assert_eq!(outcome.asks("a", "mistral").as_deref(), Some("a/younger"));
    assert!(outcome.route("a/r").is_some_and(|route| route.unreadable.is_some()));
    outcome.tells("a/younger", "spec.models", Reason::Conflict, "the older ModelRoute `r`");
}

#[test]
fn an_unreadable_route_owns_the_names_that_it_states() {
    for (models, own, lost) in [
        (json!(["gpt", "a*b", 7]), "gpt", "r"),
        (json!(["a*b"]), "r", "gpt"),
        (json!("gpt"), "r", "gpt"),
        (json!([]), "r", "gpt"),
    ] {
        let mut world = World::new();
        world.route("a/r", json!({ "models": models, "targets": [] }));
        world.route("a/any", route(&["*"]));
        let outcome = world.compile();
        assert_eq!(outcome.asks("a", own).as_deref(), Some("a/r"), "{models}");
        assert_eq!(outcome.asks("a", lost).as_deref(), Some("a/any"), "{models}");
        let Details::Route { models: told, .. } = &outcome.report(Kind::ModelRoute, "a/r").details
        else {
            panic!("a route")
        };
        assert_eq!((&*told[0].name, told[0].state, told.len()), (own, ModelState::Owned, 1));
    }
}

#[test]
fn an_unreadable_route_takes_no_name_of_an_older_one() {
    let mut world = World::new();
    world.route("a/old", route(&["gpt"]));
    world.route("a/r", json!({ "models": ["gpt"], "targets": [] }));
    let outcome = world.compile();
    assert_eq!(outcome.asks("a", "gpt").as_deref(), Some("a/old"));
    let accepted = outcome.condition(Kind::ModelRoute, "a/r", ConditionType::Accepted);
    assert_eq!((accepted.holds, accepted.reason), (false, Reason::Invalid), "the worse of two");
}

#[test]
fn an_unreadable_route_admits_whom_its_grant_admits() {
    for (grant, admitted) in [
        (json!({ "from": "All" }), true),
        (json!({ "from": "Same" }), false),
        (json!({ "from": "Everybody" }), false),
    ] {
        let mut world = World::new();
        let spec = json!({ "models": ["gpt"], "targets": [], "allowedNamespaces": grant });
        world.route("shared/r", spec);
        assert_eq!(world.compile().asks("a", "gpt").is_some(), admitted, "{grant}");
    }
}

#[test]
fn a_deleted_route_is_gone_and_forgotten() {
    let mut world = World::new();
    world.route("a/r", route(&["gpt"]));
    world.compile();
    world.snapshot.routes.clear();
    assert!(world.compile().route("a/r").is_none());
    world.route("a/r", json!({ "targets": [] }));
    assert!(world.compile().route("a/r").is_some_and(|route| route.unreadable.is_some()));
}

#[test]
fn a_route_that_was_made_again_under_its_name_is_another_route() {
    let mut world = World::new();
    world.route("a/r", route(&["gpt"]));
    world.compile();
    world.route("a/r", json!({ "targets": [] })).uid = "another".into();
    assert!(world.compile().route("a/r").is_some_and(|route| route.unreadable.is_some()));
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
