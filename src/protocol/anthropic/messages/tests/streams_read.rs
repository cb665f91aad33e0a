use serde_json::{Value, json};

use super::MessagesDialect;
use crate::protocol::dialect::Dialect as _;
use crate::protocol::neutral::{Event, Finish, OpaqueState, Origin};
use crate::protocol::usage::Usage;

pub(super) fn read(frames: &[Value]) -> Vec<Event> {
    let mut reader = MessagesDialect.event_reader();
    let mut events = Vec::new();
    for frame in frames {
        let name = frame["type"].as_str();
        reader.read(name, frame.to_string().as_bytes(), &mut events).expect("valid");
    }
    reader.close(&mut events);
    events
}

fn start(index: u64, block: &Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn delta(index: u64, delta: &Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn input(index: u64, text: &str) -> Value {
    delta(index, &json!({"type": "input_json_delta", "partial_json": text}))
}

fn stop(index: u64) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

fn tool_use(input: &Value) -> Value {
    start(0, &json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": input}))
}

fn arguments(events: &[Event]) -> Vec<&str> {
    let texts = events.iter().filter_map(|event| match event {
        Event::ToolArguments { text, .. } => Some(&**text),
        _ => None,
    });
    texts.collect()
}

fn usage(events: &[Event]) -> Usage {
    let mut total = Usage::default();
    for event in events {
        if let Event::Usage(usage) = event {
            total.update(*usage);
        }
    }
    total
}

#[test]
fn the_minimal_whole_stream_is_read() {
    let text = json!({"type": "text_delta", "text": "Hi"});
    let frames = [
        json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant",
            "model": "m", "content": [], "stop_reason": null, "stop_sequence": null,
            "usage": {"input_tokens": 7, "cache_read_input_tokens": 3, "output_tokens": 1}}}),
        start(0, &json!({"type": "text", "text": ""})),
        json!({"type": "ping"}),
        delta(0, &text),
        stop(0),
        start(1, &json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}})),
        input(1, "{\"a\":"),
        input(1, "1}"),
        stop(1),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null},
            "usage": {"output_tokens": 9}}),
        json!({"type": "message_stop"}),
    ];
    let counts = |output| Usage {
        input: Some(10),
        output: Some(output),
        cached_input: Some(3),
        ..Usage::default()
    };
    let argument = |text: &str| Event::ToolArguments { choice: 0, call: 0, text: text.into() };
    let expected = [
        Event::Start { id: "msg_1".into(), model: "m".into() },
        Event::Usage(counts(1)),
        Event::Ping,
        Event::Text { choice: 0, text: "Hi".into() },
        Event::ToolStart {
            choice: 0,
            call: 0,
            id: "toolu_1".into(),
            name: "f".into(),
            state: None,
        },
        argument("{\"a\":"),
        argument("1}"),
        Event::ToolEnd { choice: 0, call: 0 },
        Event::Finish { choice: 0, reason: Finish::ToolCalls },
        Event::Usage(counts(9)),
        Event::End,
    ];
    assert_eq!(read(&frames), expected);
}

#[test]
fn vector_61_an_empty_input_says_nothing_early() {
    let events = read(&[tool_use(&json!({})), input(0, "{\"a\""), input(0, ":1}"), stop(0)]);
    assert_eq!(arguments(&events), ["{\"a\"", ":1}"]);
}

#[test]
fn vector_62_a_call_without_arguments_has_none() {
    let events = read(&[tool_use(&json!({})), input(0, ""), stop(0)]);
    assert_eq!(arguments(&events), [] as [&str; 0]);
    assert_eq!(events.last(), Some(&Event::ToolEnd { choice: 0, call: 0 }));
}

#[test]
fn whole_input_in_the_start_is_said_once() {
    let events = read(&[tool_use(&json!({"a": 1})), stop(0)]);
    assert_eq!(arguments(&events), ["{\"a\":1}"]);
    let events = read(&[tool_use(&json!({"a": 1})), input(0, "{\"a\":1}"), stop(0)]);
    assert_eq!(arguments(&events), ["{\"a\":1}"]);
}

#[test]
fn vectors_71_to_73_counts_are_the_last_ones_given() {
    let begin = json!({"type": "message_start", "message": {"usage": {
        "input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 1}}});
    let more = |usage: Value| json!({"type": "message_delta", "delta": {}, "usage": usage});
    let events = read(&[
        begin.clone(),
        more(json!({"output_tokens": 3})),
        more(json!({"output_tokens": 5, "input_tokens": 0})),
    ]);
    assert_eq!((usage(&events).input, usage(&events).output), (Some(100), Some(5)));
    let events = read(&[begin, more(json!({"output_tokens": 5, "input_tokens": 12}))]);
    assert_eq!(usage(&events).input, Some(102), "the cache's share stays");
}

#[test]
fn vector_80_metrics_of_a_cloud_are_not_counted_again() {
    let events = read(&[
        json!({"type": "message_start", "message": {"usage": {"input_tokens": 10}}}),
        json!({"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 10}}),
    ]);
    assert_eq!(usage(&events).input, Some(10));
}

#[test]
fn vector_85_an_error_is_an_error_and_no_end() {
    let events = read(&[
        start(0, &json!({"type": "text", "text": "a"})),
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    ]);
    assert!(matches!(events.last(), Some(Event::Error(facts)) if facts.kind == "overloaded_error"));
    assert!(!events.iter().any(|event| matches!(event, Event::Finish { .. } | Event::End)));
}

#[test]
fn a_stream_that_was_cut_does_not_finish() {
    let events = read(&[tool_use(&json!({})), input(0, "{")]);
    assert!(
        !events.iter().any(|event| matches!(event, Event::Finish { .. } | Event::ToolEnd { .. }))
    );
}

#[test]
fn signatures_come_whole_at_the_end_of_their_thinking() {
    let signature = |text: &str| delta(0, &json!({"type": "signature_delta", "signature": text}));
    let thinking = delta(0, &json!({"type": "thinking_delta", "thinking": "t"}));
    let events = read(&[
        start(0, &json!({"type": "thinking", "thinking": "", "signature": ""})),
        thinking,
        signature("s+/="),
        stop(0),
        start(1, &json!({"type": "redacted_thinking", "data": "d"})),
        stop(1),
    ]);
    let state = |data: &str, redacted| Event::ThinkingState {
        choice: 0,
        state: OpaqueState { origin: Origin::Anthropic, data: data.into(), redacted },
    };
    let expected = [
        Event::Thinking { choice: 0, text: "t".into() },
        state("s+/=", false),
        Event::ThinkingEnd { choice: 0 },
        state("d", true),
        Event::ThinkingEnd { choice: 0 },
    ];
    assert_eq!(events[1..], expected);
}

#[test]
fn servers_that_say_less_are_understood() {
    // No start, no index, no end of a block, no reason.
    let events = read(&[
        json!({"type": "content_block_start", "content_block": {"type": "text", "text": "a"}}),
        json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "b"}}),
        json!({"type": "some_future_event"}),
        json!({"type": "message_stop"}),
        json!({"type": "ping"}),
    ]);
    let text = |text: &str| Event::Text { choice: 0, text: text.into() };
    let finish = Event::Finish { choice: 0, reason: Finish::Stop };
    let begin = Event::Start { id: String::new(), model: String::new() };
    assert_eq!(events, [begin, text("a"), text("b"), finish, Event::End]);
}
