use serde_json::{Value, json};

use super::ResponsesWriter;
use crate::protocol::dialect::{ClientView, EventReader, EventWriter};
use crate::protocol::neutral::{Event, Finish, OpaqueState, Origin, StandIn, StandInKind};
use crate::protocol::openai::responses::stream::ResponsesReader;
use crate::protocol::usage::Usage;

const CLIENT: ClientView<'_> = ClientView {
    model: "asked",
    request_id: "r1",
    created: 7,
    include_usage: false,
    stand_ins: &[],
};

fn write_for(client: &ClientView<'_>, events: &[Event]) -> Vec<Value> {
    let mut writer = ResponsesWriter::new(client);
    let mut out = Vec::new();
    for event in events {
        writer.write(event, &mut out);
    }
    let text = String::from_utf8(out).expect("events are UTF-8");
    let mut frames = Vec::new();
    for frame in text.split_terminator("\n\n") {
        let (name, data) = frame.split_once("\ndata: ").expect("a name and one line of data");
        let data: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(name, format!("event: {}", data["type"].as_str().expect("a type")));
        assert_eq!(data["sequence_number"], frames.len());
        frames.push(data);
    }
    frames
}

fn write(events: &[Event]) -> Vec<Value> {
    write_for(&CLIENT, events)
}

fn kinds(frames: &[Value]) -> Vec<&str> {
    let kind = |frame: &'_ Value| frame["type"].as_str().is_some();
    assert!(frames.iter().all(kind));
    frames.iter().filter_map(|frame| frame["type"].as_str()?.strip_prefix("response.")).collect()
}

fn start() -> Event {
    Event::Start { id: "msg_1".into(), model: "other".into() }
}

fn text(text: &str) -> Event {
    Event::Text { choice: 0, text: text.into() }
}

fn tool(call: u32, name: &str) -> Event {
    Event::ToolStart { choice: 0, call, id: format!("c{call}"), name: name.into(), state: None }
}

fn arguments(call: u32, text: &str) -> Event {
    Event::ToolArguments { choice: 0, call, text: text.into() }
}

fn tool_end(call: u32) -> Event {
    Event::ToolEnd { choice: 0, call }
}

fn finish(reason: Finish) -> Event {
    Event::Finish { choice: 0, reason }
}

/// Reasoning, text and two calls.
fn rich() -> Vec<Event> {
    let state = OpaqueState { origin: Origin::Anthropic, data: "SIG".into(), redacted: false };
    vec![
        start(),
        Event::Thinking { choice: 0, text: "h".into() },
        Event::Thinking { choice: 0, text: "m".into() },
        Event::ThinkingState { choice: 0, state },
        Event::ThinkingEnd { choice: 0 },
        text("H"),
        text("i"),
        tool(0, "f"),
        arguments(0, "{\"a\":"),
        arguments(0, "1}"),
        tool_end(0),
        tool(1, "g"),
        tool_end(1),
        finish(Finish::ToolCalls),
        Event::Usage(Usage {
            input: Some(10),
            output: Some(9),
            cached_input: Some(0),
            cache_written: None,
            reasoning: Some(0),
        }),
        Event::End,
    ]
}

