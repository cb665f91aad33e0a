use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::bedrock::ConverseDialect;
use crate::protocol::dialect::Dialect;
use crate::protocol::neutral::Part;
use crate::protocol::usage::Usage;

const CLIENT: ClientView<'_> =
    ClientView { model: "m", request_id: "req", created: 0, include_usage: false, stand_ins: &[] };

fn read_json(body: &Value) -> Result<Reply, Malformed> {
    read(body.to_string().as_bytes())
}

#[test]
fn an_answer_comes_back_as_it_was() {
    let body = json!({
        "output": {"message": {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
            {"reasoningContent": {"redactedContent": "RW1w"}},
            {"text": "Hi"},
            {"toolUse": {"toolUseId": "t", "name": "f", "input": {"b": 1, "a": [2]}}}]}},
        "stopReason": "tool_use",
        "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 12,
            "cacheReadInputTokens": 3, "cacheWriteInputTokens": 6},
        "metrics": {"latencyMs": 0},
        "serviceTier": {"type": "flex"},
    });
    let reply = read_json(&body).expect("valid");
    assert_eq!(reply.usage.input, Some(10));
    let back: Value = serde_json::from_slice(&write(&reply, &CLIENT)).expect("JSON");
    assert_eq!(back, body);
}

#[test]
fn the_stop_text_is_read_where_it_was_asked_for() {
    let body = json!({"output": {"message": {"content": []}}, "stopReason": "stop_sequence",
        "additionalModelResponseFields": {"stop_sequence": "END"}});
    let finish = read_json(&body).expect("valid").choices.remove(0).finish;
    assert_eq!(finish, Some(Finish::StopSequence(Some("END".to_owned()))));
}

#[test]
fn reasons_to_stop_are_told_apart() {
    let finish = |reason: &str, content: Value| {
        let body = json!({"output": {"message": {"content": content}}, "stopReason": reason});
        read_json(&body).map(|mut reply| reply.choices.remove(0).finish)
    };
    let call = json!([{"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}]);
    for (reason, content, expected) in [
        ("end_turn", json!([]), Finish::Stop),
        ("end_turn", call.clone(), Finish::ToolCalls),
        ("max_tokens", call, Finish::Length),
        ("model_context_window_exceeded", json!([]), Finish::Length),
        ("guardrail_intervened", json!([]), Finish::Refused),
        ("content_filtered", json!([]), Finish::Refused),
        ("some_future_reason", json!([]), Finish::Stop),
    ] {
        assert_eq!(finish(reason, content), Ok(Some(expected)), "{reason}");
    }
    assert_eq!(finish("malformed_tool_use", json!([])), Err(Malformed));
}

#[test]
fn what_is_no_answer_is_malformed() {
    for body in [json!({}), json!([]), json!({"output": {}}), json!({"message": "no"})] {
        assert!(read_json(&body).is_err(), "{body}");
    }
}

#[test]
fn answers_of_others_are_written_whole() {
    let call = |arguments: &str| Output::ToolCall {
        id: String::new(),
        name: "f".to_owned(),
        arguments: arguments.to_owned(),
        state: None,
    };
    let state = OpaqueState { origin: Origin::OpenAi, data: "gAAA".to_owned(), redacted: false };
    let output = vec![
        Output::Thinking { text: "hm".to_owned(), state: Some(state) },
        Output::Text(String::new()),
        call(""),
        call("{\"cut\": "),
        Output::Refusal("no".to_owned()),
    ];
    let choices = vec![Choice { index: 0, output, finish: None }];
    let usage = Usage { input: Some(7), output: Some(2), ..Usage::default() };
    let reply = Reply { choices, usage, ..Reply::default() };
    let body: Value = serde_json::from_slice(&write(&reply, &CLIENT)).expect("JSON");
    assert_eq!(
        body["output"]["message"]["content"],
        json!([
            {"reasoningContent": {"reasoningText":
                {"text": "hm", "signature": "pilothouse:openai:gAAA"}}},
            {"toolUse": {"toolUseId": "tooluse_req_2", "name": "f", "input": {}}},
            {"toolUse": {"toolUseId": "tooluse_req_3", "name": "f", "input": {}}},
            {"text": "no"},
        ])
    );
    assert_eq!(body["stopReason"], "tool_use");
    assert_eq!(body["usage"], json!({"inputTokens": 7, "outputTokens": 2, "totalTokens": 9}));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body: Vec<u8>) {
        let _ = read(&body);
    }
}

#[test]
fn the_state_of_a_call_stands_before_it() {
    let state = OpaqueState { origin: Origin::Gemini, data: "c2ln".to_owned(), redacted: false };
    let output = vec![
        Output::Thinking { text: "hm".to_owned(), state: None },
        Output::ToolCall {
            id: "t".to_owned(),
            name: "f".to_owned(),
            arguments: "{}".to_owned(),
            state: Some(state.clone()),
        },
    ];
    let choice = Choice { output, ..Choice::default() };
    let reply = Reply { choices: vec![choice], ..Reply::default() };
    let body: Value = serde_json::from_slice(&write(&reply, &CLIENT)).expect("JSON");
    let message = &body["output"]["message"];
    assert_eq!(
        message["content"][1],
        json!({"reasoningContent":
            {"reasoningText": {"text": "", "signature": "pilothouse:gemini:c2ln"}}})
    );
    let request = json!({"messages": [message]}).to_string();
    let request = ConverseDialect.read_request(request.as_bytes()).expect("our own");
    let [Part::Thinking { .. }, Part::ToolCall { state: read, .. }] = &*request.turns[0].parts
    else {
        panic!("{request:?}")
    };
    assert_eq!(read.as_ref(), Some(&state));
}
