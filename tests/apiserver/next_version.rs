//! A later release of the definitions has a version beside `v1alpha1`, and stores that.

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::discovery::ApiResource;
use serde_json::{Value, json};

use crate::support::objects::{KEY, provider, route, target};
use crate::support::tenant::typed;
use crate::support::{Cluster, Gateway, Tenant, crds};

const NEXT: &str = "v1beta1";

/// Every definition with one version more, of the same schema, in which objects are stored.
async fn add_version(cluster: &Cluster) {
    let with_next = crds::definitions().into_iter().map(|definition| {
        let mut definition = serde_json::to_value(definition).expect("plain data");
        let versions = definition["spec"]["versions"].as_array_mut().expect("versions");
        let mut next = versions[0].clone();
        next["name"] = json!(NEXT);
        versions[0]["storage"] = json!(false);
        versions.push(next);
        typed(definition)
    });
    crds::apply(&cluster.client().await, with_next.collect()).await;
}

fn at(version: &str, tenant: &Tenant<'_>) -> Api<DynamicObject> {
    let resource = ApiResource {
        group: "pilothouse.dev".into(),
        version: version.into(),
        api_version: format!("pilothouse.dev/{version}"),
        kind: "ModelRoute".into(),
        plural: "modelroutes".into(),
    };
    Api::namespaced_with(tenant.client.clone(), &tenant.namespace, &resource)
}

#[tokio::test]
async fn routes_pass_to_a_later_version_and_back_without_loss() {
    // One of its own: definitions are everybody's.
    let Some(cluster) = Cluster::start().await else { return };
    let tenant = Tenant::new(&cluster, "next").await;
    let (left, right) = (provider("left").await, provider("right").await);
    let gateway = Gateway::start(&tenant).await;
    tenant.admit_caller().await;
    let mut full = route("chat", &[target("left", &left)]);
    full["spec"]["timeouts"] = json!({"request": "90s", "idle": "1500ms"});
    full["spec"]["parameters"] = json!({"defaults": {"temperature": 0.25}, "drop": ["seed"]});
    tenant.apply(full).await;
    gateway.serves(KEY, "chat", "left").await;
    tenant.wait("Programmed", "modelroute/chat").await;
    let before = at("v1alpha1", &tenant).get("chat").await.expect("it is there");

    add_version(&cluster).await;
    let read = at(NEXT, &tenant).get("chat").await.expect("it is there");
    assert_eq!(read.data["spec"], before.data["spec"]);
    assert_eq!(read.data["status"], before.data["status"]);

    // Written in the later version, and so stored in it, it is what this gateway reads as ever.
    let mut targets = read.data["spec"]["targets"].clone();
    targets[0] = target("right", &right);
    let edit: Value = json!({"spec": {"targets": targets}});
    let edited = at(NEXT, &tenant);
    edited.patch("chat", &PatchParams::default(), &Patch::Merge(&edit)).await.expect("an edit");
    gateway.serves(KEY, "chat", "right").await;
    tenant.wait("Programmed", "modelroute/chat").await;
    let after = at("v1alpha1", &tenant).get("chat").await.expect("it is there");
    assert_eq!(after.data["spec"]["timeouts"], before.data["spec"]["timeouts"]);
    assert_eq!(after.data["spec"]["parameters"], before.data["spec"]["parameters"]);
}
