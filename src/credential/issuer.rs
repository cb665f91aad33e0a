//! One request to whoever grants tokens, and what is made of the answer.

mod exchange;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, StatusCode, Uri};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use super::{Fetched, IdentityError};
use exchange::exchange;

/// From the first packet to the last byte of the answer. Requests wait for it only where there is no
/// token at all, and then the next target should still have its turn.
const LIMIT: Duration = Duration::from_secs(10);
/// A token of which nobody said how long it lives is asked for anew after this (RFC 6749 section 5.1
/// only recommends `expires_in`).
const UNTOLD_LIFETIME: Duration = Duration::from_secs(5 * 60);
/// What is read of an error's name; names are shorter, and longer texts are no names.
const LONGEST_CODE: usize = 64;

/// Somebody who grants tokens, by what operators call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Issuer(pub(super) &'static str);

/// What an issuer answered.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    body: Bytes,
}

/// An answer by RFC 6749 section 5.1, and Azure's managed identities, which say when a token expires
/// and write numbers as text.
#[derive(Deserialize)]
struct Granted {
    access_token: Option<String>,
    expires_in: Option<Value>,
    expires_on: Option<Value>,
}

impl Issuer {
    /// That it granted nothing, and why. `reason` must not hold anything that the issuer said.
    pub(super) fn refused(self, reason: impl Into<String>) -> IdentityError {
        IdentityError::NotGranted { issuer: self.0, reason: reason.into().into() }
    }

    /// Posts a form to an absolute URL.
    pub(super) async fn post(
        self,
        url: &Uri,
        form: &[(&str, &str)],
    ) -> Result<Answer, IdentityError> {
        let request = Request::post(url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(encode(form).into());
        self.ask(request.map_err(|error| self.refused(error.to_string()))?).await
    }

    /// Sends a request to its absolute URL. Redirects are answers like others: nobody follows them.
    pub(super) async fn ask(self, request: Request<Bytes>) -> Result<Answer, IdentityError> {
        match timeout(LIMIT, exchange(request)).await {
            Ok(answered) => answered.map_err(|reason| self.refused(reason)),
            Err(_) => Err(self.refused(format!("no answer within {} s", LIMIT.as_secs()))),
        }
    }

    /// The access token in an answer.
    pub(super) fn token(self, answer: &Answer) -> Result<Fetched<String>, IdentityError> {
        let Granted { access_token, expires_in, expires_on } = self.read(answer)?;
        let token = access_token.filter(|token| !token.is_empty());
        let value = token.ok_or_else(|| self.refused("its answer holds no token"))?;
        let from_now = expires_in.as_ref().and_then(seconds).map(Duration::from_secs);
        let lifetime = from_now.or_else(|| {
            let end = UNIX_EPOCH + Duration::from_secs(expires_on.as_ref().and_then(seconds)?);
            end.duration_since(SystemTime::now()).ok()
        });
        Ok(Fetched { value, lifetime: Some(lifetime.unwrap_or(UNTOLD_LIFETIME)) })
    }

    /// The JSON of an answer that grants something.
    pub(super) fn read<'a, T: Deserialize<'a>>(
        self,
        answer: &'a Answer,
    ) -> Result<T, IdentityError> {
        // What serde says of a mistake may repeat a piece of the answer.
        serde_json::from_str(self.text(answer)?)
            .map_err(|_| self.refused("its answer is not what was asked for"))
    }

    /// The text of an answer that grants something.
    pub(super) fn text(self, answer: &Answer) -> Result<&str, IdentityError> {
        if !answer.status.is_success() {
            return Err(self.refused(format!("it answered {}", answer.refusal())));
        }
        std::str::from_utf8(&answer.body).map_err(|_| self.refused("its answer is no text"))
    }
}

impl Answer {
    /// The status and the names of errors: `error` of RFC 6749 section 5.2, `error.status` of
    /// Google's APIs, the numbers of Entra ID. Nothing else is repeated, it might hold a secret.
    fn refusal(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let error = &body["error"];
        let name = error.as_str().or(error["status"].as_str()).filter(|name| is_code(name));
        let number = body["error_codes"][0].as_u64().map(|number| format!("AADSTS{number}"));
        let codes: Vec<_> = name.map(str::to_owned).into_iter().chain(number).collect();
        match codes.as_slice() {
            [] => self.status.as_u16().to_string(),
            codes => format!("{} ({})", self.status.as_u16(), codes.join(", ")),
        }
    }
}

fn is_code(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !text.is_empty() && text.len() <= LONGEST_CODE && text.bytes().all(plain)
}

fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Pairs as a form or a query has them.
pub(super) fn encode(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// `Bearer TOKEN`, marked sensitive. `None` if the token cannot stand in a header.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests;
