//! Line breaks in fields that end up in requests and answers.

use serde_json::{Value, json};

use super::Scene;
use super::scene::{B_KEY, pool};
use crate::support::loose;
use crate::support::objects::{ours, route, secret};
use crate::support::pods::target;

/// What follows a line break would be a header of its own.
const BREAK: &str = "x\r\nx-injected: yes";

/// Fields of a route whose text goes into requests or answers, with a line break in each.
fn broken() -> Vec<(&'static str, Value)> {
    let with = |field: &str, value: Value| {
        let mut target = target();
        target[field] = value;
        json!({"targets": [target]})
    };
    let mut at_url = with("baseURL", json!(format!("https://provider.example/{BREAK}")));
    at_url["targets"][0].as_object_mut().expect("fields").remove("service");
    let mut affinity = json!({"targets": [target()]});
    affinity["loadBalancing"] =
        json!({"sessionAffinity": {"type": "Header", "header": {"name": BREAK}}});
    let mut models = json!({"targets": [target()]});
    models["models"] = json!([BREAK]);
    vec![
        ("target", with("name", json!(BREAK))),
        ("model", with("model", json!(BREAK))),
        ("provider", with("provider", json!(BREAK))),
        (
            "path",
            with("service", json!({"name": "pool", "port": "http", "path": format!("/{BREAK}")})),
        ),
        ("url", at_url),
        ("affinity", affinity),
        ("models", models),
    ]
}

#[tokio::test]
async fn no_field_of_a_route_becomes_a_header() {
    let Some(scene) = Scene::start("fields").await else { return };
    for (field, spec) in broken() {
        let object = ours("ModelRoute", field, &spec);
        if scene.b.try_apply(object).await.is_ok() {
            let refused = ("False", "Invalid");
            scene.b.condition_is(("ModelRoute", field), "ResolvedRefs", refused).await;
        }
    }
    scene.ends_well(&[]).await;

    // Definitions of another release may let them in.
    let Some(cluster) = loose::shared().await else { return };
    let Some(scene) = Scene::start_with(cluster, "fields", |_| Vec::new()).await else { return };
    let server = scene.server_of_b().await;
    for (field, spec) in broken() {
        loose::apply(&scene.b, ours("ModelRoute", field, &spec)).await;
    }
    // What was applied before this is read by then.
    scene.b.apply(route("last", &[target()])).await;
    scene.gateway.serves(B_KEY, "last", "pool").await;
    for (field, _) in broken() {
        let model = if field == "models" { BREAK } else { field };
        let answer = scene.gateway.chat(B_KEY, model).await;
        assert!(answer.headers.get("x-injected").is_none(), "{field}: {answer:?}");
    }
    assert!(server.requests().iter().all(|request| request.header("x-injected").is_none()));
    scene.ends_well(&[&server]).await;
}

#[tokio::test]
async fn a_key_with_a_line_break_is_none() {
    let Some(scene) = Scene::start("break").await else { return };
    let server = scene.server_of_b().await;
    scene.b.apply(secret("broken", &format!("a-key-of-some-length{BREAK}"))).await;
    let mut store = pool("broken", &json!({"secretKeyRef": {"name": "broken", "key": "key"}}));
    store["spec"]["allowedHosts"] = json!([format!("service/{}/pool", scene.b.namespace)]);
    scene.b.apply(store).await;
    scene.b.condition_is(("CredentialStore", "broken"), "Ready", ("False", "InvalidKey")).await;
    let mut target = target();
    target["credentialRef"] = json!({"name": "broken"});
    scene.b.apply(route("broken", &[target])).await;
    scene.b_is_refused("broken", "NoUsableKey", "has no usable key").await;
    assert_eq!(server.count(), 0);
    scene.ends_well(&[&server]).await;
}
