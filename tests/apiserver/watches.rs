//! What following Services costs the API server.

use std::io::{self, Write as _};

use futures::future;
use kube::Client;
use serde_json::json;

use crate::support::objects::route;
use crate::support::{Cluster, Gateway, Tenant};

/// Enough of them that a watch for each would show.
const SERVICES: usize = 200;

/// The watches that the API server has open for these resources, its own of the whole cluster aside.
async fn open_watches(client: &Client, resources: &[&str]) -> u64 {
    let request = http::Request::get("/metrics").body(Vec::new()).expect("a constant request");
    let metrics = client.request_text(request).await.expect("an administrator may read them");
    let counted = metrics.lines().filter_map(|line| {
        let (series, value) =
            line.strip_prefix("apiserver_longrunning_requests")?.rsplit_once(' ')?;
        let meant = resources.iter().any(|one| series.contains(&format!("resource=\"{one}\"")));
        let watch = series.contains("verb=\"WATCH\"") && !series.contains("scope=\"cluster\"");
        (meant && watch).then(|| value.parse::<u64>().expect("a count"))
    });
    counted.sum()
}

#[tokio::test]
async fn the_services_of_a_namespace_share_its_watches() {
    // One that no other test's gateways ask as well.
    let Some(cluster) = Cluster::start().await else { return };
    let tenant = Tenant::new(&cluster, "watches").await;
    let objects = (0..SERVICES).flat_map(|number| {
        let name = format!("pool-{number}");
        let ports = json!([{"name": "http", "port": 80}]);
        let spec = json!({"clusterIP": "None", "selector": {"app": name}, "ports": ports});
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec,
        });
        let target = json!({
            "name": "pool",
            "provider": "openai-compatible",
            "model": "sim",
            "service": {"name": name, "port": "http"},
        });
        [service, route(&name, &[target])]
    });
    future::join_all(objects.map(|object| tenant.apply(object))).await;
    let _gateway = Gateway::start(&tenant).await;
    for number in [0, SERVICES - 1] {
        let name = format!("pool-{number}");
        let read = ("False", "NoReadyEndpoints");
        tenant.condition_is(("ModelRoute", &name), "ResolvedRefs", read).await;
    }
    let watches = open_watches(&tenant.client, &["services", "endpointslices", "pods"]).await;
    let _ = writeln!(io::stderr(), "{SERVICES} Services of one namespace: {watches} watches");
    assert_eq!(watches, 3);
}
