use std::time::Duration;

use serde_json::json;

use super::*;

fn object(namespace: &str, name: &str, generation: i64) -> Stored {
    let raw = Raw {
        name: ObjectName::new(namespace, name),
        uid: "uid".into(),
        created: Some(1),
        generation,
        spec: Arc::new(json!({"generation": generation})),
    };
    Stored { raw, status: Arc::default() }
}

fn routes(inventory: &Inventory) -> Vec<String> {
    inventory.snapshot().1.routes.iter().map(|route| route.name.to_string()).collect()
}

fn present(value: &str) -> SecretData {
    SecretData::Present(BTreeMap::from([("key".to_owned(), SecretText::new(value))]))
}

#[test]
fn a_list_replaces_its_own_namespace_only() {
    let inventory = Inventory::default();
    inventory.replace(Kind::ModelRoute, Some("a"), vec![object("a", "1", 1), object("a", "2", 1)]);
    inventory.replace(Kind::ModelRoute, Some("b"), vec![object("b", "1", 1)]);
    inventory.replace(Kind::ModelRoute, Some("a"), vec![object("a", "2", 1)]);
    assert_eq!(routes(&inventory), ["a/2", "b/1"]);
    inventory.replace(Kind::ModelRoute, None, vec![object("c", "1", 1)]);
    assert_eq!(routes(&inventory), ["c/1"]);
}

#[test]
fn only_what_compile_can_see_counts_as_a_change() {
    let inventory = Inventory::default();
    inventory.apply(Kind::ModelRoute, object("a", "1", 1));
    let revision = inventory.revision();

    let mut written = object("a", "1", 1);
    written.status = Arc::new(json!({"conditions": []}));
    inventory.apply(Kind::ModelRoute, written);
    inventory.replace(Kind::ModelRoute, None, vec![object("a", "1", 1)]);
    inventory.remove(Kind::ModelRoute, &ObjectName::new("a", "other"));
    assert_eq!(inventory.revision(), revision, "a status write or a relist changes nothing");

    let mut made_again = object("a", "1", 1);
    made_again.raw.uid = "another".into();
    inventory.apply(Kind::ModelRoute, made_again);
    assert_eq!(inventory.revision(), revision + 1);
}

#[test]
fn a_status_write_is_seen_all_the_same() {
    let inventory = Inventory::default();
    inventory.apply(Kind::Consumer, object("a", "1", 1));
    let mut written = object("a", "1", 1);
    written.status = Arc::new(json!({"conditions": []}));
    inventory.apply(Kind::Consumer, written);
    let held = inventory.object(Kind::Consumer, &ObjectName::new("a", "1")).unwrap();
    assert_eq!(*held.status, json!({"conditions": []}));
}

#[test]
fn a_rotated_secret_is_a_change_and_a_repeated_one_is_not() {
    let inventory = Inventory::default();
    let name = ObjectName::new("a", "keys");
    let wanted = References { secrets: BTreeSet::from([name.clone()]), ..References::default() };
    assert_eq!(inventory.unread(&wanted).secrets, wanted.secrets);
    inventory.set_secret(&name, present("one"));
    assert!(inventory.unread(&wanted).secrets.is_empty());
    let revision = inventory.revision();
    inventory.set_secret(&name, present("one"));
    assert_eq!(inventory.revision(), revision);
    inventory.set_secret(&name, present("two"));
    assert_eq!(inventory.revision(), revision + 1);
    inventory.set_secret(&name, SecretData::Absent);
    assert_eq!(inventory.revision(), revision + 2);
    inventory.retain_secrets(|_| false);
    assert_eq!(inventory.unread(&wanted).secrets, wanted.secrets);
}

#[test]
fn a_rotated_file_is_a_change_and_so_is_its_error() {
    let inventory = Inventory::default();
    let read = |reading: Result<&str, &str>| {
        let reading = reading.map(SecretText::new).map_err(str::to_owned);
        inventory.replace_ambient(BTreeMap::from([(AmbientSource::File("f".into()), reading)]));
        inventory.revision()
    };
    let revision = read(Ok("one"));
    assert_eq!(read(Ok("one")), revision);
    assert_eq!(read(Ok("two")), revision + 1);
    assert_eq!(read(Err("gone")), revision + 2);
    assert_eq!(read(Err("gone")), revision + 2);
}

#[test]
fn every_expected_list_is_awaited() {
    let inventory = Inventory::default();
    let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
    inventory.expect(&a);
    inventory.expect(&b);
    inventory.arrived("a");
    assert_eq!(inventory.awaited(), std::slice::from_ref(&b));
    inventory.arrived("b");
    assert!(inventory.awaited().is_empty());
}

#[test]
fn an_unusable_object_is_counted_once() {
    let inventory = Inventory::default();
    let source: Arc<str> = "ModelRoute".into();
    let bad = Unusable { object: "a/1".to_owned(), reason: "no".to_owned() };
    assert_eq!(inventory.set_skipped(&source, vec![bad.clone()]), std::slice::from_ref(&bad));
    assert!(inventory.set_skipped(&source, vec![bad]).is_empty());
    let (skipped, total) = inventory.skipped();
    assert_eq!((skipped.len(), total), (1, 1));
    inventory.set_skipped(&source, Vec::new());
    let (skipped, total) = inventory.skipped();
    assert_eq!((skipped.len(), total), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn changes_wake_and_repetitions_do_not() {
    let inventory = Inventory::default();
    inventory.apply(Kind::ModelRoute, object("a", "1", 1));
    inventory.changed().await;
    inventory.apply(Kind::ModelRoute, object("a", "1", 1));
    let woken = tokio::time::timeout(Duration::from_secs(1), inventory.changed()).await;
    assert!(woken.is_err());
}
