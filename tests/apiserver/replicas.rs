//! Status is the truth of all replicas, told under the rights that the chart gives.

use std::io::{self, Write as _};
use std::time::Instant;

use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use serde_json::Value;

use crate::support::gateway::Options;
use crate::support::objects::{KEY, provider, route, target};
use crate::support::{Cluster, Gateway, Tenant, eventually, eventually_some, rights};

/// Status and reason of `Programmed`: of a route that is served everywhere, and of one that is not.
const PROGRAMMED: (&str, &str) = ("True", "Programmed");
const WAITING: (&str, &str) = ("False", "WaitingForReplicas");

/// Starts two replicas; the one that leads comes first.
async fn two(tenant: &Tenant<'_>) -> (Gateway, Gateway) {
    let token = rights::installed(tenant).await;
    let options = || Options { token: Some(token.clone()), ..Options::default() };
    let leading = Gateway::start_with(tenant, options()).await;
    eventually("a leader", async || tenant.leader().await.is_some()).await;
    let following = Gateway::start_with(tenant, options()).await;
    counted(tenant, &[&leading, &following]).await;
    (leading, following)
}

/// The Leases of the replicas.
async fn leases(tenant: &Tenant<'_>) -> Vec<Lease> {
    let selector = format!("pilothouse.dev/gateway={},pilothouse.dev/lease=replica", tenant.name);
    let leases: Api<Lease> = tenant.api();
    leases.list(&ListParams::default().labels(&selector)).await.expect("leases can be read").items
}

/// Waits until exactly these replicas have a Lease.
async fn counted(tenant: &Tenant<'_>, replicas: &[&Gateway]) {
    eventually("a Lease for each ready replica", async || {
        let leases = leases(tenant).await;
        leases.len() == replicas.len()
            && replicas.iter().all(|replica| {
                leases.iter().any(|lease| lease.name_any().ends_with(&replica.replica))
            })
    })
    .await;
}

/// Reason and type of the Events about an object.
async fn events(tenant: &Tenant<'_>, name: &str) -> Vec<(String, String)> {
    let selector = format!("regarding.name={name}");
    let arguments = [
        "get",
        "events.v1.events.k8s.io",
        "-o",
        "json",
        "-n",
        &tenant.namespace,
        "--field-selector",
        &selector,
    ];
    let listed: Value =
        serde_json::from_str(&tenant.cluster.kubectl_ok(&arguments, "").await).expect("JSON");
    let items = listed["items"].as_array().expect("a list");
    let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
    items.iter().map(|event| (text(event, "reason"), text(event, "type"))).collect()
}

#[tokio::test]
async fn a_route_is_programmed_once_the_last_replica_serves_it() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "stale").await;
    let provider = provider("only").await;
    let (leading, mut following) = two(&tenant).await;
    tenant.admit_caller().await;
    let mut programmed = Vec::new();
    for name in ["before", "beside"] {
        let began = Instant::now();
        tenant.apply(route(name, &[target("only", &provider)])).await;
        programmed.push(tenant.condition_is(("ModelRoute", name), "Programmed", PROGRAMMED).await);
        // Not `println!`, whose text the test runner keeps for tests that fail.
        let _ = writeln!(io::stderr(), "Programmed at two replicas after {:.1?}", began.elapsed());
    }

    following.process.freeze();
    tenant.apply(route("chat", &[target("only", &provider)])).await;
    leading.serves(KEY, "chat", "only").await;
    let waits = tenant.condition_is(("ModelRoute", "chat"), "Programmed", WAITING).await;
    let said = format!("served by 1 of 2 replicas; waiting for {}", following.replica);
    assert_eq!(waits.message, said);
    for (name, before) in ["before", "beside"].iter().zip(programmed) {
        let now = tenant.condition_is(("ModelRoute", name), "Programmed", PROGRAMMED).await;
        assert_eq!(now, before, "it serves {name} as ever");
    }

    following.process.thaw();
    tenant.wait("Programmed", "modelroute/chat").await;
    following.serves(KEY, "chat", "only").await;
    let expected = [("WaitingForReplicas", "Warning"), ("Programmed", "Normal")];
    eventually_some("Events about both", async || {
        let events = events(&tenant, "chat").await;
        let is_there = |(reason, kind): &(&str, &str)| {
            events.iter().any(|event| event.0 == *reason && event.1 == *kind)
        };
        expected.iter().all(is_there).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_replica_that_goes_is_not_waited_for() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "goes").await;
    let provider = provider("only").await;
    let (leading, mut following) = two(&tenant).await;
    let sidecar = Options { flags: vec!["--no-status".to_owned()], ..Options::default() };
    let mut sidecar = Gateway::start_with(&tenant, sidecar).await;

    following.process.terminate();
    eventually("its end", async || following.process.exited().is_some()).await;
    counted(&tenant, &[&leading]).await;
    // Nobody waits for who writes no status, either.
    sidecar.process.freeze();
    tenant.apply(route("chat", &[target("only", &provider)])).await;
    // It is never True while somebody frozen is waited for.
    tenant.condition_is(("ModelRoute", "chat"), "Programmed", PROGRAMMED).await;
    sidecar.process.thaw();
}

#[tokio::test]
async fn a_replica_that_vanishes_is_waited_for_as_long_as_its_lease_lasts() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "vanishes").await;
    let provider = provider("only").await;
    let (_leading, mut following) = two(&tenant).await;

    following.process.kill();
    tenant.apply(route("chat", &[target("only", &provider)])).await;
    tenant.condition_is(("ModelRoute", "chat"), "Programmed", WAITING).await;
    tenant.wait("Programmed", "modelroute/chat").await;
}
