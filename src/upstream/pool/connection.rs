//! The connections themselves, as hyper drives them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use parking_lot::Mutex;

use super::super::connect::ConnectError;

/// One HTTP/1.1 connection; counts as open until dropped.
#[derive(Debug)]
pub(super) struct Http1 {
    pub(super) sender: http1::SendRequest<Full<Bytes>>,
    _open: OpenGuard,
}

/// One HTTP/2 connection and how many streams it carries.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) sender: http2::SendRequest<Full<Bytes>>,
    pub(super) streams: Arc<AtomicUsize>,
    pub(super) last_used: Arc<Mutex<Instant>>,
    _open: Arc<OpenGuard>,
}

/// Counts a connection until dropped.
#[derive(Debug)]
pub(super) struct OpenGuard(Arc<AtomicUsize>);

impl OpenGuard {
    /// Counts one more, and says how many there were before.
    pub(super) fn enter(open: &Arc<AtomicUsize>) -> (Self, usize) {
        let before = open.fetch_add(1, Ordering::Relaxed);
        (Self(Arc::clone(open)), before)
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Http1 {
    /// Speaks HTTP/1.1 on `io` in a task of its own, which ends with the sender.
    pub(super) async fn start<I>(io: I, open: OpenGuard) -> Result<Self, ConnectError>
    where
        I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::Builder::new()
            .handshake::<_, Full<Bytes>>(io)
            .await
            .map_err(ConnectError::Http)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an upstream connection ended");
            }
        });
        Ok(Self { sender, _open: open })
    }
}

impl Shared {
    /// Speaks HTTP/2 on `io` in a task of its own, which ends with the last sender.
    pub(super) async fn start<I>(io: I, open: OpenGuard) -> Result<Self, ConnectError>
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
        Ok(Self {
            sender,
            streams: Arc::default(),
            last_used: Arc::new(Mutex::new(Instant::now())),
            _open: Arc::new(open),
        })
    }
}
