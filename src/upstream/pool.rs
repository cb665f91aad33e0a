//! Which connection a request goes out on.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::connect::{ConnectError, Connected, Connector};
use crate::table::BaseUrl;

/// How many connections there may be and how long they may wait.
#[derive(Debug, Clone, Copy)]
pub struct PoolLimits {
    /// Connections to one origin, idle or in use.
    pub per_origin: usize,
    /// Idle HTTP/1.1 connections kept for one origin.
    pub idle_per_origin: usize,
    /// An idle connection is closed after this long.
    pub idle_timeout: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            // Streams hold an HTTP/1.1 connection for minutes; well below the ports and file
            // descriptors that a container usually has.
            per_origin: 8192,
            // A burst's connections are worth keeping for the next one; 25 KB each at most.
            idle_per_origin: 512,
            // Shorter than what servers in front of models allow (uvicorn closes after 5 s, but
            // says so; the cloud balancers after 60 s, and do not).
            idle_timeout: Duration::from_secs(30),
        }
    }
}

/// Streams opened on one HTTP/2 connection before another is made: the value that servers commonly
/// announce as their maximum (RFC 9113 recommends no less than 100).
const STREAMS_PER_CONNECTION: usize = 100;

#[derive(Debug)]
pub(super) struct Pool {
    connector: Connector,
    limits: PoolLimits,
    origins: Mutex<HashMap<Origin, Arc<OriginPool>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Origin {
    https: bool,
    authority: http::uri::Authority,
}

#[derive(Debug, Default)]
struct OriginPool {
    /// The last one given back is the first one taken: the rest grow old and are closed.
    idle: Mutex<Vec<Idle>>,
    shared: Mutex<Vec<Shared>>,
    open: AtomicUsize,
}

impl OriginPool {
    fn pop_idle(&self) -> Option<Idle> {
        self.idle.lock().pop()
    }
}

#[derive(Debug)]
struct Idle {
    connection: Http1,
    since: Instant,
}

/// One HTTP/1.1 connection; counts as open until dropped.
#[derive(Debug)]
struct Http1 {
    sender: http1::SendRequest<Full<Bytes>>,
    _open: OpenGuard,
}

/// One HTTP/2 connection and how many streams it carries.
#[derive(Debug, Clone)]
struct Shared {
    sender: http2::SendRequest<Full<Bytes>>,
    streams: Arc<AtomicUsize>,
    last_used: Arc<Mutex<Instant>>,
    _open: Arc<OpenGuard>,
}

#[derive(Debug)]
struct OpenGuard(Arc<OriginPool>);

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pool {
    pub(super) fn new(connector: Connector, limits: PoolLimits) -> Self {
        Self { connector, limits, origins: Mutex::new(HashMap::new()) }
    }

    pub(super) fn spawn_sweeper(pool: &Arc<Self>) {
        let weak = Arc::downgrade(pool);
        let period = pool.limits.idle_timeout / 2;
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(period.max(Duration::from_millis(10)));
            loop {
                ticks.tick().await;
                let Some(pool) = weak.upgrade() else { return };
                pool.sweep(Instant::now());
            }
        });
    }

    /// Closes connections that were idle for too long, and forgets origins without any.
    fn sweep(&self, now: Instant) {
        let limit = self.limits.idle_timeout;
        self.origins.lock().retain(|_, origin| {
            origin.idle.lock().retain(|idle| {
                !idle.connection.sender.is_closed() && now.duration_since(idle.since) < limit
            });
            origin.shared.lock().retain(|shared| {
                let in_use = shared.streams.load(Ordering::Relaxed) > 0;
                let young = now.duration_since(*shared.last_used.lock()) < limit;
                !shared.sender.is_closed() && (in_use || young)
            });
            origin.open.load(Ordering::Relaxed) > 0
        });
    }

    pub(super) fn connections(&self) -> usize {
        self.origins.lock().values().map(|origin| origin.open.load(Ordering::Relaxed)).sum()
    }

    /// An idle connection if there is one, else a fresh one.
    pub(super) async fn lease(
        &self,
        base: &BaseUrl,
        limit: Duration,
    ) -> Result<Lease, ConnectError> {
        let origin = self.origin(base);
        if let Some(lease) = self.idle(&origin).await {
            return Ok(lease);
        }
        self.connect(origin, base, limit).await
    }

    /// A connection that no request has used yet.
    pub(super) async fn fresh(
        &self,
        base: &BaseUrl,
        limit: Duration,
    ) -> Result<Lease, ConnectError> {
        self.connect(self.origin(base), base, limit).await
    }

    fn origin(&self, base: &BaseUrl) -> Arc<OriginPool> {
        let key = Origin { https: base.is_https(), authority: base.authority().clone() };
        Arc::clone(self.origins.lock().entry(key).or_default())
    }

    /// An idle HTTP/1.1 connection that still works, or room on a shared HTTP/2 one.
    async fn idle(&self, origin: &Arc<OriginPool>) -> Option<Lease> {
        /// A connection comes back when its last byte was read, which is a moment before hyper's
        /// own task is done with it. That task does nothing but note it, unless the provider
        /// answered before it read the request: such a connection is not worth waiting for.
        const SETTLING: Duration = Duration::from_millis(10);

        while let Some(Idle { mut connection, since }) = origin.pop_idle() {
            if since.elapsed() >= self.limits.idle_timeout {
                continue;
            }
            let ready = connection.sender.is_ready()
                || matches!(timeout(SETTLING, connection.sender.ready()).await, Ok(Ok(())));
            if ready {
                return Some(Lease {
                    wire: Wire::Http1(connection),
                    origin: Arc::clone(origin),
                    idle_limit: self.limits.idle_per_origin,
                    reused: true,
                });
            }
        }
        let shared = origin.shared.lock();
        let roomy = shared.iter().find(|shared| {
            !shared.sender.is_closed()
                && shared.streams.load(Ordering::Relaxed) < STREAMS_PER_CONNECTION
        })?;
        Some(Lease::on_shared(roomy.clone(), origin, true))
    }

    async fn connect(
        &self,
        origin: Arc<OriginPool>,
        base: &BaseUrl,
        limit: Duration,
    ) -> Result<Lease, ConnectError> {
        let open = OpenGuard(Arc::clone(&origin));
        if origin.open.fetch_add(1, Ordering::Relaxed) >= self.limits.per_origin {
            return Err(ConnectError::Exhausted(self.limits.per_origin));
        }
        let wire = match self.connector.connect(base, limit).await? {
            Connected::Plain(stream) => Wire::Http1(http1_on(TokioIo::new(stream), open).await?),
            Connected::Http1(stream) => Wire::Http1(http1_on(TokioIo::new(stream), open).await?),
            Connected::Http2(stream) => {
                let shared = http2_on(TokioIo::new(stream), open).await?;
                origin.shared.lock().push(shared.clone());
                return Ok(Lease::on_shared(shared, &origin, false));
            }
        };
        Ok(Lease { wire, origin, idle_limit: self.limits.idle_per_origin, reused: false })
    }
}

