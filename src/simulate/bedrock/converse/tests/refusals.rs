//! What the service refuses.

use super::*;

fn user(content: &Value) -> Value {
    json!({"messages": [{"role": "user", "content": content}]})
}

fn turns(turns: &Value) -> Value {
    json!({"messages": turns, "toolConfig": {"tools": tools()}})
}

fn with(member: &str, value: Value) -> Value {
    let mut body = json!({"messages": said("x")});
    body[member] = value;
    body
}

async fn refused(body: &Value) -> String {
    let got = ask("converse", body).await;
    assert_eq!(got.status, 400, "{body}");
    assert_eq!(got.header("x-amzn-errortype"), Some("ValidationException"));
    got.json()["message"].as_str().expect("a message").to_owned()
}

async fn all_refused(cases: impl IntoIterator<Item = (Value, &str)>) {
    for (body, expected) in cases {
        let message = refused(&body).await;
        assert!(message.contains(expected), "{body}: {message}");
    }
}

#[tokio::test]
async fn roles_that_do_not_alternate() {
    let says = |role: &str| json!({"role": role, "content": [{"text": "x"}]});
    all_refused([
        (json!({"messages": []}), "must start with a user message"),
        (json!({"messages": [says("assistant")]}), "must start with a user message"),
        (json!({"messages": [says("user"), says("user")]}), "must alternate"),
        (json!({"messages": [says("user"), says("tool")]}), "unknown variant `tool`"),
    ])
    .await;
}

#[tokio::test]
async fn content_that_is_blank_unknown_or_misplaced() {
    let image = json!({"image": {"format": "tiff", "source": {"bytes": "AAAA"}}});
    let document =
        json!({"document": {"format": "pdf", "name": "a.b", "source": {"bytes": "AAAA"}}});
    let mark = json!({"cachePoint": {"type": "default"}});
    let words = json!({"text": "x"});
    all_refused([
        (user(&json!([])), "is empty"),
        (user(&json!([{"text": " "}])), "is blank"),
        (user(&json!("x")), "not valid"),
        (user(&json!([{"text": "x", "image": {}}])), "not valid"),
        (user(&json!([{"thinking": {}}])), "unknown variant"),
        (user(&json!([image])), "enum value set"),
        (user(&json!([document.clone()])), "document file name"),
        (
            user(
                &json!([{"document": {"format": "pdf", "name": "a", "source": {"bytes": "AAAA"}}}]),
            ),
            "text block is required",
        ),
        (user(&json!([mark.clone(), words.clone()])), "must follow another block"),
        (
            user(&json!([words, mark.clone(), mark.clone(), mark.clone(), mark.clone(), mark])),
            "maximum of 4",
        ),
    ])
    .await;
}

#[tokio::test]
async fn calls_without_results_and_results_without_calls() {
    let call = json!({"toolUse": {"toolUseId": "t", "name": "look", "input": {}}});
    let result = json!({"toolResult": {"toolUseId": "t", "content": []}});
    let words = json!({"text": "x"});
    let talk = |answer: Value| {
        json!([{"role": "user", "content": [words]}, {"role": "assistant", "content": [call]},
            {"role": "user", "content": answer}])
    };
    let unthought = json!([{"role": "user", "content": [words]},
        {"role": "assistant", "content": [{"reasoningContent": {"reasoningText": {"text": "x"}}}]}]);
    all_refused([
        (turns(&talk(json!([words]))), "Expected toolResult blocks at messages.2.content"),
        (turns(&talk(json!([words, result]))), "must come before other blocks"),
        (turns(&talk(json!([result, result]))), "exceeds the number of toolUse"),
        (turns(&json!([{"role": "user", "content": [result]}])), "exceeds the number of toolUse"),
        (json!({"messages": talk(json!([result]))}), "toolConfig field must be defined"),
        (json!({"messages": unthought}), "Invalid `signature`"),
    ])
    .await;
    let list = json!({"toolUse": {"toolUseId": "t", "name": "look", "input": [1]}});
    let listed = json!([{"role": "user", "content": [words]}, {"role": "assistant", "content": [list]},
        {"role": "user", "content": [result]}]);
    refused(&turns(&listed)).await;
    assert_eq!(ask("converse", &turns(&talk(json!([result, words])))).await.status, 200);
}

#[tokio::test]
async fn parameters_out_of_range_or_unknown() {
    let tool = |name: &str, description: &str| {
        let spec = json!({"name": name, "description": description,
            "inputSchema": {"json": {"type": "object"}}});
        json!({"tools": [{"toolSpec": spec}]})
    };
    let extra = "additionalModelRequestFields";
    all_refused([
        (with("stream", json!(true)), "unknown field `stream`"),
        (with("inferenceConfig", json!({"topK": 1})), "unknown field `topK`"),
        (with("inferenceConfig", json!({"maxTokens": 0})), "inferenceConfig.maxTokens"),
        (with("inferenceConfig", json!({"temperature": 1.5})), "inferenceConfig.temperature"),
        (with("toolConfig", json!({"tools": []})), "toolConfig.tools"),
        (with("toolConfig", tool(&"n".repeat(65), "d")), "toolSpec.name"),
        (with("toolConfig", tool("n", "")), "toolSpec.description"),
        (with("toolConfig", json!({"tools": tools(), "toolChoice": {"none": {}}})), "none"),
        (
            with("toolConfig", json!({"tools": tools(), "toolChoice": {"tool": {"name": "q"}}})),
            "not defined",
        ),
        (with(extra, json!({"seed": 1})), "extraneous key [seed]"),
        (
            with(extra, json!({"thinking": {"type": "enabled", "budget_tokens": 9}})),
            "at least 1024",
        ),
        (
            with(extra, json!({"thinking": {"type": "adaptive"}, "top_k": 1})),
            "`top_k` must be unset",
        ),
        (
            with(
                "outputConfig",
                json!({"textFormat": {"type": "json_schema", "structure":
            {"jsonSchema": {"schema": "{"}}}}),
            ),
            "json_schema",
        ),
        (with("serviceTier", json!({"type": "auto"})), "serviceTier.type"),
        (with("requestMetadata", json!({"a": "🙂"})), "requestMetadata"),
    ])
    .await;
}
