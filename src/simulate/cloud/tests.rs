use serde_json::{Value, json};

use crate::simulate::{
    Flavor, Simulator,
    tests::client::{Got, post_with},
};

const INVOKE: &str = "/model/anthropic.claude-sim-v1%3A0/invoke";
const IN_VERTEX: &str = "/v1/projects/p/locations/us-east5";
const BEARER: [(&str, &str); 1] = [("authorization", "Bearer k")];

async fn ask(flavor: Flavor, path: &str, body: &Value, headers: &[(&str, &str)]) -> Got {
    let builder = Simulator::builder().name("alpha").provider(flavor).keys(["k"]);
    post_with(&builder.start().await.expect("a free port"), path, body, headers).await
}

fn message(changes: &Value) -> Value {
    let mut body = json!({"max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]});
    for (name, value) in changes.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

async fn invoke(changes: Value) -> Got {
    ask(Flavor::Bedrock, INVOKE, &message(&changes), &BEARER).await
}

#[tokio::test]
async fn bedrock_says_the_version_in_the_body_and_the_model_in_the_path() {
    let version = "bedrock-2023-05-31";
    assert_eq!(invoke(json!({"anthropic_version": version})).await.status, 200);
    for (changes, complaint) in [
        (json!({}), "anthropic_version: Field required"),
        (json!({"model": "m"}), "model: Extra inputs are not permitted"),
        (json!({"stream": true}), "stream: Extra inputs are not permitted"),
        (json!({"speed": "fast"}), "speed: Extra inputs are not permitted"),
        (json!({"context_management": {}}), "context_management: Extra inputs are not permitted"),
        (json!({"anthropic_beta": ["unknown-x"]}), "invalid beta flag"),
        (
            json!({"system": [{"type": "text", "text": "s", "cache_control": {"scope": "global"}}]}),
            "system.0.cache_control.ephemeral.scope: Extra inputs are not permitted",
        ),
    ] {
        let mut changes = changes;
        if !complaint.starts_with("anthropic_version") {
            changes["anthropic_version"] = version.into();
        }
        let got = invoke(changes).await;
        assert_eq!((got.status, &got.json()["message"]), (400, &json!(complaint)));
        assert_eq!(got.header("x-amzn-errortype"), Some("ValidationException"));
    }
    let opened = json!({"anthropic_version": version, "context_management": {},
        "anthropic_beta": ["context-management-2025-06-27"]});
    assert_eq!(invoke(opened).await.status, 200);
}

#[tokio::test]
async fn vertex_wants_its_own_spelling_and_no_query() {
    let raw = |rest: &str| format!("{IN_VERTEX}/publishers/anthropic/models/{rest}");
    let body = message(&json!({"anthropic_version": "vertex-2023-10-16"}));
    let vertex = async |path: String, body: Value| ask(Flavor::Vertex, &path, &body, &BEARER).await;
    assert_eq!(vertex(raw("claude-x@20250929:rawPredict"), body.clone()).await.status, 200);
    let missing = vertex(raw("claude-x-20250929:rawPredict"), body.clone()).await;
    assert_eq!((missing.status, &missing.json()["error"]["status"]), (404, &json!("NOT_FOUND")));
    assert_eq!(vertex(raw("claude-x:rawPredict?beta=true"), body.clone()).await.status, 400);
    let plain = vertex(raw("claude-x:streamRawPredict"), body.clone()).await;
    assert_eq!(plain.status, 400, "a stream says so in the body too");
    let mut counted = message(&json!({"anthropic_version": "vertex-2023-10-16", "model": "c"}));
    counted.as_object_mut().expect("an object").remove("max_tokens");
    let counted = vertex(raw("count-tokens:rawPredict"), counted).await;
    assert!(counted.json()["input_tokens"].as_u64().is_some(), "{}", counted.text());
    let chat = format!("{IN_VERTEX}/endpoints/openapi/chat/completions");
    let body = json!({"model": "gemini-x", "messages": [{"role": "user", "content": "hello"}]});
    let refused = vertex(chat, body).await;
    assert_eq!((refused.status, &refused.json()[0]["error"]["code"]), (400, &json!(400)));
}

#[tokio::test]
async fn azure_has_two_forms() {
    let body = json!({"model": "d", "stream": true,
        "messages": [{"role": "user", "content": "hello"}]});
    let azure =
        async |path: &str, header: &str| ask(Flavor::Azure, path, &body, &[(header, "k")]).await;
    for path in [
        "/openai/deployments/d/chat/completions?api-version=2024-10-21",
        "/openai/v1/chat/completions",
        "/openai/v1/chat/completions?api-version=preview",
        "/api/projects/p/openai/v1/chat/completions",
    ] {
        let got = azure(path, "api-key").await;
        assert_eq!(got.status, 200, "{path}: {}", got.text());
        let first = got.events()[0].json();
        assert_eq!((&first["choices"], &first["model"]), (&json!([]), &json!("")));
    }
    for (path, status) in [
        ("/openai/deployments/d/chat/completions", 404),
        ("/openai/responses", 404),
        ("/openai/v1/chat/completions?api-version=2024-10-21", 400),
        ("/openai/deployments/d/responses?api-version=2024-10-21", 404),
        ("/v1/chat/completions", 404),
    ] {
        assert_eq!(azure(path, "api-key").await.status, status, "{path}");
    }
}
