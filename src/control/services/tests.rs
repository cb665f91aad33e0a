use http::StatusCode;
use kube::core::Status;
use kube::runtime::watcher;
use serde_json::{Value, json};

use super::super::cluster::Watched;
use super::super::{fake_api, referenced};
use super::*;
use crate::compile::{Selected, Service, ServiceData};
use crate::table::ObjectName;

fn name() -> ObjectName {
    ObjectName::new("ai", "vllm")
}

fn read<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).expect("an object")
}

fn service_json(selector: &Value) -> Value {
    json!({
        "metadata": {"namespace": "ai", "name": "vllm", "resourceVersion": "1"},
        "spec": {"selector": selector, "ports": [{"name": "http", "port": 80}], "ipFamilies": ["IPv4"]},
    })
}

fn slice_json(name: &str, address: &str) -> Value {
    json!({
        "metadata": {
            "namespace": "ai",
            "name": name,
            "labels": {SERVICE_NAME: "vllm"},
            "resourceVersion": "1",
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8000}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": true}}],
    })
}

fn pod_json(status: &Value, spec: &Value) -> Value {
    let metadata = json!({
        "namespace": "ai",
        "name": "vllm-0",
        "uid": "u1",
        "labels": {"app": "vllm", "tier": "gpu"},
        "resourceVersion": "1",
    });
    json!({"metadata": metadata, "spec": spec, "status": status})
}

fn held(inventory: &Inventory) -> Option<ServiceData> {
    inventory.snapshot().1.services.get(&name()).cloned()
}

fn present(inventory: &Inventory) -> Arc<Service> {
    match held(inventory) {
        Some(ServiceData::Present(service)) => service,
        other => panic!("{other:?}"),
    }
}

fn references(names: &[&str]) -> Arc<References> {
    let services = names.iter().map(|name| ObjectName::new("ai", *name)).collect();
    Arc::new(References { services, ..References::default() })
}

/// A reading of the namespace, in which the one Service is referred to.
fn reading(inventory: &Arc<Inventory>) -> Reading {
    let mut reading = Reading::new("ai".into(), inventory.clone(), watch::channel(None).0);
    reading.name(&references(&["vllm"]));
    reading
}

impl Reading {
    fn service(&mut self, event: Watched<KeptService>) {
        self.saw_service(event, Instant::now());
    }

    fn slices(&mut self, event: Watched<EndpointSlice>) {
        self.saw_slice(event, Instant::now());
    }

    fn pods(&mut self, event: Watched<KeptPod>) {
        self.saw_pod(event, Instant::now());
    }
}

fn refusal<K>() -> Watched<K> {
    let status = Status { code: 403, ..Status::default() };
    Watched::Failed(watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status))))
}

