//! Connections to providers: resolved, checked, pooled, and never used again once in doubt.
//!
//! The pool is our own, around hyper's connection types: it knows whether a connection was used
//! before (so that a request lost on a stale one is sent again), it has limits, and it takes a
//! connection back only after the last byte of its answer. A connection whose answer was abandoned
//! is closed.

mod address;
mod auth;
mod body;
mod connect;
mod pool;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;

pub use address::AddressPolicy;
pub use auth::authorize;
pub use body::UpstreamBody;
pub(crate) use connect::configure_socket;
pub use connect::{ConnectError, Connector};
pub use pool::PoolLimits;

use crate::table::BaseUrl;
use pool::{Lease, Pool};

/// Sends requests to providers.
#[derive(Debug)]
pub struct Client {
    pool: Arc<Pool>,
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
    pub async fn send(
        &self,
        base: &BaseUrl,
        request: Request<Bytes>,
        connect_timeout: Duration,
    ) -> Result<Response<UpstreamBody>, SendError> {
        let (head, body) = request.into_parts();
        let again = (head.clone(), body.clone());
        let lease = self.pool.lease(base, connect_timeout).await?;
        let reused = lease.is_reused();
        match exchange(lease, base, Request::from_parts(head, Full::new(body))).await {
            // A provider may close an idle connection at the moment it is used again. Nothing of an
            // answer was seen, so one more try on a fresh connection is the same request, not a
            // repetition of it.
            Err(error) if reused && is_stale(&error) => {
                let lease = self.pool.fresh(base, connect_timeout).await?;
                let request = Request::from_parts(again.0, Full::new(again.1));
                exchange(lease, base, request).await.map_err(SendError::Broken)
            }
            result => result.map_err(SendError::Broken),
        }
    }

    /// Open connections, idle ones included.
    pub fn connections(&self) -> usize {
        self.pool.connections()
    }
}

async fn exchange(
    mut lease: Lease,
    base: &BaseUrl,
    mut request: Request<Full<Bytes>>,
) -> Result<Response<UpstreamBody>, hyper::Error> {
    lease.prepare(base, &mut request);
    let response = lease.send(request).await?;
    Ok(response.map(|body| UpstreamBody::new(body, lease)))
}

fn is_stale(error: &hyper::Error) -> bool {
    error.is_canceled()
        || error.is_closed()
        || error.is_incomplete_message()
        || std::error::Error::source(error)
            .and_then(|cause| cause.downcast_ref::<std::io::Error>())
            .is_some_and(|error| {
                matches!(
                    error.kind(),
                    std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe
                )
            })
}
