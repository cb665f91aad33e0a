//! Anthropic's Messages API.
//!
//! Sources: Anthropic API reference (messages, streaming, errors) and the official SDKs. Events are
//! named, unknown ones are to be ignored, and `ping` may come at any time.

mod answers;
mod messages;

use bytes::Bytes;
use http::StatusCode;
use serde_json::json;

use super::error::{ErrorFacts, ErrorView};
use super::registry::ProtocolId;
use super::{Protocol, openai};

pub use answers::MessagesAnswers;
pub use messages::MessagesDialect;

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
