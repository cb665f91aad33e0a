use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::Malformed;
use crate::protocol::dialect::{ClientView, EventReader, EventWriter};
use crate::protocol::neutral::{Event, Finish, OpaqueState, Origin};
use crate::protocol::usage::Usage;

const CLIENT: ClientView<'_> =
    ClientView { model: "m", request_id: "req", created: 0, include_usage: true, stand_ins: &[] };

fn read(chunks: &[Value]) -> Vec<Event> {
    let mut reader = Reader::default();
    let mut events = Vec::new();
    for chunk in chunks {
        reader.read(None, chunk.to_string().as_bytes(), &mut events).expect("valid");
    }
    reader.close(&mut events);
    events
}

fn chunk(candidate: &Value) -> Value {
    json!({"candidates": [candidate], "responseId": "r", "modelVersion": "v"})
}

fn parts(parts: &Value) -> Value {
    chunk(&json!({"content": {"parts": parts}}))
}

fn start() -> Event {
    Event::Start { id: "r".into(), model: "v".into() }
}

fn tool_start(call: u32, id: &str, name: &str, state: Option<OpaqueState>) -> Event {
    Event::ToolStart { choice: 0, call, id: id.into(), name: name.into(), state }
}

fn arguments(call: u32, text: &str) -> Event {
    Event::ToolArguments { choice: 0, call, text: text.into() }
}

fn finish(reason: Finish) -> Event {
    Event::Finish { choice: 0, reason }
}

fn gemini(data: &str) -> OpaqueState {
    OpaqueState { origin: Origin::Gemini, data: data.into(), redacted: false }
}

