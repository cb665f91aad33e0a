//! Answers to `/v1/messages` that pass as bytes.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Anthropic;
use crate::protocol::error::ErrorView;
use crate::protocol::stream::{Meaning, StreamReader};
use crate::protocol::transcript::{Notes, Unresumable};
use crate::protocol::usage::{self, AnthropicUsage, Usage};
use crate::protocol::{Answers, Malformed, Protocol, Reply, openai, read_object};
use crate::wire::sse::encode_event;

/// Answers to `/v1/messages` and its `count_tokens`.
#[derive(Debug)]
pub struct MessagesAnswers;

#[derive(Deserialize)]
struct ReplyBody<'a> {
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

impl Answers for MessagesAnswers {
    fn stream(&self, _choices: usize) -> Box<dyn StreamReader> {
        Box::new(MessagesStream::default())
    }

    fn read_reply(&self, body: &[u8]) -> Result<Reply, Malformed> {
        let reply: ReplyBody<'_> = read_object(body)?;
        Ok(Reply {
            usage: reply.usage.and_then(usage::read_anthropic).unwrap_or_default(),
            error: None,
        })
    }

    fn read_tail(&self, tail: &[u8]) -> Result<Usage, Malformed> {
        Ok(usage::in_tail(tail)?.and_then(usage::read_anthropic).unwrap_or_default())
    }

    fn in_band_error(&self, error: &ErrorView<'_>) -> Bytes {
        encode_event(Some("error"), &Anthropic.write_error(error))
    }

    fn end_marker(&self) -> &'static [u8] {
        b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
    }

    fn keep_alive(&self) -> &'static [u8] {
        b"event: ping\ndata: {\"type\":\"ping\"}\n\n"
    }
}

#[derive(Default)]
struct MessagesStream {
    finished: bool,
    structured: bool,
    counts: AnthropicUsage,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    content_block: Option<Block<'a>>,
    #[serde(borrow, default)]
    message: Option<ReplyBody<'a>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    // Raw, because `Option<Cow<str>>` always copies: `borrow` does not reach into the option.
    #[serde(borrow, default)]
    stop_reason: Option<&'a RawValue>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    thinking: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
}

impl StreamReader for MessagesStream {
    fn read_noting(
        &mut self,
        _name: Option<&str>,
        data: &[u8],
        notes: Option<&mut Notes>,
    ) -> Result<Meaning, Malformed> {
        let event: Event<'_> = read_object(data)?;
        if let Some(notes) = notes {
            note(&event, notes);
        }
        let counts = event.message.and_then(|message| message.usage).or(event.usage);
        if let Some(counts) = counts {
            self.counts.update(counts);
        }
        Ok(match &*event.kind {
            "content_block_start" => self.open(event.content_block),
            "content_block_delta" => {
                event.delta.map_or(Meaning::Preamble, |delta| read_delta(&delta))
            }
            "content_block_stop" => {
                self.structured = false;
                Meaning::Preamble
            }
            "message_delta" => {
                self.finished |= event.delta.is_some_and(|delta| delta.stop_reason.is_some());
                if self.finished { Meaning::Finished } else { Meaning::Preamble }
            }
            "message_stop" => {
                // Some servers leave the stop reason out.
                self.finished = true;
                Meaning::End
            }
            "error" => {
                let body = event.error.map_or("", RawValue::get);
                Meaning::Error(openai::read_error(format!("{{\"error\":{body}}}").as_bytes()))
            }
            _ => Meaning::Preamble,
        })
    }

    fn finished(&self) -> bool {
        self.finished
    }

    fn structured(&self) -> bool {
        self.structured
    }

    fn usage(&self) -> Usage {
        self.counts.into()
    }
}

impl MessagesStream {
    fn open(&mut self, block: Option<Block<'_>>) -> Meaning {
        let kind = block.map(|block| block.kind).unwrap_or_default();
        // A thinking block carries a signature, which a lost event would break.
        self.structured = matches!(&*kind, "tool_use" | "thinking" | "redacted_thinking");
        match &*kind {
            // A call without arguments may consist of its start alone.
            "tool_use" => Meaning::Structured,
            "thinking" | "redacted_thinking" | "server_tool_use" => Meaning::Thinking,
            kind if kind.ends_with("_tool_result") => Meaning::Thinking,
            _ => Meaning::Preamble,
        }
    }
}

