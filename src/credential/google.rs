//! Identities of Google Cloud: a bearer token of a service account, or of whatever the gateway runs
//! as. Google's own crate gets the tokens, renews them ahead of their end in a task of its own, and
//! keeps the old one when it gets no other while that is valid.
//!
//! What is done here is what the crate does not: it never starts again after a refusal, sets no limit
//! to most of its requests, does not know what the provider said of its token, and tells errors with
//! the issuer's whole answer in them. Its credentials are kept in a [`Renewal`] for that, which makes
//! others when these have failed, and waits in between.

mod account;
mod reason;
mod source;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use google_cloud_auth::build_errors::Error as Unbuilt;
use google_cloud_auth::credentials::{Builder, Credentials, service_account};
use http::HeaderMap;

use self::source::Source;
use super::{Identity, IdentityError, Outgoing, Renewal};

pub use account::{InvalidAccountKey, ServiceAccountKey, stand_in};

/// What tokens are for: every API of Google Cloud. What they may do there is said by IAM.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// An identity of Google Cloud.
#[derive(Debug)]
pub struct Google {
    source: Arc<Source>,
    credentials: Renewal<Credentials>,
}

impl Google {
    /// The service account that a key is of.
    pub fn of_key(key: ServiceAccountKey) -> Self {
        Self::new("the key of a service account of Google", move || {
            service_account::Builder::new(key.json()).build()
        })
    }

    /// Whatever the gateway runs as: Application Default Credentials (AIP-4110).
    pub fn of_gateway() -> Self {
        Self::new("the gateway's own Google credentials", || {
            Builder::default().with_scopes([SCOPE]).build()
        })
    }

    /// Whatever `make` makes credentials of. `name` is what operators call it.
    fn new<F>(name: &'static str, make: F) -> Self
    where
        F: Fn() -> Result<Credentials, Unbuilt> + Send + Sync + 'static,
    {
        let source = Arc::new(Source::new(name, make));
        let credentials = Renewal::new({
            let source = Arc::clone(&source);
            move || {
                let source = Arc::clone(&source);
                async move { source.credentials().await }
            }
        });
        Self { source, credentials }
    }

    async fn headers(&self) -> Result<HeaderMap, IdentityError> {
        let credentials = self.credentials.get().await?;
        if let Ok(headers) = self.source.headers(&credentials).await {
            return Ok(headers);
        }
        // They have failed for good, or their renewal hangs: others may fare better.
        self.credentials.discard();
        self.source.headers(&self.credentials.get().await?).await
    }
}

impl Identity for Google {
    fn prove<'a>(&'a self, outgoing: Outgoing<'a>) -> BoxFuture<'a, Result<(), IdentityError>> {
        async move {
            outgoing.request.headers_mut().extend(self.headers().await?);
            Ok(())
        }
        .boxed()
    }

    fn refused(&self) -> bool {
        self.credentials.discard()
    }
}

#[cfg(test)]
mod tests;
