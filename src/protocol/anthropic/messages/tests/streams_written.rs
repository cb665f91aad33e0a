use serde_json::{Value, json};

use super::{CLIENT, MessagesDialect};
use crate::protocol::dialect::Dialect as _;
use crate::protocol::neutral::{Event, Finish, OpaqueState, Origin};
use crate::protocol::usage::Usage;

pub(super) fn write(events: &[Event]) -> Vec<Value> {
    let mut writer = MessagesDialect.event_writer(&CLIENT);
    let mut out = Vec::new();
    for event in events {
        writer.write(event, &mut out);
    }
    let text = String::from_utf8(out).expect("UTF-8");
    let frames = text.split_terminator("\n\n").map(|frame| {
        let (name, data) = frame.split_once('\n').expect("two lines");
        let data: Value =
            serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        data
    });
    frames.collect()
}

fn text(text: &str) -> Event {
    Event::Text { choice: 0, text: text.into() }
}

fn call(call: u32, name: &str) -> Event {
    Event::ToolStart { choice: 0, call, id: format!("c{call}"), name: name.into(), state: None }
}

fn arguments(call: u32, text: &str) -> Event {
    Event::ToolArguments { choice: 0, call, text: text.into() }
}

fn end(call: u32) -> Event {
    Event::ToolEnd { choice: 0, call }
}

fn finish(reason: Finish) -> Event {
    Event::Finish { choice: 0, reason }
}

/// The stream in short: the kinds of events, with the blocks' indexes and what they hold.
fn short(frames: &[Value]) -> Vec<String> {
    let line = |frame: &Value| {
        let index = &frame["index"];
        let part = |delta: &Value| {
            let names = ["text", "thinking", "signature", "partial_json"];
            names.iter().find_map(|name| delta[name].as_str().map(ToOwned::to_owned))
        };
        match frame["type"].as_str().expect("a type") {
            "content_block_start" => {
                format!("{index} {}", frame["content_block"]["type"].as_str().expect("a type"))
            }
            "content_block_delta" => {
                format!("{index} + {}", part(&frame["delta"]).expect("a part"))
            }
            "content_block_stop" => format!("{index} end"),
            "message_delta" => frame["delta"]["stop_reason"].as_str().expect("a reason").to_owned(),
            other => other.to_owned(),
        }
    };
    frames.iter().map(line).collect()
}