/// Writes down what would have to be known to go on with the stream.
fn note(event: &Event<'_>, notes: &mut Notes) {
    match &*event.kind {
        "content_block_delta" => match &event.delta {
            Some(Delta { kind, text: Some(text), .. }) if kind == "text_delta" => notes.text(text),
            Some(Delta { kind, thinking: Some(text), .. }) if kind == "thinking_delta" => {
                notes.thinking(text);
            }
            Some(Delta { kind, .. }) if kind == "citations_delta" => {
                notes.bar(Unresumable::Citations);
            }
            _ => {}
        },
        "content_block_start" => {
            let kind = event.content_block.as_ref().map_or("", |block| &*block.kind);
            match kind {
                "text" | "thinking" | "redacted_thinking" => notes.block_begins(kind != "text"),
                "tool_use" => notes.bar(Unresumable::ToolCall),
                _ => notes.bar(Unresumable::HostedTool),
            }
        }
        "content_block_stop" => notes.block_ends(),
        "ping" => notes.skip(),
        _ => {}
    }
}

fn read_delta(delta: &Delta<'_>) -> Meaning {
    match &*delta.kind {
        "text_delta" if delta.text.is_some_and(|text| text.get() == "\"\"") => Meaning::Preamble,
        "text_delta" | "citations_delta" => Meaning::Output,
        "input_json_delta" => Meaning::Structured,
        "thinking_delta" | "signature_delta" => Meaning::Thinking,
        _ => Meaning::Preamble,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_event_by_event() {
        let mut reader = MessagesAnswers.stream(1);
        let events = [
            (
                r#"{"type":"message_start","message":{"usage":{"input_tokens":9,"output_tokens":1}}}"#,
                Meaning::Preamble,
            ),
            (r#"{"type":"ping"}"#, Meaning::Preamble),
            (
                r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking"}}"#,
                Meaning::Thinking,
            ),
            (
                r#"{"type":"content_block_delta","delta":{"type":"signature_delta","signature":"s"}}"#,
                Meaning::Thinking,
            ),
            (r#"{"type":"content_block_stop","index":0}"#, Meaning::Preamble),
            (
                r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
                Meaning::Preamble,
            ),
            (
                r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"Hi"}}"#,
                Meaning::Output,
            ),
            (
                r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":""}}"#,
                Meaning::Preamble,
            ),
            (r#"{"type":"message_delta","delta":{"stop_reason":null}}"#, Meaning::Preamble),
            (r#"{"type":"some_future_event"}"#, Meaning::Preamble),
            (
                r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":4}}"#,
                Meaning::Finished,
            ),
            (r#"{"type":"message_stop"}"#, Meaning::End),
        ];
        for (data, expected) in events {
            assert_eq!(reader.read(None, data.as_bytes()), Ok(expected), "{data}");
        }
        assert!(reader.finished() && !reader.structured());
        assert_eq!((reader.usage().input, reader.usage().output), (Some(9), Some(4)));
    }

    #[test]
    fn input_that_is_repeated_alone_keeps_the_caches_share() {
        let mut reader = MessagesAnswers.stream(1);
        for data in [
            r#"{"type":"message_start","message":{"usage":{"input_tokens":10,"cache_read_input_tokens":90}}}"#,
            r#"{"type":"message_delta","delta":{},"usage":{"input_tokens":12,"output_tokens":4}}"#,
        ] {
            reader.read(None, data.as_bytes()).expect("valid");
        }
        assert_eq!((reader.usage().input, reader.usage().cached_input), (Some(102), Some(90)));
    }

    #[test]
    fn an_error_event_is_an_error() {
        let data =
            br#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        let meaning = MessagesAnswers.stream(1).read(Some("error"), data).expect("valid");
        assert!(matches!(meaning, Meaning::Error(facts) if facts.kind == "overloaded_error"));
    }
}
