//! What holds of every world.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{World, route};
use crate::api::{Kind, Reason};
use crate::compile::{Compiled, References, references};
use crate::table::ModelPattern;

/// Everything that must be the same, and nothing that starts at random.
fn digest(compiled: &Compiled) -> String {
    let table = &compiled.table;
    let mut text = String::new();
    for route in &table.routes {
        let tiers: Vec<_> = route.tiers.iter().map(|t| (t.priority, &t.members)).collect();
        let targets: Vec<_> = route
            .targets
            .iter()
            .map(|target| match target.upstream() {
                Some(up) => {
                    format!("{} {} {:?} {:?}", target.name, up.base_url, up.model, up.timeouts)
                }
                None => format!("{} {:?}", target.name, target.resolution),
            })
            .collect();
        let admission = &route.admission;
        writeln!(
            text,
            "{} {} {:?} {admission:?} {tiers:?} {targets:?}",
            route.label, route.observed_generation, route.models
        )
        .expect("a string");
    }
    let scopes: BTreeMap<_, _> = table
        .scopes
        .iter()
        .map(|(namespace, scope)| {
            let names: BTreeMap<_, _> = scope.exact_names().collect();
            let probes = ["gpt", "gpt-4", "claude", "x-latest"];
            let matches: Vec<Vec<_>> =
                probes.iter().map(|probe| scope.matches(probe).collect()).collect();
            (namespace.clone(), format!("{names:?} {matches:?}"))
        })
        .collect();
    let callers: BTreeMap<_, _> = table
        .callers
        .iter()
        .map(|(key, caller)| (*key, format!("{} {:?}", caller.namespace, caller.consumer)))
        .collect();
    writeln!(text, "{scopes:?} {callers:?} {:?}", table.shared).expect("a string");
    writeln!(text, "{:?} {:?} {:?}", compiled.findings, compiled.reports, compiled.references)
        .expect("a string");
    text
}

fn name() -> impl Strategy<Value = String> {
    ("[a-c]", "[a-d]").prop_map(|(namespace, name)| format!("{namespace}/{name}"))
}

fn grant() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({})),
        Just(json!({ "from": "All" })),
        Just(json!({ "from": "Names", "names": ["a", "b"] })),
        Just(json!({ "from": "Selector", "selector": { "matchLabels": { "tier": "gold" } } })),
        Just(json!({ "from": "Selector" })),
    ]
}

fn a_route() -> impl Strategy<Value = Value> {
    let model = prop_oneof![
        Just("gpt"),
        Just("gpt-*"),
        Just("*"),
        Just("*-latest"),
        Just("claude"),
        Just("a*b")
    ];
    let target = prop_oneof![
        Just(json!({ "name": "t", "provider": "openai", "credentialRef": { "name": "a" } })),
        Just(json!({ "name": "u", "provider": "openai",
            "credentialRef": { "name": "b", "namespace": "b" } })),
        Just(json!({ "name": "v", "provider": "vllm", "baseURL": "https://v.example" })),
        Just(json!({ "name": "w", "provider": "nobody" })),
        Just(json!({ "name": "x", "priority": "high" })),
    ];
    let models = prop::collection::vec(model, 0..3);
    let targets = prop::collection::vec(target, 0..3);
    (models, targets, grant()).prop_map(
        |(models, targets, grant)| json!({ "models": models, "targets": targets, "allowedNamespaces": grant }),
    )
}

fn a_store() -> impl Strategy<Value = Value> {
    let hosts = prop_oneof![Just(json!([])), Just(json!(["v.example"])), Just(json!(["?"]))];
    (hosts, grant()).prop_map(|(hosts, grant)| {
        let mut store = super::key_store();
        store["allowedHosts"] = hosts;
        store["allowedNamespaces"] = grant;
        store
    })
}

fn a_consumer() -> impl Strategy<Value = Value> {
    ("[01]", any::<bool>()).prop_map(|(digit, disabled)| {
        json!({ "allowedModels": ["*"], "disabled": disabled,
            "apiKeys": [{ "name": "a", "sha256": digit.repeat(64) }] })
    })
}

type Objects = Vec<(String, Value, i64)>;

fn objects(spec: impl Strategy<Value = Value>) -> impl Strategy<Value = Objects> {
    prop::collection::btree_map(name(), (spec, 0..3_i64), 0..6).prop_map(|objects| {
        objects.into_iter().map(|(name, (spec, created))| (name, spec, created)).collect()
    })
}

fn world(routes: &Objects, stores: &Objects, consumers: &Objects) -> World {
    let mut world = World::new();
    world.labels("a", &[("tier", "gold")]);
    world.labels("c", &[("tier", "lead")]);
    world.secret("b/keys", "key", "sk-test");
    world.no_secret("a/keys");
    for (kind, objects) in
        [(Kind::ModelRoute, routes), (Kind::CredentialStore, stores), (Kind::Consumer, consumers)]
    {
        for (name, spec, created) in objects {
            world.put(kind, name, spec.clone()).created = Some(*created);
        }
    }
    world
}

