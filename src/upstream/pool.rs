//! Which connection a request goes out on.

mod connection;
mod lease;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::time::timeout;

use super::Destination;
use super::connect::{ConnectError, Connected, Connector};
use connection::{Http1, OpenGuard, Shared};
pub(super) use lease::Lease;

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

impl PoolLimits {
    /// For many origins of which each is asked now and then: strangers name them, and none may take
    /// up the process's connections.
    pub const OCCASIONAL: Self =
        Self { per_origin: 64, idle_per_origin: 4, idle_timeout: Duration::from_secs(5) };
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
    /// Which server behind that name, where that is known.
    endpoint: Option<SocketAddr>,
}

#[derive(Debug, Default)]
struct OriginPool {
    /// The last one given back is the first one taken: the rest grow old and are closed.
    idle: Mutex<Vec<Idle>>,
    shared: Mutex<Vec<Shared>>,
    /// Connections, idle or in use; apart, since a connection that held its origin while it is idle
    /// in it would keep both for ever.
    open: Arc<AtomicUsize>,
    /// Held by who makes a connection that others may share, so that a burst makes one and not one
    /// each. Inside: when making one failed last.
    connecting: tokio::sync::Mutex<Option<Instant>>,
    /// The last connection agreed on HTTP/1.1: the next ones cannot be shared either, so nobody
    /// waits for them.
    unshared: AtomicBool,
}

impl OriginPool {
    fn pop_idle(&self) -> Option<Idle> {
        self.idle.lock().pop()
    }

    /// Room for one more stream on an HTTP/2 connection other than `but`.
    fn share(self: &Arc<Self>, but: Option<&Shared>) -> Option<Lease> {
        let shared = self.shared.lock();
        let roomy = shared.iter().find(|shared| {
            !shared.sender.is_closed()
                && shared.streams.load(Ordering::Relaxed) < STREAMS_PER_CONNECTION
                && !but.is_some_and(|but| Arc::ptr_eq(&but.streams, &shared.streams))
        })?;
        Some(Lease::on_shared(roomy.clone(), self, true))
    }
}

#[derive(Debug)]
struct Idle {
    connection: Http1,
    since: Instant,
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
            // Whoever holds the origin may be about to connect, or to give a connection back. New
            // holders take it from this map, whose lock is held.
            Arc::strong_count(origin) > 1 || origin.open.load(Ordering::Relaxed) > 0
        });
    }

    /// An idle connection if there is one, else a fresh one.
    pub(super) async fn lease(
        &self,
        to: Destination<'_>,
        limit: Duration,
    ) -> Result<Lease, ConnectError> {
        let origin = self.origin(to);
        if let Some(lease) = self.idle(&origin).await {
            return Ok(lease);
        }
        // Boxed: connecting takes far more room than all the rest of a request, and is rare.
        Box::pin(self.connect_or_share(origin, None, to, limit)).await
    }

    /// A connection on which `lost`, whose exchange failed, did not run: never an idle HTTP/1.1 one,
    /// which may have gone stale together with it.
    pub(super) async fn another(
        &self,
        lost: Lease,
        to: Destination<'_>,
        limit: Duration,
    ) -> Result<Lease, ConnectError> {
        let origin = self.origin(to);
        Box::pin(self.connect_or_share(origin, lost.shared(), to, limit)).await
    }

    fn origin(&self, Destination { base, endpoint }: Destination<'_>) -> Arc<OriginPool> {
        let key = Origin { https: base.is_https(), authority: base.authority().clone(), endpoint };
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
                let limit = self.limits.idle_per_origin;
                return Some(Lease::on_own(connection, Arc::clone(origin), limit, true));
            }
        }
        origin.share(None)
    }

    /// Makes a connection, or waits for the one that somebody else is making if it may be shared.
    async fn connect_or_share(
        &self,
        origin: Arc<OriginPool>,
        but: Option<&Shared>,
        to: Destination<'_>,
        limit: Duration,
    ) -> Result<Lease, ConnectError> {
        if !to.base.is_https() || origin.unshared.load(Ordering::Relaxed) {
            return self.connect(origin, to, limit).await;
        }
        let since = Instant::now();
        let Ok(mut failed) = timeout(limit, origin.connecting.lock()).await else {
            return Err(ConnectError::Timeout(limit));
        };
        if let Some(lease) = origin.share(but) {
            return Ok(lease);
        }
        let left = limit.saturating_sub(since.elapsed());
        // Who waited for a connection that failed or cannot be shared tries alone: one after
        // another, the last of a burst would come too late.
        if origin.unshared.load(Ordering::Relaxed) || failed.is_some_and(|at| at >= since) {
            drop(failed);
            return self.connect(origin, to, left).await;
        }
        let made = self.connect(Arc::clone(&origin), to, left).await;
        if made.is_err() {
            *failed = Some(Instant::now());
        }
        made
    }

    async fn connect(
        &self,
        origin: Arc<OriginPool>,
        to: Destination<'_>,
        limit: Duration,
    ) -> Result<Lease, ConnectError> {
        let (open, before) = OpenGuard::enter(&origin.open);
        if before >= self.limits.per_origin {
            return Err(ConnectError::Exhausted(self.limits.per_origin));
        }
        let connection = match self.connector.connect(to, limit).await? {
            Connected::Plain(stream) => Http1::start(TokioIo::new(stream), open).await?,
            Connected::Http1(stream) => {
                origin.unshared.store(true, Ordering::Relaxed);
                Http1::start(TokioIo::new(stream), open).await?
            }
            Connected::Http2(stream) => {
                origin.unshared.store(false, Ordering::Relaxed);
                let shared = Shared::start(TokioIo::new(stream), open).await?;
                let lease = Lease::on_shared(shared.clone(), &origin, false);
                origin.shared.lock().push(shared);
                return Ok(lease);
            }
        };
        Ok(Lease::on_own(connection, origin, self.limits.idle_per_origin, false))
    }
}
