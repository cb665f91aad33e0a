use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn events(chunks: &[Value]) -> Vec<Event> {
    try_events(chunks).expect("valid")
}

fn try_events(chunks: &[Value]) -> Result<Vec<Event>, Malformed> {
    let mut reader = ChunkReader::default();
    let mut events = Vec::new();
    for chunk in chunks {
        let data = chunk.as_str().map_or_else(|| chunk.to_string(), ToOwned::to_owned);
        reader.read(None, data.as_bytes(), &mut events)?;
    }
    reader.close(&mut events);
    Ok(events)
}

fn delta(delta: Value) -> Value {
    let mut chunk =
        json!({"id": "i", "model": "m", "choices": [{"index": 0, "finish_reason": null}]});
    chunk["choices"][0]["delta"] = delta;
    chunk
}

fn finish(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": null})
}

fn calls(calls: Value) -> Value {
    let mut said = json!({});
    said["tool_calls"] = calls;
    delta(said)
}

/// The events but for the start, in short.
fn short(chunks: &[Value]) -> Vec<String> {
    let events = events(chunks);
    events
        .iter()
        .filter_map(|event| match event {
            Event::Start { .. } => None,
            Event::Text { text, .. } => Some(format!("text {text}")),
            Event::Thinking { text, .. } => Some(format!("thinking {text}")),
            Event::ToolStart { call, id, name, .. } => Some(format!("start {call} {id} {name}")),
            Event::ToolArguments { call, text, .. } => Some(format!("arguments {call} {text}")),
            Event::ToolEnd { call, .. } => Some(format!("end {call}")),
            Event::Finish { reason, .. } => Some(format!("finish {reason:?}")),
            Event::End => Some("done".to_owned()),
            other => Some(format!("{other:?}")),
        })
        .collect()
}

#[test]
fn vector_63_a_call_that_comes_at_once() {
    let whole =
        json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\":1}"}}]);
    assert_eq!(
        short(&[calls(whole), finish("tool_calls"), json!("[DONE]")]),
        ["start 0 a f", "arguments 0 {\"x\":1}", "end 0", "finish ToolCalls", "done"]
    );
}

#[test]
fn vector_65_fragments_without_a_number_belong_to_the_latest_call() {
    for index in [json!(null), json!(-1)] {
        let expected =
            ["start 0 a f", "arguments 0 {\"x\"", "arguments 0 :1}", "end 0", "finish ToolCalls"];
        let first =
            json!([{"index": index, "id": "a", "function": {"name": "f", "arguments": "{\"x\""}}]);
        let next = json!([{"index": index, "function": {"arguments": ":1}"}}]);
        assert_eq!(short(&[calls(first), calls(next), finish("tool_calls")]), expected);
    }
}

#[test]
fn every_known_way_to_number_calls_is_understood() {
    let expected = [
        "start 0 a f",
        "arguments 0 {}",
        "end 0",
        "start 1 b f",
        "arguments 1 {}",
        "end 1",
        "finish ToolCalls",
    ];
    let fragment = |index: Value, id: Value, name: Value, arguments: &str| json!([{"index": index, "id": id, "function": {"name": name, "arguments": arguments}}]);
    // Always the number 0; id and name repeated; id empty or null with each fragment.
    let zero = [
        calls(fragment(json!(0), json!("a"), json!("f"), "{")),
        calls(fragment(json!(0), json!("a"), json!("f"), "}")),
        calls(fragment(json!(0), json!("b"), json!("f"), "{")),
        calls(fragment(json!(0), json!(""), json!(""), "}")),
        finish("tool_calls"),
    ];
    let joined: Vec<String> =
        short(&zero).into_iter().filter(|e| !e.starts_with("arguments")).collect();
    let without: Vec<&str> = expected.into_iter().filter(|e| !e.starts_with("arguments")).collect();
    assert_eq!(joined, without);
    // One chunk with both of them; no numbers at all.
    let both = json!([
        {"id": "a", "function": {"name": "f", "arguments": {}}},
        {"id": "b", "function": {"name": "f", "arguments": {}}}]);
    assert_eq!(short(&[calls(both), finish("stop")]), expected);
}

