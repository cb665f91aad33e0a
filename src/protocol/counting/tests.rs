use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::protocol::dialect::Quirks;
use crate::protocol::model::ModelFacts;
use crate::protocol::neutral::{Part, Role};

const ALL: [CountingId; 5] = [
    CountingId::Anthropic,
    CountingId::Bedrock,
    CountingId::Gemini,
    CountingId::OpenAi,
    CountingId::Vertex,
];

fn object(body: &Value) -> Object {
    Object::parse(Bytes::from(body.to_string())).expect("an object")
}

/// A prompt with instructions and a tool, as a client of Anthropic's asks for its count.
fn prompt() -> Request {
    let body = json!({"model": "any", "system": "be brief", "thinking": {"type": "disabled"},
        "tools": [{"name": "look", "description": "d", "input_schema": {"type": "object"}}],
        "messages": [{"role": "user", "content": "hello"}]});
    CountingId::Anthropic.read_request(&object(&body)).expect("a request")
}

fn written(counting: CountingId, request: &Request) -> Value {
    let facts = ModelFacts::default();
    let target = TargetView { model: "m", facts: &facts, quirks: &Quirks::COMPATIBLE };
    let written = counting.write_request(request, &target).expect("it can be counted");
    serde_json::from_slice(&written.body).expect("JSON")
}

#[test]
fn each_provider_is_asked_with_the_prompt_alone() {
    let names = |value: &Value| -> Vec<String> {
        value.as_object().expect("an object").keys().cloned().collect()
    };
    let request = prompt();
    let anthropic = written(CountingId::Anthropic, &request);
    assert!(anthropic.get("max_tokens").is_none() && anthropic.get("stream").is_none());
    assert_eq!(anthropic["model"], "m");
    let openai = written(CountingId::OpenAi, &request);
    assert!(openai.get("store").is_none() && openai.get("max_output_tokens").is_none());
    assert_eq!(
        (&openai["model"], openai["tools"].as_array().map(Vec::len)),
        (&json!("m"), Some(1))
    );
    let gemini = written(CountingId::Gemini, &request);
    assert_eq!(names(&gemini), ["generateContentRequest"]);
    assert_eq!(gemini["generateContentRequest"]["model"], "models/m");
    let mut vertex = names(&written(CountingId::Vertex, &request));
    vertex.sort();
    assert_eq!(vertex, ["contents", "systemInstruction", "tools"]);
    let mut bedrock = names(&written(CountingId::Bedrock, &request)["input"]["converse"]);
    bedrock.sort();
    assert_eq!(bedrock, ["messages", "system", "toolConfig"]);
}

#[test]
fn what_is_written_for_a_provider_is_read_from_a_client_of_it() {
    for counting in ALL {
        let body = written(counting, &prompt());
        let read = counting.read_request(&object(&body)).expect("a request");
        assert_eq!(read.turns.last().expect("a turn").role, Role::User, "{counting:?}");
        let Part::Text { text, .. } = &read.turns.last().expect("a turn").parts[0] else {
            panic!("text")
        };
        assert_eq!((&**text, read.tools.len()), ("hello", 1), "{counting:?}");
    }
}

#[test]
fn counts_are_read_as_they_are_written() {
    for counting in ALL {
        assert_eq!(counting.read_reply(&counting.write_reply(7)), Ok(7), "{counting:?}");
        assert_eq!(counting.read_reply(b"<html>"), Err(Malformed));
    }
    assert_eq!(CountingId::Gemini.read_reply(b"{}"), Ok(0), "a zero is left out");
    assert_eq!(CountingId::OpenAi.read_reply(b"{}"), Err(Malformed));
}

#[test]
fn a_clients_own_request_is_for_the_targets_model() {
    let readdressed = |counting: CountingId, body: Value| -> Value {
        let text = counting.readdress(&object(&body), "new").expect("it can be changed");
        serde_json::from_slice(&text).expect("JSON")
    };
    for counting in [CountingId::Anthropic, CountingId::OpenAi] {
        assert_eq!(readdressed(counting, json!({"model": "old"})), json!({"model": "new"}));
    }
    let wrapped = json!({"generateContentRequest": {"model": "models/old", "contents": []}});
    let readdressed_one = readdressed(CountingId::Gemini, wrapped);
    assert_eq!(readdressed_one["generateContentRequest"]["model"], "models/new");
    let bare = json!({"contents": []});
    assert_eq!(readdressed(CountingId::Gemini, bare.clone()), bare);
}

#[test]
fn profiles_are_counted_for_by_their_model() {
    let path = |model| CountingId::Bedrock.path(model).into_owned();
    assert_eq!(path("us.anthropic.claude-x-v1:0"), "/model/anthropic.claude-x-v1%3A0/count-tokens");
    assert_eq!(path("amazon.nova-pro-v1:0"), "/model/amazon.nova-pro-v1%3A0/count-tokens");
    assert_eq!(CountingId::Gemini.path("m"), "/models/m:countTokens");
}

#[test]
fn a_prompt_that_is_not_all_here_is_not_guessed_at() {
    for name in ["previous_response_id", "conversation"] {
        let body = json!({"model": "m", "input": "hello", name: "resp_1"});
        let error = CountingId::OpenAi.read_request(&object(&body)).expect_err("refused");
        assert_eq!(error.param, name);
    }
    let body = json!({"input": {"invokeModel": {"body": "e30="}}});
    let error = CountingId::Bedrock.read_request(&object(&body)).expect_err("refused");
    assert_eq!(error.param, "input");
}
