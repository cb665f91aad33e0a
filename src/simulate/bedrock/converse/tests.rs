use serde_json::{Value, json};

use crate::simulate::{
    Flavor, Simulator,
    tests::client::{Got, post, post_with},
};

const CLAUDE: &str = "us.anthropic.claude-sim-v1%3A0";

async fn start() -> Simulator {
    let builder = Simulator::builder().name("alpha").provider(Flavor::Bedrock);
    builder.start().await.expect("a free port")
}

fn said(text: &str) -> Value {
    json!([{"role": "user", "content": [{"text": text}]}])
}

async fn ask(operation: &str, body: &Value) -> Got {
    post(&start().await, &format!("/model/{CLAUDE}/{operation}"), body).await
}

/// The frames of a stream, read the slow way: name, whether it is an exception, payload.
fn frames(got: &Got) -> Vec<(String, bool, Value)> {
    let mut rest = &got.body[..];
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let number =
            |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().expect("four")) as usize;
        let (total, head) = (number(0), number(4));
        assert_eq!(number(8), crc32fast::hash(&rest[..8]) as usize);
        assert_eq!(number(total - 4), crc32fast::hash(&rest[..total - 4]) as usize);
        let headers = &rest[12..12 + head];
        let value = |name: &str| {
            let at = headers.windows(name.len()).position(|it| it == name.as_bytes())?;
            let value = &headers[at + name.len() + 3..];
            let length = usize::from(headers[at + name.len() + 2]);
            Some(String::from_utf8_lossy(&value[..length]).into_owned())
        };
        let exception = value(":exception-type");
        let name = exception.clone().or_else(|| value(":event-type")).expect("a name");
        let payload = serde_json::from_slice(&rest[12 + head..total - 4]).unwrap_or(Value::Null);
        frames.push((name, exception.is_some(), payload));
        rest = &rest[total..];
    }
    frames
}

fn joined(frames: &[(String, bool, Value)], pointer: &str) -> String {
    frames.iter().filter_map(|(_, _, data)| data.pointer(pointer)?.as_str()).collect()
}

#[tokio::test]
async fn a_text_is_the_same_in_both_ways() {
    let body = json!({"messages": said("hello"), "system": [{"text": "be brief"}]});
    let plain = ask("converse", &body).await;
    assert!(plain.header("x-amzn-requestid").is_some());
    let plain = plain.json();
    assert_eq!(plain["stopReason"], "end_turn");
    let text = &plain["output"]["message"]["content"][0]["text"];
    assert!(text.as_str().expect("text").starts_with("You said: \"hello\". "));
    let got = ask("converse-stream", &body).await;
    assert_eq!(got.header("content-type"), Some("application/vnd.amazon.eventstream"));
    let frames = frames(&got);
    let mut names: Vec<_> = frames.iter().map(|(name, ..)| name.as_str()).collect();
    names.dedup();
    let expected =
        ["messageStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"];
    assert_eq!(names, expected);
    assert_eq!(json!(joined(&frames, "/delta/text")), *text);
    let usage = &frames.last().expect("frames").2["usage"];
    assert_eq!(usage, &plain["usage"]);
    assert_eq!(usage["inputTokens"], 2 + 1 + 4);
}

fn tools() -> Value {
    let schema = json!({"type": "object", "properties": {"at": {"type": "string"}}});
    json!([{"toolSpec": {"name": "look", "inputSchema": {"json": schema}}}])
}

