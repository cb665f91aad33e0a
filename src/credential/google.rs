//! Identities of Google Cloud: a bearer token of a service account, or of whatever the gateway runs
//! as.

mod account;
mod default;
mod federated;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::issuer::{Issuer, bearer};
use super::{Environment, Fetched, Identity, IdentityError, Outgoing, Renewal};

pub use account::{InvalidAccountKey, ServiceAccountKey, stand_in};

/// What tokens are for: every API of Google Cloud. What they may do there is said by IAM.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Whose quota is used, and who pays, where that is not the project of the resource.
const USER_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

const TOKEN_ENDPOINT: Issuer = Issuer("Google's token endpoint");

/// An identity of Google Cloud.
#[derive(Debug)]
pub struct Google {
    grant: Renewal<Grant>,
}

/// What requests are proved with.
#[derive(Debug, Clone)]
struct Grant {
    bearer: HeaderValue,
    user_project: Option<HeaderValue>,
}

/// A token and whose quota is used with it.
struct Token {
    token: Fetched<String>,
    user_project: Option<String>,
}

impl Google {
    /// The service account that a key is of.
    pub fn of_key(key: ServiceAccountKey) -> Self {
        let key = Arc::new(key);
        Self::new(move || {
            let key = Arc::clone(&key);
            async move { Ok(Token { token: key.token().await?, user_project: None }) }
        })
    }

    /// Whatever the gateway runs as: Application Default Credentials (AIP-4110).
    pub fn of_gateway(environment: Environment) -> Self {
        Self::new(move || {
            let environment = environment.clone();
            async move { default::token(&environment).await }
        })
    }

    fn new<F, G>(fetch: F) -> Self
    where
        F: Fn() -> G + Send + Sync + 'static,
        G: Future<Output = Result<Token, IdentityError>> + Send + 'static,
    {
        Self { grant: Renewal::new(move || fetch().map(|token| token.and_then(Grant::of))) }
    }
}

impl Grant {
    fn of(token: Token) -> Result<Fetched<Self>, IdentityError> {
        let Token { token: Fetched { value, lifetime }, user_project } = token;
        let unusable = || TOKEN_ENDPOINT.refused("its token cannot stand in a header");
        let bearer = bearer(&value).ok_or_else(unusable)?;
        let user_project = match user_project {
            Some(project) => Some(HeaderValue::try_from(project).map_err(|_| {
                TOKEN_ENDPOINT.refused("the project for quota cannot stand in a header")
            })?),
            None => None,
        };
        Ok(Fetched { value: Self { bearer, user_project }, lifetime })
    }
}

impl Identity for Google {
    fn prove<'a>(&'a self, outgoing: Outgoing<'a>) -> BoxFuture<'a, Result<(), IdentityError>> {
        async move {
            let Grant { bearer, user_project } = self.grant.get().await?;
            let headers = outgoing.request.headers_mut();
            headers.insert(AUTHORIZATION, bearer);
            if let Some(project) = user_project {
                headers.insert(USER_PROJECT, project);
            }
            Ok(())
        }
        .boxed()
    }

    fn refused(&self) -> bool {
        self.grant.discard()
    }
}

#[cfg(test)]
mod tests;
