//! One question.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, USER_AGENT};
use http::{HeaderValue, Request, Uri};
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::exposition::Reader;
use crate::state::LoadReport;
use crate::table::{ServerMetrics, Upstream};
use crate::upstream::{Client, Destination, authorize};

/// What the gateway calls itself.
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("pilothouse/", env!("CARGO_PKG_VERSION"), " (metrics)"));

/// The format that is read. Without a word on it, some servers would choose one in binary.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain;version=0.0.4, */*;q=0.1");

/// The longest page. vLLM's has some 50 KB; many models or adapters with histograms of their own make
/// it some times as long.
const LONGEST_PAGE: usize = 1 << 20;

/// Asks once: what the server says of its load, or why it does not. `None` if there is no key to ask
/// with, which says nothing about the server.
pub(super) async fn poll(
    client: &Client,
    upstream: &Upstream,
    how: &ServerMetrics,
    address: SocketAddr,
) -> Option<Result<LoadReport, String>> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = Uri::from(how.path.clone());
    request.headers_mut().insert(USER_AGENT, AGENT);
    request.headers_mut().insert(ACCEPT, TEXT);
    request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if how.authenticated
        && let Some(keys) = &upstream.keys
    {
        let now = std::time::Instant::now();
        let key = keys.pick(upstream.limited_model(), now, &[], None)?;
        let proven = authorize(&mut request, &upstream.base_url, upstream.provider, &key);
        timeout(how.timeout, proven).await.ok()?.ok()?;
    }
    let said = timeout(how.timeout, ask(client, upstream, request, how, address)).await;
    let said = said
        .unwrap_or_else(|_| Err(format!("was not answered within {} ms", how.timeout.as_millis())));
    Some(said.map_err(|fault| format!("GET {} {fault}", how.path)))
}

async fn ask(
    client: &Client,
    upstream: &Upstream,
    request: Request<Bytes>,
    how: &ServerMetrics,
    address: SocketAddr,
) -> Result<LoadReport, String> {
    let to = Destination { base: &upstream.base_url, endpoint: Some(address) };
    let connect = upstream.timeouts.connect.min(how.timeout);
    let sent = client.send(to, request, connect).await;
    let (head, mut body) = sent.map_err(|error| format!("failed: {error}"))?.into_parts();
    let encoded = head.headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
    // Read to its end in any case, so that the connection may be used again.
    let (mut reader, mut length) = (Reader::default(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("broke off: {error}"))?;
        let Some(data) = frame.data_ref() else { continue };
        length += data.len();
        if length > LONGEST_PAGE {
            return Err(format!("was answered with more than {LONGEST_PAGE} bytes"));
        }
        reader.read(data);
    }
    // A redirect is an answer like any other that is no page: it is not followed.
    if !head.status.is_success() {
        return Err(format!("was answered with status {}", head.status.as_u16()));
    }
    if encoded {
        return Err("was answered in a compressed form that was not asked for".to_owned());
    }
    let nothing = "was answered without the queue of any server that is known (vLLM, SGLang, \
                   llama.cpp, TGI)";
    reader.finish().ok_or_else(|| nothing.to_owned())
}