#[test]
fn vector_59_and_60_calls_of_several_chunks_have_their_numbers() {
    let events = read(&[
        parts(
            &json!([{"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "YQ=="}]),
        ),
        parts(&json!([{"functionCall": {"id": "2", "name": "g", "args": {}}}])),
        chunk(&json!({"finishReason": "STOP"})),
    ]);
    let expected = [
        start(),
        tool_start(0, "", "f", Some(gemini("YQ=="))),
        arguments(0, r#"{"x":1}"#),
        Event::ToolEnd { choice: 0, call: 0 },
        tool_start(1, "2", "g", None),
        Event::ToolEnd { choice: 0, call: 1 },
        finish(Finish::ToolCalls),
        Event::End,
    ];
    assert_eq!(events, expected);
}

#[test]
fn reasoning_text_and_signatures_come_in_their_order() {
    let thinking = |text: &str| Event::Thinking { choice: 0, text: text.into() };
    let events = read(&[
        parts(&json!([{"text": "a", "thought": true}])),
        parts(&json!([{"text": "b", "thought": true}, {"text": "Hi"}])),
        parts(&json!([{"text": "", "thoughtSignature": "YQ=="}])),
        chunk(&json!({"content": {"role": "model"}, "finishReason": "MAX_TOKENS"})),
    ]);
    let expected = [
        start(),
        thinking("a"),
        thinking("b"),
        Event::ThinkingEnd { choice: 0 },
        Event::Text { choice: 0, text: "Hi".into() },
        Event::ThinkingState { choice: 0, state: gemini("YQ==") },
        Event::ThinkingEnd { choice: 0 },
        finish(Finish::Length),
        Event::End,
    ];
    assert_eq!(events, expected);
}

#[test]
fn vector_87_a_malformed_call_is_an_error_and_no_end() {
    let events = read(&[chunk(
        &json!({"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "bad call"}),
    )]);
    let [_, Event::Error(facts)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((&*facts.kind, &*facts.message), ("MALFORMED_FUNCTION_CALL", "bad call"));
    let said = read(&[parts(&json!([{"text": "a"}])), chunk(&json!({"finishReason": "OTHER"}))]);
    assert!(said.contains(&finish(Finish::Stop)), "{said:?}");
}

#[test]
fn vector_88_a_refused_prompt_is_a_refused_answer() {
    let events = read(&[json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})]);
    let nobody = Event::Start { id: String::new(), model: String::new() };
    assert_eq!(events, [nobody, finish(Finish::Refused), Event::End]);
}

#[test]
fn vector_97_the_wrapper_of_code_assistants_is_taken_off() {
    let events = read(&[json!({"response": parts(&json!([{"text": "a"}]))})]);
    assert_eq!(events, [start(), Event::Text { choice: 0, text: "a".into() }]);
}

#[test]
fn vector_10_of_rules_a_cut_stream_has_no_end() {
    let whole = json!({"index": 0, "finishReason": "STOP"});
    let half = json!({"index": 1, "content": {"parts": [{"text": "x"}]}});
    let events = read(&[json!({"candidates": [half]}), json!({"candidates": [whole]})]);
    assert!(!events.contains(&Event::End), "{events:?}");
    assert_eq!(read(&[]), []);
}

#[test]
fn counts_are_cumulative_and_told_when_they_change() {
    let counts = |prompt: u64, answer: u64| json!({"usageMetadata": {"promptTokenCount": prompt, "candidatesTokenCount": answer}});
    let events = read(&[counts(3, 1), counts(3, 1), counts(0, 5)]);
    let usage =
        |output| Event::Usage(Usage { input: Some(3), output: Some(output), ..Usage::default() });
    assert_eq!(events[1..], [usage(1), usage(5)]);
}

#[test]
fn an_error_in_the_stream_is_read() {
    let events = read(&[json!({"error": {"code": 503, "status": "UNAVAILABLE", "message": "m"}})]);
    assert!(matches!(&events[..], [Event::Error(facts)] if facts.kind == "UNAVAILABLE"));
}

/// The data of what a writer sends for the events.
fn written(events: &[Event]) -> Vec<Value> {
    let mut writer = Writer::new(&CLIENT);
    let mut out = Vec::new();
    for event in events {
        writer.write(event, &mut out);
    }
    let text = String::from_utf8(out).expect("text");
    let frames = text.split_terminator("\n\n");
    frames
        .map(|frame| {
            let data = frame.strip_prefix("data: ").expect("nothing but data");
            serde_json::from_str(data).expect("JSON")
        })
        .collect()
}

#[test]
fn calls_are_whole_and_the_last_event_has_the_rest() {
    let chunks = written(&[
        start(),
        Event::Text { choice: 0, text: "Hi".into() },
        Event::Ping,
        tool_start(0, "a", "f", None),
        tool_start(1, "b", "g", None),
        arguments(0, r#"{"x""#),
        arguments(0, ":1}"),
        Event::ToolEnd { choice: 0, call: 0 },
        Event::ToolEnd { choice: 0, call: 1 },
        finish(Finish::ToolCalls),
        Event::Usage(Usage { input: Some(3), output: Some(4), ..Usage::default() }),
        Event::End,
    ]);
    let candidate = |at: usize| &chunks[at]["candidates"][0];
    let part = |at: usize| &candidate(at)["content"]["parts"][0];
    assert_eq!(chunks.len(), 4);
    assert_eq!(*part(0), json!({"text": "Hi"}));
    let call = |id: &str, name: &str, args: Value| json!({"functionCall": {"id": id, "name": name, "args": args}});
    assert_eq!(*part(1), call("a", "f", json!({"x": 1})));
    assert_eq!(*part(2), call("b", "g", json!({})));
    assert_eq!(candidate(3)["finishReason"], "STOP");
    assert_eq!(chunks[3]["usageMetadata"]["totalTokenCount"], 7);
    for chunk in &chunks {
        assert_eq!((&chunk["responseId"], &chunk["modelVersion"]), (&json!("r"), &json!("m")));
    }
    assert!(chunks[..3].iter().all(|chunk| chunk["candidates"][0]["finishReason"].is_null()));
}

#[test]
fn vector_91_a_call_that_was_cut_is_kept() {
    let chunks = written(&[
        tool_start(0, "a", "f", None),
        arguments(0, r#"{"x"#),
        finish(Finish::Length),
        Event::End,
    ]);
    let call = &chunks[0]["candidates"][0]["content"]["parts"][0]["functionCall"];
    assert_eq!(call["args"], json!({"_raw": "{\"x"}));
    assert_eq!(chunks[1]["candidates"][0]["finishReason"], "MAX_TOKENS");
}

#[test]
fn what_is_written_is_read_again() {
    let foreign = OpaqueState { origin: Origin::Anthropic, data: "s:i/g".into(), redacted: true };
    let events = [
        start(),
        Event::Thinking { choice: 0, text: "hm".into() },
        Event::ThinkingState { choice: 0, state: foreign },
        Event::ThinkingEnd { choice: 0 },
        Event::Text { choice: 1, text: "b\nc".into() },
        tool_start(0, "a", "f", Some(gemini("YQ=="))),
        arguments(0, r#"{"b":1.50,"a":2}"#),
        Event::ToolEnd { choice: 0, call: 0 },
        finish(Finish::ToolCalls),
        Event::Finish { choice: 1, reason: Finish::Length },
        Event::End,
    ];
    let mut out = Vec::new();
    let mut writer = Writer::new(&CLIENT);
    for event in &events {
        writer.write(event, &mut out);
    }
    let (mut reader, mut again) = (Reader::default(), Vec::new());
    for frame in String::from_utf8(out).expect("text").split_terminator("\n\n") {
        let data = frame.strip_prefix("data: ").expect("data");
        reader.read(None, data.as_bytes(), &mut again).expect("valid");
    }
    reader.close(&mut again);
    let named = Event::Start { id: "r".into(), model: "m".into() };
    assert_eq!(again[0], named);
    assert_eq!(again[1..], events[1..]);
}

proptest! {
    #[test]
    fn no_bytes_panic_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut events = Vec::new();
        let read = Reader::default().read(None, &bytes, &mut events);
        prop_assert!(read == Err(Malformed) || !events.is_empty());
        let _ = crate::protocol::gemini::reply::read(&bytes);
        let _ = crate::protocol::gemini::error::read(&bytes);
    }

    #[test]
    fn each_choice_finishes_at_most_once(
        chunks in prop::collection::vec((0_u32..3, "[a-b]{0,1}", any::<bool>(), any::<bool>()), 0..12),
    ) {
        let chunks: Vec<Value> = chunks
            .into_iter()
            .map(|(index, text, call, last)| {
                let mut parts = vec![json!({"text": text})];
                parts.extend(call.then(|| json!({"functionCall": {"name": "f"}})));
                let reason = if last { json!("STOP") } else { Value::Null };
                json!({"candidates": [{"index": index, "content": {"parts": parts}, "finishReason": reason}]})
            })
            .collect();
        let mut done = Vec::new();
        for event in read(&chunks) {
            match event {
                Event::Finish { choice, .. } => {
                    prop_assert!(!done.contains(&choice));
                    done.push(choice);
                }
                Event::Text { choice, .. } | Event::ToolStart { choice, .. } => {
                    prop_assert!(!done.contains(&choice));
                }
                _ => {}
            }
        }
    }
}
