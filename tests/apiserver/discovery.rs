//! Targets that are Services: who serves them is followed as the API server tells it.
//!
//! The API server takes no loopback address for an endpoint, so the simulated servers listen on this
//! machine's own. Nothing leaves it: a machine reaches its own addresses by itself.

use std::env;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Pod, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use pilothouse::simulate::Simulator;
use serde_json::{Value, json};

use crate::support::gateway::Options;
use crate::support::objects::{KEY, route};
use crate::support::tenant::typed;
use crate::support::{Cluster, Gateway, Tenant, eventually};

/// How often readiness changes while it is measured.
const CHANGES: usize = 20;

/// A bound for the worst of them on a machine that is busy with other things. The usual time is
/// printed, and is well below the second that is promised.
const SLOWEST: Duration = Duration::from_secs(10);

/// This machine's own address, where it has one beside loopback. No packet is sent to find out.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    let usable = !address.is_loopback() && !address.is_unspecified();
    if !usable {
        let in_ci = env::var_os("CI").is_some_and(|ci| !ci.is_empty());
        assert!(!in_ci, "this machine has no address beside loopback, and CI must not skip this");
        let _ = writeln!(io::stderr(), "SKIPPED: this machine has no address beside loopback");
    }
    usable.then_some(address)
}

async fn server(name: &str, address: IpAddr) -> Simulator {
    let builder = Simulator::builder().name(name).bind(SocketAddr::new(address, 0));
    builder.start().await.expect("the machine's own address has free ports")
}

fn target() -> Value {
    json!({
        "name": "pool",
        "provider": "openai-compatible",
        "model": "sim",
        "service": {"name": "pool", "port": "http"},
    })
}

/// The Service `pool`, which selects pods by `app`.
async fn service(tenant: &Tenant<'_>) {
    let ports = json!([{"name": "http", "port": 80, "targetPort": 8000}]);
    let spec = json!({"clusterIP": "None", "selector": {"app": "pool"}, "ports": ports});
    let object =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "pool"}, "spec": spec});
    tenant.apply(object).await;
}

/// A pod that runs at that address, as its kubelet would say.
async fn pod(tenant: &Tenant<'_>, name: &str, labels: Value, address: IpAddr) {
    let accounts = tenant.api::<ServiceAccount>();
    let account: ServiceAccount = typed(json!({"metadata": {"name": "default"}}));
    // Nobody else makes it here, and another pod of this test may have.
    let _ = accounts.create(&PostParams::default(), &account).await;
    let pods = tenant.api::<Pod>();
    let pod: Pod = typed(json!({
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "automountServiceAccountToken": false,
            "containers": [{"name": "server", "image": "none"}],
        },
    }));
    pods.create(&PostParams::default(), &pod).await.expect("a new pod");
    let address = address.to_string();
    let status = json!({"status": {
        "phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
    }});
    let merge = Patch::Merge(&status);
    pods.patch_status(name, &PatchParams::default(), &merge).await.expect("a status");
}

/// A slice with one endpoint, as its controller would write it but for the pod, which counts for nothing.
async fn slice(tenant: &Tenant<'_>, name: &str, at: SocketAddr, conditions: Value) {
    let labels = json!({"kubernetes.io/service-name": "pool"});
    tenant
        .apply(json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name, "labels": labels},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": at.port()}],
            "endpoints": [{"addresses": [at.ip().to_string()], "conditions": conditions}],
        }))
        .await;
}

fn ready() -> Value {
    json!({"ready": true, "serving": true, "terminating": false})
}

/// What discovery needs in a namespace; with what a gateway needs otherwise, all that it has.
fn discovery_rules(kinds: &[(&str, &str)]) -> Vec<PolicyRule> {
    let rule = |(group, resource): &(&str, &str)| {
        typed(json!({"apiGroups": [group], "resources": [resource], "verbs": ["list", "watch"]}))
    };
    let ours = [
        ("pilothouse.dev", "modelroutes"),
        ("pilothouse.dev", "credentialstores"),
        ("pilothouse.dev", "consumers"),
        ("", "namespaces"),
        ("", "secrets"),
    ];
    ours.iter().chain(kinds).map(rule).collect()
}

async fn modest_gateway(tenant: &Tenant<'_>, kinds: &[(&str, &str)]) -> Gateway {
    let token = tenant.service_account("modest", discovery_rules(kinds), Vec::new()).await;
    let flags = vec!["--no-status".to_owned()];
    Gateway::start_with(tenant, Options { token: Some(token), flags }).await
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
    eventually(&format!("{reason} in the status"), async || {
        let resolved = tenant.condition("ModelRoute", "chat", "ResolvedRefs").await;
        (&*resolved.status, &*resolved.reason) == ("False", reason)
    })
    .await;
}

#[tokio::test]
async fn a_pod_is_asked_while_it_is_ready_by_a_gateway_of_the_least_rights() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(address) = own_address() else { return };
    let tenant = Tenant::new(cluster, "readiness").await;
    let server = server("pod", address).await;
    let rights = [("", "services"), ("discovery.k8s.io", "endpointslices"), ("", "pods")];
    let gateway = modest_gateway(&tenant, &rights).await;
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
async fn an_address_in_a_slice_is_not_believed_without_a_pod_that_has_it() {
    let Some(cluster) = Cluster::shared().await else { return };
    let Some(address) = own_address() else { return };
    let tenant = Tenant::new(cluster, "hostile").await;
    let victim = server("victim", address).await;
    // The victim's pod is in another namespace, or in this one and not selected.
    let gateway = Gateway::start(&tenant).await;
    tenant.admit_caller().await;
    service(&tenant).await;
    pod(&tenant, "other", json!({"app": "other"}), address).await;
    slice(&tenant, "written-by-hand", victim.addr(), ready()).await;
    tenant.apply(route("chat", &[target()])).await;

    let why = "do not belong to pods that the Service selects";
    let refusal = gateway.has_no_target(KEY, "chat", why).await;
    assert!(refusal.text().contains("Service `"), "{}", refusal.text());
    assert_eq!(victim.count(), 0);
    unresolved(&tenant, "AddressNotPermitted").await;
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
    let rights = [("", "services"), ("discovery.k8s.io", "endpointslices")];
    let gateway = modest_gateway(&tenant, &rights).await;
    gateway.has_no_target(KEY, "chat", "role does not let it read pods").await;

    let flags = vec![format!("--allow-upstream-cidr={address}/32")];
    let trusting = Gateway::start_with(&tenant, Options { token: None, flags }).await;
    trusting.serves(KEY, "chat", "pool").await;
}