async fn http1_on<I>(io: I, open: OpenGuard) -> Result<Http1, ConnectError>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (sender, connection) =
        http1::Builder::new().handshake::<_, Full<Bytes>>(io).await.map_err(ConnectError::Http)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an upstream connection ended");
        }
    });
    Ok(Http1 { sender, _open: open })
}

async fn http2_on<I>(io: I, open: OpenGuard) -> Result<Shared, ConnectError>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        // A dead peer is noticed while streams wait for it; TCP's own probes see only the next hop
        // where a load balancer stands between.
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .handshake::<_, Full<Bytes>>(io)
        .await
        .map_err(ConnectError::Http)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an upstream connection ended");
        }
    });
    Ok(Shared {
        sender,
        streams: Arc::default(),
        last_used: Arc::new(Mutex::new(Instant::now())),
        _open: Arc::new(open),
    })
}

/// The right to use a connection for one exchange. Dropped, it closes an HTTP/1.1 connection and
/// resets an HTTP/2 stream.
#[derive(Debug)]
pub(super) struct Lease {
    wire: Wire,
    origin: Arc<OriginPool>,
    idle_limit: usize,
    reused: bool,
}

#[derive(Debug)]
enum Wire {
    Http1(Http1),
    Http2(Shared, #[allow(dead_code, reason = "counts the stream until dropped")] StreamGuard),
}

#[derive(Debug)]
struct StreamGuard {
    streams: Arc<AtomicUsize>,
    last_used: Arc<Mutex<Instant>>,
    ended: AtomicBool,
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        if !self.ended.swap(true, Ordering::Relaxed) {
            self.streams.fetch_sub(1, Ordering::Relaxed);
            *self.last_used.lock() = Instant::now();
        }
    }
}

impl Lease {
    fn on_shared(shared: Shared, origin: &Arc<OriginPool>, reused: bool) -> Self {
        shared.streams.fetch_add(1, Ordering::Relaxed);
        let guard = StreamGuard {
            streams: Arc::clone(&shared.streams),
            last_used: Arc::clone(&shared.last_used),
            ended: AtomicBool::new(false),
        };
        let wire = Wire::Http2(shared, guard);
        Self { wire, origin: Arc::clone(origin), idle_limit: 0, reused }
    }

    pub(super) fn is_reused(&self) -> bool {
        self.reused
    }

    /// Puts the origin where this HTTP version wants it: the `host` header, or the URI.
    pub(super) fn prepare(&self, base: &BaseUrl, request: &mut Request<Full<Bytes>>) {
        match &self.wire {
            Wire::Http1(_) => {
                *request.version_mut() = Version::HTTP_11;
                if let Ok(host) = HeaderValue::from_str(base.authority().as_str()) {
                    request.headers_mut().insert(HOST, host);
                }
            }
            Wire::Http2(..) => {
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

    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        match &mut self.wire {
            Wire::Http1(connection) => connection.sender.send_request(request).await,
            Wire::Http2(shared, _) => shared.sender.send_request(request).await,
        }
    }

    /// Returns the connection after the last byte of an answer.
    pub(super) fn give_back(self) {
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
