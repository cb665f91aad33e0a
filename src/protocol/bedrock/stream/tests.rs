use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::Malformed;
use crate::protocol::dialect::{ClientView, EventReader, EventWriter};
use crate::protocol::neutral::{Event, Finish, OpaqueState, Origin};
use crate::protocol::usage::Usage;
use crate::wire::event_stream::EventStreamParser;

const CLIENT: ClientView<'_> =
    ClientView { model: "m", request_id: "req", created: 0, include_usage: false, stand_ins: &[] };

fn read_all(frames: &[(&str, Value)]) -> Result<Vec<Event>, Malformed> {
    let mut reader = Reader::default();
    let mut events = Vec::new();
    for (name, data) in frames {
        reader.read(Some(name), data.to_string().as_bytes(), &mut events)?;
    }
    reader.close(&mut events);
    Ok(events)
}

fn write_all(events: &[Event]) -> Vec<(String, Value)> {
    let mut writer = Writer::new(&CLIENT);
    let mut out = Vec::new();
    for event in events {
        writer.write(event, &mut out);
    }
    let mut parser = EventStreamParser::new(1 << 20);
    parser.feed(out.into());
    let frames = std::iter::from_fn(|| parser.next_frame().expect("our own"));
    frames
        .map(|frame| {
            let data = serde_json::from_slice(frame.data()).expect("JSON");
            (frame.event().expect("a name").to_owned(), data)
        })
        .collect()
}

fn text(text: &str) -> Event {
    Event::Text { choice: 0, text: text.to_owned() }
}

fn call(call: u32, id: &str, name: &str) -> Event {
    let (id, name) = (id.to_owned(), name.to_owned());
    Event::ToolStart { choice: 0, call, id, name, state: None }
}

fn arguments(call: u32, text: &str) -> Event {
    Event::ToolArguments { choice: 0, call, text: text.to_owned() }
}

fn end(call: u32) -> Event {
    Event::ToolEnd { choice: 0, call }
}

fn finish(reason: Finish) -> Event {
    Event::Finish { choice: 0, reason }
}

/// A stream of everything, as Bedrock sends it.
fn whole() -> Vec<(&'static str, Value)> {
    let delta = |index: u32, delta: Value| {
        ("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}))
    };
    let stop = |index: u32| ("contentBlockStop", json!({"contentBlockIndex": index}));
    vec![
        ("messageStart", json!({"role": "assistant"})),
        delta(0, json!({"reasoningContent": {"text": "hm"}})),
        delta(0, json!({"reasoningContent": {"signature": "sig"}})),
        stop(0),
        delta(1, json!({"reasoningContent": {"redactedContent": "RW1w"}})),
        stop(1),
        delta(2, json!({"text": "Hi"})),
        stop(2),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 3,
            "start": {"toolUse": {"toolUseId": "t1", "name": "f"}}}),
        ),
        delta(3, json!({"toolUse": {"input": "{\"a\""}})),
        delta(3, json!({"toolUse": {"input": ":1}"}})),
        stop(3),
        ("messageStop", json!({"stopReason": "tool_use"})),
        (
            "metadata",
            json!({"usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
            "metrics": {"latencyMs": 0}}),
        ),
    ]
}

#[test]
fn a_stream_comes_back_as_it_was() {
    let events = read_all(&whole()).expect("valid");
    let state = |data: &str, redacted| Event::ThinkingState {
        choice: 0,
        state: OpaqueState { origin: Origin::Anthropic, data: data.to_owned(), redacted },
    };
    let expected = [
        Event::Start { id: String::new(), model: String::new() },
        Event::Thinking { choice: 0, text: "hm".to_owned() },
        state("sig", false),
        Event::ThinkingEnd { choice: 0 },
        state("RW1w", true),
        Event::ThinkingEnd { choice: 0 },
        text("Hi"),
        call(0, "t1", "f"),
        arguments(0, "{\"a\""),
        arguments(0, ":1}"),
        end(0),
        finish(Finish::ToolCalls),
        Event::Usage(Usage { input: Some(1), output: Some(2), ..Usage::default() }),
        Event::End,
    ];
    assert_eq!(events, expected);
    let frames = write_all(&events);
    let back: Vec<_> = frames.iter().map(|(name, data)| (&**name, data.clone())).collect();
    assert_eq!(back, whole());
}

