//! What is applied is what is served.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use http::StatusCode;
use k8s_openapi::api::core::v1::Secret;
use kube::api::DeleteParams;
use pilothouse::api::Consumer;
use pilothouse::simulate::Simulator;
use serde_json::json;

use crate::support::objects::{
    KEY, consumer, provider, route, secret, store, target, target_with_store,
};
use crate::support::{Cluster, Gateway, Tenant, eventually};

/// How often the time from `apply` to traffic is measured.
const EDITS: usize = 25;

/// A bound for the worst of them on a machine that is busy with other things. The usual time is
/// printed and is a hundred times shorter.
const SLOWEST_EDIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_new_route_serves() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "new-route").await;
    let provider = provider("only").await;
    let gateway = Gateway::start(&tenant).await;
    tenant.admit_caller().await;
    gateway.refuses(KEY, "chat", StatusCode::NOT_FOUND).await;

    tenant.apply(route("chat", &[target("only", &provider)])).await;

    gateway.serves(KEY, "chat", "only").await;
    let answer = gateway.chat(KEY, "chat").await;
    assert!(answer.text().contains("Served by only."), "{}", answer.text());
}

#[tokio::test]
async fn an_edit_moves_traffic_in_well_under_a_second() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "edits").await;
    let (left, right) = (provider("left").await, provider("right").await);
    let targets = [("left", &left), ("right", &right)];
    let gateway = Gateway::start(&tenant).await;
    tenant.admit_caller().await;
    tenant.apply(route("chat", &[target("right", &right)])).await;
    gateway.serves(KEY, "chat", "right").await;

    let answered = async || {
        let answer = gateway.chat(KEY, "chat").await;
        assert_eq!(answer.status, StatusCode::OK, "an edit lost a request: {}", answer.text());
        answer.target().map(str::to_owned)
    };
    let edits = async {
        let mut delays = Vec::new();
        for edit in 0..EDITS {
            let (name, provider) = targets[edit % 2];
            let edited = route("chat", &[target(name, provider)]);
            let began = Instant::now();
            tenant.apply(edited).await;
            while answered().await.as_deref() != Some(name) {
                assert!(began.elapsed() < SLOWEST_EDIT, "edit {edit} was never served");
            }
            delays.push(began.elapsed());
        }
        delays
    };
    let others = async {
        loop {
            tokio::join!(answered(), answered());
        }
    };
    let mut delays = tokio::select! {
        delays = edits => delays,
        () = others => unreachable!("they go on for ever"),
    };
    delays.sort_unstable();
    let (median, max) = (delays[EDITS / 2], delays[EDITS - 1]);
    // Not `println!`, whose text the test runner keeps for tests that fail.
    let _ = writeln!(
        io::stderr(),
        "apply to traffic, {EDITS} edits under load: median {median:.1?}, max {max:.1?}"
    );
}

#[tokio::test]
async fn a_rotated_secret_is_live() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "rotation").await;
    let provider = provider("only").await;
    let gateway = Gateway::start(&tenant).await;
    tenant.admit_caller().await;
    tenant.apply(secret("upstream", "the-key-before")).await;
    tenant.apply(store("keys", &provider, "upstream")).await;
    tenant.apply(route("chat", &[target_with_store("only", &provider, "keys")])).await;
    gateway.serves(KEY, "chat", "only").await;
    assert_eq!(last_key(&provider).as_deref(), Some("Bearer the-key-before"));

    tenant.apply(secret("upstream", "the-key-after")).await;

    eventually("the new key at the provider", async || {
        assert_eq!(gateway.chat(KEY, "chat").await.target(), Some("only"));
        last_key(&provider).as_deref() == Some("Bearer the-key-after")
    })
    .await;
}

/// What the provider was last shown.
fn last_key(provider: &Simulator) -> Option<String> {
    provider.requests().last()?.header("authorization").map(str::to_owned)
}

#[tokio::test]
async fn a_deleted_secret_takes_its_key_away() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "deleted-secret").await;
    let provider = provider("only").await;
    let gateway = Gateway::start(&tenant).await;
    tenant.admit_caller().await;
    tenant.apply(secret("upstream", "an-upstream-key")).await;
    tenant.apply(store("keys", &provider, "upstream")).await;
    tenant.apply(route("chat", &[target_with_store("only", &provider, "keys")])).await;
    gateway.serves(KEY, "chat", "only").await;

    let secrets = tenant.api::<Secret>();
    secrets.delete("upstream", &DeleteParams::default()).await.expect("it was there");
    gateway.has_no_target(KEY, "chat", "no usable key").await;

    tenant.apply(secret("upstream", "an-upstream-key-made-anew")).await;
    gateway.serves(KEY, "chat", "only").await;
    assert_eq!(last_key(&provider).as_deref(), Some("Bearer an-upstream-key-made-anew"));
}

#[tokio::test]
async fn a_rotated_client_key_is_live() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "client-key").await;
    let provider = provider("only").await;
    let gateway = Gateway::start(&tenant).await;
    tenant.admit_caller().await;
    tenant.apply(route("chat", &[target("only", &provider)])).await;
    gateway.serves(KEY, "chat", "only").await;

    let new = "another-client-key-of-some-length";
    tenant.apply(secret("caller", new)).await;

    gateway.serves(new, "chat", "only").await;
    assert_eq!(gateway.chat(KEY, "chat").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_deleted_consumer_is_refused() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "consumer").await;
    let provider = provider("only").await;
    let gateway = Gateway::start(&tenant).await;
    tenant.admit_caller().await;
    let other = "the-key-of-somebody-who-stays";
    tenant.apply(secret("other", other)).await;
    tenant.apply(consumer("other", "other")).await;
    tenant.apply(route("chat", &[target("only", &provider)])).await;
    gateway.serves(KEY, "chat", "only").await;
    gateway.serves(other, "chat", "only").await;

    let consumers = tenant.api::<Consumer>();
    consumers.delete("caller", &DeleteParams::default()).await.expect("it was there");

    gateway.refuses(KEY, "chat", StatusCode::UNAUTHORIZED).await;
    assert_eq!(gateway.chat(other, "chat").await.target(), Some("only"));

    let mut disabled = consumer("other", "other");
    disabled["spec"]["disabled"] = json!(true);
    tenant.apply(disabled).await;
    gateway.refuses(other, "chat", StatusCode::UNAUTHORIZED).await;
}

#[tokio::test]
async fn a_label_of_a_namespace_lets_its_callers_in() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "labels").await;
    let team = tenant.another_namespace("team").await;
    let provider = provider("only").await;
    let gateway = Gateway::start(&tenant).await;
    for mut object in [secret("caller", KEY), consumer("caller", "caller")] {
        object["metadata"]["namespace"] = json!(team);
        tenant.apply(object).await;
    }
    let mut shared = route("chat", &[target("only", &provider)]);
    shared["spec"]["allowedNamespaces"] =
        json!({"from": "Selector", "selector": {"matchLabels": {"may": "chat"}}});
    tenant.apply(shared).await;
    gateway.refuses(KEY, "chat", StatusCode::NOT_FOUND).await;

    cluster.kubectl_ok(&["label", "namespace", &team, "may=chat"], "").await;
    gateway.serves(KEY, "chat", "only").await;

    cluster.kubectl_ok(&["label", "namespace", &team, "may-"], "").await;
    gateway.refuses(KEY, "chat", StatusCode::NOT_FOUND).await;
}
