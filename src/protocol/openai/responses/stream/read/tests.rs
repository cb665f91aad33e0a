use proptest::prelude::*;
use serde_json::{Value, json};

use super::ResponsesReader;
use crate::protocol::dialect::EventReader;
use crate::protocol::neutral::{Event, Finish, OpaqueState, Origin};
use crate::protocol::usage::Usage;

fn read(stream: &[Value]) -> Vec<Event> {
    let mut reader = ResponsesReader::default();
    let mut events = Vec::new();
    for event in stream {
        reader.read(None, event.to_string().as_bytes(), &mut events).expect("a valid event");
    }
    reader.close(&mut events);
    events
}

fn start() -> Event {
    Event::Start { id: String::new(), model: String::new() }
}

fn text(text: &str) -> Event {
    Event::Text { choice: 0, text: text.into() }
}

fn arguments(call: u32, text: &str) -> Event {
    Event::ToolArguments { choice: 0, call, text: text.into() }
}

fn tool(call: u32, id: &str) -> Event {
    Event::ToolStart { choice: 0, call, id: id.into(), name: "f".into(), state: None }
}

fn finish(reason: Finish) -> Event {
    Event::Finish { choice: 0, reason }
}

#[test]
fn a_whole_stream_is_read() {
    let call = json!({"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f",
        "arguments": ""});
    let events = read(&[
        json!({"type": "response.created", "response": {"id": "resp_1", "model": "m", "output": []}}),
        json!({"type": "response.in_progress", "response": {"id": "resp_1"}}),
        json!({"type": "response.output_item.added", "output_index": 0,
            "item": {"type": "reasoning", "id": "rs_1", "summary": []}}),
        json!({"type": "response.reasoning_summary_part.added", "item_id": "rs_1",
            "output_index": 0, "summary_index": 0, "part": {"type": "summary_text", "text": ""}}),
        json!({"type": "response.reasoning_summary_text.delta", "item_id": "rs_1",
            "output_index": 0, "summary_index": 0, "delta": "hm"}),
        json!({"type": "response.reasoning_summary_text.delta", "item_id": "rs_1",
            "output_index": 0, "summary_index": 1, "delta": "so"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "reasoning",
            "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}],
            "encrypted_content": "gAAA"}}),
        json!({"type": "response.output_item.added", "output_index": 1,
            "item": {"type": "message", "id": "msg_1", "content": []}}),
        json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 1,
            "content_index": 0, "delta": "Hi", "logprobs": []}),
        json!({"type": "response.output_text.done", "item_id": "msg_1", "output_index": 1,
            "content_index": 0, "text": "Hi"}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": {"type": "message",
            "id": "msg_1", "content": [{"type": "output_text", "text": "Hi"}]}}),
        json!({"type": "response.output_item.added", "output_index": 2, "item": call}),
        json!({"type": "response.function_call_arguments.delta", "item_id": "fc_1",
            "output_index": 2, "delta": "{}"}),
        json!({"type": "response.function_call_arguments.done", "item_id": "fc_1",
            "output_index": 2, "arguments": "{}"}),
        json!({"type": "response.output_item.done", "output_index": 2, "item": {
            "type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}}),
        json!({"type": "response.completed", "response": {"id": "resp_1",
            "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}],
            "usage": {"input_tokens": 3, "output_tokens": 2}}}),
    ]);
    let thinking = |text: &str| Event::Thinking { choice: 0, text: text.into() };
    let state = OpaqueState { origin: Origin::OpenAi, data: "gAAA".into(), redacted: false };
    let expected = [
        Event::Start { id: "resp_1".into(), model: "m".into() },
        thinking("hm"),
        thinking("\n\nso"),
        Event::ThinkingState { choice: 0, state },
        Event::ThinkingEnd { choice: 0 },
        text("Hi"),
        tool(0, "c"),
        arguments(0, "{}"),
        Event::ToolEnd { choice: 0, call: 0 },
        finish(Finish::ToolCalls),
        Event::Usage(Usage { input: Some(3), output: Some(2), ..Usage::default() }),
        Event::End,
    ];
    assert_eq!(events, expected);
}

