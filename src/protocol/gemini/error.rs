//! Google's error shape (`google.rpc.Status`), both ways.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::protocol::error::{ErrorFacts, ErrorView};

/// The type of the detail that names the cause by a word.
const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";
/// The type of the detail that names the field at fault.
const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";

/// The body of an error response.
pub(super) fn write(error: &ErrorView<'_>) -> Bytes {
    let mut details = vec![json!({
        "@type": ERROR_INFO,
        "reason": error.code.to_ascii_uppercase(),
        "domain": "pilothouse",
        "metadata": {"requestId": error.request_id},
    })];
    if let Some(field) = error.param {
        let violation = json!({"field": field, "description": error.message});
        details.push(json!({"@type": BAD_REQUEST, "fieldViolations": [violation]}));
    }
    let body = json!({"error": {
        "code": error.status.as_u16(),
        "message": error.message,
        "status": status_word(error.status),
        "details": details,
    }});
    Bytes::from(body.to_string())
}

/// The name of `google.rpc.Code` that Google maps to a status of HTTP.
fn status_word(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        402 | 429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        502 | 503 | 529 => "UNAVAILABLE",
        408 | 504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    error: &'a RawValue,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Members<'a> {
    code: Option<u64>,
    status: Option<String>,
    /// Of errors of the partners' whose models Vertex AI has.
    #[serde(rename = "type")]
    kind: Option<String>,
    message: Option<String>,
    #[serde(borrow)]
    details: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(default)]
    reason: Option<String>,
    #[serde(default, rename = "retryDelay")]
    retry_delay: Option<String>,
}

/// Reads an error body, which may be the only element of an array.
pub(super) fn read(body: &[u8]) -> ErrorFacts {
    // Told apart by hand: serde would also fill the struct from the array.
    let object = if body.trim_ascii_start().starts_with(b"[") {
        let list = serde_json::from_slice::<Vec<Body<'_>>>(body).unwrap_or_default();
        list.into_iter().next()
    } else {
        serde_json::from_slice::<Body<'_>>(body).ok()
    };
    object.map_or_else(|| ErrorFacts::unstructured(body), |object| read_object(object.error))
}

/// Reads the object that is the member `error`. Its kind is Google's status word, its code the
/// reason (`API_KEY_INVALID`) where one is given and else the number.
pub(super) fn read_object(error: &RawValue) -> ErrorFacts {
    let Ok(members) = serde_json::from_str::<Members<'_>>(error.get()) else {
        return ErrorFacts::unstructured(error.get().as_bytes());
    };
    let details = members.details.unwrap_or_default();
    let details = details.iter().filter_map(|raw| serde_json::from_str::<Detail>(raw.get()).ok());
    let (mut reason, mut retry_after) = (None, None);
    for detail in details {
        reason = reason.or(detail.reason);
        retry_after = retry_after.or(detail.retry_delay.as_deref().and_then(seconds));
    }
    let code = members.code.map(|code| code.to_string());
    let facts = ErrorFacts {
        kind: members.status.or(members.kind).unwrap_or_default(),
        code: reason.or(code).unwrap_or_default(),
        message: members.message.unwrap_or_default(),
        retry_after,
    };
    facts.shortened()
}

/// A duration of proto JSON: seconds with up to nine digits behind the point, then `s`.
fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.strip_suffix('s')?.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_every_known_shape_are_read() {
        let quota = r#"{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED","details":[
            {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[]},
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}]}}"#;
        let facts = read(quota.as_bytes());
        assert_eq!((&*facts.kind, &*facts.code), ("RESOURCE_EXHAUSTED", "429"));
        assert_eq!(facts.retry_after, Some(Duration::from_millis(34_500)));
        assert_eq!(read(format!("[{quota}]").as_bytes()), facts, "streams wrap it in an array");

        let key =
            br#"{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT",
            "details":[{"@type":"x/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#;
        assert_eq!(read(key).code, "API_KEY_INVALID");
        assert_eq!(read(b"<html>bad gateway</html>").message, "<html>bad gateway</html>");
        assert_eq!(read(br#"{"error":"no"}"#).message, "\"no\"");
        let partners =
            br#"{"type":"error","error":{"type":"invalid_request_error","message":"m"}}"#;
        assert_eq!(read(partners).kind, "invalid_request_error");
    }

    #[test]
    fn absurd_delays_are_no_delays() {
        for text in ["-1s", "1e400s", "NaNs", "s", "3"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let view = ErrorView {
            status: StatusCode::TOO_MANY_REQUESTS,
            code: "rate_limited",
            message: "wait",
            param: Some("contents"),
            request_id: "r1",
        };
        let body = String::from_utf8(write(&view).to_vec()).expect("text");
        assert!(body.contains(r#""field":"contents""#), "{body}");
        let facts = read(body.as_bytes());
        assert_eq!((&*facts.kind, &*facts.code), ("RESOURCE_EXHAUSTED", "RATE_LIMITED"));
    }
}
