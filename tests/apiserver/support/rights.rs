//! The rights that an installation gives the gateway: those of the chart with its default values, as
//! they stand in `deploy/kustomize/`, which is written from it.

use std::path::Path;

use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::Value;

use super::Tenant;
use super::tenant::typed;

/// Makes a service account with these rights and gives its token.
pub(crate) async fn installed(tenant: &Tenant<'_>) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kustomize/base/pilothouse.yaml");
    let text = std::fs::read_to_string(file).expect("it is written by `make chart-files`");
    // The role names the leader's Lease, and so the gateway.
    let text =
        text.replace("pilothouse-default-leader", &format!("pilothouse-{}-leader", tenant.name));
    let documents = text.split("\n---\n").skip(1);
    let objects: Vec<Value> =
        documents.map(|text| serde_saphyr::from_str(text).expect("an object")).collect();
    let rules = |kind: &str| -> Vec<PolicyRule> {
        let roles = objects.iter().filter(|object| object["kind"] == kind);
        roles.flat_map(|role| typed::<Vec<PolicyRule>>(role["rules"].clone())).collect()
    };
    let own = vec![(&*tenant.namespace, rules("Role"))];
    tenant.service_account("installed", rules("ClusterRole"), own).await
}
