use serde_json::json;

use super::*;
use crate::protocol::Malformed;
use crate::protocol::neutral::{Choice, Finish, OpaqueState, Origin, Output, Reply};
use crate::protocol::usage::Usage;

fn read_reply(body: &Value) -> Reply {
    MessagesDialect.read_reply(body.to_string().as_bytes()).expect("a reply")
}

fn write_reply(reply: &Reply) -> Value {
    serde_json::from_slice(&MessagesDialect.write_reply(reply, &CLIENT)).expect("JSON")
}

fn answer(output: Vec<Output>, finish: Option<Finish>) -> Reply {
    Reply { choices: vec![Choice { index: 0, output, finish }], ..Reply::default() }
}

fn tool_call(arguments: &str) -> Output {
    Output::ToolCall { id: "c".into(), name: "f".into(), arguments: arguments.into(), state: None }
}

#[test]
fn an_answer_goes_there_and_back() {
    let body = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude",
        "content": [
            {"type": "thinking", "thinking": "t", "signature": "s+/="},
            {"type": "thinking", "thinking": "", "signature": "s2"},
            {"type": "redacted_thinking", "data": "d"},
            {"type": "text", "text": "a"},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": 1}},
            {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}},
        ],
        "stop_reason": "tool_use", "stop_sequence": null,
        "usage": {"input_tokens": 10, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 90,
                  "output_tokens": 5, "output_tokens_details": {"thinking_tokens": 2}, "service_tier": "standard"},
    });
    let reply = read_reply(&body);
    assert_eq!(reply.usage.input, Some(120), "vector 74");
    assert_eq!(write_reply(&reply), body);
}

#[test]
fn vector_75_and_76_the_input_is_what_was_not_cached() {
    let usage = |input, cached| Usage {
        input: Some(input),
        cached_input: Some(cached),
        output: Some(1),
        ..Usage::default()
    };
    for (input, cached, fresh) in [(130, 90, 40), (40, 50, 0)] {
        let reply = Reply { usage: usage(input, cached), ..answer(Vec::new(), None) };
        let expected =
            json!({"input_tokens": fresh, "cache_read_input_tokens": cached, "output_tokens": 1});
        assert_eq!(write_reply(&reply)["usage"], expected);
    }
}

#[test]
fn vector_89_an_answer_without_content_is_one() {
    let reply = read_reply(&json!({"content": [], "stop_reason": "end_turn"}));
    assert_eq!(reply.choices.len(), 1);
    assert_eq!(reply.choices[0].finish, Some(Finish::Stop));
    assert_eq!(write_reply(&answer(vec![Output::Text(String::new())], None))["content"], json!([]));
}

#[test]
fn vector_66_an_answer_that_calls_waits_for_results() {
    let reply = read_reply(&json!({"stop_reason": "end_turn", "content": [
        {"type": "tool_use", "id": "i", "name": "f"}]}));
    assert_eq!(reply.choices[0].finish, Some(Finish::ToolCalls));
    let written = write_reply(&answer(vec![tool_call("{}")], Some(Finish::Stop)));
    assert_eq!(written["stop_reason"], "tool_use");
}

#[test]
fn vector_91_a_call_that_was_cut_is_not_repaired() {
    let written = write_reply(&answer(vec![tool_call("{\"a\":")], Some(Finish::Length)));
    assert_eq!(written["stop_reason"], "max_tokens");
    assert_eq!(written["content"][0]["input"], json!({"_raw": "{\"a\":"}));
    let written = write_reply(&answer(vec![tool_call("")], None));
    assert_eq!(written["content"][0]["input"], json!({}));
}

#[test]
fn vector_100_a_refusal_is_a_refusal() {
    let written = write_reply(&answer(vec![Output::Refusal("no".into())], Some(Finish::Stop)));
    assert_eq!(written["content"], json!([{"type": "text", "text": "no"}]));
    assert_eq!(written["stop_reason"], "refusal");
    let reply = read_reply(&json!({"content": [], "stop_reason": "refusal",
        "stop_details": {"type": "refusal", "category": "x", "explanation": "no"}}));
    assert_eq!(reply.choices[0].output, [Output::Refusal("no".into())]);
    assert_eq!(reply.choices[0].finish, Some(Finish::Refused));
}

#[test]
fn the_state_of_a_call_comes_back_with_it() {
    let state = OpaqueState { origin: Origin::Gemini, data: "sig:1".into(), redacted: false };
    let Output::ToolCall { id, name, arguments, .. } = tool_call("{}") else { panic!("a call") };
    let call = Output::ToolCall { id, name, arguments, state: Some(state.clone()) };
    let written = write_reply(&answer(vec![call], Some(Finish::ToolCalls)));
    assert_eq!(written["content"][0]["signature"], "pilothouse:gemini:sig:1");
    let body = json!({"messages": [{"role": "assistant", "content": written["content"]}]});
    let parts = read(&body).expect("a request").turns.remove(0).parts;
    let [Part::ToolCall { state: back, .. }] = &parts[..] else { panic!("{parts:?}") };
    assert_eq!(back.as_ref(), Some(&state));
}

#[test]
fn an_answer_never_ends_with_thinking_after_its_words() {
    let state = OpaqueState { origin: Origin::Gemini, data: "g".into(), redacted: false };
    let late = Output::Thinking { text: String::new(), state: Some(state) };
    let outputs = vec![Output::Text("a".into()), late];
    let written = write_reply(&answer(outputs, Some(Finish::Stop)));
    assert_eq!(written["content"], json!([{"type": "text", "text": "a"}]));
}

#[test]
fn answers_of_other_servers_are_read() {
    let reply = read_reply(&json!({"content": "plain", "stop_reason": null}));
    assert_eq!(reply.choices[0].output, [Output::Text("plain".into())]);
    assert_eq!(reply.choices[0].finish, None);
    let tools =
        json!({"content": [{"type": "server_tool_use", "id": "x", "name": "w", "input": {}}]});
    assert_eq!(read_reply(&tools).choices[0].output, []);
    for body in ["[]", "{}", "<html>", r#"{"type":"error","error":{}}"#] {
        assert_eq!(MessagesDialect.read_reply(body.as_bytes()).err(), Some(Malformed), "{body}");
    }
}

#[test]
fn ids_are_of_the_apis_kind() {
    let reply = Reply { id: "chatcmpl-1".into(), ..answer(Vec::new(), None) };
    assert_eq!(write_reply(&reply)["id"], "msg_r1");
}
