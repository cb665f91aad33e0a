//! Identities of Azure: a bearer token of Entra ID, for an application with a secret or for whatever
//! the gateway runs as.

mod application;
mod own;
mod scope;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, HeaderValue};
use parking_lot::Mutex;

use super::issuer::{Issuer, bearer};
use super::{Environment, Fetched, Identity, IdentityError, Outgoing, Renewal};

pub use application::{Application, AuthorityHost, InvalidApplication};
pub use own::OwnIdentity;

const ENTRA: Issuer = Issuer("Entra ID");

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
        let Fetched { value, lifetime } = match self {
            Self::Application(application) => application.token(scope).await?,
            Self::Own(own, environment) => own.token(environment, scope).await?,
        };
        let value =
            bearer(&value).ok_or_else(|| ENTRA.refused("its token cannot stand in a header"))?;
        Ok(Fetched { value, lifetime })
    }
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
