//! How a request proves who sends it.

use bytes::Bytes;
use http::Request;
use http::header::{AUTHORIZATION, HeaderName};

use crate::credential::{IdentityError, Outgoing};
use crate::provider::{Auth, Provider};
use crate::table::{BaseUrl, Key, Proof};

/// Azure's key header.
const API_KEY: HeaderName = HeaderName::from_static("api-key");
/// Google's key header.
const X_GOOG_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
/// Anthropic's key header; others took it over.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Puts a key where its provider looks for it, or has an identity prove the request. The request,
/// which goes to `base`, is final but for that.
pub async fn authorize(
    request: &mut Request<Bytes>,
    base: &BaseUrl,
    provider: &Provider,
    key: &Key,
) -> Result<(), IdentityError> {
    let (bearer, plain) = match &key.proof {
        Proof::Header { bearer, plain } => (bearer, plain),
        Proof::Identity(identity) => {
            let authority = base.authority().as_str();
            let service = provider.service;
            return identity.prove(Outgoing { authority, service, request }).await;
        }
    };
    let headers = request.headers_mut();
    match provider.auth {
        Auth::Bearer => headers.insert(AUTHORIZATION, bearer.clone()),
        Auth::AzureApiKey => headers.insert(API_KEY, plain.clone()),
        Auth::GoogleApiKey => headers.insert(X_GOOG_API_KEY, plain.clone()),
        Auth::XApiKey => headers.insert(X_API_KEY, plain.clone()),
    };
    Ok(())
}
