use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::dialect::Quirks;
use crate::protocol::model::ModelFacts;
use crate::protocol::neutral::{Choice, Compatibility, Event, Finish, Output, Part, Role};
use crate::protocol::usage::Usage;

const CLIENT: ClientView<'static> = ClientView {
    model: "asked",
    request_id: "r1",
    created: 7,
    include_usage: true,
    stand_ins: &[],
};

fn read(body: &Value) -> Result<Request, Unreadable> {
    CompletionsDialect.read_request(body.to_string().as_bytes())
}

fn write(request: &Request) -> Result<Value, CannotCross> {
    let target =
        TargetView { model: "target", facts: &ModelFacts::default(), quirks: &Quirks::COMPATIBLE };
    let mut crossing = Crossing::new(Compatibility::Standard);
    let written = CompletionsDialect.write_request(request, &target, &mut crossing)?;
    Ok(serde_json::from_slice(&written.body).expect("JSON"))
}

#[test]
fn a_prompt_is_a_turn_of_the_user() {
    for prompt in [json!("hi"), json!(["hi"])] {
        let request = read(&json!({"model": "m", "prompt": prompt, "max_tokens": 5, "stop": "x",
            "n": 2, "echo": false, "suffix": "", "best_of": 1, "logprobs": null}))
        .expect("a request");
        assert_eq!(request.turns.len(), 1);
        assert_eq!(request.turns[0].role, Role::User);
        assert!(matches!(&request.turns[0].parts[..], [Part::Text { text, .. }] if text == "hi"));
        assert_eq!((request.max_output_tokens, request.choices), (Some(5), Some(2)));
        assert!(request.beyond.is_empty());
    }
}

#[test]
fn what_only_a_text_model_can_do_is_refused_by_name() {
    let prompts =
        [json!([1, 2]), json!([[1], [2]]), json!(["a", "b"]), json!([]), json!({}), json!(3)];
    for prompt in prompts {
        assert_eq!(read(&json!({"prompt": prompt})).expect_err("refused").param, "prompt");
    }
    for (name, value) in [
        ("suffix", json!("x")),
        ("echo", json!(true)),
        ("best_of", json!(2)),
        ("logprobs", json!(0)),
    ] {
        let request = read(&json!({"prompt": "hi", name: value})).expect("a request");
        let entry = &request.beyond[0];
        assert_eq!((&*entry.field, entry.essential), (name, true));
        assert_eq!(write(&request).expect_err("refused").param, name);
    }
}

#[test]
fn a_lone_prompt_is_read_back_as_it_was() {
    let request = read(&json!({"prompt": "hi", "max_tokens": 5, "stop": ["x"], "seed": 1,
        "temperature": 0.5, "user": "u", "stream": true, "logit_bias": {"1": 2}}))
    .expect("a request");
    let body = write(&request).expect("a prompt");
    assert_eq!((&body["prompt"], &body["model"]), (&json!("hi"), &json!("target")));
    assert_eq!(body["stream_options"], json!({"include_usage": true}));
    let again = read(&body).expect("a request");
    assert_eq!(format!("{again:?}"), format!("{request:?}"));
}

#[test]
fn a_conversation_is_no_prompt() {
    let mut request = read(&json!({"prompt": "hi"})).expect("a request");
    request.turns.push(request.turns[0].clone());
    assert_eq!(write(&request).expect_err("refused").param, "messages");
}

#[test]
fn an_answer_is_its_text() {
    let thought = Output::Thinking { text: "hm".to_owned(), state: None };
    let output = vec![thought, Output::Text("so".to_owned())];
    let choices = vec![Choice { index: 0, output, finish: Some(Finish::Length) }];
    let usage = Usage { input: Some(1), output: Some(2), ..Usage::default() };
    let reply = Reply { choices, usage, ..Reply::default() };
    let body = CompletionsDialect.write_reply(&reply, &CLIENT);
    assert_eq!(
        serde_json::from_slice::<Value>(&body).expect("JSON"),
        json!({"id": "cmpl-r1", "object": "text_completion", "created": 7, "model": "asked",
            "choices": [{"text": "so", "index": 0, "logprobs": null, "finish_reason": "length"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}})
    );
    let again = CompletionsDialect.read_reply(&body).expect("an answer");
    assert_eq!(again.choices[0].output, [Output::Text("so".to_owned())]);
    assert_eq!(again.usage, usage);
}

#[test]
fn a_stream_is_its_text() {
    let events = [
        Event::Start { id: "i".to_owned(), model: "asked".to_owned() },
        Event::Text { choice: 0, text: "so".to_owned() },
        Event::Finish { choice: 0, reason: Finish::Stop },
        Event::Usage(Usage { input: Some(1), output: Some(2), ..Usage::default() }),
        Event::End,
    ];
    let mut writer = CompletionsDialect.event_writer(&CLIENT);
    let mut reader = CompletionsDialect.event_reader();
    let mut again = Vec::new();
    for event in &events {
        let mut out = Vec::new();
        writer.write(event, &mut out);
        let frame = String::from_utf8(out).expect("text");
        for data in frame.lines().filter_map(|line| line.strip_prefix("data: ")) {
            reader.read(None, data.as_bytes(), &mut again).expect("a chunk");
        }
    }
    assert_eq!(again, events);
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(body: Vec<u8>) {
        let _ = CompletionsDialect.read_request(&body);
        let _ = CompletionsDialect.read_reply(&body);
    }
}