#[test]
fn calls_may_be_interleaved() {
    let chunks = [
        calls(json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}])),
        calls(json!([{"index": 1, "id": "b", "function": {"name": "g", "arguments": ""}}])),
        calls(json!([{"index": 0, "function": {"arguments": "{}"}}])),
        calls(json!([{"index": 1, "function": {"arguments": "{}"}}])),
        finish("tool_calls"),
    ];
    assert_eq!(
        short(&chunks),
        [
            "start 0 a f",
            "start 1 b g",
            "arguments 0 {}",
            "arguments 1 {}",
            "end 0",
            "end 1",
            "finish ToolCalls"
        ]
    );
}

#[test]
fn a_call_waits_for_its_name() {
    let chunks = [
        calls(json!([{"index": 0, "id": "a", "function": {"arguments": "{"}}])),
        calls(json!([{"index": 0, "function": {"name": "f", "arguments": "}"}}])),
        finish("tool_calls"),
    ];
    assert_eq!(short(&chunks), ["start 0 a f", "arguments 0 {}", "end 0", "finish ToolCalls"]);
    let nameless = [calls(json!([{"index": 0, "id": "a"}])), finish("tool_calls")];
    assert_eq!(try_events(&nameless), Err(Malformed));
}

#[test]
fn what_came_before_a_name_is_looked_at_once() {
    let chunks = [
        calls(json!([{"index": 0, "id": "a", "function": {"arguments": "{"}}])),
        calls(json!([{"index": 0, "function": {"name": "f", "arguments": "}"}}])),
        calls(json!([{"index": 1, "id": "b", "function": {"name": "g", "arguments": ""}}])),
    ];
    assert_eq!(short(&chunks), ["start 0 a f", "arguments 0 {}", "end 0", "start 1 b g"]);
    let more = calls(json!([{"index": 0, "function": {"arguments": "{"}}]));
    assert_eq!(try_events(&[&chunks[..], &[more]].concat()), Err(Malformed));
}

#[test]
fn vectors_66_and_67_stop_after_calls_means_calls() {
    let chunks = [
        delta(json!({"role": "assistant", "content": ""})),
        delta(
            json!({"content": null, "tool_calls": [{"index": 0, "id": "a", "function": {"name": "f"}}]}),
        ),
        finish("stop"),
        finish("stop"),
        json!("[DONE]"),
    ];
    assert_eq!(short(&chunks), ["start 0 a f", "end 0", "finish ToolCalls", "done"]);
}

#[test]
fn vector_70_usage_comes_after_the_finish() {
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}});
    let events = events(&[
        delta(json!({"content": "a"})),
        finish("stop"),
        usage.clone(),
        usage,
        json!("[DONE] "),
    ]);
    let counts = Usage { input: Some(3), output: Some(1), ..Usage::default() };
    assert_eq!(
        events,
        [
            Event::Start { id: "i".to_owned(), model: "m".to_owned() },
            Event::Text { choice: 0, text: "a".to_owned() },
            Event::Finish { choice: 0, reason: Finish::Stop },
            Event::Usage(counts),
            Event::End,
        ]
    );
}

#[test]
fn vector_86_an_error_in_the_stream_is_one() {
    let broken = json!({"error": {"code": 502, "message": "gone"}, "choices": [{"delta": {"content": ""}, "finish_reason": "error"}]});
    let events = events(&[delta(json!({"content": "a"})), broken]);
    assert!(matches!(events.last(), Some(Event::Error(facts)) if facts.code == "502"));
    let bare = short(&[finish("error")]);
    assert!(bare[0].starts_with("Error("), "{bare:?}");
    let mut named = Vec::new();
    let data = br#"{"error":{"message":"no"}}"#;
    ChunkReader::default().read(Some("error"), data, &mut named).expect("read");
    assert!(matches!(&named[..], [Event::Error(_)]));
}

