//! The API server goes away and comes back, or comes late.

use http::StatusCode;

use crate::support::gateway::Options;
use crate::support::objects::{KEY, provider, route, secret, store, target, target_with_store};
use crate::support::{Cluster, Gateway, Tenant, crds, eventually};

#[tokio::test]
async fn the_last_state_is_served_while_the_api_server_is_away() {
    // One of its own: the others' would be missed.
    let Some(cluster) = Cluster::start().await else { return };
    let tenant = Tenant::new(&cluster, "outage").await;
    let (left, right) = (provider("left").await, provider("right").await);
    let gateway = Gateway::start(&tenant).await;
    tenant.admit_caller().await;
    tenant.apply(secret("upstream", "the-key-before")).await;
    tenant.apply(store("keys", &left, "upstream")).await;
    tenant.apply(route("chat", &[target_with_store("left", &left, "keys")])).await;
    tenant.apply(route("deleted-meanwhile", &[target("left", &left)])).await;
    gateway.serves(KEY, "chat", "left").await;
    gateway.serves(KEY, "deleted-meanwhile", "left").await;

    cluster.stop_api_server().await;
    eventually("a watch that was lost", async || {
        gateway.process.output().contains("cannot follow the API server")
    })
    .await;
    for _ in 0..20 {
        assert_eq!(gateway.chat(KEY, "chat").await.target(), Some("left"));
    }
    assert!(gateway.is_ready().await, "it serves, so it stays ready");
    let log = gateway.process.output();
    assert!(!log.contains("ERROR"), "an outage is no error of the gateway's:\n{log}");

    cluster.start_api_server().await.expect("it comes back");
    // Connections of before are gone with the old process.
    let tenant = Tenant { client: cluster.client().await, ..tenant };
    tenant.apply(route("chat", &[target("right", &right)])).await;
    gateway.serves(KEY, "chat", "right").await;
    tenant.apply(route("made-after", &[target("right", &right)])).await;
    gateway.serves(KEY, "made-after", "right").await;
    assert_eq!(gateway.chat(KEY, "deleted-meanwhile").await.target(), Some("left"));
}

#[tokio::test]
async fn a_gateway_that_starts_too_early_waits() {
    let Some(cluster) = Cluster::start_without_definitions().await else { return };
    let tenant = Tenant::new(&cluster, "early").await;
    let provider = provider("only").await;
    cluster.stop_api_server().await;

    let gateway = Gateway::spawn(&tenant, Options::default()).await;
    eventually("a list that failed", async || {
        gateway.process.output().contains("cannot follow the API server")
    })
    .await;
    assert!(!gateway.is_ready().await);
    assert_eq!(gateway.admin("/healthz").await.status, StatusCode::OK, "a restart helps nobody");

    cluster.start_api_server().await.expect("it comes back");
    eventually("a hint at what is missing", async || {
        let says = gateway.admin("/readyz").await;
        let log = gateway.process.output();
        assert_eq!(says.status, StatusCode::SERVICE_UNAVAILABLE, "{}", says.text());
        says.text().contains("ModelRoute") && log.contains("CustomResourceDefinitions installed?")
    })
    .await;

    let tenant = Tenant { client: cluster.client().await, ..tenant };
    crds::install(&tenant.client).await;
    eventually("a ready gateway", async || gateway.is_ready().await).await;
    tenant.admit_caller().await;
    tenant.apply(route("chat", &[target("only", &provider)])).await;
    gateway.serves(KEY, "chat", "only").await;
}
