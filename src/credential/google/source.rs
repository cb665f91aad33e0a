//! Where Google's credentials come from, and what they say.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use google_cloud_auth::build_errors::Error as Unbuilt;
use google_cloud_auth::credentials::{CacheableResource, Credentials};
use http::{Extensions, HeaderMap};
use parking_lot::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use super::reason;
use crate::credential::{Fetched, IdentityError};

/// How long anybody waits for a token. That happens only where there is none at all, and then the
/// next target should still have its turn.
const LIMIT: Duration = Duration::from_secs(10);
/// Credentials whose first token does not come are waited for again until they are so old. The crate
/// sets no limit to most of its requests and cannot be stopped: others beside them would hold one more
/// connection for as long as the issuer is silent.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// Makes credentials.
pub(super) struct Source {
    /// What operators call it.
    name: &'static str,
    make: Arc<dyn Fn() -> Result<Credentials, Unbuilt> + Send + Sync>,
    /// Credentials whose first token is still awaited, and since when they are there.
    awaited: Mutex<Option<(Credentials, Instant)>>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Source {
    pub(super) fn new<F>(name: &'static str, make: F) -> Self
    where
        F: Fn() -> Result<Credentials, Unbuilt> + Send + Sync + 'static,
    {
        Self { name, make: Arc::new(make), awaited: Mutex::default() }
    }

    /// Credentials that have a token, so that a failure is told at once and not repeated at once.
    pub(super) async fn credentials(&self) -> Result<Fetched<Credentials>, IdentityError> {
        let awaited = self.awaited.lock().take();
        let (value, since) = match awaited.filter(|(_, since)| since.elapsed() < PATIENCE) {
            Some(awaited) => awaited,
            None => {
                let make = Arc::clone(&self.make);
                // It may read a file.
                let made = spawn_blocking(move || make()).await;
                let made = made.map_err(|_| self.refused("the gateway stopped"))?;
                let made = made.map_err(|error| self.refused(&reason::unbuilt(&error)))?;
                (made, Instant::now())
            }
        };
        match timeout(LIMIT, self.ask(&value)).await {
            // The tokens end; what gets them does not.
            Ok(asked) => asked.map(|_| Fetched { value, lifetime: None }),
            Err(_) => {
                *self.awaited.lock() = Some((value, since));
                Err(self.silent())
            }
        }
    }

    /// What proves a request: the token, and whose quota is used where that is not the project of the
    /// resource.
    pub(super) async fn headers(&self, of: &Credentials) -> Result<HeaderMap, IdentityError> {
        timeout(LIMIT, self.ask(of)).await.unwrap_or_else(|_| Err(self.silent()))
    }

    async fn ask(&self, credentials: &Credentials) -> Result<HeaderMap, IdentityError> {
        match credentials.headers(Extensions::new()).await {
            Ok(CacheableResource::New { data, .. }) => Ok(data),
            Ok(CacheableResource::NotModified) => Err(self.refused("it gave no token")),
            Err(error) => Err(self.refused(&reason::unproved(&error))),
        }
    }

    fn silent(&self) -> IdentityError {
        self.refused(&format!("no answer within {} s", LIMIT.as_secs()))
    }

    fn refused(&self, reason: &str) -> IdentityError {
        IdentityError::NotGranted { issuer: self.name, reason: reason.into() }
    }
}
