//! The right to use a connection.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body_util::Full;
use hyper::body::Incoming;

use super::connection::{Http1, Shared};
use super::{Idle, OriginPool};
use crate::table::BaseUrl;

/// The right to use a connection for one exchange. Dropped, it closes an HTTP/1.1 connection and
/// resets an HTTP/2 stream.
#[derive(Debug)]
pub(in crate::upstream) struct Lease {
    wire: Wire,
    origin: Arc<OriginPool>,
    idle_limit: usize,
    reused: bool,
}

#[derive(Debug)]
enum Wire {
    Http1(Http1),
    Http2(Stream),
}

/// One stream of a shared connection, counted until dropped.
#[derive(Debug)]
struct Stream(Shared);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
        *self.0.last_used.lock() = Instant::now();
    }
}

impl Lease {
    pub(super) fn on_own(
        connection: Http1,
        origin: Arc<OriginPool>,
        idle_limit: usize,
        reused: bool,
    ) -> Self {
        Self { wire: Wire::Http1(connection), origin, idle_limit, reused }
    }

    pub(super) fn on_shared(shared: Shared, origin: &Arc<OriginPool>, reused: bool) -> Self {
        shared.streams.fetch_add(1, Ordering::Relaxed);
        let wire = Wire::Http2(Stream(shared));
        Self { wire, origin: Arc::clone(origin), idle_limit: 0, reused }
    }

    /// The connection, if others may use it at the same time.
    pub(super) fn shared(&self) -> Option<&Shared> {
        match &self.wire {
            Wire::Http1(_) => None,
            Wire::Http2(stream) => Some(&stream.0),
        }
    }

    /// Whether other requests used the connection before.
    pub(in crate::upstream) fn is_reused(&self) -> bool {
        self.reused
    }

    /// Whether a request may be lost on it without having been processed: on one that was used
    /// before, and on HTTP/2, whose servers turn requests away by name.
    pub(in crate::upstream) fn may_lose(&self) -> bool {
        self.reused || self.shared().is_some()
    }

    /// Takes a shared connection out of the pool: its streams end, new ones are not opened.
    pub(in crate::upstream) fn retire(&self) {
        if let Some(lost) = self.shared() {
            let others = |shared: &Shared| !Arc::ptr_eq(&lost.streams, &shared.streams);
            self.origin.shared.lock().retain(others);
        }
    }

    /// Puts the origin where this HTTP version wants it: the `host` header, or the URI.
    pub(in crate::upstream) fn prepare(&self, base: &BaseUrl, request: &mut Request<Full<Bytes>>) {
        match &self.wire {
            Wire::Http1(_) => {
                *request.version_mut() = Version::HTTP_11;
                if let Ok(host) = HeaderValue::from_str(base.authority().as_str()) {
                    request.headers_mut().insert(HOST, host);
                }
            }
            Wire::Http2(_) => {
                *request.version_mut() = Version::HTTP_2;
                let mut parts = std::mem::take(request.uri_mut()).into_parts();
                parts.scheme = Some(if base.is_https() {
                    http::uri::Scheme::HTTPS
                } else {
                    http::uri::Scheme::HTTP
                });
                parts.authority = Some(base.authority().clone());
                *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
            }
        }
    }

    pub(in crate::upstream) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        match &mut self.wire {
            Wire::Http1(connection) => connection.sender.send_request(request).await,
            Wire::Http2(stream) => stream.0.sender.send_request(request).await,
        }
    }

    /// Returns the connection after the last byte of an answer.
    pub(in crate::upstream) fn give_back(self) {
        let Wire::Http1(connection) = self.wire else { return };
        if connection.sender.is_closed() {
            return;
        }
        let mut idle = self.origin.idle.lock();
        if idle.len() < self.idle_limit {
            idle.push(Idle { connection, since: Instant::now() });
        }
    }
}
