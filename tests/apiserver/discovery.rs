//! Targets that are Services: who serves them is followed as the API server tells it.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::DeleteParams;
use pilothouse::simulate::Simulator;
use serde_json::{Value, json};

use crate::support::gateway::Options;
use crate::support::objects::{KEY, route};
use crate::support::pods::{own_address, pod, ready, server, service, service_in, slice, target};
use crate::support::tenant::typed;
use crate::support::{Cluster, Gateway, Tenant, eventually};

/// How often readiness changes while it is measured.
const CHANGES: usize = 20;

/// A bound for the worst of them on a machine that is busy with other things. The usual time is
/// printed, and is well below the second that is promised.
const SLOWEST: Duration = Duration::from_secs(10);

/// What a gateway needs that discovers nothing and writes no status.
const ELSEWHERE: [(&str, &str); 5] = [
    ("pilothouse.dev", "modelroutes"),
    ("pilothouse.dev", "credentialstores"),
    ("pilothouse.dev", "consumers"),
    ("", "namespaces"),
    ("", "secrets"),
];

const SERVICES: (&str, &str) = ("", "services");
const SLICES: (&str, &str) = ("discovery.k8s.io", "endpointslices");
const PODS: (&str, &str) = ("", "pods");

/// The reading of these kinds, each with its group.
fn rules(kinds: &[(&str, &str)]) -> Vec<PolicyRule> {
    let rule = |(group, resource): &(&str, &str)| {
        typed(json!({"apiGroups": [group], "resources": [resource], "verbs": ["list", "watch"]}))
    };
    kinds.iter().map(rule).collect()
}

/// A gateway with the rights to discover what is of these `kinds`: in every namespace, or only in
/// the tenant's own.
async fn modest_gateway(tenant: &Tenant<'_>, kinds: &[(&str, &str)], everywhere: bool) -> Gateway {
    let (wide, narrow) = if everywhere { (kinds, &[][..]) } else { (&[][..], kinds) };
    let wide = rules(&[&ELSEWHERE, wide].concat());
    let own = vec![(&*tenant.namespace, rules(narrow))];
    let token = tenant.service_account("modest", wide, own).await;
    let flags = vec!["--no-status".to_owned()];
    Gateway::start_with(tenant, Options { token: Some(token), flags, ..Options::default() }).await
}

/// The addresses that the gateway would ask, as its admin port says them.
async fn endpoints(gateway: &Gateway) -> Vec<String> {
    let status = gateway.admin("/admin/providers/status").await.text();
    let status: Value = serde_json::from_str(&status).expect("JSON");
    let listed = status["providers"][0]["usedBy"][0]["endpoints"].as_array().cloned();
    let listed = listed.unwrap_or_default();
    listed.iter().filter_map(|one| one["address"].as_str()).map(str::to_owned).collect()
}

/// Waits until the route's status says why it is not resolved.
async fn unresolved(tenant: &Tenant<'_>, reason: &str) {
    tenant.condition_is(("ModelRoute", "chat"), "ResolvedRefs", ("False", reason)).await;
}

#[tokio::test]
async fn a_pod_is_asked_while_it_is_ready_by_a_gateway_of_the_least_rights() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(address) = own_address() else { return };
    let tenant = Tenant::new(cluster, "readiness").await;
    let server = server("pod", address).await;
    let gateway = modest_gateway(&tenant, &[SERVICES, SLICES, PODS], true).await;
    tenant.admit_caller().await;
    tenant.apply(route("chat", &[target()])).await;
    gateway.has_no_target(KEY, "chat", "there is no Service").await;

    service(&tenant).await;
    pod(&tenant, "pool-0", json!({"app": "pool"}), address).await;
    gateway.has_no_target(KEY, "chat", "no endpoint of Service").await;
    slice(&tenant, "pool-a", server.addr(), ready()).await;
    gateway.serves(KEY, "chat", "pool").await;
    assert_eq!(endpoints(&gateway).await, [server.addr().to_string()]);

    let mut delays = Vec::new();
    for change in 0..CHANGES {
        let is_ready = change % 2 == 1;
        let conditions = json!({"ready": is_ready, "serving": is_ready, "terminating": false});
        let began = Instant::now();
        slice(&tenant, "pool-a", server.addr(), conditions).await;
        while gateway.chat(KEY, "chat").await.status.is_success() != is_ready {
            assert!(began.elapsed() < SLOWEST, "change {change} was never followed");
        }
        delays.push(began.elapsed());
    }
    delays.sort_unstable();
    let (median, max) = (delays[CHANGES / 2], delays[CHANGES - 1]);
    let _ = writeln!(
        io::stderr(),
        "readiness to traffic, {CHANGES} changes: median {median:.1?}, max {max:.1?}"
    );
}

