use bytes::Bytes;
use serde_json::{Value, json};

use super::super::ChunkReader;
use super::*;
use crate::protocol::dialect::EventReader;
use crate::protocol::error::ErrorFacts;
use crate::protocol::neutral::{Finish, Origin};
use crate::protocol::usage::Usage;
use crate::wire::sse::SseParser;

const CLIENT: ClientView<'static> = ClientView {
    model: "asked",
    request_id: "r1",
    created: 7,
    include_usage: true,
    stand_ins: &[],
};

fn frames(client: &ClientView<'_>, events: &[Event]) -> Vec<Bytes> {
    let mut writer = ChunkWriter::new(client);
    let mut out = Vec::new();
    for event in events {
        writer.write(event, &mut out);
    }
    let mut parser = SseParser::new(1 << 20);
    parser.feed(Bytes::from(out));
    std::iter::from_fn(|| parser.next_frame().expect("frames").map(|frame| frame.data_bytes()))
        .collect()
}

fn chunks(events: &[Event]) -> Vec<Value> {
    frames(&CLIENT, events)
        .iter()
        .filter(|data| !data.is_empty())
        .map(|data| {
            serde_json::from_slice(data).unwrap_or_else(|_| json!(String::from_utf8_lossy(data)))
        })
        .collect()
}

fn deltas(events: &[Event]) -> Vec<Value> {
    chunks(events).iter().map(|chunk| chunk["choices"][0]["delta"].clone()).collect()
}

fn start() -> Event {
    Event::Start { id: "msg_1".to_owned(), model: "m".to_owned() }
}

fn tool(call: u32, id: &str) -> Event {
    Event::ToolStart { choice: 0, call, id: id.to_owned(), name: "f".to_owned(), state: None }
}

fn arguments(call: u32, text: &str) -> Event {
    Event::ToolArguments { choice: 0, call, text: text.to_owned() }
}

fn text(text: &str) -> Event {
    Event::Text { choice: 0, text: text.to_owned() }
}

const CALLED: Event = Event::Finish { choice: 0, reason: Finish::ToolCalls };

fn counts() -> Event {
    Event::Usage(Usage {
        input: Some(10),
        output: Some(9),
        cached_input: Some(3),
        ..Usage::default()
    })
}

/// Section 3.3 of the reference; vectors 58, 61, 69 and 71 are in it.
#[test]
fn vector_3_3_a_whole_stream() {
    let events = [
        start(),
        Event::Ping,
        text("Hi"),
        tool(0, "toolu_1"),
        arguments(0, "{\"a\":"),
        arguments(0, "1}"),
        Event::ToolEnd { choice: 0, call: 0 },
        CALLED,
        counts(),
        Event::End,
    ];
    let chunks = chunks(&events);
    let chunk = |delta: Value, finish: Value| {
        json!({"id": "msg_1", "object": "chat.completion.chunk", "created": 7, "model": "asked", "usage": null,
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]})
    };
    let piece = |text: &str| json!({"tool_calls": [{"index": 0, "function": {"arguments": text}}]});
    let expected = [
        chunk(json!({"role": "assistant", "content": ""}), json!(null)),
        chunk(json!({"content": "Hi"}), json!(null)),
        chunk(
            json!({"tool_calls": [{"index": 0, "id": "toolu_1", "type": "function",
            "function": {"name": "f", "arguments": ""}}]}),
            json!(null),
        ),
        chunk(piece("{\"a\":"), json!(null)),
        chunk(piece("1}"), json!(null)),
        chunk(json!({}), json!("tool_calls")),
        json!({"id": "msg_1", "object": "chat.completion.chunk", "created": 7, "model": "asked", "choices": [],
            "usage": {"prompt_tokens": 10, "completion_tokens": 9, "total_tokens": 19,
                "prompt_tokens_details": {"cached_tokens": 3}}}),
        json!("[DONE]"),
    ];
    assert_eq!(chunks, expected);
}

#[test]
fn vectors_58_and_59_calls_have_their_own_numbers_and_ids() {
    let deltas = deltas(&[start(), tool(0, ""), tool(1, "")]);
    let call = |at: usize| &deltas[at]["tool_calls"][0];
    assert_eq!((&call(1)["index"], &call(2)["index"]), (&json!(0), &json!(1)));
    assert_ne!(call(1)["id"], call(2)["id"]);
}

