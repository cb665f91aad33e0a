//! One file, from the URL of a client.

use std::future::poll_fn;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::header::{LOCATION, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use url::{Position, Url};

use super::kind;
use crate::proxy::budget::{Budget, Exhausted, Reservation};
use crate::proxy::headers::AGENT;
use crate::table::BaseUrl;
use crate::upstream::{Client, ConnectError, SendError, UpstreamBody};

/// Hops that are followed: a short link, its host's own redirect, and a content network.
const MAX_REDIRECTS: usize = 3;
/// For one connection; all of it has its own limit.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// A file as it came.
pub(super) struct Raw {
    pub bytes: Bytes,
    pub media_type: &'static str,
    _reservation: Reservation,
}

/// Why a file was not fetched, in words for the client. They do not tell a host that does not exist
/// from one that may not be reached: names inside a network are its own business.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("it is no URL of `https:`")]
    NoUrl,
    #[error("its URL must not hold a user name or password")]
    Credentials,
    #[error("its host has no address that may be fetched from: send the data itself")]
    Forbidden,
    #[error("its host does not answer")]
    Unreachable,
    #[error("its host answers with status {}", .0.as_u16())]
    Status(StatusCode),
    #[error("it is redirected more than {MAX_REDIRECTS} times, or to nowhere")]
    Redirects,
    #[error("it is compressed, which nobody asked for")]
    Encoded,
    #[error("it is neither a picture (JPEG, PNG, GIF, WebP, HEIC) nor a PDF")]
    Kind,
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    #[error("with the others it is larger than a request may be (`--max-body-size`)")]
    TooLargeTogether,
    #[error("it and the others take longer than {} s", super::FETCH_TIME.as_secs())]
    TooSlow,
    #[error("a request may name {0} files by URL")]
    TooMany(usize),
    #[error("the gateway's memory for bodies is used up")]
    NoMemory(#[from] Exhausted),
}

impl From<SendError> for Fault {
    fn from(error: SendError) -> Self {
        tracing::debug!(%error, "a picture cannot be fetched");
        match error {
            SendError::Connect(ConnectError::Forbidden { .. } | ConnectError::Resolve { .. }) => {
                Self::Forbidden
            }
            SendError::Connect(_) | SendError::Broken(_) => Self::Unreachable,
        }
    }
}

/// Fetches a picture or document of at most `limit` bytes.
pub(super) async fn download(
    client: &Client,
    url: &str,
    limit: usize,
    budget: &Budget,
) -> Result<Raw, Fault> {
    let mut url = checked(Url::parse(url))?;
    for _ in 0..=MAX_REDIRECTS {
        let response = ask(client, &url).await?;
        match response.status() {
            StatusCode::OK => return read(response, limit, budget).await,
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => url = checked(next(&url, response.headers()))?,
            other => return Err(Fault::Status(other)),
        }
    }
    Err(Fault::Redirects)
}

/// Where a redirect leads; an address without sense is no URL.
fn next(url: &Url, headers: &HeaderMap) -> Result<Url, url::ParseError> {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    url.join(location.unwrap_or("//"))
}

fn checked(url: Result<Url, url::ParseError>) -> Result<Url, Fault> {
    let url = url.map_err(|_| Fault::NoUrl)?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(Fault::NoUrl);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Fault::Credentials);
    }
    Ok(url)
}

async fn ask(client: &Client, url: &Url) -> Result<Response<UpstreamBody>, Fault> {
    let origin: BaseUrl = url[..Position::BeforePath].parse().map_err(|_| Fault::NoUrl)?;
    let path = PathAndQuery::try_from(&url[Position::BeforePath..Position::AfterQuery])
        .map_err(|_| Fault::NoUrl)?;
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = path.into();
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("image/*, application/pdf"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(USER_AGENT, AGENT);
    Ok(client.send(&origin, request, CONNECT_TIME).await?)
}

async fn read(
    response: Response<UpstreamBody>,
    limit: usize,
    budget: &Budget,
) -> Result<Raw, Fault> {
    let (head, mut body) = response.into_parts();
    if head.headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Fault::Encoded);
    }
    if !may_be_media(&head.headers) {
        return Err(Fault::Kind);
    }
    let announced = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if announced.and_then(|length| length.parse::<u64>().ok()) > Some(limit as u64) {
        return Err(Fault::TooLarge(limit));
    }
    let mut bytes = BytesMut::new();
    let mut reservation = budget.reserve(0)?;
    while let Some(data) = poll_fn(|cx| body.poll_data(cx)).await {
        let data = data.map_err(SendError::Broken)?;
        let total = bytes.len() + data.len();
        if total > limit {
            return Err(Fault::TooLarge(limit));
        }
        if total > bytes.capacity() {
            // Doubled, so that a file in a thousand pieces is not copied a thousand times.
            let room = (2 * total).min(limit);
            reservation.grow_to(room)?;
            bytes.reserve(room - bytes.len());
        }
        bytes.extend_from_slice(&data);
        // What is none is not read to its end.
        if bytes.len() >= SNIFFED && kind::of(&bytes).is_none() {
            return Err(Fault::Kind);
        }
    }
    let media_type = kind::of(&bytes).ok_or(Fault::Kind)?;
    Ok(Raw { bytes: bytes.freeze(), media_type, _reservation: reservation })
}

/// Bytes by which every kind of file is known.
const SNIFFED: usize = 12;

/// Whether a server means to send a picture or document, as far as it says. Many say only that it is
/// bytes.
fn may_be_media(headers: &HeaderMap) -> bool {
    let Some(said) = headers.get(CONTENT_TYPE) else { return true };
    let said = said.to_str().unwrap_or("?").split(';').next().unwrap_or_default();
    let said = said.trim().to_ascii_lowercase();
    said.starts_with("image/")
        || matches!(
            &*said,
            "" | "application/pdf" | "application/octet-stream" | "binary/octet-stream"
        )
}
