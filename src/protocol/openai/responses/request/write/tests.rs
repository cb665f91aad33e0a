use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::read;
use super::write;
use crate::protocol::dialect::{Quirks, TargetView, Written};
use crate::protocol::model::{EffortWord, ModelFacts, Sampling, Thinking};
use crate::protocol::neutral::request::Beyond;
use crate::protocol::neutral::{
    Compatibility, Crossing, Effort, Format, Media, OpaqueState, Origin, Part, Reasoning, Request,
    ResultPart, Role, Source, SystemText, Tool, ToolChoice, Turn, Warning,
};

const OPENAI: Quirks = Quirks {
    openai_itself: true,
    developer_role: true,
    refuses_unknown: true,
    ..Quirks::COMPATIBLE
};

fn cross(request: &Request, facts: &ModelFacts) -> (Value, Written, Vec<String>) {
    let target = TargetView { model: "gpt", facts, quirks: &OPENAI };
    let mut crossing = Crossing::new(Compatibility::Standard);
    let mut request = request.clone();
    if request.turns.is_empty() {
        // Whoever says nothing is refused.
        request.turns.push(turn(Role::User, vec![text("hi")]));
    }
    let written = write(&request, &target, &mut crossing).expect("nothing to refuse");
    let warnings = crossing.into_warnings();
    let warnings =
        warnings.into_iter().map(|Warning { code, param }| format!("{code} {param}")).collect();
    (serde_json::from_slice(&written.body).expect("JSON"), written, warnings)
}

fn refused(request: &Request) -> String {
    let target = TargetView { model: "gpt", facts: &ModelFacts::default(), quirks: &OPENAI };
    let mut crossing = Crossing::new(Compatibility::Standard);
    write(request, &target, &mut crossing).expect_err("a refusal").param
}

fn text(text: &str) -> Part {
    Part::Text { text: text.into(), cache: None }
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, parts }
}

fn call(id: &str) -> Part {
    Part::ToolCall {
        id: id.into(),
        name: "f".into(),
        arguments: String::new(),
        state: None,
        cache: None,
    }
}

fn result(id: &str, content: Vec<ResultPart>) -> Part {
    Part::ToolResult { id: id.into(), content, is_error: false, cache: None }
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.into()).expect("JSON")
}

fn tool(name: &str) -> Tool {
    Tool { name: name.into(), description: None, schema: None, strict: None, cache: None }
}

fn image(source: Source) -> Media {
    Media {
        source,
        media_type: Some("image/png".into()),
        name: None,
        detail: None,
        cache: None,
        field: "messages[0].content[0].image_url".into(),
    }
}

#[test]
fn a_conversation_is_written_item_by_item() {
    let state = |origin| OpaqueState { origin, data: "S".into(), redacted: false };
    let thinking = |origin| Part::Thinking { text: "hm".into(), state: Some(state(origin)) };
    let request = Request {
        system: vec![SystemText { text: "S".into(), cache: None }],
        turns: vec![
            turn(Role::User, vec![text(""), Part::Image(image(Source::Base64("AA==".into())))]),
            turn(
                Role::Assistant,
                vec![thinking(Origin::OpenAi), thinking(Origin::Gemini), text("x"), call("a")],
            ),
            turn(Role::User, vec![text("go"), result("a", vec![])]),
            turn(Role::Assistant, vec![text("")]),
        ],
        ..Request::default()
    };
    let (body, _, warnings) = cross(&request, &ModelFacts::default());
    let expected = json!([
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "S"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_image",
            "image_url": "data:image/png;base64,AA==", "detail": "auto"}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": "S"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": ""},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "go"}]},
    ]);
    assert_eq!(body["input"], expected);
    assert_eq!(body["store"], false);
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]), "its own state is there");
    assert_eq!(warnings, ["dropped messages[1].content[1]"]);
}

#[test]
fn tools_are_flat_and_say_whether_they_are_strict() {
    let schema = r#"{ "type":"object","properties":{"b":{},"a":{}} }"#;
    let request = Request {
        tools: vec![
            Tool { schema: Some(raw(schema)), strict: Some(true), ..tool("f") },
            tool(&"n".repeat(70)),
        ],
        tool_choice: Some(ToolChoice::Named("n".repeat(70))),
        parallel_tools: Some(false),
        ..Request::default()
    };
    let (body, written, _) = cross(&request, &ModelFacts::default());
    assert_eq!(body["tools"][0]["strict"], true);
    assert_eq!(body["tools"][1]["strict"], false);
    assert_eq!(body["tools"][1]["parameters"], json!({"type": "object", "properties": {}}));
    assert_eq!(body["tool_choice"]["name"], body["tools"][1]["name"]);
    assert_eq!(body["parallel_tool_calls"], false);
    let name = body["tools"][1]["name"].as_str().expect("a name");
    assert_eq!(written.undo.tool_names.get(name), Some(&"n".repeat(70)));
    let text = String::from_utf8(written.body.to_vec()).expect("UTF-8");
    assert!(text.contains(schema), "vector 15: the schema stays as it was");
}

#[test]
fn vector_18_without_tools_nothing_is_said_of_them() {
    let request = Request {
        parallel_tools: Some(false),
        tool_choice: Some(ToolChoice::Auto),
        ..Request::default()
    };
    let (body, ..) = cross(&request, &ModelFacts::default());
    assert_eq!(body.get("tool_choice"), None);
    assert_eq!(body.get("parallel_tool_calls"), None);
}

