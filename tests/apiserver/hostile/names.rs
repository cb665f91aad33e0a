//! Names and routes that are another's.

use http::StatusCode;
use serde_json::json;

use super::Scene;
use super::scene::{A_KEY, B_KEY};
use crate::support::objects::{KEY, provider, route};
use crate::support::pods::target;
use crate::support::{Cluster, Gateway, Tenant, eventually_some, objects};

#[tokio::test]
async fn a_route_for_everybodys_names_takes_none() {
    let Some(scene) = Scene::start("grab").await else { return };
    let server = scene.server_of_b().await;
    let mut grab = route("grab", &[target()]);
    grab["spec"]["models"] = json!(["chat", "*"]);
    grab["spec"]["allowedNamespaces"] = json!({"from": "All"});
    scene.b.apply(grab).await;
    scene.gateway.serves(B_KEY, "chat", "pool").await;
    assert_eq!(server.count(), 1, "it answers B's own callers");

    // To A's it is there under B's name alone.
    assert_eq!(scene.gateway.chat(A_KEY, "of-nobody").await.status, StatusCode::NOT_FOUND);
    let qualified = format!("{}/chat", scene.b.namespace);
    scene.gateway.serves(A_KEY, &qualified, "pool").await;
    assert_eq!(server.count(), 2);
    scene.ends_well(&[&server]).await;
    assert_eq!(server.count(), 2, "A's callers of `chat` stay with A");
}

#[tokio::test]
async fn the_older_of_two_routes_has_the_name() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "conflict").await;
    let (first, second) = (provider("first").await, provider("second").await);
    let gateway = Gateway::start(&tenant).await;
    tenant.admit_caller().await;
    let named = |name: &str, targets: &[_]| {
        let mut route = route(name, targets);
        route["spec"]["models"] = json!(["chat"]);
        route
    };
    // By name it would be the other way round. Creation times are whole seconds.
    let older = tenant.apply(named("z-older", &[objects::target("first", &first)])).await;
    gateway.serves(KEY, "chat", "first").await;
    eventually_some("a route of a later second", async || {
        let younger = named("a-younger", &[objects::target("second", &second)]);
        let younger = tenant.apply(younger).await;
        if younger.metadata.creation_timestamp > older.metadata.creation_timestamp {
            return Some(());
        }
        let delete = ["delete", "mr", "a-younger", "-n", &tenant.namespace];
        cluster.kubectl_ok(&delete, "").await;
        None
    })
    .await;

    let conflict = ("False", "Conflict");
    let accepted = tenant.condition_is(("ModelRoute", "a-younger"), "Accepted", conflict).await;
    assert!(accepted.message.contains("z-older"), "{accepted:?}");
    let good = ("True", "Accepted");
    tenant.condition_is(("ModelRoute", "z-older"), "Accepted", good).await;
    assert_eq!(gateway.chat(KEY, "chat").await.target(), Some("first"));

    // When the older one goes, the younger one takes over.
    let delete = ["delete", "mr", "z-older", "-n", &tenant.namespace];
    cluster.kubectl_ok(&delete, "").await;
    gateway.serves(KEY, "chat", "second").await;
    tenant.wait("Accepted", "modelroute/a-younger").await;
}

#[tokio::test]
async fn another_tenants_route_is_reached_by_no_way() {
    let Some(scene) = Scene::start("reach").await else { return };
    let (gateway, a) = (&scene.gateway, &scene.a.namespace);
    let mut greedy = objects::consumer("caller", "caller");
    greedy["spec"]["allowedModels"] = json!(["*", format!("{a}/*"), format!("{a}/chat")]);
    scene.b.apply(greedy).await;
    scene.b.wait("Ready", "consumer/caller").await;
    for model in ["chat".to_owned(), format!("{a}/chat")] {
        gateway.refuses(B_KEY, &model, StatusCode::NOT_FOUND).await;
    }
    let addressed = [("x-pilothouse-route", &*format!("{a}/chat"))];
    let answer = gateway.chat_with(B_KEY, "chat", &addressed).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.text());
    assert!(!gateway.models(B_KEY).await.contains("chat"));
    scene.ends_well(&[]).await;
}

#[tokio::test]
async fn a_fallback_leads_into_no_route_of_another_tenant() {
    let Some(scene) = Scene::start("chain").await else { return };
    let server = scene.server_of_b().await;
    server.set_fault("status=500".parse().expect("a fault"));
    let mut chain = route("chain", &[target()]);
    chain["spec"]["fallback"] =
        json!({"routes": [{"name": "chat", "namespace": &scene.a.namespace}]});
    assert!(scene.b.try_apply(chain.clone()).await.is_err(), "no field is for a namespace");
    let path = format!("{}/chat", scene.a.namespace);
    for name in ["chat", &path] {
        chain["spec"]["fallback"] = json!({"routes": [{"name": name}]});
        if scene.b.try_apply(chain.clone()).await.is_err() {
            assert_eq!(name, path, "no name of an object");
            continue;
        }
        let missing = ("False", "RefNotPermitted");
        let said = scene.b.condition_is(("ModelRoute", "chain"), "ResolvedRefs", missing).await;
        assert!(said.message.contains("spec.fallback.routes[0]"), "{said:?}");
        let answer = scene.gateway.refuses(B_KEY, "chain", StatusCode::BAD_GATEWAY).await;
        assert!(answer.target().is_none(), "{}", answer.text());
    }
    scene.ends_well(&[&server]).await;
}
