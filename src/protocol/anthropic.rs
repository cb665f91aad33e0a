//! Anthropic's Messages API.
//!
//! Sources: Anthropic API reference (messages, streaming, errors) and the official SDKs. Events are
//! named, unknown ones are to be ignored, and `ping` may come at any time.

use std::borrow::Cow;

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::error::{ErrorFacts, ErrorView};
use super::registry::ProtocolId;
use super::stream::{Meaning, StreamReader};
use super::usage::{self, Usage};
use super::{Answers, Malformed, Protocol, Reply, openai, read_object};
use crate::wire::sse::encode_event;

/// Anthropic's protocol.
#[derive(Debug)]
pub struct Anthropic;

impl Protocol for Anthropic {
    fn id(&self) -> ProtocolId {
        ProtocolId::Anthropic
    }

    fn write_error(&self, error: &ErrorView<'_>) -> Bytes {
        let body = json!({
            "type": "error",
            "error": {"type": error_type(error.status), "message": error.message},
            "request_id": error.request_id,
        });
        Bytes::from(body.to_string())
    }

    fn read_error(&self, body: &[u8]) -> ErrorFacts {
        // `error.type` and `error.message` stand where OpenAI has them.
        openai::read_error(body)
    }
}

/// `error.type` for a status, as Anthropic's error reference has it.
fn error_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
        408 | 504 => "timeout_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

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
    usage: Usage,
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
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
}

impl StreamReader for MessagesStream {
    fn read(&mut self, _name: Option<&str>, data: &[u8]) -> Result<Meaning, Malformed> {
        let event: Event<'_> = read_object(data)?;
        let counts = event.message.and_then(|message| message.usage).or(event.usage);
        if let Some(usage) = counts.and_then(usage::read_anthropic) {
            self.usage.update(usage);
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
        self.usage
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
    fn an_error_event_is_an_error() {
        let data =
            br#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        let meaning = MessagesAnswers.stream(1).read(Some("error"), data).expect("valid");
        assert!(matches!(meaning, Meaning::Error(facts) if facts.kind == "overloaded_error"));
    }
}