#[test]
fn vector_64_arguments_come_once() {
    let item = json!({"type": "function_call", "id": "i", "call_id": "c", "name": "f"});
    let added = json!({"type": "response.output_item.added", "output_index": 0, "item": item});
    let delta = json!({"type": "response.function_call_arguments.delta", "output_index": 0,
        "item_id": "i", "delta": "{}"});
    let done = json!({"type": "response.function_call_arguments.done", "output_index": 0,
        "item_id": "i", "arguments": "{}"});
    let mut whole = item.clone();
    whole["arguments"] = json!("{}");
    let item_done = json!({"type": "response.output_item.done", "output_index": 0, "item": whole});
    let end = json!({"type": "response.completed", "response": {}});
    let streams = [
        vec![added.clone(), done.clone(), item_done.clone()],
        vec![added.clone(), delta.clone(), done.clone(), item_done.clone()],
        vec![added.clone(), done.clone()],
        vec![added.clone(), delta.clone()],
        // Nor is a whole call made longer.
        vec![added.clone(), done.clone(), delta.clone()],
        // Some servers announce nothing.
        vec![delta, item_done.clone()],
        vec![item_done],
    ];
    let expected = [
        start(),
        tool(0, "c"),
        arguments(0, "{}"),
        Event::ToolEnd { choice: 0, call: 0 },
        finish(Finish::ToolCalls),
        Event::End,
    ];
    for mut stream in streams {
        stream.push(end.clone());
        assert_eq!(read(&stream), expected, "{stream:?}");
    }
}

#[test]
fn vector_81_usage_comes_with_every_end() {
    let usage = json!({"input_tokens": 3, "output_tokens": 0});
    let counted = Event::Usage(Usage { input: Some(3), output: Some(0), ..Usage::default() });
    let incomplete = read(&[json!({"type": "response.incomplete", "response": {"usage": usage,
        "incomplete_details": {"reason": "max_output_tokens"}}})]);
    assert_eq!(incomplete, [start(), finish(Finish::Length), counted.clone(), Event::End]);
    let failed = read(&[json!({"type": "response.failed", "response": {"usage": usage,
        "error": {"code": "server_error", "message": "no"}}})]);
    assert_eq!(failed[0], counted);
    assert!(matches!(&failed[1], Event::Error(facts) if facts.code == "server_error"));
    assert_eq!(failed.len(), 2);
}

#[test]
fn vector_82_reasoning_in_full_is_reasoning() {
    let item = json!({"type": "reasoning", "id": "r", "summary": [],
        "content": [{"type": "reasoning_text", "text": "hm"}]});
    let delta = json!({"type": "response.reasoning_text.delta", "item_id": "r", "output_index": 0,
        "content_index": 0, "delta": "hm"});
    let done = json!({"type": "response.output_item.done", "output_index": 0, "item": item});
    let thought = [
        start(),
        Event::Thinking { choice: 0, text: "hm".into() },
        Event::ThinkingEnd { choice: 0 },
    ];
    assert_eq!(read(&[delta, done.clone()]), thought);
    assert_eq!(read(&[done]), thought);
}

#[test]
fn a_response_that_only_ends_is_read_from_its_end() {
    let end = json!({"type": "response.completed", "response": {"id": "resp_1", "output": [
        {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}]}});
    let events = read(&[end]);
    assert_eq!(events[1..], [text("Hi"), finish(Finish::Stop), Event::End]);
}

