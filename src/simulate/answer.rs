//! What an endpoint answers, before any fault touches it.

use http::StatusCode;
use serde::Serialize;
use serde_json::json;

use super::{bedrock, cloud, frames::Frames};

/// The API whose shapes an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speech {
    /// OpenAI's, except for streams of responses.
    OpenAi,
    /// OpenAI's responses: as [`Speech::OpenAi`], but stream events have names.
    Responses,
    /// Anthropic's.
    Anthropic,
    /// Amazon Bedrock's. Streams are binary.
    Bedrock,
    /// Google's.
    Gemini,
    /// Bedrock's invoke: its errors, and Anthropic's events in its frames.
    Invoke,
    /// Vertex AI's door to Claude: Google's errors and Anthropic's events.
    RawPredict,
    /// Vertex AI's OpenAI-compatible door: Google's errors, in a list, and OpenAI's events.
    OpenApi,
}

/// A healthy answer.
#[derive(Debug)]
pub(super) enum Answer {
    /// One JSON document.
    Plain(Vec<u8>),
    /// Metrics in Prometheus' text format.
    Metrics(Vec<u8>),
    /// One JSON document, and how many tokens a header says that it cost (Bedrock).
    Counted(Vec<u8>, usize),
    /// A stream of events.
    Events(Frames),
}

impl Answer {
    pub(super) fn json(value: &impl Serialize) -> Self {
        Self::Plain(to_json(value))
    }
}

/// An error that the API would answer with.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// `error.type`; by status when none.
    pub(super) kind: Option<String>,
    /// `error.code`; by status when none.
    pub(super) code: Option<String>,
    /// The request field at fault.
    pub(super) param: Option<&'static str>,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, kind: None, code: None, param: None, message: message.into() }
    }

    /// A request that makes no sense.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// A field that is missing or makes no sense.
    pub(super) fn field(param: &'static str, message: impl Into<String>) -> Self {
        Self { param: Some(param), ..Self::invalid(message) }
    }

    pub(super) fn with_code(mut self, code: &str) -> Self {
        self.code = Some(code.to_owned());
        self
    }
}

impl Speech {
    /// The body of an error.
    pub(super) fn error(self, refusal: &Refusal, request_id: &str) -> Vec<u8> {
        let Refusal { param, message, .. } = refusal;
        let kind = refusal.kind.as_deref().unwrap_or_else(|| self.kind(refusal.status));
        match self {
            Self::OpenAi | Self::Responses => {
                let code = refusal.code.as_deref().or_else(|| code(refusal.status));
                to_json(&json!({"error":
                    {"message": message, "type": kind, "param": param, "code": code}}))
            }
            Self::Anthropic => to_json(&json!({"type": "error",
                "error": {"type": kind, "message": message}, "request_id": request_id})),
            Self::Bedrock | Self::Invoke => to_json(&json!({"message": message})),
            Self::OpenApi => [b"[", &*Self::Gemini.error(refusal, request_id), b"]"].concat(),
            Self::Gemini | Self::RawPredict => {
                let info = |reason: &String| {
                    json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": reason, "domain": "googleapis.com"})
                };
                let details: Vec<_> = refusal.code.iter().map(info).collect();
                to_json(&json!({"error": {"code": refusal.status.as_u16(), "message": message,
                    "status": kind, "details": details}}))
            }
        }
    }

    /// The event after so many that says that the answer failed.
    pub(super) fn error_event(self, refusal: &Refusal, request_id: &str, after: usize) -> Vec<u8> {
        match self {
            Self::OpenAi | Self::Gemini => event("", &self.error(refusal, request_id)),
            Self::OpenApi => Self::OpenAi.error_event(refusal, request_id, after),
            Self::RawPredict => Self::Anthropic.error_event(refusal, request_id, after),
            Self::Responses => {
                let code = refusal.code.as_deref().or_else(|| code(refusal.status));
                let error = json!({"type": "error", "code": code.unwrap_or("server_error"),
                    "message": refusal.message, "param": refusal.param, "sequence_number": after});
                event("event: error\n", &to_json(&error))
            }
            Self::Anthropic => event("event: error\n", &self.error(refusal, request_id)),
            Self::Bedrock | Self::Invoke => bedrock::frame::exception(
                bedrock::exception(refusal.status),
                &self.error(refusal, request_id),
            ),
        }
    }

