//! The CustomResourceDefinitions, as this build of the gateway brings them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::{conditions, wait::await_condition};
use kube::{Client, ResourceExt as _};
use pilothouse::{api, balance};

use super::wait::PATIENCE;

/// The definitions that `pilothouse crds` prints.
pub(crate) fn definitions() -> Vec<CustomResourceDefinition> {
    let strategies: Vec<&str> = balance::registry::STRATEGIES.iter().map(|row| row.name).collect();
    api::crds(&strategies)
}

/// Applies the definitions of this build.
pub(crate) async fn install(client: &Client) {
    apply(client, definitions()).await;
}

/// Applies definitions and waits until the API server serves them.
pub(crate) async fn apply(client: &Client, definitions: Vec<CustomResourceDefinition>) {
    let installed: Api<CustomResourceDefinition> = Api::all(client.clone());
    let parameters = PatchParams::apply("test").force();
    for definition in definitions {
        let name = definition.name_any();
        installed
            .patch(&name, &parameters, &Patch::Apply(&definition))
            .await
            .unwrap_or_else(|error| panic!("{name} is refused: {error}"));
        let established =
            await_condition(installed.clone(), &name, conditions::is_crd_established());
        tokio::time::timeout(PATIENCE, established)
            .await
            .unwrap_or_else(|_| panic!("{name} is never Established"))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
