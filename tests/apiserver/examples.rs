//! `deploy/examples/`, applied as it stands: the API server takes it, and the gateway has nothing to
//! say against it.

use std::path::Path;

use crate::support::gateway::Options;
use crate::support::{Cluster, Gateway, Tenant};

/// What one of them finds in a cluster: who serves its Service. No request is sent there, and nobody is
/// at an address that is kept for documents (RFC 5737).
const POOL: &str = r"
apiVersion: v1
kind: Service
metadata: {name: vllm, namespace: ai}
spec: {clusterIP: None, ports: [{name: http, port: 8000}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: vllm-1, namespace: ai, labels: {kubernetes.io/service-name: vllm}}
addressType: IPv4
ports: [{name: http, port: 8000}]
endpoints: [{addresses: [203.0.113.7], conditions: {ready: true}}]
";

#[tokio::test]
async fn the_examples_are_programmed_as_they_stand() {
    let Some(cluster) = Cluster::shared().await else { return };
    // They name no gateway. Of all tests only this one has such objects.
    let tenant = Tenant { name: "default".into(), ..Tenant::new(cluster, "examples").await };
    // One of them uses what the gateway runs as, and one a Service without pods.
    let flags = ["--ambient-credentials-namespace=ai", "--allow-upstream-cidr=203.0.113.0/24"];
    let flags = flags.map(str::to_owned).into();
    let _gateway = Gateway::start_with(&tenant, Options { flags, ..Options::default() }).await;

    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples");
    let examples = examples.to_str().expect("a path in UTF-8");
    cluster.kubectl_ok(&["apply", "-f", examples], "").await;
    cluster.kubectl_ok(&["apply", "-f", "-"], POOL).await;

    for (condition, kind, namespaces) in [
        ("Ready", "credentialstores", &["ai"][..]),
        ("Ready", "consumers", &["team-search", "team-support"]),
        ("Accepted", "modelroutes", &["ai"]),
        ("ResolvedRefs", "modelroutes", &["ai"]),
        ("Programmed", "modelroutes", &["ai"]),
    ] {
        for namespace in namespaces {
            let condition = format!("--for=condition={condition}");
            let wait = ["wait", &condition, kind, "--all", "--timeout=60s", "-n", namespace];
            cluster.kubectl_ok(&wait, "").await;
        }
    }
}
