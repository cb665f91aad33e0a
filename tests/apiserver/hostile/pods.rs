//! Servers of another tenant, by way of Services and EndpointSlices.

use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use serde_json::{Value, json};

use super::Scene;
use crate::support::objects::route;
use crate::support::pods::{own_address, pod, ready, service, slice, target};
use crate::support::tenant::typed;

/// A target of that Service.
fn of(service: &str) -> Value {
    let mut target = target();
    target["service"]["name"] = json!(service);
    target
}

#[tokio::test]
async fn an_address_in_a_slice_is_not_believed_without_a_pod_that_has_it() {
    let Some(scene) = Scene::start("slice").await else { return };
    let before = scene.provider.count();
    service(&scene.b).await;
    slice(&scene.b, "written-by-hand", scene.provider.addr(), ready()).await;
    scene.b.apply(route("steal", &[target()])).await;
    let why = "do not belong to pods that the Service selects";
    scene.b_is_refused("steal", "AddressNotPermitted", why).await;

    // A pod of B's that claims the address is not believed either: what a pod's status says is the
    // kubelet's word, and the API server drops what its author writes there.
    let address = scene.provider.addr().ip().to_string();
    let claims: Pod = typed(json!({
        "metadata": {"name": "claims", "labels": {"app": "pool"}},
        "spec": {
            "automountServiceAccountToken": false,
            "containers": [{"name": "server", "image": "none"}],
        },
        "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
    }));
    // One that is not selected makes what a pod needs here, and has the address indeed.
    let own = own_address().expect("there was one at the start");
    pod(&scene.b, "not-selected", json!({"app": "other"}), own).await;
    let made = scene.b.api::<Pod>().create(&PostParams::default(), &claims).await.expect("a pod");
    assert_eq!(made.status.and_then(|status| status.pod_ip), None);
    // What is applied after the pod is judged with it in sight.
    scene.b.apply(route("claimed", &[target()])).await;
    scene.b_is_refused("claimed", "AddressNotPermitted", why).await;
    assert_eq!(scene.provider.count(), before);
    scene.ends_well(&[]).await;
}

#[tokio::test]
async fn a_service_without_a_selector_has_no_endpoints_to_believe() {
    let Some(scene) = Scene::start("selectorless").await else { return };
    let before = scene.provider.count();
    let ports = json!([{"name": "http", "port": 80}]);
    let metadata = json!({"name": "pool"});
    let spec = json!({"clusterIP": "None", "ports": ports});
    let bare = json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec});
    scene.b.apply(bare).await;
    slice(&scene.b, "written-by-hand", scene.provider.addr(), ready()).await;
    let own = own_address().expect("there was one at the start");
    pod(&scene.b, "pool-0", json!({"app": "pool"}), own).await;
    scene.b.apply(route("steal", &[target()])).await;
    let why = "the Service has no selector";
    scene.b_is_refused("steal", "AddressNotPermitted", why).await;
    assert_eq!(scene.provider.count(), before);
    scene.ends_well(&[]).await;
}

#[tokio::test]
async fn a_service_that_is_another_name_for_a_host_is_none() {
    let Some(scene) = Scene::start("external").await else { return };
    let before = scene.provider.count();
    let victim = format!("pool.{}.svc.cluster.local", scene.a.namespace);
    for (name, host) in [("of-a", &*victim), ("metadata", "metadata.google.internal")] {
        let spec = json!({
            "type": "ExternalName", "externalName": host, "ports": [{"name": "http", "port": 80}],
        });
        let object = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec});
        scene.b.apply(object).await;
        scene.b.apply(route(name, &[of(name)])).await;
        scene.b_is_refused(name, "ServiceNotFound", "give that host as `baseURL`").await;
    }
    assert_eq!(scene.provider.count(), before);
    scene.ends_well(&[]).await;
}

#[tokio::test]
async fn a_service_of_another_namespace_is_not_found() {
    let Some(scene) = Scene::start("service").await else { return };
    let before = scene.provider.count();
    let a = &scene.a.namespace;
    let mut with_namespace = of("pool");
    with_namespace["service"]["namespace"] = json!(a);
    let refused = scene.b.try_apply(route("steal", &[with_namespace])).await;
    assert!(refused.is_err(), "no field is for a namespace");
    for (number, name) in
        ["pool".to_owned(), format!("pool.{a}"), format!("../{a}/services/pool")].iter().enumerate()
    {
        let route_name = format!("steal-{number}");
        if scene.b.try_apply(route(&route_name, &[of(name)])).await.is_err() {
            continue;
        }
        scene.b_is_refused(&route_name, "ServiceNotFound", "there is no Service").await;
    }
    assert_eq!(scene.provider.count(), before);
    scene.ends_well(&[]).await;
}
