use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::simulate::{
    Simulator,
    tests::client::{Event, Got, post},
};

async fn ask(mut body: Value) -> Got {
    let simulator = Simulator::builder().name("alpha").start().await.expect("a free port");
    body["model"] = body.get("model").cloned().unwrap_or_else(|| json!("gpt-sim"));
    post(&simulator, "/v1/chat/completions", &body).await
}

fn with_tools(said: &str, stream: bool) -> Value {
    let tool = |name: &str| {
        json!({"type": "function", "function": {"name": name, "parameters":
            {"type": "object", "properties": {"city": {"type": "string"}}}}})
    };
    json!({"stream": stream, "messages": [{"role": "user", "content": said}],
        "tools": [tool("get_weather"), tool("get_time")]})
}

fn called(got: &Got) -> Vec<Value> {
    let calls = got.json()["choices"][0]["message"]["tool_calls"].take();
    calls.as_array().into_iter().flatten().map(|call| call["function"]["name"].clone()).collect()
}

fn deltas(events: &[Event]) -> impl Iterator<Item = Value> {
    let chunks = &events[..events.len() - 1];
    chunks.iter().filter_map(|event| Some(event.json()["choices"].get(0)?["delta"].clone()))
}

#[tokio::test]
async fn tools_are_called_by_rule() {
    for (said, extra, expected) in [
        ("hello", json!({}), &[][..]),
        ("call get_time now", json!({}), &["get_time"]),
        ("use a tool", json!({}), &["get_weather"]),
        ("in parallel", json!({}), &["get_weather", "get_time"]),
        ("in parallel get_time", json!({"parallel_tool_calls": false}), &["get_time"]),
        ("hello", json!({"tool_choice": "required"}), &["get_weather"]),
        ("use a tool", json!({"tool_choice": "none"}), &[]),
        (
            "hello",
            json!({"tool_choice": {"type": "function", "function": {"name": "get_time"}}}),
            &["get_time"],
        ),
    ] {
        let mut body = with_tools(said, false);
        for (name, value) in extra.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let got = ask(body).await;
        assert_eq!(called(&got), expected, "{said} {extra}");
        let reason = if expected.is_empty() { "stop" } else { "tool_calls" };
        assert_eq!(got.json()["choices"][0]["finish_reason"], reason);
    }
}

#[tokio::test]
async fn parallel_calls_stream_by_index() {
    let events = ask(with_tools("parallel", true)).await.events();
    let mut calls: BTreeMap<u64, (String, String)> = BTreeMap::new();
    for delta in deltas(&events) {
        let Some(call) = delta["tool_calls"].get(0) else { continue };
        let (id, arguments) = calls.entry(call["index"].as_u64().expect("index")).or_default();
        *id += call["id"].as_str().unwrap_or_default();
        *arguments += call["function"]["arguments"].as_str().expect("a fragment");
    }
    let (one, two) = (&calls[&0], &calls[&1]);
    assert_eq!((&*one.1, &*two.1), (r#"{"city":"example"}"#, r#"{"city":"example"}"#));
    assert!(one.0 != two.0 && one.0.len() <= 40, "{} {}", one.0, two.0);
}

#[tokio::test]
async fn a_tool_result_is_answered_with_text() {
    let mut body = with_tools("use a tool", false);
    let messages = body["messages"].as_array_mut().expect("messages");
    messages.push(json!({"role": "assistant", "content": null, "tool_calls": []}));
    messages.push(json!({"role": "tool", "tool_call_id": "x", "content": "sunny"}));
    let got = ask(body).await;
    let text = got.json()["choices"][0]["message"]["content"].to_string();
    assert!(text.contains("The tools returned: \\\"sunny\\\"."), "{text}");
}

#[tokio::test]
async fn choices_interleave_and_are_counted_together() {
    let body = json!({"stream": true, "stream_options": {"include_usage": true}, "n": 2,
        "model": "m;words=3", "messages": [{"role": "user", "content": "hi"}]});
    let events = ask(body).await.events();
    let order: Vec<_> = events[..events.len() - 1]
        .iter()
        .filter_map(|event| event.json()["choices"].get(0)?["index"].as_u64())
        .collect();
    assert_eq!(order, [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
    assert!(events[0].json().as_object().expect("a chunk").contains_key("usage"));
    let last = events[events.len() - 2].json();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(
        (&last["usage"]["prompt_tokens"], &last["usage"]["total_tokens"]),
        (&json!(5), &json!(11))
    );
}

#[tokio::test]
async fn structured_output_meets_its_schema() {
    let schema =
        json!({"type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}}});
    let body = json!({"messages": [{"role": "user", "content": "hi"}], "response_format":
        {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}});
    assert_eq!(ask(body).await.json()["choices"][0]["message"]["content"], r#"{"ok":true}"#);
    let body = json!({"messages": [{"role": "user", "content": "JSON"}],
        "response_format": {"type": "json_object"}});
    let text = ask(body).await.json()["choices"][0]["message"]["content"].take();
    let value: Value = serde_json::from_str(text.as_str().expect("text")).expect("JSON");
    assert_eq!(value, json!({"said": "JSON", "server": "alpha"}));
}

#[tokio::test]
async fn reasoning_is_shown_by_fault_only() {
    let body = json!({"stream": true, "model": "m;reasoning=2;words=1",
        "messages": [{"role": "user", "content": "hi"}]});
    let events = ask(body).await.events();
    let shown: Vec<_> =
        deltas(&events).map(|delta| delta["reasoning_content"].is_string()).collect();
    assert_eq!(shown, [false, true, true, false, false]);
    let body = json!({"reasoning_effort": "high", "messages": [{"role": "user", "content": "hi"}]});
    let got = ask(body).await.json();
    assert_eq!(got["choices"][0]["message"].get("reasoning_content"), None);
    assert_eq!(got["usage"]["completion_tokens_details"]["reasoning_tokens"], 12);
}

#[tokio::test]
async fn requests_that_openai_refuses_are_refused() {
    let message = json!([{"role": "user", "content": "hi"}]);
    for (body, param) in [
        (json!({"messages": message, "stream_options": {}}), "stream_options"),
        (json!({"messages": message, "n": 0}), "n"),
        (json!({"messages": [{"role": "alien", "content": "hi"}]}), "messages"),
    ] {
        let got = ask(body).await;
        assert_eq!((got.status, &got.json()["error"]["param"]), (400, &json!(param)));
    }
}