#[test]
fn vector_70_counts_come_with_the_end() {
    let counts =
        Usage { input: Some(130), cached_input: Some(90), output: Some(7), ..Usage::default() };
    let frames = write(&[
        Event::Start { id: "chatcmpl-1".into(), model: "gpt".into() },
        text("Hi"),
        finish(Finish::Stop),
        Event::Usage(counts),
        Event::End,
    ]);
    assert_eq!(
        short(&frames),
        ["message_start", "0 text", "0 + Hi", "0 end", "end_turn", "message_stop"]
    );
    assert_eq!(
        frames[0]["message"],
        json!({"id": "msg_r1", "type": "message", "role": "assistant", "model": "claude", "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 0, "output_tokens": 0}})
    );
    let usage = json!({"input_tokens": 40, "cache_read_input_tokens": 90, "output_tokens": 7});
    assert_eq!(frames[4]["usage"], usage);
}

#[test]
fn counts_that_are_known_stand_in_the_start() {
    let counts = Usage { input: Some(5), ..Usage::default() };
    let begin = Event::Start { id: "msg_1".into(), model: String::new() };
    let frames = write(&[begin, Event::Usage(counts), Event::Ping]);
    assert_eq!(frames[0]["message"]["usage"]["input_tokens"], 5);
    assert_eq!(frames[0]["message"]["id"], "msg_1");
    assert_eq!(frames[1]["type"], "ping");
}

#[test]
fn vector_63_and_66_a_call_that_comes_at_once_is_start_and_one_delta() {
    let frames =
        write(&[call(0, "f"), arguments(0, "{\"a\":1}"), end(0), finish(Finish::Stop), Event::End]);
    let expected =
        ["message_start", "0 tool_use", "0 + {\"a\":1}", "0 end", "tool_use", "message_stop"];
    assert_eq!(short(&frames), expected);
    let block = json!({"type": "tool_use", "id": "c0", "name": "f", "input": {}});
    assert_eq!(frames[1]["content_block"], block);
}

#[test]
fn vector_67_no_block_is_opened_for_nothing() {
    let begin = Event::Start { id: String::new(), model: String::new() };
    let frames = write(&[begin, call(0, "f"), end(0), finish(Finish::ToolCalls), Event::End]);
    let expected = ["message_start", "0 tool_use", "0 + ", "0 end", "tool_use", "message_stop"];
    assert_eq!(short(&frames), expected);
}

#[test]
fn calls_that_are_interleaved_are_put_in_a_row() {
    let frames = write(&[
        text("a"),
        call(0, "f"),
        call(1, "g"),
        arguments(1, "{\"y\""),
        arguments(0, "{\"x\""),
        arguments(1, ":2}"),
        text("b"),
        arguments(0, ":1}"),
        end(0),
        end(1),
        finish(Finish::ToolCalls),
        Event::End,
    ]);
    let expected = [
        "message_start",
        "0 text",
        "0 + a",
        "0 end",
        "1 tool_use",
        "1 + {\"x\"",
        "1 + :1}",
        "1 end",
        "2 tool_use",
        "2 + {\"y\":2}",
        "2 end",
        "3 text",
        "3 + b",
        "3 end",
        "tool_use",
        "message_stop",
    ];
    assert_eq!(short(&frames), expected);
}

#[test]
fn thinking_is_signed_at_its_end() {
    let state = |origin, data: &str, redacted| Event::ThinkingState {
        choice: 0,
        state: OpaqueState { origin, data: data.into(), redacted },
    };
    let thinking = |text: &str| Event::Thinking { choice: 0, text: text.into() };
    let frames = write(&[
        thinking("a"),
        state(Origin::Anthropic, "s", false),
        Event::ThinkingEnd { choice: 0 },
        state(Origin::Anthropic, "r", true),
        Event::ThinkingEnd { choice: 0 },
        thinking("b"),
        text("t"),
        state(Origin::OpenAi, "e", false),
        finish(Finish::Length),
        Event::End,
    ]);
    let expected = [
        "message_start",
        "0 thinking",
        "0 + a",
        "0 + s",
        "0 end",
        "1 redacted_thinking",
        "1 end",
        "2 thinking",
        "2 + b",
        "2 end",
        "3 text",
        "3 + t",
        "3 end",
        "4 thinking",
        "4 + pilothouse:openai:e",
        "4 end",
        "max_tokens",
        "message_stop",
    ];
    assert_eq!(short(&frames), expected);
    assert_eq!(frames[5]["content_block"], json!({"type": "redacted_thinking", "data": "r"}));
}

#[test]
fn the_state_of_a_call_goes_before_it() {
    let state = OpaqueState { origin: Origin::Gemini, data: "g".into(), redacted: false };
    let call = Event::ToolStart {
        choice: 0,
        call: 0,
        id: String::new(),
        name: "f".into(),
        state: Some(state),
    };
    let frames = write(&[Event::Thinking { choice: 0, text: "t".into() }, call, end(0)]);
    let expected = [
        "message_start",
        "0 thinking",
        "0 + t",
        "0 end",
        "1 thinking",
        "1 + pilothouse:gemini:g",
        "1 end",
        "2 tool_use",
        "2 + ",
        "2 end",
    ];
    assert_eq!(short(&frames), expected);
    assert_eq!(frames[7]["content_block"]["id"], "toolu_r1_0");
}

#[test]
fn vector_100_words_of_a_refusal_end_in_one() {
    let refusal = Event::Refusal { choice: 0, text: "no".into() };
    let frames = write(&[refusal, finish(Finish::Stop), Event::End]);
    assert_eq!(short(&frames)[2..5], ["0 + no", "0 end", "refusal"]);
}

#[test]
fn a_stop_text_is_named() {
    let frames = write(&[text("a"), finish(Finish::StopSequence(Some("x".into()))), Event::End]);
    let ending = json!({"stop_reason": "stop_sequence", "stop_sequence": "x"});
    assert_eq!(frames[4]["delta"], ending);
}

#[test]
fn an_end_without_a_finish_is_not_made_up() {
    let frames = write(&[text("a"), Event::End]);
    assert_eq!(short(&frames), ["message_start", "0 text", "0 + a", "0 end"]);
}

/// As Gemini's signatures come: Claude Code takes the last block for the answer.
#[test]
fn an_answer_never_ends_with_thinking_after_its_words() {
    let state = OpaqueState { origin: Origin::Gemini, data: "g".into(), redacted: false };
    let signed = [text("Hi"), Event::ThinkingState { choice: 0, state }];
    let ended = [signed.as_slice(), &[finish(Finish::Stop), Event::End]].concat();
    let blocks = |events: &[Event]| {
        let frames = write(events);
        let begun = frames.iter().filter(|frame| frame["type"] == "content_block_start");
        begun.map(|frame| frame["content_block"]["type"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(blocks(&ended), ["text"]);
    let called = [signed.as_slice(), &[call(0, "f"), end(0), finish(Finish::ToolCalls)]].concat();
    assert_eq!(blocks(&called), ["text", "thinking", "tool_use"]);
}
