mod limits;
mod vectors;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::dialect::{Quirks, TargetView, Unreadable, Written};
use crate::protocol::model::ModelFacts;
use crate::protocol::neutral::{
    CannotCross, Compatibility, Crossing, Part, Request, Role, Tool, Turn, Warning,
};

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const NOVA: &str = "amazon.nova-pro-v1:0";

/// A request of one user turn.
fn said(text: &str) -> Request {
    Request { turns: vec![turn(Role::User, vec![words(text)])], ..Request::default() }
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, parts }
}

fn words(text: &str) -> Part {
    Part::Text { text: text.to_owned(), cache: None }
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    let [id, name, arguments] = [id, name, arguments].map(str::to_owned);
    Part::ToolCall { id, name, arguments, state: None, cache: None }
}

fn result(id: &str, text: &str) -> Part {
    let content = vec![crate::protocol::neutral::ResultPart::Text(text.to_owned())];
    Part::ToolResult { id: id.to_owned(), content, is_error: false, cache: None }
}

fn tool(name: &str) -> Tool {
    let (name, description) = (name.to_owned(), None);
    Tool { name, description, schema: None, strict: None, cache: None }
}

fn try_write(
    request: &Request,
    model: &str,
    facts: &ModelFacts,
    compatibility: Compatibility,
) -> Result<(Written, Vec<Warning>), CannotCross> {
    let target = TargetView { model, facts, quirks: &Quirks::COMPATIBLE };
    let mut crossing = Crossing::new(compatibility);
    let written = write(request, &target, &mut crossing)?;
    Ok((written, crossing.into_warnings()))
}

fn write_for(request: &Request, model: &str, facts: &ModelFacts) -> (Value, Vec<String>) {
    let (written, warnings) =
        try_write(request, model, facts, Compatibility::Standard).expect("it crosses");
    let body = serde_json::from_slice(&written.body).expect("JSON");
    (body, warnings.iter().map(|warning| format!("{} {}", warning.code, warning.param)).collect())
}

/// The body for Claude, and what was lost.
fn written(request: &Request) -> (Value, Vec<String>) {
    write_for(request, CLAUDE, &ModelFacts::default())
}

fn messages(request: &Request) -> Value {
    written(request).0["messages"].take()
}

fn read_json(body: &Value) -> Result<Request, Unreadable> {
    read(body.to_string().as_bytes())
}

#[test]
fn what_the_api_can_say_comes_back_as_it_was() {
    let body = json!({
        "messages": [
            {"role": "user", "content": [
                {"text": "look"}, {"cachePoint": {"type": "default", "ttl": "1h"}},
                {"image": {"format": "png", "source": {"bytes": "AAAA"}}},
                {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://b/k.jpg"}}}},
                {"document": {"format": "pdf", "name": "report", "source": {"bytes": "AAAA"}}},
                {"document": {"format": "txt", "name": "notes", "source": {"bytes": "aGk="}}}]},
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig=="}}},
                {"reasoningContent": {"redactedContent": "RW1w"}},
                {"text": "I will"},
                {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"b": 1, "a": 2}}}]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "t1", "content": [{"text": "done"},
                    {"image": {"format": "gif", "source": {"bytes": "AAAA"}}}], "status": "error"}},
                {"text": "go on"}]}],
        "system": [{"text": "be brief"}, {"cachePoint": {"type": "default"}}],
        "inferenceConfig": {"maxTokens": 100, "temperature": 0.5, "topP": 0.9,
            "stopSequences": ["END"]},
        "toolConfig": {"tools": [{"toolSpec": {"name": "f", "description": "does", "strict": true,
            "inputSchema": {"json": {"type": "object"}}}}, {"cachePoint": {"type": "default"}}],
            "toolChoice": {"any": {}}},
        "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema":
            {"schema": "{\"type\": \"object\"}", "name": "n", "description": "d"}}}},
        "additionalModelRequestFields": {"top_k": 5, "anthropic_beta": ["context-1m-2025-08-07"],
            "tool_choice": {"disable_parallel_tool_use": true}, "some": {"own": 1}},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
        "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"},
        "performanceConfig": {"latency": "optimized"},
        "requestMetadata": {"team": "x", "user": "u"},
        "serviceTier": {"type": "flex"},
    });
    let request = read_json(&body).expect("valid");
    let (back, warnings) = written(&request);
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(back, body);
}

