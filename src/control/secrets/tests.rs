use http::StatusCode;
use kube::core::Status;
use kube::runtime::watcher;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::watch;

use super::super::{fake_api, referenced};
use super::*;
use crate::table::SecretText;

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
    Reading { name: name(), inventory: inventory.clone(), listed: None, refused: None }
}

fn held(inventory: &Inventory) -> Option<String> {
    match inventory.snapshot().1.secrets.get(&name())? {
        SecretData::Present(data) => data.get("key").map(SecretText::expose).map(str::to_owned),
        SecretData::Absent => Some("absent".to_owned()),
    }
}

fn refusal(code: u16) -> Watched<KeptSecret> {
    let status = Status { code, ..Status::default() };
    Watched::Failed(watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status))))
}

#[tokio::test]
async fn only_what_is_referred_to_is_asked_for() {
    let asked_for = Arc::new(Mutex::new(Vec::new()));
    let log = asked_for.clone();
    let client = fake_api::client(move |asked| {
        log.lock().push(asked.target.clone());
        let metadata = json!({"resourceVersion": "1"});
        let list = json!({"kind": "SecretList", "metadata": metadata, "items": []});
        (!asked.target.contains("watch=true")).then_some((StatusCode::OK, list))
    })
    .await;
    let inventory = Arc::new(Inventory::default());
    let references = |names: &[&str]| {
        let secrets = names.iter().map(|name| ObjectName::new("ai", *name)).collect();
        Arc::new(References { secrets, ..References::default() })
    };
    let (wanted, wants) = watch::channel(references(&["a"]));
    let task =
        tokio::spawn(referenced::run(Secrets { client, inventory: inventory.clone() }, wants));
    let read = async |name: &str| {
        while !inventory.has_secret(&ObjectName::new("ai", name)) {
            inventory.changed().await;
        }
    };
    read("a").await;
    wanted.send_replace(references(&["b"]));
    read("b").await;
    assert!(!inventory.has_secret(&ObjectName::new("ai", "a")));
    assert!(!inventory.health().contains_key("Secret ai/a"), "its watch was stopped");
    for target in asked_for.lock().iter() {
        assert!(target.starts_with("/api/v1/namespaces/ai/secrets?"), "{target}");
        assert!(target.contains("fieldSelector=metadata.name%3D"), "{target}");
    }
    drop(wanted);
    task.await.unwrap();
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
    reading.observe(Watched::Applied(secret("one")), now);
    reading.observe(refusal(403), now);
    reading.observe(refusal(500), now + 2 * REFUSAL_GRACE);
    assert_eq!(held(&inventory).as_deref(), Some("one"));

    reading.observe(Watched::Applied(secret("one")), now);
    reading.observe(refusal(403), now);
    reading.observe(refusal(403), now + REFUSAL_GRACE);
    assert_eq!(held(&inventory).as_deref(), Some("absent"));
}
