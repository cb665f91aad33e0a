//! Amazon Bedrock's Converse API: `/model/{id}/converse` and `/model/{id}/converse-stream`.
//!
//! Source: the service model of Bedrock's runtime, as botocore carries it. Streams are AWS event
//! streams (see [`crate::wire::event_stream`]), whose errors are frames of their own kind. The model
//! stands in the path, and so does whether the answer is streamed.

mod answers;
mod reply;
mod request;
mod stream;
mod wire;

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::dialect::{
    ClientView, Dialect, DialectId, EventReader, EventWriter, Quirks, TargetView, Unreadable,
    Written,
};
use super::error::{ErrorFacts, ErrorView};
use super::neutral::{CannotCross, Crossing, MediaKind, OpaqueState, Reply, Request};
use super::registry::ProtocolId;
use super::{Malformed, Protocol};

pub use answers::ConverseAnswers;

/// The header that names an error's type; AWS's SDKs also take `__type` in the body.
pub const ERROR_TYPE_HEADER: &str = "x-amzn-errortype";

/// Bedrock's protocol.
#[derive(Debug)]
pub struct Bedrock;

impl Protocol for Bedrock {
    fn id(&self) -> ProtocolId {
        ProtocolId::Bedrock
    }

    fn write_error(&self, error: &ErrorView<'_>) -> Bytes {
        let body = json!({"__type": error_type(error.status), "message": error.message});
        Bytes::from(body.to_string())
    }

    fn read_error(&self, body: &[u8]) -> ErrorFacts {
        read_error(body)
    }
}

/// The type of an error with this status: the value of [`ERROR_TYPE_HEADER`].
pub fn error_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        408 | 504 => "ModelTimeoutException",
        424 => "ModelErrorException",
        429 => "ThrottlingException",
        503 | 529 => "ServiceUnavailableException",
        500.. => "InternalServerException",
        _ => "ValidationException",
    }
}

/// The bare type of an error, from [`ERROR_TYPE_HEADER`] or `__type`: AWS may put a namespace before
/// it (`com.amazon.coral#`) and a URL behind it.
pub fn error_kind(text: &str) -> &str {
    let name = text.split(':').next().unwrap_or_default();
    name.rsplit('#').next().unwrap_or_default().trim()
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(rename = "__type", alias = "code", default)]
    kind: Option<String>,
    #[serde(alias = "Message", alias = "originalMessage", default)]
    message: Option<String>,
}

fn read_error(body: &[u8]) -> ErrorFacts {
    let facts = match super::read_object::<ErrorBody>(body) {
        Ok(ErrorBody { kind: None, message: None }) | Err(Malformed) => {
            ErrorFacts::unstructured(body)
        }
        Ok(read) => ErrorFacts {
            kind: error_kind(&read.kind.unwrap_or_default()).to_owned(),
            message: read.message.unwrap_or_default(),
            ..ErrorFacts::default()
        },
    };
    facts.shortened()
}

/// An exception in the middle of a stream, by its name and payload.
fn read_exception(name: &str, payload: &[u8]) -> ErrorFacts {
    let mut facts = read_error(payload);
    if facts.kind.is_empty() {
        name.clone_into(&mut facts.kind);
    }
    facts.shortened()
}

/// Whether an event of this name is an error. Events of the API are told apart by their names
/// alone, and none of them ends like this.
fn is_exception(name: &str) -> bool {
    ["Exception", "Error", "Failure", "Fault"].iter().any(|end| name.ends_with(end))
}

/// Converse, to be translated to and from.
#[derive(Debug)]
pub struct ConverseDialect;

impl Dialect for ConverseDialect {
    fn id(&self) -> DialectId {
        DialectId::BedrockConverse
    }

    fn holds_foreign_state(&self, body: &[u8]) -> bool {
        OpaqueState::is_marked_in(body) || wire::is_marked_in(body)
    }

    fn read_request(&self, body: &[u8]) -> Result<Request, Unreadable> {
        request::read(body)
    }

    fn wants_bytes(&self, _kind: MediaKind, _quirks: &Quirks) -> bool {
        // Nothing is fetched there but what is in S3.
        true
    }

    fn write_request(
        &self,
        request: &Request,
        target: &TargetView<'_>,
        crossing: &mut Crossing,
    ) -> Result<Written, CannotCross> {
        request::write(request, target, crossing)
    }

    fn read_reply(&self, body: &[u8]) -> Result<Reply, Malformed> {
        reply::read(body)
    }

    fn write_reply(&self, reply: &Reply, client: &ClientView<'_>) -> Bytes {
        reply::write(reply, client)
    }

    fn event_reader(&self) -> Box<dyn EventReader> {
        Box::<stream::Reader>::default()
    }

    fn event_writer(&self, client: &ClientView<'_>) -> Box<dyn EventWriter> {
        Box::new(stream::Writer::new(client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_every_known_shape_are_read() {
        let cases = [
            (r#"{"message":"m"}"#, ("", "m")),
            (
                r#"{"Message":"m","__type":"com.amazon.coral#ThrottlingException"}"#,
                ("ThrottlingException", "m"),
            ),
            (r#"{"originalStatusCode":500,"originalMessage":"m"}"#, ("", "m")),
            ("<html>bad gateway</html>", ("", "<html>bad gateway</html>")),
            ("[]", ("", "[]")),
        ];
        for (body, expected) in cases {
            let facts = read_error(body.as_bytes());
            assert_eq!((&*facts.kind, &*facts.message), expected, "{body}");
        }
        assert_eq!(
            error_kind("ValidationException:http://internal.amazon.com/x"),
            "ValidationException"
        );
    }

    #[test]
    fn an_error_names_its_type_in_the_body_too() {
        let view = ErrorView {
            status: StatusCode::TOO_MANY_REQUESTS,
            code: "rate_limit_exceeded",
            message: "slow down",
            param: None,
            request_id: "r",
        };
        let facts = Bedrock.read_error(&Bedrock.write_error(&view));
        assert_eq!((&*facts.kind, &*facts.message), ("ThrottlingException", "slow down"));
    }
}