#[test]
fn members_without_a_counterpart_are_refused_or_told() {
    let mut request = said("x");
    for (field, essential) in [("container", false), ("messages[0].content[1].video", true)] {
        let beyond = crate::protocol::neutral::request::Beyond {
            field: field.to_owned(),
            essential,
            value: None,
        };
        request.beyond.push(beyond);
    }
    let error =
        try_write(&request, CLAUDE, &ModelFacts::default(), Compatibility::Standard).unwrap_err();
    assert_eq!(error.param, "messages[0].content[1].video");
    request.beyond.pop();
    assert_eq!(written(&request).1, ["dropped container"]);
}

#[test]
fn a_broken_request_is_refused_by_the_name_of_the_field() {
    let cases = [
        (json!({}), "messages"),
        (json!({"messages": {}}), "messages"),
        (json!({"messages": [{"role": "user"}]}), "messages[0].content"),
        (json!({"messages": [{"role": "tool", "content": []}]}), "messages[0].role"),
        (json!({"messages": [{"role": "user", "content": "hi"}]}), "messages[0].content"),
        (
            json!({"messages": [{"role": "user", "content": [{"text": 1}]}]}),
            "messages[0].content[0].text",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"text": "a", "image": {}}]}]}),
            "messages[0].content[0]",
        ),
        (
            json!({"messages": [], "inferenceConfig": {"maxTokens": -1}}),
            "inferenceConfig.maxTokens",
        ),
        (
            json!({"messages": [], "toolConfig": {"tools": [{"toolSpec": {}}]}}),
            "toolConfig.tools[0].toolSpec.name",
        ),
        (json!({"messages": [], "requestMetadata": {"a": 1}}), "requestMetadata.a"),
        (
            json!({"messages": [], "additionalModelRequestFields": {"thinking": {}}}),
            "additionalModelRequestFields.thinking.type",
        ),
    ];
    for (body, field) in cases {
        let error = read_json(&body).expect_err(field);
        assert_eq!(error.param, field, "{error}");
    }
    assert_eq!(read(b"{").expect_err("no JSON").param, "body");
}

#[test]
fn null_is_absent_and_what_is_unknown_is_noticed() {
    let body = json!({"messages": [{"role": "user", "content": [{"video": {"format": "mp4"}}]}],
        "system": null, "inferenceConfig": {"topP": null}, "future": 1});
    let request = read_json(&body).expect("valid");
    let beyond: Vec<_> =
        request.beyond.iter().map(|it| (it.field.as_str(), it.essential)).collect();
    assert_eq!(beyond, [("future", false), ("messages[0].content[0].video", true)]);
    assert_eq!(request.top_p, None);
}

/// JSON of any kind and nesting.
fn any_json() -> impl Strategy<Value = Value> {
    let names = prop_oneof![
        Just("text"),
        Just("messages"),
        Just("role"),
        Just("content"),
        Just("toolUse"),
        Just("toolResult"),
        Just("system"),
        Just("toolConfig"),
        Just("image"),
        Just("source"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "user|assistant|[a-z]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body: Vec<u8>) {
        let _ = read(&body);
    }

    #[test]
    fn any_nesting_is_read_or_refused_and_what_is_read_can_be_written(
        content in any_json(),
        rest in any_json(),
    ) {
        let bodies = [
            json!({"messages": [{"role": "user", "content": [content]}], "system": rest}),
            json!({"messages": rest}),
            rest,
        ];
        for body in bodies {
            if let Ok(request) = read_json(&body) {
                let facts = ModelFacts::default();
                let _ = try_write(&request, CLAUDE, &facts, Compatibility::Lenient);
            }
        }
    }
}
