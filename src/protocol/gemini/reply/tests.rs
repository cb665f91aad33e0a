use serde_json::{Value, json};

use super::*;
use crate::protocol::neutral::Origin;
use crate::protocol::usage::Usage;

const CLIENT: ClientView<'_> =
    ClientView { model: "m", request_id: "req", created: 0, include_usage: false, stand_ins: &[] };

fn read_json(body: &Value) -> Result<Reply, Malformed> {
    read(body.to_string().as_bytes())
}

fn answer(candidates: &Value) -> Reply {
    read_json(&json!({"candidates": candidates, "responseId": "r", "modelVersion": "v"}))
        .expect("an answer")
}

fn written(reply: &Reply) -> Value {
    serde_json::from_slice(&write(reply, &CLIENT)).expect("JSON")
}

#[test]
fn an_answer_is_read() {
    let reply = answer(&json!([{"content": {"role": "model", "parts": [
        {"text": "hm ", "thought": true}, {"text": "so", "thought": true},
        {"text": "Hel"}, {"text": "lo", "thoughtSignature": "c2ln"},
        {"functionCall": {"id": "1", "name": "f", "args": {"b": 1, "a": [ ]}}, "thoughtSignature": "dHdv"}]},
        "finishReason": "STOP"}]));
    assert_eq!((reply.id.as_str(), reply.model.as_str()), ("r", "v"));
    let state = |data: &str| {
        Some(OpaqueState { origin: Origin::Gemini, data: data.to_owned(), redacted: false })
    };
    let [choice] = reply.choices.as_slice() else { panic!("one answer") };
    assert_eq!(choice.finish, Some(Finish::ToolCalls));
    let [thought, text, signature, call] = choice.output.as_slice() else { panic!("{choice:?}") };
    assert_eq!(*thought, Output::Thinking { text: "hm so".to_owned(), state: None });
    assert_eq!(*text, Output::Text("Hello".to_owned()));
    assert_eq!(*signature, Output::Thinking { text: String::new(), state: state("c2ln") });
    let Output::ToolCall { id, arguments, state: signed, .. } = call else { panic!("{call:?}") };
    assert_eq!((id.as_str(), signed), ("1", &state("dHdv")));
    assert_eq!(serde_json::from_str::<Value>(arguments).ok(), Some(json!({"a": [], "b": 1})));
}

#[test]
fn vector_87_a_malformed_call_is_no_answer() {
    let body = json!({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]});
    assert_eq!(read_json(&body).map(|_| ()), Err(Malformed));
    let said = answer(&json!([{"content": {"parts": [{"text": "a"}]}, "finishReason": "OTHER"}]));
    assert_eq!(said.choices[0].finish, Some(Finish::Stop));
}

#[test]
fn vector_88_a_refused_prompt_is_one_refused_answer() {
    let reply = read_json(&json!({"promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": 3}}))
    .expect("an answer");
    assert_eq!(reply.choices.len(), 1);
    assert_eq!(reply.choices[0].finish, Some(Finish::Refused));
    assert_eq!((reply.choices[0].index, reply.usage.input), (0, Some(3)));
}

#[test]
fn vector_90_candidates_keep_their_index() {
    let reply = answer(&json!([
        {"index": 1, "content": {"parts": [{"text": "b"}]}, "finishReason": "MAX_TOKENS"},
        {"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}]));
    let indexes: Vec<u32> = reply.choices.iter().map(|choice| choice.index).collect();
    assert_eq!(indexes, [0, 1]);
    assert_eq!(reply.choices[1].finish, Some(Finish::Length));
}

#[test]
fn vector_97_the_wrapper_of_code_assistants_is_taken_off() {
    let reply = read_json(&json!({"response": {"candidates": [
        {"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}]}, "traceId": "x"}))
    .expect("an answer");
    assert_eq!(reply.choices[0].output, [Output::Text("a".to_owned())]);
}

#[test]
fn what_is_no_answer_is_refused() {
    for body in [json!({}), json!({"candidates": []}), json!([]), json!({"error": {"code": 500}})] {
        assert_eq!(read_json(&body).map(|_| ()), Err(Malformed), "{body}");
    }
}

#[test]
fn an_answer_is_written() {
    let foreign = OpaqueState { origin: Origin::Anthropic, data: "sig".into(), redacted: false };
    let call = |arguments: &str| Output::ToolCall {
        id: String::new(),
        name: "f".into(),
        arguments: arguments.into(),
        state: None,
    };
    let reply = Reply {
        choices: vec![Choice {
            index: 0,
            output: vec![
                Output::Thinking { text: "hm".into(), state: Some(foreign.clone()) },
                Output::Refusal("no".into()),
                call(""),
                call(r#"{"x":1}"#),
                call(r#"{"x":"#),
            ],
            finish: Some(Finish::Stop),
        }],
        usage: Usage { input: Some(10), output: Some(5), reasoning: Some(2), ..Usage::default() },
        ..Reply::default()
    };
    let signature = signature::write(&foreign);
    let expected = json!({"candidates": [{"index": 0, "finishReason": "SAFETY",
        "content": {"role": "model", "parts": [
            {"text": "hm", "thought": true, "thoughtSignature": signature},
            {"text": "no"},
            {"functionCall": {"name": "f", "args": {}}},
            {"functionCall": {"name": "f", "args": {"x": 1}}},
            {"functionCall": {"name": "f", "args": {"_raw": "{\"x\":"}}}]}}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 3,
            "thoughtsTokenCount": 2, "totalTokenCount": 15},
        "modelVersion": "m", "responseId": "req"});
    assert_eq!(written(&reply), expected);
}

#[test]
fn what_is_written_is_read_again() {
    let state = |origin| Some(OpaqueState { origin, data: "c2ln".into(), redacted: false });
    let reply = Reply {
        id: "r".into(),
        choices: (0..2)
            .map(|index| Choice {
                index,
                output: vec![
                    Output::Thinking { text: "hm".into(), state: state(Origin::Anthropic) },
                    Output::Text("x".into()),
                    Output::Thinking { text: String::new(), state: state(Origin::OpenAi) },
                    Output::ToolCall {
                        id: "1".into(),
                        name: "f".into(),
                        arguments: r#"{"z":1,"a":2.50}"#.into(),
                        state: state(Origin::Gemini),
                    },
                ],
                finish: Some(Finish::ToolCalls),
            })
            .collect(),
        ..Reply::default()
    };
    let again = read(&write(&reply, &CLIENT)).expect("an answer");
    for (choice, before) in again.choices.iter().zip(&reply.choices) {
        assert_eq!((&choice.output, &choice.finish), (&before.output, &before.finish));
    }
    assert_eq!(again.choices.len(), 2);
}
