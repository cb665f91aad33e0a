use serde_json::{Value, json};

use super::*;
use crate::table::ObjectName;

fn watch(inventory: &Arc<Inventory>) -> KindWatch {
    KindWatch {
        kind: Kind::ModelRoute,
        scope: None,
        source: "ModelRoute".into(),
        gateway: "default".into(),
        inventory: inventory.clone(),
        lists: Lists::default(),
        listed: Vec::new(),
        unusable: Vec::new(),
    }
}

fn route(name: &str, spec: &Value) -> Observed {
    let metadata = json!({"namespace": "ai", "name": name, "resourceVersion": "1"});
    serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
}

fn unreadable(name: &str) -> Observed {
    let metadata = json!({"namespace": "ai", "name": name, "labels": "none"});
    serde_json::from_value(json!({"metadata": metadata})).unwrap()
}

fn names(inventory: &Inventory) -> Vec<String> {
    inventory.snapshot().1.routes.iter().map(|route| route.name.name.to_string()).collect()
}

#[test]
fn a_list_counts_only_when_it_is_complete() {
    let inventory = Arc::new(Inventory::default());
    let mut watch = watch(&inventory);
    inventory.expect(&watch.source);
    watch.observe(Watched::Listing);
    watch.observe(Watched::Listed(route("lost", &json!({}))));
    // The connection breaks, and the list begins again.
    watch.observe(Watched::Listing);
    watch.observe(Watched::Listed(route("a", &json!({}))));
    assert!(names(&inventory).is_empty());
    assert_eq!(inventory.awaited().len(), 1);
    watch.observe(Watched::ListEnd);
    assert_eq!(names(&inventory), ["a"]);
    assert!(inventory.awaited().is_empty());
}

#[test]
fn objects_of_another_gateway_are_not_seen() {
    let inventory = Arc::new(Inventory::default());
    let mut watch = watch(&inventory);
    watch.observe(Watched::Listing);
    watch.observe(Watched::Listed(route("theirs", &json!({"gateway": "edge"}))));
    watch.observe(Watched::Listed(route("ours", &json!({"gateway": "default"}))));
    watch.observe(Watched::ListEnd);
    assert_eq!(names(&inventory), ["ours"]);
    watch.observe(Watched::Applied(route("ours", &json!({"gateway": "edge"}))));
    assert!(names(&inventory).is_empty(), "an edit gave it away");
}

#[test]
fn an_unreadable_object_costs_itself_only_until_it_is_mended() {
    let inventory = Arc::new(Inventory::default());
    let mut watch = watch(&inventory);
    watch.observe(Watched::Listing);
    watch.observe(Watched::Listed(unreadable("bad")));
    watch.observe(Watched::Listed(route("good", &json!({}))));
    watch.observe(Watched::ListEnd);
    assert_eq!(names(&inventory), ["good"]);
    assert_eq!(inventory.skipped().0[0].object, "ai/bad");

    watch.observe(Watched::Applied(route("bad", &json!({}))));
    assert_eq!(names(&inventory), ["bad", "good"]);
    assert!(inventory.skipped().0.is_empty());

    watch.observe(Watched::Applied(unreadable("bad")));
    assert_eq!(names(&inventory), ["good"]);
    watch.observe(Watched::Deleted(unreadable("bad")));
    assert!(inventory.skipped().0.is_empty());
    assert_eq!(inventory.skipped().1, 2);
}

#[test]
fn a_deleted_object_is_gone() {
    let inventory = Arc::new(Inventory::default());
    let mut watch = watch(&inventory);
    watch.observe(Watched::Applied(route("a", &json!({}))));
    watch.observe(Watched::Deleted(route("a", &json!({}))));
    assert!(inventory.object(Kind::ModelRoute, &ObjectName::new("ai", "a")).is_none());
}