#[test]
fn items_that_are_all_counted_as_the_first_are_kept_apart() {
    let done = |id: &str| {
        json!({"type": "response.output_item.done", "output_index": 0, "item": {
            "type": "function_call", "id": id, "call_id": id, "name": "f", "arguments": "{}"}})
    };
    let added = |id: &str| {
        json!({"type": "response.output_item.added", "output_index": 0, "item": {
            "type": "function_call", "id": id, "call_id": id, "name": "f"}})
    };
    let mut expected = vec![start()];
    for (call, id) in [(0, "a"), (1, "b")] {
        expected.push(tool(call, id));
        expected.push(arguments(call, "{}"));
        expected.push(Event::ToolEnd { choice: 0, call });
    }
    assert_eq!(read(&[done("a"), done("b")]), expected);
    assert_eq!(read(&[added("a"), done("a"), added("b"), done("b")]), expected);
    assert_eq!(read(&[done("a"), done("a")]), expected[..4], "once");
}

#[test]
fn a_cut_stream_is_not_finished() {
    let delta = json!({"type": "response.output_text.delta", "delta": "Hi"});
    assert_eq!(read(&[delta]), [start(), text("Hi")]);
}

#[test]
fn errors_and_markers_of_every_shape_are_known() {
    let flat = json!({"type": "error", "code": "slow_down", "message": "m", "param": null});
    let nested = json!({"type": "error", "error": {"code": "slow_down", "message": "m"}});
    for event in [flat, nested] {
        let events = read(&[event]);
        assert!(matches!(&*events, [Event::Error(facts)] if facts.code == "slow_down"));
    }
    let mut reader = ResponsesReader::default();
    let mut events = Vec::new();
    reader.read(None, b"[DONE] ", &mut events).expect("a marker");
    assert!(events.is_empty());
    let unnamed = json!({"delta": "Hi"}).to_string();
    let name = Some("response.output_text.delta");
    reader.read(name, unnamed.as_bytes(), &mut events).expect("an event");
    assert_eq!(events, [start(), text("Hi")]);
}

#[test]
fn interleaved_calls_stay_apart() {
    let added = |index: u64, id: &str| {
        json!({"type": "response.output_item.added", "output_index": index,
            "item": {"type": "function_call", "id": id, "call_id": id, "name": "f"}})
    };
    let delta = |index: u64, text: &str| {
        json!({"type": "response.function_call_arguments.delta", "output_index": index,
            "delta": text})
    };
    let events = read(&[added(0, "a"), added(1, "b"), delta(0, "{"), delta(1, "["), delta(0, "}")]);
    let expected = [
        start(),
        tool(0, "a"),
        tool(1, "b"),
        arguments(0, "{"),
        arguments(1, "["),
        arguments(0, "}"),
    ];
    assert_eq!(events, expected);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_malformed(
        data in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4),
    ) {
        let mut reader = ResponsesReader::default();
        for data in data {
            let _ = reader.read(Some("response.completed"), &data, &mut Vec::new());
        }
    }

    #[test]
    fn any_order_of_events_is_read(
        order in prop::collection::vec((0usize..9, 0u64..3, "[abc]{0,2}"), 0..20),
    ) {
        const KINDS: [&str; 9] = [
            "response.output_item.added", "response.output_item.done",
            "response.output_text.delta", "response.output_text.done",
            "response.function_call_arguments.delta", "response.function_call_arguments.done",
            "response.reasoning_text.delta", "response.refusal.delta", "response.completed",
        ];
        let stream: Vec<_> = order.into_iter().map(|(kind, index, text)| {
            let item = ["message", "function_call", "reasoning"][usize::try_from(index).unwrap_or(0)];
            json!({"type": KINDS[kind], "output_index": index, "delta": text, "text": text,
                "arguments": text, "item": {"type": item, "id": text, "name": "f"}})
        }).collect();
        let events = read(&stream);
        let finishes = events.iter().filter(|event| matches!(event, Event::Finish { .. })).count();
        prop_assert!(finishes <= 1);
        let mut begun = 0;
        for event in &events {
            match event {
                Event::ToolStart { call, .. } => {
                    prop_assert_eq!(*call, begun);
                    begun += 1;
                }
                Event::ToolArguments { call, .. } | Event::ToolEnd { call, .. } => {
                    prop_assert!(*call < begun);
                }
                _ => {}
            }
        }
    }
}
