//! The words in which the gateway says how an object fares.
//!
//! A reason is spelled the same in a status condition, a log line, a metric label and an answer to
//! a client, so the set is closed and lives in one place.

use std::fmt;

/// The `type` of a status condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConditionType {
    /// The spec makes sense by itself.
    Accepted,
    /// Everything that the spec refers to was found and may be used.
    ResolvedRefs,
    /// Every ready replica serves the generation that was observed. ModelRoutes only.
    Programmed,
    /// It can be used now. CredentialStores and Consumers only.
    Ready,
}

impl ConditionType {
    /// As it stands in a status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::ResolvedRefs => "ResolvedRefs",
            Self::Programmed => "Programmed",
            Self::Ready => "Ready",
        }
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Declares [`Reason`] once: the name of a variant is its spelling everywhere.
macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Why a condition is as it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// As it stands in a status, a log line, a metric label and an answer.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

reasons! {
    /// Nothing is wrong with the spec.
    Accepted,
    /// Every reference was found and may be used.
    ResolvedRefs,
    /// What was observed is served.
    Programmed,
    /// It can be used.
    Ready,
    /// The controller has not come to it yet.
    Pending,
    /// The spec cannot be read or contradicts itself.
    Invalid,
    /// The spec has a field that this version does not know.
    UnknownField,
    /// A field has a value that this version does not know.
    UnsupportedValue,
    /// An older route of the namespace owns this model name.
    Conflict,
    /// There is no provider of this name.
    UnknownProvider,
    /// The provider has no public address, so the target must give one.
    BaseUrlRequired,
    /// Neither the CredentialStore nor the target's host says which region to sign for.
    RegionRequired,
    /// The address may not be reached from this installation.
    AddressNotPermitted,
    /// The Service does not exist, may not be read, or has no endpoints of its own.
    ServiceNotFound,
    /// The Service has no such port.
    PortNotFound,
    /// No endpoint of the Service is ready.
    NoReadyEndpoints,
    /// The referred object does not exist or does not admit this namespace; which of the two is
    /// not told.
    RefNotPermitted,
    /// The credential may not be sent to the target's host.
    DestinationNotAllowed,
    /// The CredentialStore has no usable key.
    NoUsableKey,
    /// The target asks its provider without a credential.
    NoCredential,
    /// A Secret, or the key in it, is missing or may not be read.
    SecretNotFound,
    /// An environment variable or file is missing or cannot be read.
    SourceUnavailable,
    /// Only stores of the namespace that the operator chose may use `env` and `file`.
    AmbientNotPermitted,
    /// A key's value cannot be used: it is empty, too short, or no text for a header.
    InvalidKey,
    /// The key belongs to another Consumer already.
    KeyConflict,
    /// `spec.disabled` is set.
    Disabled,
    /// An older generation is served, because the newest cannot be.
    StaleGeneration,
    /// Some ready replicas do not serve this generation yet.
    WaitingForReplicas,
    /// What the other replicas serve cannot be seen, because their Leases cannot be read.
    ReplicasUnknown,
    /// The target failed until its breaker opened, and has not answered since.
    CircuitBreaker,
    /// The provider does not have the model, or said something else that a person has to mend.
    PermanentFailure,
    /// Checks of the target's health fail.
    HealthCheck,
    /// The provider asked for a pause.
    Throttled,
    /// Every key rests.
    KeysResting,
    /// The provider did not accept the key.
    CredentialFault,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_fit_the_pattern_that_kubernetes_asks_of_them() {
        for reason in Reason::ALL {
            let text = reason.as_str();
            assert!(text.starts_with(|c: char| c.is_ascii_uppercase()), "{text}");
            assert!(text.chars().all(|c| c.is_ascii_alphanumeric()), "{text}");
        }
    }
}
