//! Connections to providers: resolved, checked, pooled, and never used again once in doubt.
//!
//! The pool is our own, around hyper's connection types: it knows whether a connection was used
//! before (so that a request lost on a stale one is sent again), it has limits, and it takes a
//! connection back only after the last byte of its answer. A connection whose answer was abandoned
//! is closed.

mod auth;
mod body;
mod connect;
mod loss;
mod pool;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;

pub use auth::authorize;
pub use body::UpstreamBody;
pub(crate) use connect::configure_socket;
pub use connect::{ConnectError, Connector};
pub use pool::PoolLimits;

pub use crate::table::AddressPolicy;
use crate::table::BaseUrl;
use loss::Loss;
use pool::{Lease, Pool};

/// Sends requests to providers. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    pool: Arc<Pool>,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// What it is called, and how it is spoken to.
    pub base: &'a BaseUrl,
    /// Who is asked in place of what that name resolves to: an endpoint of a Service, which was found
    /// to be permitted before.
    pub endpoint: Option<SocketAddr>,
}

impl<'a> From<&'a BaseUrl> for Destination<'a> {
    fn from(base: &'a BaseUrl) -> Self {
        Self { base, endpoint: None }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection could be made.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection broke before an answer began.
    #[error("the connection broke before an answer began: {}", root_cause(.0))]
    Broken(#[source] hyper::Error),
}

/// The innermost cause: hyper's own text says only in which phase something happened.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// For a request's extensions: it is sent again only if it is certain that nobody has got it. Without
/// it, a kept connection that breaks at once is taken to have gone stale before the request came.
#[derive(Debug, Clone, Copy)]
pub struct SentOnce;

impl Client {
    /// A client that connects by `connector` within `limits`. Its sweeper, which closes connections
    /// that have been idle for too long, ends with the client.
    pub fn new(connector: Connector, limits: PoolLimits) -> Self {
        let pool = Arc::new(Pool::new(connector, limits));
        Pool::spawn_sweeper(&pool);
        Self { pool }
    }

    /// Sends a request and returns the head of its answer with the body still to come. Dropping the
    /// returned future or body ends the exchange at the provider.
    ///
    /// `request` has a path-and-query URI and no `host` header; `connect_timeout` bounds the making
    /// of a connection, if one has to be made.
    pub fn send<'a>(
        &'a self,
        to: impl Into<Destination<'a>>,
        request: Request<Bytes>,
        connect_timeout: Duration,
    ) -> impl Future<Output = Result<Response<UpstreamBody>, SendError>> + Send + 'a {
        self.send_to(to.into(), request, connect_timeout)
    }

    async fn send_to(
        &self,
        to: Destination<'_>,
        request: Request<Bytes>,
        connect_timeout: Duration,
    ) -> Result<Response<UpstreamBody>, SendError> {
        let base = to.base;
        let mut lease = self.pool.lease(to, connect_timeout).await?;
        let once = request.extensions().get::<SentOnce>().is_some();
        let (head, body) = request.into_parts();
        let again = lease.may_lose().then(|| (head.clone(), body.clone()));
        let (reused, since) = (lease.is_reused(), Instant::now());
        let error = match exchange(&mut lease, base, head, body).await {
            Ok(response) => return Ok(response.map(|body| UpstreamBody::new(body, lease))),
            Err(error) => error,
        };
        let loss = Loss::of(&error);
        if loss.ends_connection() {
            lease.retire();
        }
        // At most once more: what is lost twice is no accident.
        match again {
            Some((head, body)) if loss.is_harmless(reused && !once, since.elapsed()) => {
                let mut lease = self.pool.another(lease, to, connect_timeout).await?;
                let response = exchange(&mut lease, base, head, body).await;
                Ok(response.map_err(SendError::Broken)?.map(|body| UpstreamBody::new(body, lease)))
            }
            _ => Err(SendError::Broken(error)),
        }
    }
}

async fn exchange(
    lease: &mut Lease,
    base: &BaseUrl,
    head: http::request::Parts,
    body: Bytes,
) -> Result<Response<Incoming>, hyper::Error> {
    let mut request = Request::from_parts(head, Full::new(body));
    lease.prepare(base, &mut request);
    lease.send(request).await
}
