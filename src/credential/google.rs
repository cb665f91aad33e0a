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

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use google_cloud_auth::build_errors::Error as Unbuilt;
use google_cloud_auth::credentials::{Builder, CacheableResource, Credentials, service_account};
use http::{Extensions, HeaderMap};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::{Fetched, Identity, IdentityError, Outgoing, Renewal};

pub use account::{InvalidAccountKey, ServiceAccountKey, stand_in};

/// What tokens are for: every API of Google Cloud. What they may do there is said by IAM.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// How long anybody waits for a token. That happens only where there is none at all, and then the
/// next target should still have its turn.
const LIMIT: Duration = Duration::from_secs(10);

/// An identity of Google Cloud.
#[derive(Debug)]
pub struct Google {
    source: &'static str,
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

    /// Whatever `make` makes credentials of. `source` is what operators call it.
    fn new<F>(source: &'static str, make: F) -> Self
    where
        F: Fn() -> Result<Credentials, Unbuilt> + Send + Sync + 'static,
    {
        let make = Arc::new(make);
        let credentials = Renewal::new(move || {
            let make = Arc::clone(&make);
            async move { first(source, make).await }
        });
        Self { source, credentials }
    }

    async fn headers(&self) -> Result<HeaderMap, IdentityError> {
        let credentials = self.credentials.get().await?;
        if let Ok(headers) = headers(self.source, &credentials).await {
            return Ok(headers);
        }
        // They have failed for good, or their renewal hangs: others may fare better.
        self.credentials.discard();
        headers(self.source, &self.credentials.get().await?).await
    }
}

/// Credentials that have a token, so that a failure is told at once and not repeated at once.
async fn first<F>(source: &'static str, make: Arc<F>) -> Result<Fetched<Credentials>, IdentityError>
where
    F: Fn() -> Result<Credentials, Unbuilt> + Send + Sync + 'static,
{
    // It may read a file.
    let made = spawn_blocking(move || make()).await.map_err(|_| refused(source, "it stopped"))?;
    let credentials = made.map_err(|error| refused(source, &reason::unbuilt(&error)))?;
    headers(source, &credentials).await?;
    // The tokens end; what gets them does not.
    Ok(Fetched { value: credentials, lifetime: None })
}

/// What proves a request: the token, and whose quota is used where that is not the project of the
/// resource.
async fn headers(
    source: &'static str,
    credentials: &Credentials,
) -> Result<HeaderMap, IdentityError> {
    match timeout(LIMIT, credentials.headers(Extensions::new())).await {
        Ok(Ok(CacheableResource::New { data, .. })) => Ok(data),
        Ok(Ok(CacheableResource::NotModified)) => Err(refused(source, "it gave no token")),
        Ok(Err(error)) => Err(refused(source, &reason::unproved(&error))),
        Err(_) => Err(refused(source, &format!("no answer within {} s", LIMIT.as_secs()))),
    }
}

fn refused(source: &'static str, reason: &str) -> IdentityError {
    IdentityError::NotGranted { issuer: source, reason: reason.into() }
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
