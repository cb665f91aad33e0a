//! OpenAI's APIs: chat completions, completions, embeddings, responses.
//!
//! Sources: OpenAI API reference (chat, completions, embeddings, responses, errors) and the official
//! SDKs, which raise on any stream event that holds an `error`.

pub mod chat;
mod completions;
pub(super) mod member;
mod responses;

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::error::{ErrorFacts, ErrorView};
use super::registry::ProtocolId;
use super::{Malformed, Protocol, Reply, read_object, usage};

pub use chat::{ChatAnswers, ChatDialect};
pub use completions::CompletionsDialect;
pub use responses::{ResponsesAnswers, ResponsesDialect};

/// OpenAI's protocol.
#[derive(Debug)]
pub struct OpenAi;

impl Protocol for OpenAi {
    fn id(&self) -> ProtocolId {
        ProtocolId::OpenAi
    }

    fn write_error(&self, error: &ErrorView<'_>) -> Bytes {
        let body = json!({"error": {
            "message": error.message,
            "type": error_type(error.status),
            "param": error.param,
            "code": error.code,
        }});
        Bytes::from(body.to_string())
    }

    fn read_error(&self, body: &[u8]) -> ErrorFacts {
        read_error(body)
    }
}

/// `error.type` for a status, as OpenAI's error reference has it.
fn error_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        503 | 529 => "service_unavailable_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

#[derive(Deserialize)]
struct ErrorBody<'a> {
    #[serde(borrow)]
    error: &'a RawValue,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ErrorMembers<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
}

/// Reads `{"error": {...}}`, `{"error": "text"}` and, for anything else, its beginning as text.
/// Anthropic's error body has the same members in the same place.
pub(super) fn read_error(body: &[u8]) -> ErrorFacts {
    match serde_json::from_slice::<ErrorBody<'_>>(body) {
        Ok(body) => read_error_object(body.error),
        Err(_) => ErrorFacts::unstructured(body),
    }
}

fn read_error_object(error: &RawValue) -> ErrorFacts {
    // A code may be a number, a string or null; a whole error may be just a string.
    fn text(raw: Option<&RawValue>) -> String {
        let raw = raw.map_or("", RawValue::get);
        match serde_json::from_str::<String>(raw) {
            Ok(text) => text,
            Err(_) if raw == "null" => String::new(),
            Err(_) => raw.to_owned(),
        }
    }
    let facts = match serde_json::from_str::<ErrorMembers<'_>>(error.get()) {
        Ok(members) => ErrorFacts {
            kind: text(members.kind),
            code: text(members.code),
            message: text(members.message),
            retry_after: None,
        },
        Err(_) => ErrorFacts { message: text(Some(error)), ..ErrorFacts::default() },
    };
    facts.shortened()
}

/// Whether a raw member holds something: not absent, not empty, not null.
fn is_filled(raw: Option<&RawValue>) -> bool {
    raw.is_some_and(|raw| !matches!(raw.get(), "null" | "\"\"" | "[]" | "{}" | "false"))
}

#[derive(Deserialize)]
struct ReplyBody<'a> {
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// Reads the plain reply of any of OpenAI's operations.
fn read_reply(body: &[u8]) -> Result<Reply, Malformed> {
    let reply: ReplyBody<'_> = read_object(body)?;
    Ok(Reply {
        usage: reply.usage.and_then(usage::read_openai).unwrap_or_default(),
        error: reply.error.filter(|raw| is_filled(Some(raw))).map(read_error_object),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_every_known_shape_are_read() {
        let cases = [
            (r#"{"error":{"message":"m","type":"t","code":"c"}}"#, ("t", "c", "m")),
            (r#"{"error":{"message":"m","code":429,"type":null}}"#, ("", "429", "m")),
            (r#"{"error":"just text"}"#, ("", "", "just text")),
            ("<html>bad gateway</html>", ("", "", "<html>bad gateway</html>")),
            ("", ("", "", "")),
        ];
        for (body, (kind, code, message)) in cases {
            let facts = read_error(body.as_bytes());
            assert_eq!((&*facts.kind, &*facts.code, &*facts.message), (kind, code, message));
        }
    }

    #[test]
    fn an_error_under_a_status_of_success_is_seen() {
        let reply = read_reply(br#"{"error":{"message":"no","code":502}}"#).expect("an object");
        assert_eq!(reply.error.map(|error| error.code).as_deref(), Some("502"));
        assert_eq!(read_reply(br#"{"id":"x","error":null}"#).expect("an object").error, None);
        assert_eq!(read_reply(b"<html>"), Err(Malformed));
    }
}