#[test]
fn vectors_92_and_93_azures_filters_say_nothing() {
    let chunks = [
        json!({"id": "", "model": "", "object": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}),
        json!({"id": "i", "model": "m", "choices": [{"index": 0, "content_filter_offsets": {}, "finish_reason": null}]}),
        delta(json!({"content": "a"})),
        finish("content_filter"),
    ];
    let events = events(&chunks);
    assert_eq!(events[0], Event::Start { id: "i".to_owned(), model: "m".to_owned() });
    assert_eq!(events.len(), 3);
    assert_eq!(events[2], Event::Finish { choice: 0, reason: Finish::Refused });
}

#[test]
fn vector_96_reasoning_has_two_names() {
    let chunks = [
        delta(json!({"reasoning": "a"})),
        delta(json!({"reasoning_content": "b"})),
        delta(json!({"reasoning": "c", "reasoning_content": "c"})),
    ];
    assert_eq!(short(&chunks), ["thinking a", "thinking b", "thinking c"]);
}

#[test]
fn other_deviations_are_read() {
    let chunks = [
        json!({"choices": null}),
        json!({"choices": [{"delta": null, "finish_reason": ""}], "created": 1.5}),
        json!({"choices": [{"delta": {"content": [{"type": "text", "text": "a"}]}, "finish_reason": null}]}),
        json!({"choices": [{"text": "legacy", "index": 0}]}),
        json!({"choices": [], "x_groq": {"usage": {"prompt_tokens": 1}}}),
        finish("length"),
        delta(json!({"content": "late"})),
    ];
    let usage = Usage { input: Some(1), ..Usage::default() };
    assert_eq!(
        short(&chunks),
        ["text a", "text legacy", &format!("{:?}", Event::Usage(usage)), "finish Length"]
    );
}

#[test]
fn a_cut_answer_does_not_look_finished() {
    let open = json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\""}}]);
    assert_eq!(short(&[calls(open.clone())]), ["start 0 a f", "arguments 0 {\"x\""]);
    assert_eq!(short(&[calls(open), json!("[DONE]")]).last().map(String::as_str), Some("done"));
    assert_eq!(short(&[delta(json!({"content": "a"})), json!("[DONE]")]), ["text a", "done"]);
    // The calls are whole and the server says that it is done: it only forgot the word.
    let whole = json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]);
    let forgot = short(&[calls(whole), json!("[DONE]")]);
    assert_eq!(forgot[2..], ["end 0", "finish ToolCalls", "done"]);
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(chunks: Vec<Vec<u8>>) {
        let mut reader = ChunkReader::default();
        let mut events = Vec::new();
        for chunk in chunks {
            let _ = reader.read(None, &chunk, &mut events);
        }
        reader.close(&mut events);
    }

    #[test]
    fn whatever_fragments_come_the_steps_are_well_formed(
        fragments in prop::collection::vec(
            (prop::option::of(-1i64..3), "[ab]?", "[fg]?", "[{}\"x]{0,2}"), 0..12),
    ) {
        let mut chunks: Vec<Value> = fragments
            .into_iter()
            .map(|(index, id, name, arguments)| calls(json!(
                [{"index": index, "id": id, "function": {"name": name, "arguments": arguments}}])))
            .collect();
        chunks.push(finish("stop"));
        let mut open = Vec::new();
        for event in try_events(&chunks).unwrap_or_default() {
            match event {
                Event::ToolStart { call, .. } => {
                    prop_assert!(call as usize == open.len() || !open.contains(&(call, true)));
                    open.push((call, true));
                }
                Event::ToolArguments { call, text, .. } => {
                    prop_assert!(open.contains(&(call, true)) && !text.is_empty());
                }
                Event::ToolEnd { call, .. } => {
                    let at = open.iter().position(|entry| *entry == (call, true));
                    prop_assert!(at.is_some());
                    open[at.unwrap_or(0)].1 = false;
                }
                Event::Finish { .. } => prop_assert!(open.iter().all(|entry| !entry.1)),
                _ => {}
            }
        }
    }
}
