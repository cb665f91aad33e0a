//! How Azure's crates ask: over the TLS and HTTP that the gateway has anyway, and with a note of what
//! went wrong, since their errors hold whole answers.

use azure_core::Error;
use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::Uri;
use http::uri::PathAndQuery;
use parking_lot::Mutex;

use super::exchange::exchange;
use crate::credential::refusal::told;

/// Carries the requests of one fetch.
#[derive(Debug)]
pub(super) struct Wire {
    /// Where all of them go, whatever host and scheme they name.
    origin: Option<Uri>,
    last: Mutex<Option<Outcome>>,
}

/// What became of a request.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// Somebody granted something.
    Granted,
    /// Nobody did, for this reason.
    Refused(String),
}

impl Wire {
    pub(super) fn new(origin: Option<Uri>) -> Self {
        Self { origin, last: Mutex::default() }
    }

    /// What became of the last request; `None` if there was none.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.last.lock().clone()
    }

    async fn carry(&self, request: &Request) -> Result<AsyncRawResponse, String> {
        let request = self.translated(request).map_err(|error| error.to_string())?;
        let (head, body) = exchange(request).await?.into_parts();
        let outcome = if head.status.is_success() {
            Outcome::Granted
        } else {
            let answer = serde_json::from_slice(&body).unwrap_or_default();
            Outcome::Refused(format!("it answered {}", told(head.status.as_u16(), &answer)))
        };
        *self.last.lock() = Some(outcome);
        // Its headers matter to nobody who asks for a token.
        let status = head.status.as_u16().into();
        Ok(AsyncRawResponse::from_bytes(status, Headers::new(), body))
    }

    fn translated(&self, request: &Request) -> Result<http::Request<Bytes>, http::Error> {
        let mut url: Uri = request.url().as_str().parse()?;
        if let Some(origin) = &self.origin {
            let mut parts = origin.clone().into_parts();
            let path = url.path_and_query().cloned();
            parts.path_and_query = path.or(Some(PathAndQuery::from_static("/")));
            url = Uri::from_parts(parts)?;
        }
        let mut translated = http::Request::builder().method(request.method().as_str()).uri(url);
        for (name, value) in request.headers().iter() {
            translated = translated.header(name.as_str(), value.as_str());
        }
        let body = match request.body() {
            Body::Bytes(bytes) => bytes.clone(),
            // No credential has one.
            Body::SeekableStream(_) => Bytes::new(),
        };
        translated.body(body)
    }
}

impl HttpClient for Wire {
    // What `async_trait` makes of an `async fn`.
    fn execute_request<'a, 'b, 'c>(
        &'a self,
        request: &'b Request,
    ) -> BoxFuture<'c, azure_core::Result<AsyncRawResponse>>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        let failed = |reason: String| {
            *self.last.lock() = Some(Outcome::Refused(reason.clone()));
            Error::with_message(ErrorKind::Io, reason)
        };
        async move { self.carry(request).await.map_err(failed) }.boxed()
    }
}
