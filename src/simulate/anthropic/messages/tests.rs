use serde_json::{Value, json};

use crate::simulate::{
    Simulator,
    tests::client::{Event, Got, post, post_with},
};

const VERSION: [(&str, &str); 1] = [("anthropic-version", "2023-06-01")];

async fn ask(path: &str, mut body: Value) -> Got {
    let simulator = Simulator::builder().name("alpha").start().await.expect("a free port");
    body["model"] = body.get("model").cloned().unwrap_or_else(|| json!("claude-sim"));
    post_with(&simulator, path, &body, &VERSION).await
}

fn hello() -> Value {
    json!({"max_tokens": 1000, "messages": [{"role": "user", "content": "hello"}]})
}

async fn message(changes: Value) -> Got {
    let mut body = hello();
    for (name, value) in changes.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    ask("/v1/messages", body).await
}

fn names(events: &[Event]) -> Vec<&str> {
    let mut names: Vec<_> = events.iter().filter_map(|event| event.name.as_deref()).collect();
    names.dedup();
    names
}

fn joined(events: &[Event], field: &str) -> String {
    let part = |event: &Event| Some(event.json()["delta"][field].as_str()?.to_owned());
    events.iter().filter_map(part).collect()
}

#[tokio::test]
async fn a_text_is_the_same_in_both_ways() {
    let plain = message(json!({})).await.json();
    assert_eq!(
        (&plain["stop_reason"], &plain["model"]),
        (&json!("end_turn"), &json!("claude-sim"))
    );
    assert!(plain["id"].as_str().expect("an id").starts_with("msg_alpha_"));
    let events = message(json!({"stream": true})).await.events();
    let expected = [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(names(&events), expected);
    assert!(events.iter().all(|event| event.json()["type"].as_str() == event.name.as_deref()));
    assert_eq!(json!(joined(&events, "text")), plain["content"][0]["text"]);
    let start = &events[0].json()["message"];
    assert_eq!((&start["content"], &start["stop_reason"]), (&json!([]), &Value::Null));
    let end = events[events.len() - 2].json();
    assert_eq!(end["usage"]["output_tokens"], plain["usage"]["output_tokens"]);
    assert_eq!(end["usage"]["input_tokens"], plain["usage"]["input_tokens"]);
}

#[tokio::test]
async fn tools_are_used_with_input_in_fragments() {
    let tool = |schema| json!({"name": "look", "input_schema": schema});
    let schema = json!({"type": "object", "properties": {"at": {"type": "string"}}});
    let choice = json!({"type": "tool", "name": "look"});
    let plain =
        message(json!({"tools": [tool(schema.clone())], "tool_choice": choice})).await.json();
    assert_eq!(plain["stop_reason"], "tool_use");
    assert_eq!(plain["content"][0]["input"], json!({"at": "example"}));
    let stream = json!({"stream": true, "tools": [tool(schema)], "tool_choice": {"type": "any"}});
    let events = message(stream).await.events();
    assert_eq!(joined(&events, "partial_json"), r#"{"at":"example"}"#);
    let stream = json!({"stream": true, "tools": [tool(json!({"type": "object"}))],
        "tool_choice": {"type": "any"}});
    let events = message(stream).await.events();
    assert_eq!(joined(&events, "partial_json"), "");
    assert_eq!(names(&events)[3], "content_block_delta");
}

#[tokio::test]
async fn a_tool_result_is_answered_with_text() {
    let turns = json!([{"role": "user", "content": "use a tool"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t",
            "content": [{"type": "text", "text": "sunny"}]}]}]);
    let tools = json!([{"name": "look", "input_schema": {"type": "object"}}]);
    let plain = message(json!({"messages": turns, "tools": tools})).await.json();
    let text = plain["content"][0]["text"].as_str().expect("text");
    assert!(text.starts_with("The tools returned: \"sunny\"."), "{text}");
}

#[tokio::test]
async fn thinking_is_signed_and_may_be_hidden() {
    let thinking = |display| json!({"thinking": {"type": "adaptive", "display": display}});
    let shown = message(thinking("summarized")).await.json()["content"][0].take();
    let hidden = message(thinking("omitted")).await.json()["content"][0].take();
    assert_eq!((&shown["type"], &hidden["thinking"]), (&json!("thinking"), &json!("")));
    assert_eq!(shown["signature"], hidden["signature"]);
    let mut stream = thinking("summarized");
    stream["stream"] = json!(true);
    let events = message(stream).await.events();
    assert_eq!(json!(joined(&events, "thinking")), shown["thinking"]);
    assert_eq!(json!(joined(&events, "signature")), shown["signature"]);
}

#[tokio::test]
async fn a_prefill_is_continued_and_limits_are_kept() {
    let whole = message(json!({})).await.json()["content"][0]["text"].take();
    let prefill = "You said: \"hello\". This answer";
    let turns = json!([{"role": "user", "content": "hello"},
        {"role": "assistant", "content": prefill}]);
    let rest = message(json!({"messages": turns})).await.json()["content"][0]["text"].take();
    let rest = rest.as_str().expect("text");
    assert_eq!(whole, format!("{prefill}{rest}"));
    let short = message(json!({"max_tokens": 3})).await.json();
    assert_eq!(short["stop_reason"], "max_tokens");
    assert_eq!(short["usage"]["output_tokens"], 3);
    let stopped = message(json!({"stop_sequences": ["never", "answer"]})).await.json();
    assert_eq!(stopped["stop_reason"], "stop_sequence");
    assert_eq!(stopped["stop_sequence"], "answer");
    assert_eq!(stopped["content"][0]["text"], "You said: \"hello\". This ");
}

#[tokio::test]
async fn tokens_are_counted_as_a_message_would_bill_them() {
    let mut body = hello();
    body["system"] = json!([{"type": "text", "text": "be brief"}]);
    let counted = ask("/v1/messages/count_tokens", body.clone()).await.json();
    assert_eq!(counted, json!({"input_tokens": 2 + 1 + 4}));
    let billed = ask("/v1/messages", body).await.json();
    assert_eq!(billed["usage"]["input_tokens"], counted["input_tokens"]);
}

#[tokio::test]
async fn what_anthropic_requires_is_required() {
    let simulator = Simulator::builder().start().await.expect("a free port");
    let got = post(&simulator, "/v1/messages", &hello()).await;
    assert_eq!(got.status, 400);
    let error = got.json();
    assert_eq!(
        (&error["type"], &error["error"]["type"]),
        (&json!("error"), &json!("invalid_request_error"))
    );
    assert!(error["error"]["message"].to_string().contains("anthropic-version"));
    assert_eq!(error["request_id"].as_str(), got.header("request-id"));
    for (changes, field) in [
        (json!({"max_tokens": null}), "max_tokens"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": [{"role": "tool", "content": "x"}]}), "messages.0.role"),
        (json!({"model": ""}), "model"),
    ] {
        let got = message(changes).await;
        assert_eq!(got.status, 400);
        assert!(got.json()["error"]["message"].to_string().contains(field), "{}", got.text());
    }
}
