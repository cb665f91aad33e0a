//! A try that did not answer, and why.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::Limits;
use crate::credential::IdentityError;
use crate::protocol::dialect::Unreadable;
use crate::protocol::neutral::CannotCross;
use crate::proxy::classify::Class;
use crate::upstream::{ConnectError, SendError};
use crate::wire::json::JsonError;

/// A try that did not answer.
#[derive(Debug)]
pub(in crate::proxy) struct Failure {
    pub class: Class,
    /// For messages; without anything a provider said about a credential.
    pub detail: String,
    pub retry_after: Option<Duration>,
    /// Whether the target may have begun to work on the request.
    pub sent: bool,
    /// The field of the request that is at fault, if one is.
    pub param: Option<String>,
    /// The target's own answer, for failures that are the caller's to see.
    pub passed_on: Option<Box<(StatusCode, HeaderMap, Bytes)>>,
}

impl Failure {
    /// Every key began to rest between choosing the target and asking it.
    pub(in crate::proxy) fn keys_resting() -> Self {
        Self::new(Class::Throttled, "its keys are resting")
    }

    /// The target has no operation for this, nor one that it can be translated to.
    pub(in crate::proxy) fn not_offered() -> Self {
        Self::new(Class::Untranslatable, "does not offer this operation")
    }

    /// The request cannot be read as one of its own protocol.
    pub(in crate::proxy) fn unreadable(error: &Unreadable) -> Self {
        let failure = Self::new(Class::ClientFault, error.to_string());
        Self { param: Some(error.param.clone()), ..failure }
    }

    /// The target's protocol cannot say what the client asks for.
    pub(in crate::proxy) fn untranslatable(error: &CannotCross) -> Self {
        let failure = Self::new(Class::Untranslatable, error.to_string());
        Self { param: Some(error.param.clone()), ..failure }
    }

    /// A parameter of the route meets a member that the client gave twice or in another type.
    pub(in crate::proxy) fn unsendable(error: &JsonError) -> Self {
        Self::new(Class::ClientFault, format!("the request cannot be sent: {error}"))
    }

    /// An answer of success that is none.
    pub(in crate::proxy) fn of_another_protocol() -> Self {
        Self::new(Class::Failure, "sent a reply that is not of its protocol")
    }

    /// The gateway has no token for the target, or cannot sign the request.
    pub(super) fn unproven(error: &IdentityError) -> Self {
        Self::new(Class::Unproven, error.to_string())
    }

    pub(in crate::proxy) fn new(class: Class, detail: impl Into<String>) -> Self {
        Self {
            class,
            detail: detail.into(),
            retry_after: None,
            sent: true,
            param: None,
            passed_on: None,
        }
    }
}

/// No answer came.
pub(super) fn unsent(error: &SendError) -> Failure {
    let class = match error {
        SendError::Connect(ConnectError::Timeout(_)) => Class::TimedOut,
        SendError::Connect(ConnectError::Exhausted(_)) => Class::Exhausted,
        SendError::Connect(_) | SendError::Broken(_) => Class::Failure,
    };
    let sent = !matches!(error, SendError::Connect(_));
    Failure { sent, ..Failure::new(class, error.to_string()) }
}

/// Nor within the time for it.
pub(super) fn too_slow(limits: Limits) -> Failure {
    Failure::new(Class::TimedOut, format!("gave no answer within `{}`", limits.name))
}
