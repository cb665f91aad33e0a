//! Status tells the truth, and one replica writes it.

use kube::ResourceExt as _;
use kube::api::Api;
use pilothouse::api::ModelRoute;
use serde_json::json;

use crate::support::objects::{KEY, consumer, provider, route, target};
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

/// The last column of `kubectl get -o wide`.
async fn message(tenant: &Tenant<'_>, object: &str) -> String {
    let wide = ["get", object, "-o", "wide", "-n", &tenant.namespace];
    let table = tenant.cluster.kubectl_ok(&wide, "").await;
    let (head, row) = table.split_once('\n').expect("a head and a row");
    let column = head.find("MESSAGE").expect("a column for messages");
    row.get(column..).unwrap_or_default().trim().to_owned()
}

#[tokio::test]
async fn a_table_shows_what_is_wrong_first_whichever_condition_says_so() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "message").await;
    let provider = provider("only").await;
    let _gateway = Gateway::start(&tenant).await;
    tenant.apply(route("well", &[target("only", &provider)])).await;
    let mut unheard_of = target("only", &provider);
    unheard_of["provider"] = json!("no-such-provider");
    tenant.apply(route("unresolved", &[unheard_of])).await;
    // Of the same second or later, and after the other by name.
    let mut lost = route("z-lost", &[target("only", &provider)]);
    lost["spec"]["models"] = json!(["well"]);
    tenant.apply(lost).await;
    tenant.admit_caller().await;
    tenant.apply(consumer("keyless", "no-such-secret")).await;

    tenant.wait("Programmed", "modelroute/well").await;
    tenant.wait("Ready", "consumer/caller").await;
    for object in ["modelroute/well", "consumer/caller"] {
        assert_eq!(message(&tenant, object).await, "", "{object} is well");
    }
    for (object, why) in [
        ("modelroute/unresolved", "spec.targets[0].provider"),
        ("modelroute/z-lost", "`well` belongs to the older ModelRoute"),
        ("consumer/keyless", "there is no Secret `no-such-secret`"),
    ] {
        eventually(&format!("{why} in the row of {object}"), async || {
            message(&tenant, object).await.contains(why)
        })
        .await;
    }
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