    /// An event whose data is no JSON.
    pub(super) fn garbage_event(self) -> Vec<u8> {
        let garbage = b"{\"garbage\": <<<";
        match self {
            Self::OpenAi | Self::Gemini | Self::OpenApi => event("", garbage),
            Self::Responses => event("event: response.output_text.delta\n", garbage),
            Self::Anthropic | Self::RawPredict => event("event: content_block_delta\n", garbage),
            Self::Invoke => cloud::chunk(garbage),
            Self::Bedrock => bedrock::frame::event("contentBlockDelta", garbage),
        }
    }

    /// A legal event without content whose data has at least `bytes` bytes.
    pub(super) fn huge_event(self, bytes: usize) -> Vec<u8> {
        let padding = "x".repeat(bytes);
        match self {
            Self::OpenAi | Self::OpenApi => event(
                "",
                &to_json(&json!({
                "id": "chatcmpl-huge", "object": "chat.completion.chunk", "created": 0,
                "model": "huge", "choices": [], "obfuscation": padding})),
            ),
            Self::Responses => event(
                "event: keepalive\n",
                &to_json(&json!({
                "type": "keepalive", "sequence_number": 0, "obfuscation": padding})),
            ),
            Self::Anthropic | Self::RawPredict => event(
                "event: ping\n",
                &to_json(&json!({
                "type": "ping", "padding": padding})),
            ),
            Self::Invoke => cloud::chunk(&to_json(&json!({"type": "ping", "padding": padding}))),
            Self::Bedrock => bedrock::frame::event(
                "contentBlockDelta",
                &to_json(&json!({"contentBlockIndex": 0, "delta": {"text": ""}, "p": padding})),
            ),
            Self::Gemini => event(
                "",
                &to_json(&json!({"candidates": [{"index": 0,
                    "groundingMetadata": {"searchEntryPoint": {"renderedContent": padding}}}]})),
            ),
        }
    }

    /// The type of an error with this status.
    pub(super) fn kind(self, status: StatusCode) -> &'static str {
        match (self, status.as_u16()) {
            (Self::Bedrock | Self::Invoke, _) => bedrock::error_type(status),
            (Self::RawPredict | Self::OpenApi, _) => Self::Gemini.kind(status),
            (Self::Anthropic, 401) => "authentication_error",
            (Self::Anthropic, 402) => "billing_error",
            (Self::Anthropic, 403) => "permission_error",
            (Self::Anthropic, 404) => "not_found_error",
            (Self::Anthropic, 409) => "conflict_error",
            (Self::Anthropic, 413) => "request_too_large",
            (Self::Anthropic, 429) => "rate_limit_error",
            (Self::Anthropic, 504) => "timeout_error",
            (Self::Anthropic, 529) => "overloaded_error",
            (Self::Anthropic, 500..) => "api_error",
            (Self::Gemini, 401) => "UNAUTHENTICATED",
            (Self::Gemini, 403) => "PERMISSION_DENIED",
            (Self::Gemini, 404) => "NOT_FOUND",
            (Self::Gemini, 429) => "RESOURCE_EXHAUSTED",
            (Self::Gemini, 499) => "CANCELLED",
            (Self::Gemini, 503) => "UNAVAILABLE",
            (Self::Gemini, 504) => "DEADLINE_EXCEEDED",
            (Self::Gemini, 500..) => "INTERNAL",
            (Self::Gemini, _) => "INVALID_ARGUMENT",
            (_, 429) => "rate_limit_exceeded",
            (_, 503) => "service_unavailable_error",
            (_, 500..) => "server_error",
            _ => "invalid_request_error",
        }
    }
}

/// OpenAI's code of an error that has no more special one.
fn code(status: StatusCode) -> Option<&'static str> {
    match status.as_u16() {
        401 => Some("invalid_api_key"),
        404 => Some("model_not_found"),
        429 => Some("rate_limit_exceeded"),
        503 => Some("server_is_overloaded"),
        _ => None,
    }
}

/// As bytes; the values written here cannot fail to be JSON.
pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("these values have string keys only")
}

fn event(name: &str, data: &[u8]) -> Vec<u8> {
    [name.as_bytes(), b"data: ", data, b"\n\n"].concat()
}
