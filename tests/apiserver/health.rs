//! What replicas hold against targets and keys, in status and in Events.

use http::StatusCode;
use kube::api::Api;
use pilothouse::api::{Consumer, CredentialStore, KeyState, ModelRoute, TargetState};
use pilothouse::simulate::Simulator;
use serde_json::json;

use crate::support::gateway::Options;
use crate::support::objects::{
    KEY, consumer, provider, route, secret, store, target, target_with_store,
};
use crate::support::{Cluster, Gateway, Tenant, eventually, eventually_some, rights};

async fn start(tenant: &Tenant<'_>) -> Gateway {
    let token = rights::installed(tenant).await;
    Gateway::start_with(tenant, Options { token: Some(token), ..Options::default() }).await
}

/// Waits until an Event says that.
async fn told(tenant: &Tenant<'_>, object: &str, reason: &str) {
    eventually(&format!("{reason} of {object}"), async || {
        let arguments = ["describe", object, "-n", &tenant.namespace];
        tenant.cluster.kubectl_ok(&arguments, "").await.contains(&format!("  {reason}  "))
    })
    .await;
}

/// Waits until the only target of a route is in that state, and gives its reason.
async fn target_is(tenant: &Tenant<'_>, name: &str, state: TargetState) -> Option<String> {
    let routes: Api<ModelRoute> = tenant.api();
    eventually_some(&format!("{name} {state:?}"), async || {
        let status = routes.get(name).await.expect("it was applied").status?;
        let target = status.targets.into_iter().find(|target| target.state == state)?;
        Some(target.reason)
    })
    .await
}

#[tokio::test]
async fn a_target_that_fails_is_unavailable_where_all_leave_it_alone() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "fails").await;
    let provider = provider("only").await;
    let first = start(&tenant).await;
    tenant.admit_caller().await;
    let mut chat = route("chat", &[target("only", &provider)]);
    chat["spec"]["circuitBreaker"] = json!({"failureThreshold": 1});
    tenant.apply(chat.clone()).await;
    chat["metadata"]["name"] = json!("other");
    chat["spec"]["targets"][0]["model"] = json!("other");
    tenant.apply(chat).await;
    assert_eq!(target_is(&tenant, "chat", TargetState::Unknown).await, None);
    first.serves(KEY, "other", "only").await;
    assert_eq!(target_is(&tenant, "other", TargetState::Available).await, None);

    provider.set_fault("status=500".parse().expect("a fault"));
    first.refuses(KEY, "chat", StatusCode::SERVICE_UNAVAILABLE).await;
    let why = target_is(&tenant, "chat", TargetState::Unavailable).await;
    assert_eq!(why.as_deref(), Some("CircuitBreaker"));
    told(&tenant, "modelroute/chat", "TargetUnavailable").await;
    let row = ["get", "mr", "chat", "--no-headers", "-n", &tenant.namespace];
    let row = cluster.kubectl_ok(&row, "").await;
    assert_eq!(row.split_whitespace().nth(5), Some("0/1"), "{row}");

    // Another replica holds nothing against it.
    let options = Options::default();
    let _second = Gateway::start_with(&tenant, options).await;
    let why = target_is(&tenant, "chat", TargetState::Degraded).await;
    assert_eq!(why.as_deref(), Some("CircuitBreaker"));
}

#[tokio::test]
async fn a_key_that_is_refused_is_told_of_and_never_its_value() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "refused-key").await;
    let provider = Simulator::builder().name("only").keys(["another-key-than-this"]).start().await;
    let provider = provider.expect("loopback has free ports");
    let gateway = start(&tenant).await;
    tenant.admit_caller().await;
    tenant.apply(secret("upstream", "a-key-that-was-revoked")).await;
    tenant.apply(store("keys", &provider, "upstream")).await;
    tenant.apply(route("chat", &[target_with_store("only", &provider, "keys")])).await;
    tenant.wait("Ready", "credentialstore/keys").await;
    tenant.wait("Programmed", "modelroute/chat").await;

    let answer = gateway.chat(KEY, "chat").await;
    assert!(!answer.status.is_success(), "the provider takes another key alone");
    let stores: Api<CredentialStore> = tenant.api();
    let key = eventually_some("a key that rests", async || {
        let status = stores.get("keys").await.expect("it was applied").status?;
        status.keys.into_iter().find(|key| key.state == KeyState::Resting)
    })
    .await;
    assert_eq!(key.reason.as_deref(), Some("CredentialFault"));
    assert!(key.expires_at.is_some() && key.last_transition_time.is_some(), "{key:?}");
    let resting = ("False", "KeysResting");
    tenant.condition_is(("CredentialStore", "keys"), "Ready", resting).await;
    let why = target_is(&tenant, "chat", TargetState::Unavailable).await;
    assert_eq!(why.as_deref(), Some("KeysResting"));
    told(&tenant, "credentialstore/keys", "KeyRefused").await;

    let namespace = ["-n", &tenant.namespace, "-o", "yaml", "--show-managed-fields"];
    let shown = ["get", "ai,leases,events"];
    let shown = cluster.kubectl_ok(&[&shown[..], &namespace].concat(), "").await;
    assert!(shown.contains("KeyRefused") && !shown.contains("a-key-that"), "{shown}");
}

#[tokio::test]
async fn names_and_keys_that_belong_to_others_are_told_of() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "collisions").await;
    let provider = provider("only").await;
    let _gateway = start(&tenant).await;
    tenant.admit_caller().await;
    tenant.apply(route("chat", &[target("only", &provider)])).await;
    tenant.wait("Programmed", "modelroute/chat").await;

    let mut second = consumer("second", "caller");
    second["spec"]["allowedModels"] = json!(["chat"]);
    // Ages are whole seconds.
    eventually("a Consumer of a later second", async || {
        tenant.apply(second.clone()).await;
        let consumers: Api<Consumer> = tenant.api();
        let first = consumers.get("caller").await.expect("it was applied");
        let made = consumers.get("second").await.expect("it was applied");
        if made.metadata.creation_timestamp > first.metadata.creation_timestamp {
            return true;
        }
        let delete = ["delete", "consumer", "second", "-n", &tenant.namespace];
        cluster.kubectl_ok(&delete, "").await;
        false
    })
    .await;

    let consumers: Api<Consumer> = tenant.api();
    let status = eventually_some("a key that belongs to another", async || {
        let status = consumers.get("second").await.expect("it was applied").status?;
        status.keys.iter().any(|key| key.state == KeyState::Unresolved).then_some(status)
    })
    .await;
    assert_eq!(status.keys[0].reason.as_deref(), Some("KeyConflict"));
    assert_eq!(status.usable_keys.as_deref(), Some("0/1"));
    told(&tenant, "consumer/second", "KeyConflict").await;

    let mut other = route("later", &[target("only", &provider)]);
    other["spec"]["models"] = json!(["chat"]);
    tenant.apply(other).await;
    told(&tenant, "modelroute/later", "Conflict").await;
}
