//! A client that says nothing.
//!
//! hyper's own limit for heads knows one number for two things: how long a head may take, and how
//! long a connection may wait for the next one. And it begins only after the client's first bytes
//! told which HTTP it speaks. Here each has its own limit, counted where the bytes arrive.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Version;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// A client that has not finished its handshake or its request head by then is not serious.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may wait for its next request. Load balancers keep theirs for up to 600 s
/// and expect that the other side does not close first: a request on its way would be lost.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(620);

/// Which requests run on a connection, and since when none does.
#[derive(Debug)]
pub(super) struct Activity(Mutex<Quiet>);

/// A connection between two requests.
#[derive(Debug, Clone, Copy)]
struct Quiet {
    running: usize,
    /// Requests so far.
    requests: u64,
    /// HTTP/2: bytes between two requests are not the next one's head.
    multiplexed: bool,
    since: Instant,
}

/// One request, until its answer has ended.
#[derive(Debug)]
pub(super) struct Running(Arc<Activity>);

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        let quiet = Quiet { running: 0, requests: 0, multiplexed: false, since: Instant::now() };
        Arc::new(Self(Mutex::new(quiet)))
    }

    /// A request's head has come.
    pub(super) fn begin(self: &Arc<Self>, version: Version) -> Running {
        let mut quiet = self.0.lock();
        quiet.running += 1;
        quiet.requests += 1;
        quiet.multiplexed = version == Version::HTTP_2;
        Running(Arc::clone(self))
    }

    /// Nothing while a request runs.
    fn quiet(&self) -> Option<Quiet> {
        Some(*self.0.lock()).filter(|quiet| quiet.running == 0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut quiet = self.0.0.lock();
        quiet.running -= 1;
        if quiet.running == 0 {
            quiet.since = Instant::now();
        }
    }
}

/// A connection whose reads fail once the client has owed a request for too long.
#[derive(Debug)]
pub(super) struct SilenceGuard<I> {
    io: I,
    activity: Arc<Activity>,
    /// When the first bytes of a head came, and how many requests had come before it.
    head: Option<(u64, Instant)>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<I> SilenceGuard<I> {
    pub(super) fn new(io: I, activity: Arc<Activity>) -> Self {
        Self { io, activity, head: None, sleep: None }
    }

    fn bytes_came(&mut self) {
        let Some(quiet) = self.activity.quiet() else { return };
        if self.head.is_none_or(|(before, _)| before != quiet.requests) {
            self.head = Some((quiet.requests, Instant::now()));
        }
    }

    fn deadline(&self) -> Option<(Instant, &'static str)> {
        let quiet = self.activity.quiet()?;
        if quiet.requests == 0 {
            return Some((quiet.since + HEAD_TIMEOUT, "no request came in time"));
        }
        match self.head {
            Some((before, since)) if before == quiet.requests && !quiet.multiplexed => {
                Some((since + HEAD_TIMEOUT, "a request's head did not come in time"))
            }
            _ => Some((quiet.since + IDLE_TIMEOUT, "the connection was not used any more")),
        }
    }

    /// The timer is only moved when it fires too early or would fire too late, not with every
    /// request.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<&'static str> {
        let Some((at, why)) = self.deadline() else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if sleep.deadline() > at {
            sleep.as_mut().reset(at);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= at {
                return Poll::Ready(why);
            }
            sleep.as_mut().reset(at);
        }
        Poll::Pending
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for SilenceGuard<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.io).poll_read(cx, buffer);
        if result.is_ready() {
            if buffer.filled().len() > before {
                self.bytes_came();
            }
            return result;
        }
        self.poll_overdue(cx).map(|why| Err(io::Error::new(io::ErrorKind::TimedOut, why)))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for SilenceGuard<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
