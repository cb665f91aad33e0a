//! Status tells the truth, and one replica writes it.

use kube::ResourceExt as _;
use kube::api::Api;
use pilothouse::api::ModelRoute;
use serde_json::json;

use crate::support::objects::{KEY, provider, route, target};
use crate::support::{Cluster, Gateway, Tenant, eventually, eventually_some};

#[tokio::test]
async fn conditions_become_true() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "status").await;
    let provider = provider("only").await;
    let _gateway = Gateway::start(&tenant).await;
    tenant.admit_caller().await;
    tenant.apply(route("chat", &[target("only", &provider)])).await;

    for condition in ["Accepted", "ResolvedRefs", "Programmed"] {
        tenant.wait(condition, "modelroute/chat").await;
    }
    tenant.wait("Ready", "consumer/caller").await;
    let row = ["get", "mr", "chat", "--no-headers", "-n", &tenant.namespace];
    let row = cluster.kubectl_ok(&row, "").await;
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells[..6], ["chat", "chat", "True", "True", "True", "1/1"], "{row}");
}

#[tokio::test]
async fn a_status_that_has_not_changed_is_not_written_again() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "unchanged").await;
    let provider = provider("only").await;
    let _gateway = Gateway::start(&tenant).await;
    tenant.admit_caller().await;
    let routes: Api<ModelRoute> = tenant.api();
    tenant.apply(route("a", &[target("only", &provider)])).await;
    tenant.wait("Programmed", "modelroute/a").await;
    let before = routes.get("a").await.expect("it is there").resource_version();

    // Objects are told in order of their names: when the last has its status, the first was dealt
    // with in the same round.
    tenant.apply(route("z", &[target("only", &provider)])).await;
    tenant.wait("Programmed", "modelroute/z").await;

    assert_eq!(routes.get("a").await.expect("it is there").resource_version(), before);
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
    let older = tenant.apply(named("z-older", &[target("first", &first)])).await;
    gateway.serves(KEY, "chat", "first").await;
    let younger = eventually_some("a route of a later second", async || {
        let younger = tenant.apply(named("a-younger", &[target("second", &second)])).await;
        if younger.metadata.creation_timestamp > older.metadata.creation_timestamp {
            return Some(younger);
        }
        tenant
            .cluster
            .kubectl_ok(&["delete", "mr", "a-younger", "-n", &tenant.namespace], "")
            .await;
        None
    })
    .await;
    drop(younger);

    let accepted = tenant.condition("ModelRoute", "a-younger", "Accepted").await;
    assert_eq!(accepted.status, "False", "{accepted:?}");
    assert!(accepted.message.contains("z-older"), "{accepted:?}");
    assert_eq!(tenant.condition("ModelRoute", "z-older", "Accepted").await.status, "True");
    assert_eq!(gateway.chat(KEY, "chat").await.target(), Some("first"));

    // When the older one goes, the younger one takes over.
    let delete = ["delete", "mr", "z-older", "-n", &tenant.namespace];
    cluster.kubectl_ok(&delete, "").await;
    gateway.serves(KEY, "chat", "second").await;
    tenant.wait("Accepted", "modelroute/a-younger").await;
}

#[tokio::test]
async fn another_replica_writes_status_when_the_leader_is_gone() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "leader").await;
    let provider = provider("only").await;
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(Gateway::start(&tenant).await);
    }
    tenant.admit_caller().await;
    tenant.apply(route("chat", &[target("only", &provider)])).await;
    tenant.wait("Programmed", "modelroute/chat").await;

    for round in ["ends in its own time", "is killed"] {
        let holder = eventually_some("a leader", async || tenant.leader().await).await;
        let place = replicas.iter().position(|replica| holder.starts_with(&replica.replica));
        let mut leading = replicas.swap_remove(place.expect("one of ours leads"));
        if round == "is killed" {
            leading.process.kill();
        } else {
            leading.process.terminate();
            eventually("its end", async || leading.process.exited().is_some()).await;
        }

        // Traffic needs no leader.
        let name = format!("after-{}", replicas.len());
        tenant.apply(route(&name, &[target("only", &provider)])).await;
        for replica in &replicas {
            replica.serves(KEY, &name, "only").await;
        }
        eventually("another leader", async || {
            tenant.leader().await.is_some_and(|next| next != holder)
        })
        .await;
        tenant.wait("Programmed", &format!("modelroute/{name}")).await;
    }
}
