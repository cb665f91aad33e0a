//! How a request proves who sends it.

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName};

use crate::provider::Auth;
use crate::table::Key;

/// Azure's key header.
const API_KEY: HeaderName = HeaderName::from_static("api-key");
/// Google's key header.
const X_GOOG_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
/// Anthropic's key header; others took it over.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Puts a key where its provider looks for it.
pub fn authorize(headers: &mut HeaderMap, auth: Auth, key: &Key) {
    match auth {
        Auth::Bearer => headers.insert(AUTHORIZATION, key.bearer.clone()),
        Auth::AzureApiKey => headers.insert(API_KEY, key.plain.clone()),
        Auth::GoogleApiKey => headers.insert(X_GOOG_API_KEY, key.plain.clone()),
        Auth::XApiKey => headers.insert(X_API_KEY, key.plain.clone()),
    };
}