#[tokio::test]
async fn tools_are_used_with_input_in_fragments_and_their_results_answered() {
    let config = json!({"tools": tools(), "toolChoice": {"any": {}}});
    let body = json!({"messages": said("hello"), "toolConfig": config});
    let plain = ask("converse", &body).await.json();
    assert_eq!(plain["stopReason"], "tool_use");
    let call = &plain["output"]["message"]["content"][0]["toolUse"];
    assert_eq!(call["input"], json!({"at": "example"}));
    let frames = frames(&ask("converse-stream", &body).await);
    assert_eq!(joined(&frames, "/delta/toolUse/input"), r#"{"at":"example"}"#);
    assert_eq!(joined(&frames, "/start/toolUse/name"), "look");
    let id = &call["toolUseId"];
    let messages = json!([
        {"role": "user", "content": [{"text": "look"}]},
        {"role": "assistant", "content": [{"toolUse": call}]},
        {"role": "user", "content": [
            {"toolResult": {"toolUseId": id, "content": [{"text": "sunny"}]}}]}]);
    let body = json!({"messages": messages, "toolConfig": {"tools": tools()}});
    let text =
        ask("converse", &body).await.json()["output"]["message"]["content"][0]["text"].take();
    assert!(text.as_str().expect("text").starts_with("The tools returned: \"sunny\"."), "{text}");
}

#[tokio::test]
async fn reasoning_schemas_stops_and_limits_are_heeded() {
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 1024}});
    let body = json!({"messages": said("x"), "additionalModelRequestFields": thinking});
    let plain = ask("converse", &body).await.json();
    let shown = &plain["output"]["message"]["content"][0]["reasoningContent"]["reasoningText"];
    let frames = frames(&ask("converse-stream", &body).await);
    assert_eq!(json!(joined(&frames, "/delta/reasoningContent/text")), shown["text"]);
    assert_eq!(json!(joined(&frames, "/delta/reasoningContent/signature")), shown["signature"]);
    let schema = json!({"schema": "{\"properties\":{\"n\":{\"const\":7}}}"});
    let format = json!({"type": "json_schema", "structure": {"jsonSchema": schema}});
    let body = json!({"messages": said("x"), "outputConfig": {"textFormat": format}});
    let plain = ask("converse", &body).await.json();
    assert_eq!(plain["output"]["message"]["content"][0]["text"], r#"{"n":7}"#);
    let body = json!({"messages": said("x"), "inferenceConfig": {"stopSequences": ["answer"]},
        "additionalModelResponseFieldPaths": ["/stop_sequence"]});
    let plain = ask("converse", &body).await.json();
    assert_eq!(plain["stopReason"], "stop_sequence");
    assert_eq!(plain["additionalModelResponseFields"], json!({"stop_sequence": "answer"}));
    let body = json!({"messages": said("x"), "inferenceConfig": {"maxTokens": 2}});
    let plain = ask("converse", &body).await.json();
    assert_eq!(
        (&plain["stopReason"], &plain["usage"]["outputTokens"]),
        (&json!("max_tokens"), &json!(2))
    );
}

#[tokio::test]
async fn faults_come_in_the_shape_of_aws() {
    let simulator = start().await;
    let body = json!({"messages": said("x")});
    let path = "/model/claude-sim%3Bstatus=429%3Bretry-after=2/converse-stream";
    let got = post(&simulator, path, &body).await;
    assert_eq!((got.status, got.header("retry-after")), (429, Some("2")));
    assert_eq!(got.header("x-amzn-errortype"), Some("ThrottlingException"));
    assert!(got.json()["message"].is_string());
    let path = format!("/model/{CLAUDE}/converse-stream");
    let streamed = async |fault: &str| {
        let headers = [("x-simulate", fault)];
        frames(&post_with(&simulator, &path, &body, &headers).await)
    };
    let cut = streamed("error=2").await;
    assert_eq!(cut.len(), 3);
    assert_eq!((cut[2].0.as_str(), cut[2].1), ("internalServerException", true));
    assert!(streamed("no-end").await.iter().all(|(name, ..)| name != "messageStop"));
    assert_eq!(streamed("garbage=1").await[1].2, Value::Null);
    let huge = streamed("huge=5000").await[1].2.take();
    assert_eq!(huge["p"].as_str().map(str::len), Some(5000));
}

#[tokio::test]
async fn a_key_is_a_bearer() {
    let builder = Simulator::builder().provider(Flavor::Bedrock).keys(["right"]);
    let simulator = builder.start().await.expect("a free port");
    let body = json!({"messages": said("x")});
    let path = format!("/model/{CLAUDE}/converse");
    for (header, value, status) in [
        ("authorization", "Bearer right", 200),
        ("authorization", "Bearer wrong", 403),
        ("x-api-key", "right", 403),
    ] {
        let got = post_with(&simulator, &path, &body, &[(header, value)]).await;
        assert_eq!(got.status, status, "{header}: {value}");
    }
}

#[tokio::test]
async fn a_model_is_one_segment_of_the_path() {
    let simulator = start().await;
    let body = json!({"messages": said("x")});
    let arn = "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fabc";
    assert_eq!(post(&simulator, &format!("/model/{arn}/converse"), &body).await.status, 200);
    for path in ["/model/a/b/converse", "/model//converse", "/model/a/invoke", "/v1/models"] {
        assert_ne!(post(&simulator, path, &body).await.status, 200, "{path}");
    }
}

mod gateway;
mod refusals;

#[tokio::test]
async fn tokens_are_counted_of_the_prompt_alone_and_for_models_alone() {
    let model = "anthropic.claude-sim-v1%3A0";
    let count = async |model: &str, converse: Value| {
        let body = json!({"input": {"converse": converse}});
        post(&start().await, &format!("/model/{model}/count-tokens"), &body).await
    };
    let got = count(model, json!({"messages": said("how are you")})).await;
    assert_eq!(got.json(), json!({"inputTokens": 3 + 4}));
    let limited = json!({"messages": said("hi"), "inferenceConfig": {"maxTokens": 3}});
    assert_eq!(count(model, limited).await.status, 400);
    let got = count(CLAUDE, json!({"messages": said("hi")})).await;
    assert!(got.text().contains("doesn't support counting"), "{}", got.text());
}