#[test]
fn vector_62_a_call_without_arguments_gets_an_empty_object_at_its_end() {
    let deltas = deltas(&[tool(0, "a"), Event::ToolEnd { choice: 0, call: 0 }, CALLED]);
    let arguments: Vec<&Value> =
        deltas[1..3].iter().map(|delta| &delta["tool_calls"][0]["function"]["arguments"]).collect();
    assert_eq!(arguments, [&json!(""), &json!("{}")]);
}

#[test]
fn vector_69_a_ping_is_a_comment() {
    let mut out = Vec::new();
    ChunkWriter::new(&CLIENT).write(&Event::Ping, &mut out);
    assert_eq!(out, KEEP_ALIVE);
}

#[test]
fn vector_79_usage_is_for_those_who_asked() {
    let client = ClientView { include_usage: false, ..CLIENT };
    let frames = frames(&client, &[start(), text("a"), counts(), Event::End]);
    for frame in &frames[..frames.len() - 1] {
        let chunk: Value = serde_json::from_slice(frame).expect("JSON");
        assert!(chunk.get("usage").is_none());
        assert_ne!(chunk["choices"], json!([]));
    }
    assert_eq!(&*frames[frames.len() - 1], b"[DONE]");
}

#[test]
fn vector_85_a_failure_ends_nothing() {
    let chunks = chunks(&[start(), text("a"), Event::Error(ErrorFacts::default())]);
    assert_eq!(chunks.len(), 2);
}

#[test]
fn choices_begin_one_by_one_and_finish_once() {
    let second = Event::Text { choice: 1, text: "b".to_owned() };
    let finish = Event::Finish { choice: 1, reason: Finish::Length };
    let chunks = chunks(&[start(), second, finish.clone(), finish]);
    let seen: Vec<(&Value, &Value)> = chunks
        .iter()
        .map(|chunk| (&chunk["choices"][0]["index"], &chunk["choices"][0]["finish_reason"]))
        .collect();
    let (zero, one, none, length) = (json!(0), json!(1), json!(null), json!("length"));
    assert_eq!(seen, [(&zero, &none), (&one, &none), (&one, &none), (&one, &length)]);
    assert_eq!(chunks[1]["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
}

#[test]
fn an_answer_without_id_gets_one() {
    assert_eq!(chunks(&[text("a")])[0]["id"], "chatcmpl-r1");
}

#[test]
fn states_follow_their_reasoning() {
    let state = |data: &str, redacted| Event::ThinkingState {
        choice: 0,
        state: OpaqueState { origin: Origin::Anthropic, data: data.to_owned(), redacted },
    };
    let thinking = |text: &str| Event::Thinking { choice: 0, text: text.to_owned() };
    let deltas = deltas(&[start(), thinking("hé"), state("s", false), state("r", true), text("a")]);
    assert_eq!(deltas[1], json!({"reasoning_content": "hé"}));
    assert_eq!(
        deltas[2],
        json!({"thinking_blocks": [{"index": 0, "type": "thinking", "length": 2, "signature": "s"}]})
    );
    assert_eq!(
        deltas[3],
        json!({"thinking_blocks": [{"index": 1, "type": "redacted_thinking", "data": "r"}]})
    );
}

#[test]
fn a_stream_is_read_back_as_it_was() {
    let state = |origin| OpaqueState { origin, data: "s".to_owned(), redacted: false };
    let started = Event::ToolStart {
        choice: 0,
        call: 1,
        id: "b".to_owned(),
        name: "g".to_owned(),
        state: Some(state(Origin::Gemini)),
    };
    let events = [
        Event::Start { id: "i".to_owned(), model: "asked".to_owned() },
        Event::Thinking { choice: 0, text: "hm".to_owned() },
        Event::ThinkingState { choice: 0, state: state(Origin::Anthropic) },
        Event::ThinkingEnd { choice: 0 },
        text("so"),
        tool(0, "a"),
        arguments(0, "{\"x\":"),
        arguments(0, "1}"),
        Event::ToolEnd { choice: 0, call: 0 },
        started,
        arguments(1, "{}"),
        Event::ToolEnd { choice: 0, call: 1 },
        CALLED,
        counts(),
        Event::End,
    ];
    let mut reader = ChunkReader::default();
    let mut again = Vec::new();
    for data in frames(&CLIENT, &events) {
        reader.read(None, &data, &mut again).expect("a chunk");
    }
    assert_eq!(again, events);
}
