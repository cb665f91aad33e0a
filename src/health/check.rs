//! One check.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::table::{HealthCheck, Upstream};
use crate::upstream::{Client, UpstreamBody, authorize};

/// What the gateway calls itself.
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("pilothouse/", env!("CARGO_PKG_VERSION"), " (health check)"));

/// A longer page is not read to its end: its status is known, and its connection is closed instead of
/// kept.
const LONGEST_PAGE: usize = 64 << 10;

/// Asks once: nothing, or what is wrong. `None` if there is no key to ask with, which says nothing
/// about the target.
pub(super) async fn check(
    client: &Client,
    upstream: &Upstream,
    policy: &HealthCheck,
) -> Option<Result<(), String>> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = Uri::from(policy.path.clone());
    request.headers_mut().insert(USER_AGENT, AGENT);
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("*/*"));
    if policy.authenticated
        && let Some(keys) = &upstream.keys
    {
        let now = std::time::Instant::now();
        let key = keys.pick(upstream.limited_model(), now, &[], None)?;
        let proven = authorize(&mut request, &upstream.base_url, upstream.provider, &key);
        // Tokens of clouds are asked for over the network.
        timeout(policy.timeout, proven).await.ok()?.ok()?;
    }
    let asked = ask(client, upstream, request, policy.timeout);
    Some(timeout(policy.timeout, asked).await.unwrap_or_else(|_| {
        Err(format!(
            "GET {} was not answered within {} ms",
            policy.path,
            policy.timeout.as_millis()
        ))
    }))
}

async fn ask(
    client: &Client,
    upstream: &Upstream,
    request: Request<Bytes>,
    limit: Duration,
) -> Result<(), String> {
    let page = request.uri().clone();
    let connect = upstream.timeouts.connect.min(limit);
    let sent = client.send(&upstream.base_url, request, connect).await;
    let response = sent.map_err(|error| format!("GET {page}: {error}"))?;
    let status = response.status();
    if !status.is_success() {
        drain(response).await;
        return Err(format!("GET {page} was answered with status {}", status.as_u16()));
    }
    drain(response).await;
    Ok(())
}

/// Reads the page, so that its connection may be used again.
async fn drain(response: Response<UpstreamBody>) {
    let mut body = response.into_body();
    let mut length = 0;
    while let Some(Ok(frame)) = body.frame().await {
        length += frame.data_ref().map_or(0, Bytes::len);
        if length > LONGEST_PAGE {
            return;
        }
    }
}