proptest! {
    #[test]
    fn the_order_of_input_means_nothing(
        (routes, mixed_routes) in objects(a_route()).prop_flat_map(|o| (Just(o.clone()), Just(o).prop_shuffle())),
        (stores, mixed_stores) in objects(a_store()).prop_flat_map(|o| (Just(o.clone()), Just(o).prop_shuffle())),
        (callers, mixed_callers) in objects(a_consumer()).prop_flat_map(|o| (Just(o.clone()), Just(o).prop_shuffle())),
    ) {
        let one = world(&routes, &stores, &callers).compile().0;
        let two = world(&mixed_routes, &mixed_stores, &mixed_callers).compile().0;
        prop_assert_eq!(digest(&one), digest(&two));
    }

    #[test]
    fn to_compile_again_changes_nothing(
        before in objects(a_route()), routes in objects(a_route()), stores in objects(a_store()),
    ) {
        let mut world = world(&before, &stores, &Vec::new());
        world.compile();
        world.snapshot.routes.clear();
        for (name, spec, _) in &routes {
            world.route(name, spec.clone());
        }
        let one = world.compile().0;
        let two = world.compile().0;
        prop_assert_eq!(digest(&one), digest(&two));
    }

    #[test]
    fn a_route_that_is_not_read_again_is_compiled_as_if_it_were(
        routes in objects(a_route()), stores in objects(a_store()),
    ) {
        let mut known = world(&routes, &stores, &Vec::new());
        known.compile();
        let mut anew = world(&routes, &stores, &Vec::new());
        for world in [&mut known, &mut anew] {
            world.labels("a", &[("tier", "lead")]);
            world.labels("c", &[("tier", "gold")]);
            world.no_secret("b/keys");
        }
        prop_assert_eq!(digest(&known.compile().0), digest(&anew.compile().0));
    }

    #[test]
    fn routes_are_sorted_as_lookups_need_them(routes in objects(a_route())) {
        let compiled = world(&routes, &Vec::new(), &Vec::new()).compile().0;
        prop_assert!(compiled.table.routes.is_sorted_by(|a, b| a.name < b.name));
        prop_assert!(compiled.findings.is_sorted());
        prop_assert!(compiled.reports.is_sorted_by(|a, b| a.object < b.object));
    }

    #[test]
    fn references_are_those_of_compile(stores in objects(a_store()), callers in objects(a_consumer())) {
        let mut world = world(&Vec::new(), &stores, &callers);
        let alone = references(&world.snapshot, &world.tenancy, &world.last_good);
        prop_assert_eq!(alone, world.compile().0.references);
    }

    #[test]
    fn any_spec_at_all_is_survived(spec in any_json(), kind in 0..3_usize) {
        let kind = [Kind::ModelRoute, Kind::CredentialStore, Kind::Consumer][kind];
        let mut world = World::new();
        world.route("a/good", route(&["gpt"]));
        world.put(kind, "a/any", spec);
        let outcome = world.compile();
        prop_assert!(outcome.asks("a", "gpt").is_some());
    }

    #[test]
    fn the_order_of_patterns_is_total(
        a in "[ab]{0,3}[*]?|[*][ab]{0,3}", b in "[ab]{0,3}[*]?|[*][ab]{0,3}", c in "[ab]{0,3}[*]?|[*][ab]{0,3}",
    ) {
        let (Ok(a), Ok(b), Ok(c)) =
            (ModelPattern::parse(&a), ModelPattern::parse(&b), ModelPattern::parse(&c))
        else {
            return Ok(());
        };
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a.cmp(&b).is_eq(), a == b);
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        "[a-z*]{0,6}".prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    let field = prop::sample::select(vec![
        "targets",
        "models",
        "allowedNamespaces",
        "from",
        "apiKeys",
        "apiKey",
        "keys",
        "name",
        "provider",
        "valueFrom",
        "timeouts",
        "baseURL",
        "other",
    ]);
    word.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(field.clone().prop_map(str::to_owned), inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Not a benchmark: a loop within a loop over routes would take minutes here, not seconds.
#[test]
fn five_thousand_routes_in_one_namespace_are_compiled() {
    let mut world = World::new();
    for index in 0..5_000_i64 {
        let mut raw = World::new();
        let exact = format!("model-{index}");
        let pattern = format!("model-{index}-*");
        raw.route(&format!("a/r{index}"), route(&[&exact, &pattern])).created = Some(index);
        world.snapshot.routes.append(&mut raw.snapshot.routes);
    }
    let outcome = world.compile();
    assert_eq!(outcome.0.table.routes.len(), 5_000);
    assert_eq!(outcome.asks("a", "model-4999").as_deref(), Some("a/r4999"));
    assert_eq!(outcome.errors(), Vec::<String>::new());
}

#[test]
fn a_route_that_has_not_changed_is_not_read_again() {
    let mut world = World::new();
    world.route("a/same", route(&["gpt"]));
    world.route("a/odd", json!({"targets": route(&[])["targets"], "unheardOf": true}));
    let read = |world: &World, index: usize| {
        let raw = &world.snapshot.routes[index];
        world.last_good.route(raw).expect("it makes sense").spec.clone()
    };
    world.compile();
    let (same, odd) = (read(&world, 0), read(&world, 1));
    let outcome = world.compile();
    assert!(Arc::ptr_eq(&same, &read(&world, 0)));
    assert!(!Arc::ptr_eq(&odd, &read(&world, 1)), "what is wrong with it is found by reading");
    outcome.tells("a/odd", "spec.unheardOf", Reason::UnknownField, "spelling");

    world.route("a/same", route(&["gpt", "other"]));
    assert_eq!(world.compile().asks("a", "other").as_deref(), Some("a/same"));
}

#[test]
fn an_empty_world_makes_an_empty_table() {
    let mut world = World::new();
    let compiled = world.compile().0;
    assert!(compiled.table.routes.is_empty());
    assert_eq!(compiled.table.generation, 0, "the publisher counts");
    assert_eq!(compiled.references, References::default());
}