#[test]
fn vector_58_calls_are_counted_not_blocks() {
    let start = |index: u32, name: &str| {
        let tool = json!({"toolUseId": name, "name": name});
        ("contentBlockStart", json!({"contentBlockIndex": index, "start": {"toolUse": tool}}))
    };
    let events = read_all(&[
        start(1, "f"),
        ("contentBlockStop", json!({"contentBlockIndex": 1})),
        start(2, "g"),
        ("messageStop", json!({"stopReason": "end_turn"})),
    ]);
    let expected = [
        call(0, "f", "f"),
        end(0),
        call(1, "g", "g"),
        end(1),
        finish(Finish::ToolCalls),
        Event::End,
    ];
    assert_eq!(events.expect("valid"), expected);
}

#[test]
fn vector_68_empty_text_says_nothing() {
    let events = read_all(&[("contentBlockDelta", json!({"delta": {"text": ""}}))]);
    assert_eq!(events, Ok(Vec::new()));
}

#[test]
fn vector_84_a_stream_that_is_cut_has_no_finish() {
    let frames = whole();
    for cut in 0..12 {
        let events = read_all(&frames[..cut]).expect("valid");
        let finished = events.iter().any(|it| matches!(it, Event::Finish { .. } | Event::End));
        assert!(!finished, "cut at {cut}");
    }
    // The counts may be missing.
    let events = read_all(&frames[..13]).expect("valid");
    assert_eq!(events.last(), Some(&Event::End));
}

#[test]
fn exceptions_are_errors_and_unknown_events_are_nothing() {
    let events = read_all(&[
        ("someFutureEvent", json!({"x": 1})),
        ("throttlingException", json!({"message": "slow"})),
    ]);
    let [Event::Error(facts)] = &events.expect("valid")[..] else { panic!("one error") };
    assert_eq!((&*facts.kind, &*facts.message), ("throttlingException", "slow"));
    let events = read_all(&[("messageStop", json!({"stopReason": "malformed_tool_use"}))]);
    let [Event::Error(facts)] = &events.expect("valid")[..] else { panic!("one error") };
    assert_eq!(facts.code, "malformed_tool_use");
}

#[test]
fn events_that_make_no_sense_are_malformed() {
    for frame in [
        ("contentBlockDelta", json!({"delta": {"toolUse": {"input": "{}"}}})),
        ("contentBlockDelta", json!([])),
        ("contentBlockStart", json!({"start": {"toolUse": {"toolUseId": "a"}}})),
    ] {
        assert_eq!(read_all(std::slice::from_ref(&frame)), Err(Malformed), "{frame:?}");
    }
}

#[test]
fn redacted_pieces_are_joined_as_bytes() {
    let piece = |data: &str| {
        ("contentBlockDelta", json!({"delta": {"reasoningContent": {"redactedContent": data}}}))
    };
    let events = read_all(&[piece("YQ=="), piece("Yg=="), ("contentBlockStop", json!({}))]);
    let state = OpaqueState { origin: Origin::Anthropic, data: "YWI=".to_owned(), redacted: true };
    let expected = [Event::ThinkingState { choice: 0, state }, Event::ThinkingEnd { choice: 0 }];
    assert_eq!(events.expect("valid"), expected);
}

#[test]
fn blocks_are_written_one_after_the_other_whatever_comes_between() {
    let frames = write_all(&[
        call(0, "a", "f"),
        call(1, "", "g"),
        arguments(1, "{\"x\":"),
        text("between"),
        arguments(0, "{}"),
        end(0),
        arguments(1, "1}"),
        end(1),
        finish(Finish::ToolCalls),
    ]);
    let told: Vec<String> = frames
        .iter()
        .map(|(name, data)| format!("{name} {} {}", data["contentBlockIndex"], data["delta"]))
        .collect();
    let expected = [
        "messageStart null null",
        "contentBlockStart 0 null",
        r#"contentBlockDelta 0 {"toolUse":{"input":"{}"}}"#,
        "contentBlockStop 0 null",
        "contentBlockStart 1 null",
        r#"contentBlockDelta 1 {"toolUse":{"input":"{\"x\":"}}"#,
        r#"contentBlockDelta 1 {"toolUse":{"input":"1}"}}"#,
        "contentBlockStop 1 null",
        r#"contentBlockDelta 2 {"text":"between"}"#,
        "contentBlockStop 2 null",
        "messageStop null null",
    ];
    assert_eq!(told, expected);
    assert_eq!(frames[4].1["start"]["toolUse"]["toolUseId"], "tooluse_req_1");
}

