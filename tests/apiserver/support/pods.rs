//! Services, their pods and their slices, as controllers and kubelets would write them.
//!
//! The API server takes no loopback address for an endpoint, so the simulated servers listen on this
//! machine's own. Nothing leaves it: a machine reaches its own addresses by itself.

use std::env;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr, UdpSocket};

use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::{Patch, PatchParams, PostParams};
use pilothouse::simulate::Simulator;
use serde_json::{Value, json};

use super::Tenant;
use super::tenant::typed;

/// This machine's own address, where it has one beside loopback. No packet is sent to find out.
pub(crate) fn own_address() -> Option<IpAddr> {
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

/// A simulated server at an address of this machine.
pub(crate) async fn server(name: &str, address: IpAddr) -> Simulator {
    let builder = Simulator::builder().name(name).bind(SocketAddr::new(address, 0));
    builder.start().await.expect("the machine's own address has free ports")
}

/// A target that is the Service `pool`.
pub(crate) fn target() -> Value {
    json!({
        "name": "pool",
        "provider": "openai-compatible",
        "model": "sim",
        "service": {"name": "pool", "port": "http"},
    })
}

/// The Service `pool`, which selects pods by `app`.
pub(crate) async fn service(tenant: &Tenant<'_>) {
    service_in(tenant, &tenant.namespace).await;
}

/// The same in another namespace.
pub(crate) async fn service_in(tenant: &Tenant<'_>, namespace: &str) {
    let ports = json!([{"name": "http", "port": 80, "targetPort": 8000}]);
    let spec = json!({"clusterIP": "None", "selector": {"app": "pool"}, "ports": ports});
    let metadata = json!({"name": "pool", "namespace": namespace});
    let object = json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec});
    tenant.apply(object).await;
}

/// A pod that runs at that address, as its kubelet would say.
pub(crate) async fn pod(tenant: &Tenant<'_>, name: &str, labels: Value, address: IpAddr) {
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
pub(crate) async fn slice(tenant: &Tenant<'_>, name: &str, at: SocketAddr, conditions: Value) {
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

/// What a slice says of an endpoint that is well.
pub(crate) fn ready() -> Value {
    json!({"ready": true, "serving": true, "terminating": false})
}
