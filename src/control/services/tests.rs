use http::StatusCode;
use kube::core::Status;
use kube::runtime::watcher;
use serde_json::{Value, json};

use super::super::cluster::Watched;
use super::super::{fake_api, referenced};
use super::*;

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
        "metadata": {"namespace": "ai", "name": name, "resourceVersion": "1"},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8000}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": true}}],
    })
}

fn pod_json(status: &Value, spec: &Value) -> Value {
    let metadata =
        json!({"namespace": "ai", "name": "vllm-0", "uid": "u1", "resourceVersion": "1"});
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

impl Reading {
    fn saw_service(&mut self, event: Watched<KeptService>) {
        self.service.observe(event, |one| Some(objects::facts(one)), Instant::now());
        self.publish();
    }

    fn saw_slices(&mut self, event: Watched<EndpointSlice>) {
        self.slices.observe(event, objects::slice, Instant::now());
        self.publish();
    }

    fn saw_pods(&mut self, event: Watched<KeptPod>) {
        self.pods.observe(event, objects::pod_of, Instant::now());
        self.publish();
    }
}

fn refusal<K>() -> Watched<K> {
    let status = Status { code: 403, ..Status::default() };
    Watched::Failed(watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status))))
}

#[test]
fn nothing_is_told_before_everything_is_known() {
    let inventory = Arc::new(Inventory::default());
    let (selector, selected) = watch::channel(None);
    let mut reading = Reading { selector, ..Reading::new(&name(), &inventory) };
    reading
        .saw_service(Watched::Listed(read(service_json(&json!({"app": "vllm", "tier": "gpu"})))));
    reading.saw_service(Watched::ListEnd);
    assert_eq!(selected.borrow().as_deref(), Some("app=vllm,tier=gpu"));
    reading.saw_slices(Watched::Listed(read(slice_json("s1", "10.0.0.1"))));
    reading.saw_slices(Watched::ListEnd);
    assert_eq!(held(&inventory), None);
    let running = json!({"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}]});
    reading.saw_pods(Watched::Listed(read(pod_json(&running, &json!({})))));
    reading.saw_pods(Watched::ListEnd);
    let service = present(&inventory);
    assert_eq!((service.slices.len(), &*service.ports[0].name), (1, "http"));
    let Selected::Pods(pods) = &service.pods else { panic!("{service:?}") };
    assert_eq!(pods["u1"].addresses.len(), 1);

    // What pods are told to do is not kept, and a pod that has ended has no address any more.
    let ended = json!({"phase": "Failed", "podIPs": [{"ip": "10.0.0.1"}]});
    reading.saw_pods(Watched::Applied(read(pod_json(&ended, &json!({})))));
    let Selected::Pods(pods) = &present(&inventory).pods else { panic!() };
    assert!(pods.is_empty());
    reading.saw_pods(Watched::Applied(read(pod_json(&running, &json!({"hostNetwork": true})))));
    let Selected::Pods(pods) = &present(&inventory).pods else { panic!() };
    assert!(pods.is_empty(), "its address is the node's");
}

#[test]
fn the_last_words_of_a_watch_that_was_given_up_are_no_list() {
    let inventory = Arc::new(Inventory::default());
    let mut reading = Reading::new(&name(), &inventory);
    reading.saw_service(Watched::Listed(read(service_json(&json!({"app": "vllm"})))));
    reading.saw_service(Watched::ListEnd);
    reading.saw_slices(Watched::ListEnd);
    let running = json!({"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}]});
    reading.saw_pods(Watched::Applied(read(pod_json(&running, &json!({})))));
    assert_eq!(held(&inventory), None, "which pods there are is not known");
}

#[test]
fn slices_that_go_take_their_endpoints_along() {
    let inventory = Arc::new(Inventory::default());
    let mut reading = Reading::new(&name(), &inventory);
    reading.saw_service(Watched::Listed(read(service_json(&json!(null)))));
    reading.saw_service(Watched::ListEnd);
    for (slice, address) in [("s1", "10.0.0.1"), ("s2", "10.0.0.2")] {
        reading.saw_slices(Watched::Listed(read(slice_json(slice, address))));
    }
    reading.saw_slices(Watched::ListEnd);
    assert_eq!(
        (present(&inventory).slices.len(), &present(&inventory).pods),
        (2, &Selected::Nothing)
    );
    reading.saw_slices(Watched::Deleted(read(slice_json("s1", "10.0.0.1"))));
    assert_eq!(present(&inventory).slices.len(), 1);

    // A list that breaks off takes nothing away, one that is complete does.
    reading.saw_slices(Watched::Listing);
    assert_eq!(present(&inventory).slices.len(), 1);
    reading.saw_slices(Watched::ListEnd);
    assert!(present(&inventory).slices.is_empty());
    reading.saw_service(Watched::Deleted(read(service_json(&json!(null)))));
    assert_eq!(held(&inventory), Some(ServiceData::Absent));
}

#[test]
fn what_may_not_be_read_is_told_and_what_was_read_is_kept_for_a_while() {
    let inventory = Arc::new(Inventory::default());
    let mut reading = Reading::new(&name(), &inventory);
    reading.saw_service(Watched::Listed(read(service_json(&json!({"app": "vllm"})))));
    reading.saw_service(Watched::ListEnd);
    reading.saw_slices(refusal());
    assert_eq!(held(&inventory), Some(ServiceData::Forbidden("endpointslices")));
    reading.saw_slices(Watched::ListEnd);
    reading.saw_pods(refusal());
    assert_eq!(present(&inventory).pods, Selected::Unreadable);
    reading.saw_pods(Watched::ListEnd);
    reading.saw_pods(refusal());
    reading.saw_slices(refusal());
    assert!(matches!(present(&inventory).pods, Selected::Pods(_)), "it was read a moment ago");
    reading.saw_service(refusal());
    assert!(matches!(held(&inventory), Some(ServiceData::Present(_))));
}

#[tokio::test]
async fn only_the_service_its_slices_and_its_pods_are_asked_for() {
    let asked_for = Arc::new(Mutex::new(Vec::new()));
    let log = asked_for.clone();
    let client = fake_api::client(move |asked| {
        log.lock().push(asked.target.clone());
        let items = if asked.target.contains("/services?") {
            json!([service_json(&json!({"app": "vllm"}))])
        } else {
            json!([])
        };
        let list = json!({"kind": "List", "metadata": {"resourceVersion": "1"}, "items": items});
        (!asked.target.contains("watch=true")).then_some((StatusCode::OK, list))
    })
    .await;
    let inventory = Arc::new(Inventory::default());
    let references = |names: &[&str]| {
        let services = names.iter().map(|name| ObjectName::new("ai", *name)).collect();
        Arc::new(References { services, ..References::default() })
    };
    let (wanted, wants) = watch::channel(references(&["vllm"]));
    let services = Services { client, inventory: inventory.clone() };
    let task = tokio::spawn(referenced::run(services, wants));
    while held(&inventory).is_none() {
        inventory.changed().await;
    }
    let expected = [
        ("/api/v1/namespaces/ai/services?", "fieldSelector=metadata.name%3Dvllm"),
        (
            "/apis/discovery.k8s.io/v1/namespaces/ai/endpointslices?",
            "labelSelector=kubernetes.io%2Fservice-name%3Dvllm",
        ),
        ("/api/v1/namespaces/ai/pods?", "labelSelector=app%3Dvllm"),
    ];
    for target in asked_for.lock().iter() {
        let fits =
            |(path, selector): &(&str, &str)| target.starts_with(path) && target.contains(selector);
        assert!(expected.iter().any(fits), "{target}");
    }
    assert_eq!(inventory.health().len(), 3);
    wanted.send_replace(references(&[]));
    while held(&inventory).is_some() || !inventory.health().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(wanted);
    task.await.unwrap();
}