#[tokio::test]
async fn endpoints_come_and_go_with_their_slices_and_leave_no_ghosts() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(address) = own_address() else { return };
    let tenant = Tenant::new(cluster, "churn").await;
    let (one, two) = (server("one", address).await, server("two", address).await);
    let gateway = Gateway::start(&tenant).await;
    tenant.admit_caller().await;
    service(&tenant).await;
    pod(&tenant, "pool-0", json!({"app": "pool"}), address).await;
    slice(&tenant, "a", one.addr(), ready()).await;
    slice(&tenant, "b", two.addr(), ready()).await;
    let mut numbered = target();
    numbered["service"]["port"] = json!(80);
    tenant.apply(route("chat", &[numbered])).await;
    let both = async |what: &str, expected: &[&Simulator]| {
        let mut expected: Vec<_> = expected.iter().map(|one| one.addr().to_string()).collect();
        expected.sort();
        eventually(what, async || endpoints(&gateway).await == expected).await;
    };
    both("two slices", &[&one, &two]).await;
    slice(&tenant, "c", two.addr(), ready()).await;
    slice(&tenant, "b", one.addr(), ready()).await;
    both("copies that moved", &[&one, &two]).await;
    let slices = tenant.api::<EndpointSlice>();
    slices.delete("b", &DeleteParams::default()).await.expect("it was there");
    slices.delete("c", &DeleteParams::default()).await.expect("it was there");
    both("one slice", &[&one]).await;
    let ending = json!({"ready": true, "serving": true, "terminating": true});
    slice(&tenant, "d", two.addr(), ready()).await;
    slice(&tenant, "a", one.addr(), ending).await;
    both("one that ends", &[&two]).await;
    let answer = gateway.chat(KEY, "chat").await;
    assert!(answer.text().contains("Served by two."), "{}", answer.text());

    tenant.api::<Service>().delete("pool", &DeleteParams::default()).await.expect("it was there");
    gateway.has_no_target(KEY, "chat", "there is no Service").await;
    unresolved(&tenant, "ServiceNotFound").await;
}

#[tokio::test]
async fn a_role_that_lacks_pods_is_named_and_the_operators_word_does_instead() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(address) = own_address() else { return };
    let tenant = Tenant::new(cluster, "no-pods").await;
    let server = server("pod", address).await;
    tenant.admit_caller().await;
    service(&tenant).await;
    pod(&tenant, "pool-0", json!({"app": "pool"}), address).await;
    slice(&tenant, "a", server.addr(), ready()).await;
    tenant.apply(route("chat", &[target()])).await;
    let gateway = modest_gateway(&tenant, &[SERVICES, SLICES], true).await;
    gateway.has_no_target(KEY, "chat", "role does not let it read pods").await;

    let flags = vec![format!("--allow-upstream-cidr={address}/32")];
    let trusting = Gateway::start_with(&tenant, Options { flags, ..Options::default() }).await;
    trusting.serves(KEY, "chat", "pool").await;
}

#[tokio::test]
async fn a_namespace_that_may_not_be_read_is_named_and_read_as_soon_as_it_may() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(address) = own_address() else { return };
    let tenant = Tenant::new(cluster, "one-of-two").await;
    let team = tenant.another_namespace("team").await;
    let server = server("pod", address).await;
    tenant.admit_caller().await;
    service(&tenant).await;
    pod(&tenant, "pool-0", json!({"app": "pool"}), address).await;
    slice(&tenant, "a", server.addr(), ready()).await;
    tenant.apply(route("chat", &[target()])).await;
    service_in(&tenant, &team).await;
    let mut theirs = route("theirs", &[target()]);
    theirs["metadata"]["namespace"] = json!(team);
    theirs["spec"]["allowedNamespaces"] = json!({"from": "All"});
    tenant.apply(theirs).await;

    let kinds = [SERVICES, SLICES, PODS];
    let gateway = modest_gateway(&tenant, &kinds, false).await;
    let model = format!("{team}/theirs");
    let why = format!("does not let it read the services of Service `{team}/pool`");
    gateway.has_no_target(KEY, &model, &why).await;
    gateway.serves(KEY, "chat", "pool").await;

    let rbac = "rbac.authorization.k8s.io";
    let metadata = json!({"name": "discovery", "namespace": team});
    let api_version = format!("{rbac}/v1");
    tenant
        .apply(json!({
            "apiVersion": api_version, "kind": "Role", "metadata": metadata, "rules": rules(&kinds),
        }))
        .await;
    let account =
        json!({"kind": "ServiceAccount", "namespace": tenant.namespace, "name": "modest"});
    tenant
        .apply(json!({
            "apiVersion": api_version, "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "discovery"},
            "subjects": [account],
        }))
        .await;
    let why = format!("no endpoint of Service `{team}/pool` is ready");
    gateway.has_no_target(KEY, &model, &why).await;
    gateway.serves(KEY, "chat", "pool").await;
}
