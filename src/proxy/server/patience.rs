//! A client that leaves its HTTP/2 stream closed for data.
//!
//! The socket takes bytes all the time, so nothing looks stuck to [`StallGuard`]: hyper just waits
//! for the stream's window, without a limit and without asking the body. Meanwhile the body holds a
//! provider's stream, and none of its own timers runs. So each stream's task is watched from
//! outside: a piece that was handed out and is not followed by a question for the next one within a
//! minute means that nobody reads, and the stream is reset. Its siblings on the connection go on.
//!
//! [`StallGuard`]: crate::proxy::stall::StallGuard

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
use tokio::time::{Instant, Sleep};

use crate::proxy::stall::STALLED;

tokio::task_local! {
    static TURN: Arc<Turn>;
}

/// Whose turn it is: even, the body's; odd, the client's. It only grows.
#[derive(Debug, Default)]
pub(super) struct Turn(AtomicU64);

impl Turn {
    /// That of the HTTP/2 stream that this task serves.
    pub(super) fn current() -> Option<Arc<Self>> {
        TURN.try_with(Arc::clone).ok()
    }

    /// The body is asked for more.
    pub(super) fn asked(&self) {
        self.pass(0);
    }

    /// A piece went out: now the client has to take it.
    pub(super) fn handed_out(&self) {
        self.pass(1);
    }

    /// One task at a time serves a stream: nothing is lost between reading and writing.
    fn pass(&self, whose: u64) {
        let now = self.0.load(Ordering::Relaxed);
        if now % 2 != whose {
            self.0.store(now + 1, Ordering::Relaxed);
        }
    }

    /// The number of the client's turn, if it is.
    fn client(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|turn| turn % 2 == 1)
    }
}

/// Runs hyper's tasks, which are the streams of HTTP/2 connections, with limited patience.
#[derive(Debug, Clone, Copy)]
pub(super) struct PatientExecutor;

impl<F> Executor<F> for PatientExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let turn = Arc::<Turn>::default();
        let stream = TURN.scope(Arc::clone(&turn), stream);
        tokio::spawn(Patient { stream, turn, waiting: 0, sleep: None });
    }
}

pin_project! {
    /// Ends with its stream, or when the client has taken nothing for too long. Dropping the
    /// stream's task resets the stream.
    struct Patient<F> {
        #[pin]
        stream: TaskLocalFuture<Arc<Turn>, F>,
        turn: Arc<Turn>,
        // The client's turn that `sleep` was set for.
        waiting: u64,
        sleep: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future<Output = ()>> Future for Patient<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let me = self.project();
        if me.stream.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        // Mostly the stream waits for its body, and no timer runs here.
        let Some(turn) = me.turn.client() else { return Poll::Pending };
        let until = || Instant::now() + STALLED;
        let sleep = me.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until())));
        if *me.waiting != turn {
            *me.waiting = turn;
            sleep.as_mut().reset(until());
        }
        if sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        tracing::debug!("a stream is reset: its client takes nothing any more");
        Poll::Ready(())
    }
}
