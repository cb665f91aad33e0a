//! Who owns a name, and to whom a route exists.

use serde_json::json;

use super::{World, route};
use crate::api::{ConditionType, Kind, ModelState, Reason};
use crate::compile::Details;

#[test]
fn the_oldest_route_of_a_namespace_owns_a_name() {
    let mut world = World::new();
    world.route("a/z-old", route(&["gpt", "both"]));
    world.route("a/a-young", route(&["both", "own"]));
    let outcome = world.compile();
    assert_eq!(outcome.asks("a", "both").as_deref(), Some("a/z-old"));
    assert_eq!(outcome.asks("a", "own").as_deref(), Some("a/a-young"));
    outcome.tells("a/a-young", "spec.models", Reason::Conflict, "the older ModelRoute `z-old`");
    let Details::Route { models, .. } = &outcome.report(Kind::ModelRoute, "a/a-young").details
    else {
        panic!("a route")
    };
    assert_eq!(models[0].state, ModelState::Conflict);
    assert_eq!(models[0].owner.as_deref(), Some("z-old"));
    assert_eq!(models[1].state, ModelState::Owned);
    let accepted = outcome.condition(Kind::ModelRoute, "a/a-young", ConditionType::Accepted);
    assert!(accepted.holds, "it owns one name");
}

#[test]
fn a_route_that_owns_no_name_is_not_accepted() {
    let mut world = World::new();
    world.route("a/one", route(&["gpt"]));
    world.route("a/two", route(&["gpt"]));
    let outcome = world.compile();
    let accepted = outcome.condition(Kind::ModelRoute, "a/two", ConditionType::Accepted);
    assert!(!accepted.holds);
    assert_eq!(accepted.reason, Reason::Conflict);
}

#[test]
fn of_equal_age_the_name_decides() {
    let mut world = World::new();
    world.route("a/z", route(&["gpt"])).created = Some(7);
    world.route("a/b", route(&["gpt"])).created = Some(7);
    assert_eq!(world.compile().asks("a", "gpt").as_deref(), Some("a/b"));
}

#[test]
fn files_have_no_age() {
    let mut world = World::new();
    world.tenancy.operator_owned = true;
    world.route("a/z", route(&["gpt"])).created = Some(1);
    world.route("a/b", route(&["gpt"])).created = None;
    assert_eq!(world.compile().asks("a", "gpt").as_deref(), Some("a/b"));
}

#[test]
fn a_name_belongs_to_whoever_has_it_in_the_same_namespace_only() {
    let mut world = World::new();
    world.route("evil/older", route(&["gpt"]));
    world.route("a/younger", route(&["gpt"]));
    let outcome = world.compile();
    assert_eq!(outcome.asks("a", "gpt").as_deref(), Some("a/younger"));
    assert_eq!(outcome.asks("evil", "gpt").as_deref(), Some("evil/older"));
}

#[test]
fn another_tenants_open_route_takes_no_name() {
    let mut world = World::new();
    let mut open = route(&["*"]);
    open["allowedNamespaces"] = json!({ "from": "All" });
    world.route("evil/catch-all", open);
    let outcome = world.compile();
    assert_eq!(outcome.asks("a", "gpt"), None, "only the operator's namespaces are shared");
    assert_eq!(outcome.asks("a", "evil/gpt").as_deref(), Some("evil/catch-all"), "if asked for");
}

#[test]
fn shared_names_come_after_ones_own_and_only_if_they_admit() {
    let mut world = World::new();
    let mut open = route(&["gpt", "claude"]);
    open["allowedNamespaces"] = json!({ "from": "All" });
    world.route("shared/open", open);
    world.route("shared/closed", route(&["secret"]));
    world.route("a/own", route(&["gpt"]));
    let outcome = world.compile();
    assert_eq!(outcome.asks("a", "gpt").as_deref(), Some("a/own"));
    assert_eq!(outcome.asks("a", "claude").as_deref(), Some("shared/open"));
    assert_eq!(outcome.asks("a", "secret"), None);
    assert_eq!(outcome.asks("a", "shared/secret"), None);
}

#[test]
fn with_files_every_namespace_is_shared_in_the_order_of_names() {
    let mut world = World::new();
    world.tenancy.operator_owned = true;
    for namespace in ["z", "b", "m"] {
        let mut open = route(&["gpt"]);
        open["allowedNamespaces"] = json!({ "from": "All" });
        world.route(&format!("{namespace}/r"), open);
    }
    assert_eq!(world.compile().asks("a", "gpt").as_deref(), Some("b/r"));
}

