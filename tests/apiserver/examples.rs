//! `deploy/examples/`, applied as it stands: the API server takes it, and the gateway has nothing to
//! say against it.

use std::path::Path;

use crate::support::gateway::Options;
use crate::support::{Cluster, Gateway, Tenant};

#[tokio::test]
async fn the_examples_are_programmed_as_they_stand() {
    let Some(cluster) = Cluster::shared().await else { return };
    // They name no gateway. Of all tests only this one has such objects.
    let tenant = Tenant { name: "default".into(), ..Tenant::new(cluster, "examples").await };
    // One of them uses what the gateway runs as.
    let flags = vec!["--ambient-credentials-namespace=ai".to_owned()];
    let _gateway = Gateway::start_with(&tenant, Options { flags, ..Options::default() }).await;

    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples");
    let examples = examples.to_str().expect("a path in UTF-8");
    cluster.kubectl_ok(&["apply", "-f", examples], "").await;

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
