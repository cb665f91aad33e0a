//! Amazon Bedrock's endpoints.
//!
//! They are as strict as the real ones, which refuse much that other APIs let pass: a gateway that
//! translates must not learn that only in production.

pub(super) mod converse;
pub(super) mod embed;
pub(super) mod frame;
pub(super) mod signature;

use http::StatusCode;

use super::answer::Refusal;

/// The type of an error with this status.
pub(super) fn error_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        408 => "ModelTimeoutException",
        424 => "ModelErrorException",
        429 => "ThrottlingException",
        503 => "ServiceUnavailableException",
        500.. => "InternalServerException",
        _ => "ValidationException",
    }
}

/// The exception in a stream that stands for this status.
pub(super) fn exception(status: StatusCode) -> &'static str {
    match status.as_u16() {
        424 => "modelStreamErrorException",
        429 => "throttlingException",
        503 => "serviceUnavailableException",
        500.. => "internalServerException",
        _ => "validationException",
    }
}

/// A request without a key.
pub(super) fn unsigned() -> Refusal {
    let mut refusal = Refusal::new(StatusCode::FORBIDDEN, "Missing Authentication Token");
    refusal.kind = Some("MissingAuthenticationTokenException".to_owned());
    refusal
}

/// A request with a key that nobody has.
pub(super) fn wrong_key() -> Refusal {
    let message = "Authentication failed: Please make sure your API Key is valid.";
    Refusal::new(StatusCode::FORBIDDEN, message)
}
