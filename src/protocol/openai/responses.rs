//! The Responses API: named events, ended by `response.completed`, `.incomplete` or `.failed`.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::{is_filled, read_error_object, read_reply};
use crate::protocol::error::{ErrorFacts, ErrorView};
use crate::protocol::stream::{Meaning, StreamReader};
use crate::protocol::usage::{self, Usage};
use crate::protocol::{Answers, Malformed, Reply, read_object};

/// Answers to `/v1/responses`.
#[derive(Debug)]
pub struct ResponsesAnswers;

impl Answers for ResponsesAnswers {
    fn stream(&self, _choices: usize) -> Box<dyn StreamReader> {
        Box::new(ResponsesStream::default())
    }

    fn read_reply(&self, body: &[u8]) -> Result<Reply, Malformed> {
        // A response that failed is an object with a status of its own, and its `error` member is
        // the caller's to read; the HTTP exchange succeeded.
        read_reply(body).map(|reply| Reply { error: None, ..reply })
    }

    fn in_band_error(&self, error: &ErrorView<'_>) -> Bytes {
        let body = json!({
            "type": "error",
            "code": error.code,
            "message": error.message,
            "param": null,
        });
        format!("event: error\ndata: {body}\n\n").into()
    }

    fn end_marker(&self) -> &'static [u8] {
        // The terminal event is the end: nothing follows it.
        b""
    }

    fn keep_alive(&self) -> &'static [u8] {
        b": keep-alive\n\n"
    }
}

#[derive(Default)]
struct ResponsesStream {
    ended: bool,
    structured: bool,
    usage: Usage,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", default)]
    kind: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    response: Option<ResponseMembers<'a>>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    item: Option<Item<'a>>,
}

#[derive(Deserialize)]
struct ResponseMembers<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: std::borrow::Cow<'a, str>,
}

impl StreamReader for ResponsesStream {
    fn read(&mut self, _name: Option<&str>, data: &[u8]) -> Result<Meaning, Malformed> {
        // No part of this API, but some servers end every stream so.
        if data.trim_ascii() == b"[DONE]" {
            return Ok(if self.ended { Meaning::End } else { Meaning::Preamble });
        }
        let event: Event<'_> = read_object(data)?;
        let kind = &*event.kind;
        Ok(match kind {
            "response.completed" | "response.incomplete" | "response.failed" => {
                self.close(kind, event.response)
            }
            "error" => Meaning::Error(error_of(&event)),
            "response.created" | "response.in_progress" | "response.queued" => Meaning::Preamble,
            "response.output_item.added" => {
                let kind = event.item.map(|item| item.kind).unwrap_or_default();
                self.structured |= kind.ends_with("_call");
                // An item's shell holds no output; a hosted tool's shell means that work has begun.
                if kind.ends_with("_call") && kind != "function_call" {
                    Meaning::Thinking
                } else {
                    Meaning::Preamble
                }
            }
            "response.content_part.added" | "response.reasoning_summary_part.added" => {
                Meaning::Preamble
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.structured = true;
                Meaning::Structured
            }
            kind if kind.starts_with("response.reasoning") => Meaning::Thinking,
            // `response.web_search_call.searching` and its like.
            kind if kind.contains("_call.") => Meaning::Thinking,
            _ => Meaning::Output,
        })
    }

    fn finished(&self) -> bool {
        self.ended
    }

    fn structured(&self) -> bool {
        self.structured
    }

    fn usage(&self) -> Usage {
        self.usage
    }
}

impl ResponsesStream {
    fn close(&mut self, kind: &str, response: Option<ResponseMembers<'_>>) -> Meaning {
        let Some(response) = response else {
            self.ended = true;
            return Meaning::End;
        };
        if let Some(usage) = response.usage.and_then(usage::read_openai) {
            self.usage.update(usage);
        }
        match response.error.filter(|raw| kind == "response.failed" && is_filled(Some(raw))) {
            Some(error) => Meaning::Error(read_error_object(error)),
            None => {
                self.ended = true;
                Meaning::End
            }
        }
    }
}

/// The members of an `error` event stand at its top level; some servers nest them.
fn error_of(event: &Event<'_>) -> ErrorFacts {
    let text = |raw: Option<&RawValue>| {
        raw.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok()).unwrap_or_default()
    };
    match event.error {
        Some(error) if is_filled(Some(error)) => read_error_object(error),
        _ => ErrorFacts {
            kind: "error".into(),
            code: text(event.code),
            message: text(event.message),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_event_by_event() {
        let mut reader = ResponsesAnswers.stream(1);
        let mut read = |data: &str| reader.read(None, data.as_bytes()).expect("valid");
        assert_eq!(read(r#"{"type":"response.created","response":{}}"#), Meaning::Preamble);
        assert_eq!(
            read(r#"{"type":"response.output_item.added","item":{"type":"message"}}"#),
            Meaning::Preamble
        );
        assert_eq!(
            read(r#"{"type":"response.reasoning_summary_text.delta","delta":"x"}"#),
            Meaning::Thinking
        );
        assert_eq!(read(r#"{"type":"response.output_text.delta","delta":"x"}"#), Meaning::Output);
        assert_eq!(
            read(
                r#"{"type":"response.completed","response":{"error":null,"usage":{"input_tokens":2,"output_tokens":1}}}"#
            ),
            Meaning::End
        );
        assert!(reader.finished());
        assert_eq!(reader.usage().input, Some(2));
    }

    #[test]
    fn both_kinds_of_failure_are_errors() {
        let mut reader = ResponsesAnswers.stream(1);
        for data in [
            r#"{"type":"error","code":"server_error","message":"no"}"#,
            r#"{"type":"response.failed","response":{"error":{"code":"server_error","message":"no"}}}"#,
        ] {
            let meaning = reader.read(Some("error"), data.as_bytes()).expect("valid");
            assert!(
                matches!(&meaning, Meaning::Error(facts) if facts.code == "server_error"),
                "{meaning:?}"
            );
        }
        assert!(!reader.finished());
    }
}
