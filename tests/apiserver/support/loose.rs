//! A cluster whose definitions take any spec, as one with definitions of another release may.
//!
//! It is the way to an object that this build cannot read: its own schema lets none in.

use kube::api::DynamicObject;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::tenant::typed;
use super::{Cluster, Tenant, crds, eventually_some};

/// Where a definition has the schema of its specs.
const SPEC: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";

/// The one that the tests share which need it; see [`Cluster::shared`].
pub(crate) async fn shared() -> Option<&'static Cluster> {
    static SHARED: OnceCell<Option<Cluster>> = OnceCell::const_new();
    let start = async || {
        let cluster = Cluster::start().await?;
        loosen(&cluster).await;
        Some(cluster)
    };
    SHARED.get_or_init(start).await.as_ref()
}

async fn loosen(cluster: &Cluster) {
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let looser = crds::definitions().into_iter().map(|definition| {
        let mut definition = serde_json::to_value(definition).expect("plain data");
        *definition.pointer_mut(SPEC).expect("every definition has a spec") = anything.clone();
        typed(definition)
    });
    crds::apply(&cluster.client().await, looser.collect()).await;
}

/// Applies an object whose spec must be stored as it stands. The API server goes on for a moment
/// with the schema that it had.
pub(crate) async fn apply(tenant: &Tenant<'_>, object: Value) -> DynamicObject {
    let spec = object["spec"].as_object().expect("a spec").clone();
    eventually_some("an object that no schema would let in", async || {
        let stored = tenant.try_apply(object.clone()).await.ok()?;
        let kept = |(name, value): (&String, &Value)| stored.data["spec"][name] == *value;
        spec.iter().all(kept).then_some(stored)
    })
    .await
}
