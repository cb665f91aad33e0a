//! How a stream breaks off, and what the client is told of it.

use crate::proxy::classify::Class;
use crate::proxy::error::Reason;
use crate::proxy::failover::Unanswered;
use crate::proxy::respond::{Told, told};

/// How a stream breaks off.
#[derive(Debug, Clone)]
pub(super) struct Break {
    pub reason: Reason,
    /// What the client is told; where it is not the reason itself, it is more exact.
    pub code: &'static str,
    pub class: Class,
    pub message: String,
}

impl Break {
    pub fn of(reason: Reason, class: Class, message: impl Into<String>) -> Self {
        Self { reason, code: reason.as_str(), class, message: message.into() }
    }

    /// Whether it is worth asking somebody else to go on. What the provider objects to, another would
    /// as well, and what the gateway lacks, it will lack again.
    pub fn may_be_mended(&self) -> bool {
        !matches!(
            self.class,
            Class::ClientFault
                | Class::TooLong
                | Class::Refused
                | Class::Exhausted
                | Class::Cancelled
        )
    }
}

impl From<Unanswered> for Break {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Error(error) => Self::of(error.reason, Class::Failure, error.message),
            Unanswered::PassedOn { class, .. } => {
                let Told { reason, code, cause } = told(class);
                let message = format!("a target refused the request{cause}");
                Self { reason, code, class, message }
            }
        }
    }
}
