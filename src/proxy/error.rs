//! Errors that the gateway itself answers with.

use std::time::Duration;

use http::StatusCode;

/// Why a request got no answer of a provider: the closed set that is the error's code, the log's
/// field and the metric's label alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The body is no request of this operation.
    InvalidRequest,
    /// No key, or one that no Consumer has.
    InvalidApiKey,
    /// The Consumer may not use this model.
    ModelNotAllowed,
    /// The caller may not choose a target on this route.
    TargetSelectionDenied,
    /// No route serves this model for this caller.
    ModelNotFound,
    /// No such path.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The body is larger than the gateway accepts.
    RequestTooLarge,
    /// The body is compressed in a way or of a type that is not read.
    UnsupportedMediaType,
    /// Websockets are not spoken.
    UpgradeRequired,
    /// The client sent its body too slowly.
    RequestTimeout,
    /// The client went away.
    Cancelled,
    /// Every target asked to be left alone for now.
    Throttled,
    /// Every target that was asked failed.
    ProviderFailed,
    /// A target refused the gateway's own credential.
    ProviderCredential,
    /// No target may be asked now.
    NoTargetAvailable,
    /// The gateway holds as many bytes as it may.
    Overloaded,
    /// The targets were too slow.
    ProviderTimeout,
    /// The gateway has not read its resources yet.
    NotReady,
    /// The gateway is shutting down.
    ShuttingDown,
    /// A fault of the gateway.
    Internal,
}

impl Reason {
    /// The code in error bodies, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidApiKey => "invalid_api_key",
            Self::ModelNotAllowed => "model_not_allowed",
            Self::TargetSelectionDenied => "target_selection_denied",
            Self::ModelNotFound => "model_not_found",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTooLarge => "request_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::UpgradeRequired => "upgrade_required",
            Self::RequestTimeout => "request_timeout",
            Self::Cancelled => "cancelled",
            Self::Throttled => "rate_limit_exceeded",
            Self::ProviderFailed => "provider_failed",
            Self::ProviderCredential => "provider_credential",
            Self::NoTargetAvailable => "no_target_available",
            Self::Overloaded => "overloaded",
            Self::ProviderTimeout => "provider_timeout",
            Self::NotReady => "not_ready",
            Self::ShuttingDown => "shutting_down",
            Self::Internal => "internal_error",
        }
    }

    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::InvalidApiKey => StatusCode::UNAUTHORIZED,
            Self::ModelNotAllowed | Self::TargetSelectionDenied => StatusCode::FORBIDDEN,
            Self::ModelNotFound | Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            // nginx's code for a client that went away; it is logged and never sent.
            Self::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            Self::Throttled => StatusCode::TOO_MANY_REQUESTS,
            Self::ProviderFailed | Self::ProviderCredential => StatusCode::BAD_GATEWAY,
            Self::NoTargetAvailable | Self::Overloaded | Self::NotReady | Self::ShuttingDown => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::ProviderTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// An answer of the gateway's own that is an error.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {message}", reason.as_str())]
pub struct ProxyError {
    /// Which of the closed set.
    pub reason: Reason,
    /// What happened, with names, and what to do. Never holds a key or a provider's raw error.
    pub message: String,
    /// The field of the request that is at fault, if one is.
    pub param: Option<String>,
    /// When it is worth trying again.
    pub retry_after: Option<Duration>,
    /// Set where trying again cannot help, so that SDKs do not.
    pub permanent: bool,
    /// The encodings of bodies that are understood, where the request's is not.
    pub accept_encoding: Option<&'static str>,
}

impl ProxyError {
    /// An error of that reason.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            param: None,
            retry_after: None,
            permanent: false,
            accept_encoding: None,
        }
    }

    /// With the field that is at fault.
    pub fn about(mut self, param: Option<String>) -> Self {
        self.param = param;
        self
    }

    /// With the time after which it is worth trying again.
    pub fn retry_after(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }

    /// Marked as one that trying again will not help.
    pub fn permanent(mut self) -> Self {
        self.permanent = true;
        self
    }

    /// With the encodings that are understood (RFC 9110, section 15.5.16).
    pub fn accepts(mut self, encodings: &'static str) -> Self {
        self.accept_encoding = Some(encodings);
        self
    }
}