#[test]
fn vector_83_items_have_rising_indexes_and_stable_ids() {
    let frames = write(&rich());
    let expected = [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(kinds(&frames), expected);
    let mut ids: Vec<String> = Vec::new();
    for frame in &frames {
        let Some(index) = frame["output_index"].as_u64() else {
            continue;
        };
        let index = usize::try_from(index).expect("a small number");
        let id = frame["item_id"].as_str().or(frame["item"]["id"].as_str()).expect("an id");
        if frame["type"] == "response.output_item.added" {
            assert_eq!(index, ids.len());
            assert_eq!(frame["item"]["status"].as_str().unwrap_or("in_progress"), "in_progress");
            ids.push(id.to_owned());
        }
        assert_eq!(id, ids[index]);
    }
    assert_eq!(ids, ["rs_r1_0", "msg_r1_1", "fc_r1_2", "fc_r1_3"]);
}

#[test]
fn the_end_holds_the_whole_response() {
    let frames = write(&rich());
    assert_eq!(frames[0]["response"]["status"], "in_progress");
    assert_eq!(frames[0]["response"]["id"], "resp_r1");
    let response = &frames.last().expect("an end")["response"];
    assert_eq!(response["id"], "resp_r1");
    assert_eq!(response["status"], "completed");
    assert_eq!(response["model"], "asked");
    assert_eq!(response["created_at"], 7);
    assert_eq!(
        response["usage"],
        json!({"input_tokens": 10, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 19})
    );
    let done = frames.iter().filter(|frame| frame["type"] == "response.output_item.done");
    let done: Vec<_> = done.map(|frame| frame["item"].clone()).collect();
    assert_eq!(response["output"], json!(done));
    assert_eq!(done[0]["encrypted_content"], "pilothouse:anthropic:SIG");
    assert_eq!(done[0]["summary"], json!([{"type": "summary_text", "text": "hm"}]));
    assert_eq!(done[1]["content"][0]["text"], "Hi");
    assert_eq!(done[2]["arguments"], "{\"a\":1}");
    assert_eq!(done[3]["arguments"], "{}");
    assert_eq!(done[3]["call_id"], "c1");
}

#[test]
fn a_stream_comes_back_as_it_was() {
    let events = rich();
    let mut reader = ResponsesReader::default();
    let mut back = Vec::new();
    for frame in write(&events) {
        reader.read(None, frame.to_string().as_bytes(), &mut back).expect("a valid event");
    }
    // The start names the client's model, and an empty call is `{}` by then.
    assert_eq!(back[1..12], events[1..12]);
    assert_eq!(back[12], arguments(1, "{}"));
    assert_eq!(back[13..], events[12..]);
}

#[test]
fn vector_91_a_cut_call_is_not_repaired() {
    let frames = write(&[
        start(),
        tool(0, "f"),
        arguments(0, "{\"a\":"),
        finish(Finish::Length),
        Event::End,
    ]);
    let end = frames.last().expect("an end");
    assert_eq!(end["type"], "response.incomplete");
    assert_eq!(end["response"]["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(end["response"]["output"][0]["arguments"], "{\"a\":");
    assert_eq!(end["response"]["output"][0]["status"], "incomplete");
}

#[test]
fn vector_91_a_cut_call_that_its_provider_closes_is_not_complete() {
    for (reason, status) in [(Finish::Length, "incomplete"), (Finish::ToolCalls, "completed")] {
        let frames = write(&[
            start(),
            tool(0, "f"),
            arguments(0, "{\"a\":"),
            tool_end(0),
            finish(reason),
            Event::End,
        ]);
        let end = frames.last().expect("an end");
        assert_eq!(end["response"]["output"][0]["status"], status);
        assert_eq!(end["response"]["output"][0]["arguments"], "{\"a\":");
    }
}

#[test]
fn a_call_of_a_stand_in_is_one_of_the_client_s_tool() {
    let stand_in =
        |name: &str, kind| StandIn { name: name.into(), kind, tool: name.into(), namespace: None };
    let in_docs = StandIn {
        name: "docs__search".into(),
        kind: StandInKind::Function,
        tool: "search".into(),
        namespace: Some("docs".into()),
    };
    let stand_ins = [
        stand_in("apply_patch", StandInKind::Custom),
        stand_in("local_shell", StandInKind::LocalShell),
        in_docs,
    ];
    let client = ClientView { stand_ins: &stand_ins, ..CLIENT };
    let frames = write_for(
        &client,
        &[
            start(),
            tool(0, "apply_patch"),
            arguments(0, "{\"input\":\"*** Be"),
            arguments(0, "gin\\n\"}"),
            tool_end(0),
            tool(1, "local_shell"),
            arguments(1, "{\"command\":[\"ls\"]}"),
            tool_end(1),
            tool(2, "docs__search"),
            arguments(2, "{}"),
            tool_end(2),
            finish(Finish::ToolCalls),
            Event::End,
        ],
    );
    let expected = [
        "created",
        "in_progress",
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
        "output_item.added",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(kinds(&frames), expected);
    assert_eq!(frames[4]["input"], "*** Begin\n");
    assert_eq!(frames[5]["item"]["type"], "custom_tool_call");
    assert_eq!(frames[5]["item"]["input"], "*** Begin\n");
    assert_eq!(frames[7]["item"]["action"]["command"], json!(["ls"]));
    for frame in [&frames[8], &frames[11]] {
        assert_eq!(frame["item"]["namespace"], "docs");
        assert_eq!(frame["item"]["name"], "search");
    }
}

#[test]
fn interleaved_calls_stay_apart_and_their_states_go_ahead() {
    let state = OpaqueState { origin: Origin::Gemini, data: "SIG".into(), redacted: false };
    let signed = Event::ToolStart {
        choice: 0,
        call: 0,
        id: String::new(),
        name: "f".into(),
        state: Some(state),
    };
    let frames = write(&[
        signed,
        tool(1, "g"),
        arguments(0, "{"),
        arguments(1, "[]"),
        arguments(0, "}"),
        tool_end(1),
        tool_end(0),
        finish(Finish::ToolCalls),
        Event::End,
    ]);
    let output = &frames.last().expect("an end")["response"]["output"];
    assert_eq!(output[0]["encrypted_content"], "pilothouse-call:pilothouse:gemini:SIG");
    assert_eq!(output[1]["arguments"], "{}");
    assert_eq!(output[1]["call_id"], "call_r1_1");
    assert_eq!(output[2]["arguments"], "[]");
}

#[test]
fn vector_67_no_empty_item_is_opened() {
    let frames = write(&[start(), text(""), tool(0, "f"), tool_end(0)]);
    assert_eq!(frames[2]["item"]["type"], "function_call");
}

#[test]
fn a_refusal_is_a_part_of_its_own() {
    let refusal = Event::Refusal { choice: 0, text: "no".into() };
    let frames = write(&[start(), text("x"), refusal, finish(Finish::Refused), Event::End]);
    let response = &frames.last().expect("an end")["response"];
    assert_eq!(response["status"], "completed");
    let content = &response["output"][0]["content"];
    assert_eq!(content[0]["text"], "x");
    assert_eq!(content[1], json!({"type": "refusal", "refusal": "no"}));
}

#[test]
fn an_empty_answer_and_a_ping_are_well_formed() {
    let mut writer = ResponsesWriter::new(&CLIENT);
    let mut out = Vec::new();
    writer.write(&Event::Ping, &mut out);
    assert_eq!(out, b": keep-alive\n\n");
    let frames = write(&[finish(Finish::Stop), Event::End]);
    assert_eq!(kinds(&frames), ["created", "in_progress", "completed"]);
    assert_eq!(frames[2]["response"]["output"], json!([]));
}
