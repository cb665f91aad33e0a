use std::time::Duration;

use http::StatusCode;
use kube::Client;
use kube::core::Status;
use kube::runtime::watcher;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::fake_api;
use super::super::referenced::{self, REFUSAL_GRACE};
use super::data::KeptSecret;
use super::reading::Reading;
use super::*;
use crate::compile::{References, SecretData};
use crate::control::cluster::Watched;
use crate::table::{ObjectName, SecretText};

fn name() -> ObjectName {
    ObjectName::new("ai", "keys")
}

fn secret(value: &str) -> KeptSecret {
    let value = k8s_openapi::ByteString(value.as_bytes().to_vec());
    serde_json::from_value(json!({
        "metadata": {"namespace": "ai", "name": "keys", "resourceVersion": "1"},
        "data": {"key": value},
    }))
    .unwrap()
}

fn reading(inventory: &Arc<Inventory>) -> Reading {
    let mut reading = Reading::new("ai".into(), None, inventory.clone());
    reading.name(["keys".into()].into());
    reading
}

fn reader(client: Client, inventory: &Arc<Inventory>) -> Reader {
    Reader { client, inventory: inventory.clone(), lists: Lists::default() }
}

fn held(inventory: &Inventory) -> Option<String> {
    match inventory.snapshot().1.secrets.get(&name())? {
        SecretData::Present(data) => data.get("key").map(SecretText::expose).map(str::to_owned),
        SecretData::Absent => Some("absent".to_owned()),
        SecretData::Unlabelled(labels) => Some(format!("none with {labels}")),
    }
}

fn refusal(code: u16) -> Watched<KeptSecret> {
    let status = Status { code, ..Status::default() };
    Watched::Failed(watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status))))
}

/// A client of an API server without Secrets, and what it is asked.
async fn empty_server() -> (Client, Arc<Mutex<Vec<String>>>) {
    let asked_for = Arc::new(Mutex::new(Vec::new()));
    let log = asked_for.clone();
    let client = fake_api::client(move |asked| {
        log.lock().push(asked.target.clone());
        let metadata = json!({"resourceVersion": "1"});
        let list = json!({"kind": "SecretList", "metadata": metadata, "items": []});
        (!asked.target.contains("watch=true")).then_some((StatusCode::OK, list))
    })
    .await;
    (client, asked_for)
}

fn references(names: &[&str]) -> Arc<References> {
    let secrets = names.iter().map(|name| ObjectName::new("ai", *name)).collect();
    Arc::new(References { secrets, ..References::default() })
}

async fn has_read(inventory: &Inventory, name: &str) {
    while !inventory.unread(&references(&[name])).secrets.is_empty() {
        inventory.changed().await;
    }
}

#[tokio::test]
async fn only_what_is_referred_to_is_asked_for() {
    let (client, asked_for) = empty_server().await;
    let inventory = Arc::new(Inventory::default());
    let secrets = ByName { reader: reader(client, &inventory), labels: None };
    let (wanted, wants) = watch::channel(references(&["a"]));
    let task = tokio::spawn(referenced::run(secrets, wants));
    has_read(&inventory, "a").await;
    wanted.send_replace(references(&["b"]));
    has_read(&inventory, "b").await;
    assert!(!inventory.unread(&references(&["a"])).secrets.is_empty());
    assert!(!inventory.health().contains_key("Secret ai/a"), "its watch was stopped");
    for target in asked_for.lock().iter() {
        assert!(target.starts_with("/api/v1/namespaces/ai/secrets?"), "{target}");
        assert!(target.contains("fieldSelector=metadata.name%3D"), "{target}");
    }
    drop(wanted);
    task.await.unwrap();
}

#[tokio::test]
async fn labels_that_are_demanded_are_asked_for_beside_the_name() {
    let (client, asked_for) = empty_server().await;
    let inventory = Arc::new(Inventory::default());
    let labels = Some("for=gateway".into());
    let secrets = ByName { reader: reader(client, &inventory), labels };
    let (_wanted, wants) = watch::channel(references(&["keys"]));
    let task = tokio::spawn(referenced::run(secrets, wants));
    has_read(&inventory, "keys").await;
    task.abort();
    assert_eq!(held(&inventory).as_deref(), Some("none with for=gateway"));
    for target in asked_for.lock().iter() {
        assert!(target.contains("fieldSelector=metadata.name%3Dkeys"), "{target}");
        assert!(target.contains("labelSelector=for%3Dgateway"), "{target}");
    }
}

#[tokio::test]
async fn the_labelled_ones_of_a_namespace_take_one_watch() {
    let asked_for = Arc::new(Mutex::new(Vec::new()));
    let log = asked_for.clone();
    let client = fake_api::client(move |asked| {
        log.lock().push(asked.target.clone());
        let item = |name: &str| json!({"metadata": {"namespace": "ai", "name": name}, "data": {}});
        let metadata = json!({"resourceVersion": "1"});
        let items = [item("a"), item("b"), item("not-referred-to")];
        let list = json!({"kind": "SecretList", "metadata": metadata, "items": items});
        (!asked.target.contains("watch=true")).then_some((StatusCode::OK, list))
    })
    .await;
    let inventory = Arc::new(Inventory::default());
    let secrets = Labelled::new(reader(client, &inventory), "for=gateway".into());
    let (wanted, wants) = watch::channel(references(&["a", "missing"]));
    let task = tokio::spawn(referenced::run(secrets, wants));
    has_read(&inventory, "a").await;
    has_read(&inventory, "missing").await;
    // One that is referred to later is there already, and is again after it was not for a while.
    for names in [&["b"][..], &["a", "b"], &["b"], &["a"]] {
        wanted.send_replace(references(names));
        for name in names {
            has_read(&inventory, name).await;
        }
    }
    let known = || {
        let secrets = inventory.snapshot().1.secrets;
        secrets.keys().map(|name| name.name.to_string()).collect::<Vec<_>>()
    };
    let only_one = async {
        while known() != ["a"] {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), only_one)
        .await
        .expect("the others are forgotten");
    let asked_for = asked_for.lock();
    let lists = asked_for.iter().filter(|target| !target.contains("watch=true")).count();
    assert_eq!(lists, 1, "{asked_for:?}");
    for target in &*asked_for {
        assert!(target.starts_with("/api/v1/namespaces/ai/secrets?"), "{target}");
        assert!(target.contains("labelSelector=for%3Dgateway"), "{target}");
    }
    task.abort();
}