#[test]
fn a_call_without_arguments_has_an_empty_object() {
    let frames = write_all(&[call(0, "a", "f"), end(0), finish(Finish::ToolCalls)]);
    assert_eq!(frames[2].1["delta"], json!({"toolUse": {"input": "{}"}}));
}

/// Steps as readers give them, in any order.
fn any_event() -> impl Strategy<Value = Event> {
    let state = OpaqueState { origin: Origin::Gemini, data: "s".to_owned(), redacted: false };
    prop_oneof![
        Just(Event::Start { id: String::new(), model: String::new() }),
        Just(text("t")),
        Just(Event::Thinking { choice: 0, text: "h".to_owned() }),
        Just(Event::ThinkingState { choice: 0, state }),
        Just(Event::ThinkingEnd { choice: 0 }),
        (0..3u32).prop_map(|number| call(number, "i", "f")),
        (0..3u32).prop_map(|number| arguments(number, "{}")),
        (0..3u32).prop_map(end),
        Just(Event::Ping),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(frames: Vec<(String, Vec<u8>)>) {
        let names = ["messageStart", "contentBlockStart", "contentBlockDelta", "messageStop"];
        let mut reader = Reader::default();
        let mut events = Vec::new();
        for (name, data) in &frames {
            let _ = reader.read(Some(name), data, &mut events);
            for name in names {
                let _ = reader.read(Some(name), data, &mut events);
            }
        }
    }

    #[test]
    fn whatever_comes_blocks_do_not_overlap(steps in prop::collection::vec(any_event(), 0..20)) {
        let mut steps = steps;
        steps.extend([finish(Finish::Stop), Event::End]);
        let frames = write_all(&steps);
        let mut open: Option<u64> = None;
        let mut next = 0;
        for (name, data) in &frames {
            let index = data["contentBlockIndex"].as_u64();
            match name.as_str() {
                "contentBlockStart" | "contentBlockDelta" => {
                    prop_assert!(index == Some(next) && (open.is_none() || open == index));
                    open = index;
                }
                "contentBlockStop" => {
                    prop_assert_eq!(index, open.take());
                    next += 1;
                }
                _ => prop_assert_eq!(open, None),
            }
        }
        prop_assert_eq!(frames.first().map(|it| &*it.0), Some("messageStart"));
        let last: Vec<_> = frames.iter().rev().take(2).map(|it| &*it.0).collect();
        prop_assert_eq!(last, ["metadata", "messageStop"]);
    }
}

#[test]
fn the_state_of_a_call_stands_before_it() {
    let state = OpaqueState { origin: Origin::Gemini, data: "c2ln".to_owned(), redacted: false };
    let (id, name) = ("t".to_owned(), "f".to_owned());
    let written = write_all(&[
        Event::Thinking { choice: 0, text: "hm".to_owned() },
        Event::ToolStart { choice: 0, call: 0, id, name, state: Some(state) },
        end(0),
    ]);
    let blocks: Vec<_> = written.iter().filter_map(|(_, data)| data.get("delta")).collect();
    assert_eq!(blocks[0], &json!({"reasoningContent": {"text": "hm"}}));
    assert_eq!(blocks[1], &json!({"reasoningContent": {"signature": "pilothouse:gemini:c2ln"}}));
    let block = |at: usize| written[at].1["contentBlockIndex"].clone();
    assert_eq!((block(1), block(3), block(5)), (json!(0), json!(1), json!(2)), "{written:?}");
}