#[test]
fn nothing_is_told_before_everything_is_known() {
    let inventory = Arc::new(Inventory::default());
    let (selection, selected) = watch::channel(None);
    let mut reading = Reading::new("ai".into(), inventory.clone(), selection);
    reading.name(&references(&["vllm"]));
    reading.service(Watched::Listed(read(service_json(&json!({"app": "vllm", "tier": "gpu"})))));
    reading.service(Watched::ListEnd);
    let selector = selected.borrow().as_ref().and_then(|one| one.config().label_selector);
    assert_eq!(selector.as_deref(), Some("app=vllm,tier=gpu"));
    reading.slices(Watched::Listed(read(slice_json("s1", "10.0.0.1"))));
    reading.slices(Watched::ListEnd);
    assert_eq!(held(&inventory), None);
    let running = json!({"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}]});
    reading.pods(Watched::Listed(read(pod_json(&running, &json!({})))));
    reading.pods(Watched::ListEnd);
    let service = present(&inventory);
    assert_eq!((service.slices.len(), &*service.ports[0].name), (1, "http"));
    let Selected::Pods(pods) = &service.pods else { panic!("{service:?}") };
    assert_eq!(pods["u1"].addresses.len(), 1);

    // What pods are told to do is not kept, and a pod that has ended has no address any more.
    let ended = json!({"phase": "Failed", "podIPs": [{"ip": "10.0.0.1"}]});
    reading.pods(Watched::Applied(read(pod_json(&ended, &json!({})))));
    let Selected::Pods(pods) = &present(&inventory).pods else { panic!() };
    assert!(pods.is_empty());
    reading.pods(Watched::Applied(read(pod_json(&running, &json!({"hostNetwork": true})))));
    let Selected::Pods(pods) = &present(&inventory).pods else { panic!() };
    assert!(pods.is_empty(), "its address is the node's");
}

#[test]
fn the_last_words_of_a_watch_that_was_given_up_are_no_list() {
    let inventory = Arc::new(Inventory::default());
    let mut reading = reading(&inventory);
    reading.service(Watched::Listed(read(service_json(&json!({"app": "vllm"})))));
    reading.service(Watched::ListEnd);
    reading.slices(Watched::ListEnd);
    let running = json!({"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}]});
    reading.pods(Watched::Applied(read(pod_json(&running, &json!({})))));
    assert_eq!(held(&inventory), None, "which pods there are is not known");
}

#[test]
fn slices_that_go_take_their_endpoints_along() {
    let inventory = Arc::new(Inventory::default());
    let mut reading = reading(&inventory);
    reading.service(Watched::Listed(read(service_json(&json!(null)))));
    reading.service(Watched::ListEnd);
    for (slice, address) in [("s1", "10.0.0.1"), ("s2", "10.0.0.2")] {
        reading.slices(Watched::Listed(read(slice_json(slice, address))));
    }
    reading.slices(Watched::ListEnd);
    assert_eq!(
        (present(&inventory).slices.len(), &present(&inventory).pods),
        (2, &Selected::Nothing)
    );
    reading.slices(Watched::Deleted(read(slice_json("s1", "10.0.0.1"))));
    assert_eq!(present(&inventory).slices.len(), 1);

    // A list that breaks off takes nothing away, one that is complete does.
    reading.slices(Watched::Listing);
    assert_eq!(present(&inventory).slices.len(), 1);
    reading.slices(Watched::ListEnd);
    assert!(present(&inventory).slices.is_empty());
    reading.service(Watched::Deleted(read(service_json(&json!(null)))));
    assert_eq!(held(&inventory), Some(ServiceData::Absent));
}

#[test]
fn what_may_not_be_read_is_told_and_what_was_read_is_kept_for_a_while() {
    let inventory = Arc::new(Inventory::default());
    let mut reading = reading(&inventory);
    reading.service(Watched::Listed(read(service_json(&json!({"app": "vllm"})))));
    reading.service(Watched::ListEnd);
    reading.slices(refusal());
    assert_eq!(held(&inventory), Some(ServiceData::Forbidden("endpointslices")));
    reading.slices(Watched::ListEnd);
    reading.pods(refusal());
    assert_eq!(present(&inventory).pods, Selected::Unreadable);
    reading.pods(Watched::ListEnd);
    reading.pods(refusal());
    reading.slices(refusal());
    assert!(matches!(present(&inventory).pods, Selected::Pods(_)), "it was read a moment ago");
    reading.service(refusal());
    assert!(matches!(held(&inventory), Some(ServiceData::Present(_))));
}

#[tokio::test]
async fn of_a_namespace_that_is_watched_its_watch_alone_forgets() {
    let inventory = Arc::new(Inventory::default());
    let client = fake_api::client(|_| None).await;
    let services = Services::new(client, inventory.clone(), Lists::default());
    inventory.set_service(&name(), ServiceData::Absent);
    // Named again before the watch has heard that it was not, it would never be handed on again.
    services.retain(&references(&["other"]));
    assert_eq!(held(&inventory), Some(ServiceData::Absent));
    services.retain(&references(&[]));
    assert_eq!(held(&inventory), None);
}

#[test]
fn pods_are_not_listed_anew_for_fewer_values_of_the_same_labels() {
    let inventory = Arc::new(Inventory::default());
    let (selection, mut selected) = watch::channel(None);
    let mut reading = Reading::new("ai".into(), inventory, selection);
    let now = Instant::now();
    let mut other = service_json(&json!({"app": "other"}));
    other["metadata"]["name"] = json!("other");
    reading.saw_service(Watched::Listed(read(service_json(&json!({"app": "vllm"})))), now);
    reading.saw_service(Watched::Listed(read(other)), now);
    reading.saw_service(Watched::ListEnd, now);
    let mut asked_anew = |names: &[&str]| {
        reading.name(&references(names));
        let changed = selected.has_changed().expect("it is there");
        selected.mark_unchanged();
        changed
    };
    assert!(asked_anew(&["vllm"]));
    assert!(asked_anew(&["vllm", "other"]));
    assert!(!asked_anew(&["vllm"]));
    assert!(!asked_anew(&["other"]));
    let narrower = json!({"app": "vllm", "tier": "gpu"});
    reading.name(&references(&["vllm"]));
    reading.saw_service(Watched::Applied(read(service_json(&narrower))), now);
    assert!(selected.has_changed().expect("it is there"), "one label more spares most pods");
}

#[test]
fn what_nobody_names_is_handed_on_as_soon_as_somebody_does() {
    let inventory = Arc::new(Inventory::default());
    let mut reading = reading(&inventory);
    reading.name(&references(&[]));
    reading.service(Watched::Listed(read(service_json(&json!(null)))));
    reading.service(Watched::ListEnd);
    reading.slices(Watched::Listed(read(slice_json("s1", "10.0.0.1"))));
    reading.slices(Watched::ListEnd);
    assert_eq!(held(&inventory), None);
    reading.name(&references(&["vllm"]));
    assert_eq!(present(&inventory).slices.len(), 1);
    reading.name(&references(&["other"]));
    assert_eq!(held(&inventory), None);
    let other = inventory.snapshot().1.services.get(&ObjectName::new("ai", "other")).cloned();
    assert_eq!(other, Some(ServiceData::Absent));
}

#[test]
fn pods_serve_until_those_of_another_selection_are_known() {
    let inventory = Arc::new(Inventory::default());
    let mut reading = reading(&inventory);
    let one = service_json(&json!({"app": "vllm"}));
    let mut other = service_json(&json!({"app": "other"}));
    other["metadata"]["name"] = json!("other");
    for service in [one, other] {
        reading.service(Watched::Listed(read(service)));
    }
    reading.service(Watched::ListEnd);
    reading.slices(Watched::Listed(read(slice_json("s1", "10.0.0.1"))));
    reading.slices(Watched::ListEnd);
    let running = json!({"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}]});
    reading.pods(Watched::Listed(read(pod_json(&running, &json!({})))));
    reading.pods(Watched::ListEnd);
    assert!(matches!(&present(&inventory).pods, Selected::Pods(pods) if pods.len() == 1));

    let wanted = references(&["other", "vllm"]);
    reading.name(&wanted);
    assert_eq!(inventory.unread(&wanted).services, [ObjectName::new("ai", "other")].into());
    // What happens meanwhile is told.
    reading.slices(Watched::Applied(read(slice_json("s1", "10.0.0.2"))));
    assert!(matches!(&present(&inventory).pods, Selected::Pods(pods) if pods.is_empty()));
    reading.pods(Watched::ListEnd);
    assert!(inventory.unread(&wanted).services.is_empty());
}

/// The watches that were asked for, without what they begin at and how.
fn watched(asked_for: &[String]) -> BTreeSet<String> {
    let watches = asked_for.iter().filter(|target| target.contains("watch=true"));
    let selector = |target: &String| {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let selectors = query.split('&').filter(|one| one.contains("Selector="));
        let kind = path.rsplit_once('/').map_or(path, |(_, kind)| kind);
        format!("{kind} {}", selectors.collect::<Vec<_>>().join("&"))
    };
    watches.map(selector).collect()
}

#[tokio::test]
async fn a_namespace_is_asked_for_while_a_service_of_it_is_named() {
    let asked_for = Arc::new(Mutex::new(Vec::new()));
    let log = asked_for.clone();
    let client = fake_api::client(move |asked| {
        log.lock().push(asked.target.clone());
        let mut other = service_json(&json!({"app": "other"}));
        other["metadata"]["name"] = json!("other");
        let items = if asked.target.contains("/services?") {
            json!([service_json(&json!({"app": "vllm"})), other])
        } else {
            json!([])
        };
        let list = json!({"kind": "List", "metadata": {"resourceVersion": "1"}, "items": items});
        (!asked.target.contains("watch=true")).then_some((StatusCode::OK, list))
    })
    .await;
    let inventory = Arc::new(Inventory::default());
    let (wanted, wants) = watch::channel(references(&["vllm"]));
    let services = Services::new(client, inventory.clone(), Lists::default());
    let task = tokio::spawn(referenced::run(services, wants));
    let watches = async |expected: &[&str]| {
        let expected: BTreeSet<_> = expected.iter().map(|&one| one.to_owned()).collect();
        while watched(&asked_for.lock()) != expected {
            tokio::task::yield_now().await;
        }
    };
    let (services, slices) =
        ("services ", "endpointslices labelSelector=kubernetes.io%2Fservice-name");
    let (own, both) =
        ("pods labelSelector=app%3Dvllm", "pods labelSelector=app+in+%28other%2Cvllm%29");
    watches(&[services, slices, own]).await;
    assert_eq!(inventory.health().len(), 3);
    assert!(held(&inventory).is_some());
    for target in asked_for.lock().iter() {
        assert!(target.contains("/namespaces/ai/"), "{target}");
    }

    let both_named = references(&["other", "vllm"]);
    wanted.send_replace(both_named.clone());
    watches(&[services, slices, own, both]).await;
    let lists = asked_for.lock().iter().filter(|target| !target.contains("watch=true")).count();
    assert_eq!(lists, 4, "only the pods are listed again");
    while !inventory.unread(&both_named).services.is_empty() {
        tokio::task::yield_now().await;
    }
    wanted.send_replace(references(&[]));
    while held(&inventory).is_some() || !inventory.health().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(wanted);
    task.await.unwrap();
}