#[test]
fn a_read_request_is_written_as_it_was() {
    let body = json!({
        "model": "gpt",
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "S"}]},
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "see"},
                {"type": "input_image", "image_url": "https://x/a.png", "detail": "low"},
                {"type": "input_file", "filename": "a.pdf",
                    "file_data": "data:application/pdf;base64,AA=="}]},
            {"type": "reasoning", "summary": [], "encrypted_content": "gA"},
            {"type": "message", "role": "assistant", "content": [
                {"type": "output_text", "text": "x"}, {"type": "refusal", "refusal": "no"}]},
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{\"a\":1}"},
            {"type": "function_call_output", "call_id": "a", "output": "1"},
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "T"}]},
        ],
        "tools": [{"type": "function", "name": "f", "description": "d",
            "parameters": {"type": "object"}, "strict": true}],
        "tool_choice": {"type": "allowed_tools", "mode": "auto",
            "tools": [{"type": "function", "name": "f"}]},
        "parallel_tool_calls": true,
        "max_output_tokens": 100,
        "temperature": 0.5,
        "top_p": 0.9,
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"format": {"type": "json_schema", "name": "o", "schema": {"type": "object"},
            "strict": true}, "verbosity": "low"},
        "store": false,
        "include": ["reasoning.encrypted_content"],
        "safety_identifier": "u",
        "metadata": {"a": "b"},
        "service_tier": "flex",
        "stream": true,
    });
    let request = read(body.to_string().as_bytes()).expect("valid");
    let (written, _, warnings) = cross(&request, &ModelFacts::default());
    assert_eq!(written, body);
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn what_this_api_cannot_say_is_accounted_for() {
    let dropped = Request {
        seed: Some(1),
        top_k: Some(2),
        presence_penalty: Some(0.0),
        frequency_penalty: Some(1.0),
        max_output_tokens: Some(3),
        ..Request::default()
    };
    let (body, _, warnings) = cross(&dropped, &ModelFacts::default());
    let expected =
        ["dropped seed", "dropped frequency_penalty", "dropped top_k", "adjusted max_tokens"];
    assert_eq!(warnings, expected);
    assert_eq!(body["max_output_tokens"], 16);
    assert_eq!(refused(&Request { choices: Some(2), ..Request::default() }), "n");
    assert_eq!(refused(&Request { logprobs: Some(0), ..Request::default() }), "logprobs");
    assert_eq!(refused(&Request { stop: vec!["x".into()], ..Request::default() }), "stop");
    let file = Part::Image(image(Source::File("file_01".into())));
    let turns = vec![turn(Role::User, vec![file])];
    assert_eq!(
        refused(&Request { turns, ..Request::default() }),
        "messages[0].content[0].image_url"
    );
}

#[test]
fn members_of_openai_s_other_apis_are_passed_on() {
    let member = |field: &str, essential| Beyond {
        field: field.into(),
        essential,
        value: Some(raw("\"v\"")),
    };
    let beyond = vec![member("prompt_cache_key", false), member("logit_bias", false)];
    let (body, _, warnings) =
        cross(&Request { beyond, ..Request::default() }, &ModelFacts::default());
    assert_eq!(body["prompt_cache_key"], "v");
    assert_eq!(warnings, ["dropped logit_bias"]);
    let beyond = vec![member("audio", true)];
    assert_eq!(refused(&Request { beyond, ..Request::default() }), "audio");
}

#[test]
fn the_model_s_facts_decide() {
    let facts = ModelFacts {
        sampling: Sampling::None,
        thinking: Thinking::Effort,
        efforts: vec![EffortWord(Effort::Low), EffortWord(Effort::High)],
        max_output_tokens: Some(50),
        refuses_forced_tools: true,
        ..ModelFacts::default()
    };
    let request = Request {
        temperature: Some(0.2),
        top_p: Some(1.0),
        max_output_tokens: Some(100),
        reasoning: Some(Reasoning { budget: Some(3000), ..Reasoning::default() }),
        tools: vec![tool("f")],
        tool_choice: Some(ToolChoice::Required),
        ..Request::default()
    };
    let (body, _, warnings) = cross(&request, &facts);
    assert_eq!(body.get("temperature"), None);
    assert_eq!(body["max_output_tokens"], 50);
    assert_eq!(body["reasoning"], json!({"effort": "low"}));
    assert_eq!(body["tool_choice"], "auto");
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]));
    let expected = [
        "adjusted tool_choice",
        "dropped temperature",
        "adjusted max_tokens",
        "adjusted reasoning_effort",
    ];
    assert_eq!(warnings, expected);
}

#[test]
fn a_tool_stands_in_for_a_schema_where_the_model_lacks_it() {
    let facts = ModelFacts { lacks_json_schema: true, ..ModelFacts::default() };
    let format = |schema: &str| Format::JsonSchema {
        name: "out".into(),
        description: None,
        schema: raw(schema),
        strict: None,
    };
    let request = Request { format: Some(format(r#"{"type":"array"}"#)), ..Request::default() };
    let (body, written, _) = cross(&request, &facts);
    assert_eq!(body.get("text"), None);
    assert_eq!(body["tool_choice"], json!({"type": "function", "name": "out"}));
    assert_eq!(body["tools"][0]["parameters"]["properties"]["value"], json!({"type": "array"}));
    let tool = written.undo.format_tool.expect("one");
    assert_eq!((&*tool.name, tool.wrapped_in.as_deref()), ("out", Some("value")));
}
