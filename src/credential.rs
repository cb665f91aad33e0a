//! What proves a request where no fixed header can: identities of clouds.
//!
//! A token expires and a signature covers the request it was made for, so both are made when a
//! request goes out, from what the identity keeps. The identity itself is made once and shared by
//! every table that refers to it ([`crate::state::KeyState`] holds it); making one does no input or
//! output.

mod author;
pub mod aws;
pub mod azure;
mod environment;
pub mod google;
mod refusal;
mod renewal;
#[cfg(test)]
mod stub;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::Request;

pub use author::Author;
pub use environment::Environment;
pub use renewal::{Fetched, Renewal};

/// An identity of a cloud.
pub trait Identity: fmt::Debug + Send + Sync {
    /// Signs a request, or puts a token into it. Everything else of the request is final by then.
    fn prove<'a>(&'a self, outgoing: Outgoing<'a>) -> BoxFuture<'a, Result<(), IdentityError>>;

    /// The provider did not accept the last proof, so nothing that was kept is used again. Says
    /// whether the next proof will be another one: only then a second try can fare better.
    fn refused(&self) -> bool;
}

/// A request on its way out.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// Host and, if it is not the scheme's own, port: what stands in the `host` header.
    pub authority: &'a str,
    /// What AWS calls the service in signatures, where the host does not tell.
    pub service: &'static str,
    /// Headers, body and an origin-form target.
    pub request: &'a mut Request<Bytes>,
}

/// Why an identity proves nothing now. The text is for operators; it never holds a secret, nor what
/// an issuer said that might hold one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Whoever grants the token or the credentials did not.
    #[error("{issuer} granted nothing: {reason}")]
    NotGranted {
        /// Who was asked.
        issuer: &'static str,
        /// What happened.
        reason: Arc<str>,
    },
    /// The request has something that no signature can cover.
    #[error("the request cannot be signed: {0}")]
    Unsignable(Arc<str>),
}