#[test]
fn an_exact_name_beats_a_pattern_whatever_its_age() {
    let mut world = World::new();
    world.route("a/pattern", route(&["gpt-*", "*"]));
    world.route("a/longer", route(&["gpt-4*"]));
    world.route("a/exact", route(&["gpt-4o"]));
    let outcome = world.compile();
    assert_eq!(outcome.asks("a", "gpt-4o").as_deref(), Some("a/exact"));
    assert_eq!(outcome.asks("a", "gpt-4").as_deref(), Some("a/longer"));
    assert_eq!(outcome.asks("a", "gpt-3").as_deref(), Some("a/pattern"));
    assert_eq!(outcome.asks("a", "GPT-4o").as_deref(), Some("a/pattern"), "case matters");
}

#[test]
fn a_route_without_names_answers_for_its_own() {
    let mut world = World::new();
    world.route("a/claude", route(&[]));
    assert_eq!(world.compile().asks("a", "claude").as_deref(), Some("a/claude"));
}

#[test]
fn names_and_selectors_admit_whom_they_say() {
    let mut world = World::new();
    world.labels("gold", &[("tier", "gold")]);
    world.labels("lead", &[("tier", "lead")]);
    for (name, grant) in [
        ("named", json!({ "from": "Names", "names": ["gold"] })),
        (
            "labelled",
            json!({ "from": "Selector", "selector": {
            "matchLabels": { "tier": "gold" } } }),
        ),
        (
            "called",
            json!({ "from": "Selector", "selector": { "matchExpressions": [
            { "key": "kubernetes.io/metadata.name", "operator": "In", "values": ["gold"] }] } }),
        ),
    ] {
        let mut spec = route(&[name]);
        spec["allowedNamespaces"] = grant;
        world.route(&format!("shared/{name}"), spec);
    }
    let outcome = world.compile();
    for name in ["named", "labelled", "called"] {
        assert!(outcome.asks("gold", name).is_some(), "{name}");
        assert_eq!(outcome.asks("lead", name), None, "{name}");
        assert_eq!(outcome.asks("unheard-of", name), None, "{name}");
    }
}

#[test]
fn an_empty_selector_is_invalid_and_admits_nobody() {
    let mut world = World::new();
    let mut spec = route(&["gpt"]);
    spec["allowedNamespaces"] = json!({ "from": "Selector", "selector": {} });
    world.route("a/r", spec);
    let outcome = world.compile();
    assert_eq!(outcome.asks("a", "gpt"), None);
    outcome.tells("a/r", "spec.allowedNamespaces", Reason::Invalid, "`selector` is empty");
}

#[test]
fn objects_of_another_installation_do_not_exist() {
    let mut world = World::new();
    let mut spec = route(&["gpt"]);
    spec["gateway"] = json!("other");
    world.route("a/r", spec);
    let mut store = super::key_store();
    store["gateway"] = json!("other");
    world.store("a/s", store);
    let mut consumer = super::consumer();
    consumer["gateway"] = json!("other");
    world.consumer("a/c", consumer);
    let outcome = world.compile();
    assert!(outcome.0.table.routes.is_empty() && outcome.0.table.callers.is_empty());
    assert!(outcome.0.reports.is_empty() && outcome.0.findings.is_empty());
    assert_eq!(outcome.0.references, crate::compile::References::default());

    world.tenancy.gateway_name = "other".into();
    assert_eq!(world.compile().0.reports.len(), 3);
}

#[test]
fn an_object_said_twice_is_told_and_counts_once() {
    let mut world = World::new();
    world.route("a/r", route(&["gpt"]));
    let twin = world.snapshot.routes[0].clone();
    world.snapshot.routes.push(twin);
    let outcome = world.compile();
    assert_eq!(outcome.0.table.routes.len(), 1);
    outcome.tells("a/r", "metadata.name", Reason::Invalid, "defined more than once");
}

#[test]
fn what_a_caller_may_list_is_what_it_may_call() {
    let mut world = World::new();
    world.route("a/own", route(&["mine", "pattern-*"]));
    world.route("b/other", route(&["theirs"]));
    world.route("shared/closed", route(&["closed"]));
    let outcome = world.compile();
    let listed = outcome.0.table.models(&super::world::caller("a"));
    let names: Vec<_> = listed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["mine"]);
}
