//! The Responses API: named events, ended by `response.completed`, `.incomplete` or `.failed`.

mod body;
mod dialect;
mod fields;
mod request;
mod sealed;
mod stream;

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::{is_filled, read_error_object, read_reply};
use crate::protocol::error::{ErrorFacts, ErrorView};
use crate::protocol::stream::{Meaning, StreamReader};
use crate::protocol::transcript::{Notes, Unresumable};
use crate::protocol::usage::{self, Usage};
use crate::protocol::{Answers, Malformed, Reply, read_object};
use crate::wire::sse::{KEEP_ALIVE, encode_event};

pub use dialect::ResponsesDialect;

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

    fn read_tail(&self, tail: &[u8]) -> Result<Usage, Malformed> {
        Ok(usage::in_tail(tail)?.and_then(usage::read_openai).unwrap_or_default())
    }

    fn in_band_error(&self, error: &ErrorView<'_>) -> Bytes {
        let body = json!({
            "type": "error",
            "code": error.code,
            "message": error.message,
            "param": null,
        });
        encode_event(Some("error"), body.to_string().as_bytes())
    }

    fn end_marker(&self) -> &'static [u8] {
        // The terminal event is the end: nothing follows it.
        b""
    }

    fn keep_alive(&self) -> &'static [u8] {
        KEEP_ALIVE
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
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
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
    #[serde(default)]
    sequence_number: Option<u64>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
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
    kind: Cow<'a, str>,
}

impl StreamReader for ResponsesStream {
    fn read_noting(
        &mut self,
        _name: Option<&str>,
        data: &[u8],
        notes: Option<&mut Notes>,
    ) -> Result<Meaning, Malformed> {
        // No part of this API, but some servers end every stream so.
        if data.trim_ascii() == b"[DONE]" {
            return Ok(if self.ended { Meaning::End } else { Meaning::Preamble });
        }
        let event: Event<'_> = read_object(data)?;
        let kind = &*event.kind;
        if let Some(notes) = notes {
            note(&event, notes);
        }
        Ok(match kind {
            "response.completed" | "response.incomplete" => self.close(event.response.as_ref()),
            "response.failed" => self.fail(event.response.as_ref()),
            "error" => Meaning::Error(error_of(event.error, event.code, event.message)),
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
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.structured = true;
                Meaning::Structured
            }
            "response.reasoning_summary_part.added" => Meaning::Preamble,
            kind if kind.starts_with("response.reasoning") => Meaning::Thinking,
            // `response.web_search_call.searching` and its like.
            kind if kind.contains("_call.") || kind.starts_with("response.mcp_list_tools.") => {
                Meaning::Thinking
            }
            "response.output_text.annotation.added" => Meaning::Output,
            // What carries output says so in its name. `response.created`, the shells of parts and
            // whatever is sent to keep a connection alive do not: they are no progress.
            kind => match kind.rsplit_once('.') {
                Some((_, "delta" | "done")) => Meaning::Output,
                _ => Meaning::Preamble,
            },
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

/// Writes down what would have to be known to go on with the stream.
fn note(event: &Event<'_>, notes: &mut Notes) {
    // An error does not reach the client while somebody may go on.
    let reaches = !matches!(&*event.kind, "error" | "response.failed");
    if let Some(number) = event.sequence_number.filter(|_| reaches) {
        notes.number(number);
    }
    match &*event.kind {
        "response.output_text.delta" => {
            if let Some(text) = event.delta {
                notes.text(text);
            }
        }
        "response.output_item.added" => match event.item.as_ref().map_or("", |item| &*item.kind) {
            "message" | "reasoning" => {}
            "function_call" | "custom_tool_call" => notes.bar(Unresumable::ToolCall),
            _ => notes.bar(Unresumable::HostedTool),
        },
        "response.output_text.annotation.added" => notes.bar(Unresumable::Citations),
        // Its parts are closed one after the other, and the writer knows them open or closed only.
        "response.output_text.done" => notes.bar(Unresumable::Ended),
        kind if kind.starts_with("response.refusal.") => notes.bar(Unresumable::Refusal),
        // They repeat what `response.created` said.
        "response.in_progress" | "response.queued" => notes.skip(),
        _ => {}
    }
}

impl ResponsesStream {
    fn close(&mut self, response: Option<&ResponseMembers<'_>>) -> Meaning {
        self.count(response);
        self.ended = true;
        Meaning::End
    }

    fn fail(&mut self, response: Option<&ResponseMembers<'_>>) -> Meaning {
        self.count(response);
        let error = response.and_then(|response| response.error);
        Meaning::Error(failure_of(error))
    }

    fn count(&mut self, response: Option<&ResponseMembers<'_>>) {
        let usage = response.and_then(|response| response.usage).and_then(usage::read_openai);
        if let Some(usage) = usage {
            self.usage.update(usage);
        }
    }
}

/// The `error` of a response that failed, which may say nothing.
fn failure_of(error: Option<&RawValue>) -> ErrorFacts {
    match error.filter(|raw| is_filled(Some(raw))) {
        Some(error) => read_error_object(error),
        None => ErrorFacts { kind: "response.failed".into(), ..ErrorFacts::default() },
    }
}

/// The members of an `error` event stand at its top level; some servers nest them.
fn error_of(
    error: Option<&RawValue>,
    code: Option<&RawValue>,
    message: Option<&RawValue>,
) -> ErrorFacts {
    let text = |raw: Option<&RawValue>| {
        raw.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok()).unwrap_or_default()
    };
    match error {
        Some(error) if is_filled(Some(error)) => read_error_object(error),
        _ => ErrorFacts {
            kind: "error".into(),
            code: text(code),
            message: text(message),
            retry_after: None,
        }
        .shortened(),
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

    #[test]
    fn a_failure_without_an_error_is_a_failure() {
        for data in [
            r#"{"type":"response.failed"}"#,
            r#"{"type":"response.failed","response":{"error":null,"usage":{"input_tokens":3}}}"#,
        ] {
            let mut reader = ResponsesAnswers.stream(1);
            let meaning = reader.read(None, data.as_bytes()).expect("valid");
            assert!(matches!(meaning, Meaning::Error(_)), "{data}: {meaning:?}");
            assert!(!reader.finished());
        }
    }

    #[test]
    fn only_what_carries_output_is_progress() {
        let cases = [
            ("response.created", Meaning::Preamble),
            ("response.queued", Meaning::Preamble),
            ("response.content_part.added", Meaning::Preamble),
            ("response.reasoning_summary_part.added", Meaning::Preamble),
            ("response.keep_alive", Meaning::Preamble),
            ("keepalive", Meaning::Preamble),
            ("ping", Meaning::Preamble),
            ("", Meaning::Preamble),
            ("response.refusal.delta", Meaning::Output),
            ("response.output_text.done", Meaning::Output),
            ("response.output_text.annotation.added", Meaning::Output),
            ("response.image_generation_call.partial_image", Meaning::Thinking),
            ("response.mcp_list_tools.in_progress", Meaning::Thinking),
        ];
        for (kind, expected) in cases {
            let data = format!("{{\"type\":\"{kind}\"}}");
            let meaning = ResponsesAnswers.stream(1).read(None, data.as_bytes());
            assert_eq!(meaning, Ok(expected), "{kind}");
        }
    }
}
