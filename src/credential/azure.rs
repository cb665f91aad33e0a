//! Identities of Azure: a bearer token of Entra ID, for an application with a secret or for whatever
//! the gateway runs as. Azure's own crate asks for it.
//!
//! The crate's credentials are made anew for every token: they would keep the last one for themselves
//! until five minutes before its end, and lose it when the next is not granted, while a [`Renewal`]
//! keeps it to its end and throws it away when a provider refuses it.

mod application;
mod exchange;
mod own;
mod scope;
mod wire;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use azure_core::credentials::TokenCredential;
use azure_core::http::{ClientOptions, RetryOptions, Transport};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, HeaderValue};
use parking_lot::Mutex;
use tokio::time::timeout;

use self::wire::{Outcome, Wire};
use super::{Environment, Fetched, Identity, IdentityError, Outgoing, Renewal};

pub use application::{Application, AuthorityHost, InvalidApplication};
pub use own::OwnIdentity;

/// From the first packet to the last byte of the last answer. Requests wait for it only where there is
/// no token at all, and then the next target should still have its turn.
const LIMIT: Duration = Duration::from_secs(10);

/// An identity of Azure.
#[derive(Debug)]
pub struct Azure {
    source: Arc<Source>,
    /// The scope of every token; `None`: what the host of the request asks for.
    scope: Option<Arc<str>>,
    /// By scope: one, or the few of [`scope::of_host`].
    tokens: Mutex<Vec<ScopedToken>>,
}

type ScopedToken = (Arc<str>, Arc<Renewal<HeaderValue>>);

#[derive(Debug)]
enum Source {
    Application(Application),
    Own(OwnIdentity, Environment),
}

impl Azure {
    /// An application that proves itself with a secret.
    pub fn of_application(application: Application, scope: Option<&str>) -> Self {
        Self::new(Source::Application(application), scope)
    }

    /// Whatever the gateway runs as: its workload identity, else the managed identity of the machine
    /// or the app.
    pub fn of_gateway(own: OwnIdentity, environment: Environment, scope: Option<&str>) -> Self {
        Self::new(Source::Own(own, environment), scope)
    }

    fn new(source: Source, scope: Option<&str>) -> Self {
        let (source, scope) = (Arc::new(source), scope.map(Into::into));
        Self { source, scope, tokens: Mutex::default() }
    }

    fn token_for(&self, authority: &str) -> Arc<Renewal<HeaderValue>> {
        let scope = match &self.scope {
            Some(scope) => Arc::clone(scope),
            None => scope::of_host(authority).into(),
        };
        let mut tokens = self.tokens.lock();
        if let Some((_, token)) = tokens.iter().find(|(known, _)| *known == scope) {
            return Arc::clone(token);
        }
        let (source, wanted) = (Arc::clone(&self.source), Arc::clone(&scope));
        let token = Arc::new(Renewal::new(move || {
            let (source, scope) = (Arc::clone(&source), Arc::clone(&wanted));
            async move { source.bearer(&scope).await }
        }));
        tokens.push((scope, Arc::clone(&token)));
        token
    }
}

impl Source {
    async fn bearer(&self, scope: &str) -> Result<Fetched<HeaderValue>, IdentityError> {
        let asking = match self {
            Self::Application(application) => application.asking(),
            Self::Own(own, environment) => own.asking(environment).await?,
        };
        asking.bearer(scope).await
    }
}

/// A credential of Azure's crate that is about to ask for a token.
struct Asking {
    issuer: &'static str,
    wire: Arc<Wire>,
    credential: azure_core::Result<Arc<dyn TokenCredential>>,
}

impl Asking {
    async fn bearer(self, scope: &str) -> Result<Fetched<HeaderValue>, IdentityError> {
        let refused = |reason| refused(self.issuer, reason);
        // Nobody was asked yet who might have said a secret.
        let unmade = |error: azure_core::Error| match error.get_ref() {
            Some(cause) => refused(format!("{error}: {cause}")),
            None => refused(error.to_string()),
        };
        let credential = self.credential.map_err(unmade)?;
        let token = match timeout(LIMIT, credential.get_token(&[scope], None)).await {
            Ok(Ok(token)) => token,
            Ok(Err(error)) => {
                return Err(refused(match self.wire.outcome() {
                    Some(Outcome::Refused(reason)) => reason,
                    Some(Outcome::Granted) => "its answer is not what was asked for".to_owned(),
                    // Nobody said anything yet that should not be repeated.
                    None => error.to_string(),
                }));
            }
            Err(_) => {
                return Err(refused(match self.wire.outcome() {
                    Some(Outcome::Refused(reason)) => reason,
                    _ => format!("no answer within {} s", LIMIT.as_secs()),
                }));
            }
        };
        let left = SystemTime::from(token.expires_on).duration_since(SystemTime::now());
        let lifetime = left.map_err(|_| refused("its token has no time left".to_owned()))?;
        let text = token.token.secret();
        let value = HeaderValue::try_from(format!("Bearer {text}")).ok();
        let value = value.filter(|_| !text.is_empty());
        let mut value = value.ok_or_else(|| refused("its answer holds no token".to_owned()))?;
        value.set_sensitive(true);
        Ok(Fetched { value, lifetime: Some(lifetime) })
    }
}

/// How the crate's credentials ask. Nobody tries again: a [`Renewal`] does.
fn options(wire: &Arc<Wire>) -> ClientOptions {
    ClientOptions {
        transport: Some(Transport::new(Arc::clone(wire) as _)),
        retry: RetryOptions::none(),
        ..ClientOptions::default()
    }
}

fn refused(issuer: &'static str, reason: String) -> IdentityError {
    IdentityError::NotGranted { issuer, reason: reason.into() }
}

impl Identity for Azure {
    fn prove<'a>(&'a self, outgoing: Outgoing<'a>) -> BoxFuture<'a, Result<(), IdentityError>> {
        async move {
            let bearer = self.token_for(outgoing.authority).get().await?;
            outgoing.request.headers_mut().insert(AUTHORIZATION, bearer);
            Ok(())
        }
        .boxed()
    }

    fn refused(&self) -> bool {
        let tokens = self.tokens.lock();
        // Whose token was refused is not told; each is looked at, so no `any`.
        tokens.iter().fold(false, |renewed, (_, token)| token.discard() | renewed)
    }
}

#[cfg(test)]
mod tests;
