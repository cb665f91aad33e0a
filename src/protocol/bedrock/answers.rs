//! Answers that pass as they are, to a client that speaks Converse too.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::wire::read_usage;
use super::{is_exception, read_exception};
use crate::protocol::error::ErrorView;
use crate::protocol::stream::{Meaning, StreamReader};
use crate::protocol::transcript::{Notes, Unresumable};
use crate::protocol::usage::{self, Usage};
use crate::protocol::{Answers, Malformed, Reply, read_object};
use crate::wire::event_stream::encode_exception;

/// Answers to `converse` and `converse-stream`. Frames of streams are binary.
#[derive(Debug)]
pub struct ConverseAnswers;

#[derive(Deserialize)]
struct ReplyBody<'a> {
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

impl Answers for ConverseAnswers {
    fn stream(&self, _choices: usize) -> Box<dyn StreamReader> {
        Box::new(ConverseStream::default())
    }

    fn read_reply(&self, body: &[u8]) -> Result<Reply, Malformed> {
        let reply: ReplyBody<'_> = read_object(body)?;
        Ok(Reply { usage: reply.usage.and_then(read_usage).unwrap_or_default(), error: None })
    }

    fn read_tail(&self, tail: &[u8]) -> Result<Usage, Malformed> {
        Ok(usage::in_tail(tail)?.and_then(read_usage).unwrap_or_default())
    }

    fn in_band_error(&self, error: &ErrorView<'_>) -> Bytes {
        // The names of the exceptions that a stream may hold.
        let name = match error.status.as_u16() {
            400..=423 if error.status.as_u16() != 408 => "validationException",
            424 => "modelStreamErrorException",
            429 => "throttlingException",
            503 | 529 => "serviceUnavailableException",
            _ => "internalServerException",
        };
        encode_exception(name, json!({"message": error.message}).to_string().as_bytes())
    }

    fn end_marker(&self) -> &'static [u8] {
        // `messageStop` is the end; the counts behind it cannot be made up.
        b""
    }

    fn keep_alive(&self) -> &'static [u8] {
        // The API has no event without meaning, and SDKs hand unknown ones to their users.
        b""
    }
}

#[derive(Default)]
struct ConverseStream {
    finished: bool,
    structured: bool,
    usage: Usage,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow, default)]
    start: Option<Start<'a>>,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start<'a> {
    #[serde(borrow, default)]
    tool_use: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delta<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_use: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    citation: Option<&'a RawValue>,
}

impl StreamReader for ConverseStream {
    fn read_noting(
        &mut self,
        name: Option<&str>,
        data: &[u8],
        notes: Option<&mut Notes>,
    ) -> Result<Meaning, Malformed> {
        let name = name.unwrap_or_default();
        if is_exception(name) {
            return Ok(Meaning::Error(read_exception(name, data)));
        }
        Ok(match name {
            "contentBlockStart" => {
                let payload: Payload<'_> = read_object(data)?;
                if let Some(notes) = notes {
                    let call = payload.start.as_ref().is_some_and(|start| start.tool_use.is_some());
                    notes.bar(if call { Unresumable::ToolCall } else { Unresumable::Media });
                }
                self.structured = payload.start.is_some_and(|start| start.tool_use.is_some());
                // A call without arguments may consist of its start alone.
                if self.structured { Meaning::Structured } else { Meaning::Preamble }
            }
            "contentBlockDelta" => {
                let payload: Payload<'_> = read_object(data)?;
                if let (Some(notes), Some(delta)) = (notes, &payload.delta) {
                    note(delta, notes);
                }
                payload.delta.map_or(Meaning::Preamble, |delta| self.delta(&delta))
            }
            "contentBlockStop" => {
                self.structured = false;
                if let Some(notes) = notes {
                    notes.block_ends();
                }
                Meaning::Preamble
            }
            "messageStop" => {
                self.finished = true;
                Meaning::Finished
            }
            "metadata" => {
                let payload: Payload<'_> = read_object(data)?;
                self.usage.update(payload.usage.and_then(read_usage).unwrap_or_default());
                if self.finished { Meaning::End } else { Meaning::Preamble }
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

/// Writes down what would have to be known to go on with the stream.
fn note(delta: &Delta<'_>, notes: &mut Notes) {
    if delta.tool_use.is_some() {
        notes.bar(Unresumable::ToolCall);
    } else if delta.citation.is_some() {
        notes.bar(Unresumable::Citations);
    } else if delta.reasoning_content.is_some() {
        // Its kinds lie deeper than this reader looks.
        notes.block_begins(true);
    } else if let Some(text) = delta.text {
        notes.text(text);
    } else {
        notes.bar(Unresumable::Media);
    }
}

impl ConverseStream {
    fn delta(&mut self, delta: &Delta<'_>) -> Meaning {
        if delta.tool_use.is_some() {
            return Meaning::Structured;
        }
        if delta.reasoning_content.is_some() {
            // It carries a signature, which a lost event would break.
            self.structured = true;
            return Meaning::Thinking;
        }
        match delta.text {
            Some(text) if text.get() == "\"\"" => Meaning::Preamble,
            Some(_) => Meaning::Output,
            None if delta.citation.is_some() => Meaning::Output,
            None => Meaning::Preamble,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::wire::event_stream::EventStreamParser;

    #[test]
    fn a_stream_is_read_event_by_event() {
        let mut reader = ConverseAnswers.stream(1);
        let events = [
            ("messageStart", r#"{"role":"assistant"}"#, Meaning::Preamble),
            (
                "contentBlockDelta",
                r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}}}"#,
                Meaning::Thinking,
            ),
            ("contentBlockStop", r#"{"contentBlockIndex":0}"#, Meaning::Preamble),
            ("contentBlockDelta", r#"{"delta":{"text":""}}"#, Meaning::Preamble),
            ("contentBlockDelta", r#"{"delta":{"text":"Hi"},"p":"abc"}"#, Meaning::Output),
            (
                "contentBlockStart",
                r#"{"start":{"toolUse":{"toolUseId":"a","name":"f"}}}"#,
                Meaning::Structured,
            ),
            ("contentBlockDelta", r#"{"delta":{"toolUse":{"input":"{}"}}}"#, Meaning::Structured),
            ("contentBlockStop", "{}", Meaning::Preamble),
            ("someFutureEvent", "?", Meaning::Preamble),
            ("messageStop", r#"{"stopReason":"tool_use"}"#, Meaning::Finished),
            (
                "metadata",
                r#"{"usage":{"inputTokens":3,"cacheReadInputTokens":4,"outputTokens":5}}"#,
                Meaning::End,
            ),
        ];
        for (name, data, expected) in events {
            assert_eq!(reader.read(Some(name), data.as_bytes()), Ok(expected), "{name} {data}");
        }
        assert!(reader.finished() && !reader.structured());
        assert_eq!((reader.usage().input, reader.usage().output), (Some(7), Some(5)));
    }

    #[test]
    fn our_own_error_is_read_as_one() {
        let view = ErrorView {
            status: StatusCode::BAD_GATEWAY,
            code: "provider_failed",
            message: "broke off",
            param: None,
            request_id: "r",
        };
        let mut parser = EventStreamParser::new(1000);
        parser.feed(ConverseAnswers.in_band_error(&view));
        let frame = parser.next_frame().expect("valid").expect("whole");
        let meaning = ConverseAnswers.stream(1).read(frame.event(), frame.data()).expect("valid");
        let Meaning::Error(facts) = meaning else { panic!("an error") };
        assert_eq!((&*facts.kind, &*facts.message), ("internalServerException", "broke off"));
    }
}
