//! What the gateway itself runs as.

use serde_json::json;

use super::Scene;
use super::scene::pool;
use crate::support::objects::ours;
use crate::support::{Cluster, objects};

/// Stands for the service account's token, and is where the operator keeps credentials.
const OWN_TOKEN: &str = "the-token-of-the-gateway-itself";

#[tokio::test]
async fn what_the_gateway_runs_as_is_for_no_tenant_but_the_chosen_one() {
    let Some(cluster) = Cluster::shared().await else { return };
    let folder = cluster.path(&format!("credentials-{:08x}", fastrand::u32(..)));
    std::fs::create_dir(&folder).expect("a folder can be made");
    std::fs::write(folder.join("token"), OWN_TOKEN).expect("a file can be written");
    let scene = Scene::start_with(cluster, "ambient", |a| {
        vec![
            format!("--ambient-credentials-namespace={}", a.namespace),
            format!("--credential-dir={}", folder.display()),
            "--credential-env=HOSTNAME".to_owned(),
        ]
    });
    let Some(scene) = scene.await else { return };
    // It is there, for whom the operator chose.
    let file = json!({"file": {"path": "token"}});
    scene.a.apply(pool("own", &file)).await;
    scene.a.wait("Ready", "credentialstore/own").await;

    let sources = [
        file,
        json!({"file": {"path": "kubernetes.io/serviceaccount/token"}}),
        json!({"env": {"name": "HOSTNAME"}}),
        json!({"env": {"name": "KUBECONFIG"}}),
    ];
    let azure = json!({
        "tenantId": "00000000-0000-0000-0000-000000000000",
        "clientId": "00000000-0000-0000-0000-000000000000",
    });
    let clouds =
        [("AWS", "aws", json!({})), ("Google", "google", json!({})), ("Azure", "azure", azure)];
    let clouds = clouds.map(|(kind, field, block)| json!({"type": kind, field: block}));
    let pools = sources.iter().map(|source| pool("any", source)["spec"].clone());
    for (number, spec) in pools.chain(clouds).enumerate() {
        let name = format!("store-{number}");
        scene.b.apply(ours("CredentialStore", &name, &spec)).await;
        let refused = ("False", "AmbientNotPermitted");
        let ready = scene.b.condition_is(("CredentialStore", &name), "Ready", refused).await;
        assert!(ready.message.contains("--ambient-credentials-namespace"), "{ready:?}");
    }
    // Out of the folder leads nothing, for nobody.
    for path in ["/var/run/secrets/kubernetes.io/serviceaccount/token", "../token", "a/../../b"] {
        for tenant in [&scene.a, &scene.b] {
            let refusal = tenant.try_apply(pool("out", &json!({"file": {"path": path}}))).await;
            let refusal = refusal.expect_err("the API server refuses it").to_string();
            assert!(refusal.contains("must be relative to the credential directory"), "{refusal}");
        }
    }
    let own = objects::secret("provider", "a-key-of-b-that-is-good");
    scene.b.apply(own).await;
    assert!(!scene.gateway.process.output().contains(OWN_TOKEN));
    scene.ends_well(&[]).await;
}