#[tokio::test]
async fn a_watch_that_was_refused_begins_anew_with_a_list() {
    let asked_for = Arc::new(Mutex::new(Vec::new()));
    let log = asked_for.clone();
    let client = fake_api::client(move |asked| {
        let is_watch = asked.target.contains("watch=true");
        log.lock().push(is_watch);
        if is_watch {
            // The first one, while caches of roles are empty.
            let first = log.lock().len() == 2;
            return first.then(|| fake_api::refuse(StatusCode::FORBIDDEN, "Forbidden"));
        }
        let list = json!({"kind": "SecretList", "metadata": {"resourceVersion": "1"}, "items": []});
        Some((StatusCode::OK, list))
    })
    .await;
    let inventory = Arc::new(Inventory::default());
    let secrets = ByName { reader: reader(client, &inventory), labels: None };
    let (_wanted, wants) = watch::channel(references(&["keys"]));
    let task = tokio::spawn(referenced::run(secrets, wants));
    let anew = async {
        while asked_for.lock().len() < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), anew).await.expect("a list, and a watch");
    task.abort();
    assert_eq!(asked_for.lock()[..4], [false, true, false, true]);
}

#[tokio::test]
async fn turns_at_listing_are_given_back_by_lists_and_by_refusals() {
    let client = fake_api::client(move |asked| {
        if asked.target.contains("watch=true") {
            return None;
        }
        let list = json!({"kind": "SecretList", "metadata": {"resourceVersion": "1"}, "items": []});
        let forbidden = asked.target.contains("forbidden");
        Some(if forbidden {
            fake_api::refuse(StatusCode::FORBIDDEN, "Forbidden")
        } else {
            (StatusCode::OK, list)
        })
    })
    .await;
    let inventory = Arc::new(Inventory::default());
    let labels = Some("for=gateway".into());
    let secrets = ByName { reader: reader(client, &inventory), labels };
    let names = (0..20).flat_map(|n| [format!("missing-{n}"), format!("forbidden-{n}")]);
    let names: Vec<_> = names.collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let (_wanted, wants) = watch::channel(references(&names));
    let task = tokio::spawn(referenced::run(secrets, wants));
    for name in names {
        has_read(&inventory, name).await;
    }
    task.abort();
}

#[test]
fn a_secret_is_read_rotated_and_lost() {
    let inventory = Arc::new(Inventory::default());
    let (mut reading, now) = (reading(&inventory), Instant::now());
    reading.observe(Watched::Listing, now);
    reading.observe(Watched::Listed(secret("one")), now);
    assert_eq!(held(&inventory), None, "a list counts when it is complete");
    reading.observe(Watched::ListEnd, now);
    assert_eq!(held(&inventory).as_deref(), Some("one"));
    reading.observe(Watched::Applied(secret("two")), now);
    assert_eq!(held(&inventory).as_deref(), Some("two"));
    reading.observe(Watched::Listing, now);
    reading.observe(Watched::ListEnd, now);
    assert_eq!(held(&inventory).as_deref(), Some("absent"));
}

#[test]
fn a_forbidden_secret_is_absent_at_once_if_it_was_never_read() {
    let inventory = Arc::new(Inventory::default());
    reading(&inventory).observe(refusal(403), Instant::now());
    assert_eq!(held(&inventory).as_deref(), Some("absent"));
}

#[test]
fn a_secret_that_was_read_survives_a_short_refusal_and_any_outage() {
    let inventory = Arc::new(Inventory::default());
    let (mut reading, now) = (reading(&inventory), Instant::now());
    reading.observe(Watched::Listed(secret("one")), now);
    reading.observe(Watched::ListEnd, now);
    reading.observe(refusal(403), now);
    reading.observe(refusal(500), now + 2 * REFUSAL_GRACE);
    assert_eq!(held(&inventory).as_deref(), Some("one"));

    reading.observe(Watched::Applied(secret("one")), now);
    reading.observe(refusal(403), now);
    reading.observe(refusal(403), now + REFUSAL_GRACE);
    assert_eq!(held(&inventory).as_deref(), Some("absent"));
}

#[test]
fn a_refusal_long_after_another_begins_a_new_row() {
    let inventory = Arc::new(Inventory::default());
    let (mut reading, now) = (reading(&inventory), Instant::now());
    reading.observe(Watched::Listed(secret("one")), now);
    reading.observe(Watched::ListEnd, now);
    reading.observe(refusal(403), now);
    // The watch went on in between, without an event to show it.
    reading.observe(refusal(403), now + 2 * REFUSAL_GRACE);
    assert_eq!(held(&inventory).as_deref(), Some("one"));
}
