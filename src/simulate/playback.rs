//! The response body: plays events in time, each flushed alone, then ends as it was told.

use std::{
    num::NonZeroUsize,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{fault::Ending, frames::Frames, observe::Exchange, socket::Link};

/// Why a body broke off. Only ever seen by hyper, which closes the connection for it.
#[derive(Debug, thiserror::Error)]
#[error("the simulated provider breaks off here")]
pub(super) struct BrokeOff;

/// What is played and how.
pub(super) struct Score {
    /// The body, cut short already if it is to break off.
    pub(super) bytes: Bytes,
    /// Where each event ends.
    pub(super) ends: Vec<usize>,
    /// What the `content-length` says; none = chunked.
    pub(super) length: Option<u64>,
    /// Wait before the first event.
    pub(super) first: Duration,
    /// Wait between events.
    pub(super) pace: Duration,
    /// Bytes per write; none = a whole event.
    pub(super) drip: Option<NonZeroUsize>,
    /// What follows the last event.
    pub(super) ending: Ending,
}

impl Score {
    /// A body of known length, sent at once.
    pub(super) fn plain(bytes: Bytes) -> Self {
        let length = bytes.len();
        let ends = if length == 0 { Vec::new() } else { vec![length] };
        Self::new(bytes, ends, Some(length as u64))
    }

    /// Events, sent as fast as they are taken.
    pub(super) fn events(frames: Frames) -> Self {
        let (bytes, ends) = frames.into_parts();
        Self::new(bytes, ends, None)
    }

    fn new(bytes: Bytes, ends: Vec<usize>, length: Option<u64>) -> Self {
        Self {
            bytes,
            ends,
            length,
            first: Duration::ZERO,
            pace: Duration::ZERO,
            drip: None,
            ending: Ending::End,
        }
    }
}

/// A [`Score`] being played to one client.
pub(super) struct Playback {
    score: Score,
    /// Bytes and events that were handed over.
    sent: usize,
    event: usize,
    /// Set while an event is waited for; the allocation is reused from event to event.
    timer: Option<Pin<Box<Sleep>>>,
    next: Next,
    stalled: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    link: Arc<Link>,
    stopping: CancellationToken,
    exchange: Exchange,
}

/// What the next poll has to do before it may hand over bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Start the clock for the coming event.
    Wait(Duration),
    /// Let the clock run.
    Waiting,
    /// Be pending once: hyper flushes what it holds only when a body has nothing more to give.
    Flush,
    /// Hand over bytes, or end.
    Send,
}

impl Playback {
    pub(super) fn new(
        score: Score,
        link: Arc<Link>,
        stopping: CancellationToken,
        exchange: Exchange,
    ) -> Self {
        let mut playback = Self {
            next: Next::Wait(score.first),
            score,
            sent: 0,
            event: 0,
            timer: None,
            stalled: None,
            link,
            stopping,
            exchange,
        };
        if playback.is_end_stream() {
            playback.exchange.complete();
        }
        playback
    }

    /// Waits until the coming bytes may leave.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.next {
                Next::Send => return Poll::Ready(()),
                Next::Wait(Duration::ZERO) => self.next = Next::Send,
                Next::Wait(wait) => {
                    self.start_clock(wait);
                    self.next = Next::Waiting;
                }
                Next::Waiting => {
                    if let Some(timer) = &mut self.timer {
                        ready!(timer.as_mut().poll(cx));
                    }
                    self.next = Next::Send;
                }
                Next::Flush => {
                    self.next = Next::Send;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
    }

    /// Counts from when the last event was due, so that a pace does not drift by what each event
    /// costs; from now when the client was slower than that.
    fn start_clock(&mut self, wait: Duration) {
        let now = Instant::now();
        match &mut self.timer {
            Some(timer) => {
                let due = timer.deadline() + wait;
                timer.as_mut().reset(if due > now { due } else { now + wait });
            }
            None => self.timer = Some(Box::pin(sleep_until(now + wait))),
        }
    }

    fn next_bytes(&mut self, end: usize) -> Bytes {
        let rest = end - self.sent;
        let take = self.score.drip.map_or(rest, |drip| rest.min(drip.get()));
        let bytes = self.score.bytes.slice(self.sent..self.sent + take);
        self.sent += take;
        let done = self.sent == end;
        self.event += usize::from(done);
        self.next = match self.score.pace {
            pace if done && !pace.is_zero() && self.event < self.score.ends.len() => {
                Next::Wait(pace)
            }
            _ => Next::Flush,
        };
        bytes
    }

    fn poll_ending(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokeOff>>> {
        match self.score.ending {
            Ending::End => Poll::Ready(None),
            Ending::Stall => {
                let stopping = &self.stopping;
                let stalled = self
                    .stalled
                    .get_or_insert_with(|| Box::pin(stopping.clone().cancelled_owned()));
                ready!(stalled.as_mut().poll(cx));
                Poll::Ready(Some(Err(BrokeOff)))
            }
            Ending::Close | Ending::Reset => {
                if self.score.ending == Ending::Reset {
                    self.link.reset_on_close();
                }
                self.exchange.complete();
                Poll::Ready(Some(Err(BrokeOff)))
            }
        }
    }
}

impl Body for Playback {
    type Data = Bytes;
    type Error = BrokeOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokeOff>>> {
        let this = &mut *self;
        ready!(this.poll_due(cx));
        let Some(&end) = this.score.ends.get(this.event) else {
            return this.poll_ending(cx);
        };
        let bytes = this.next_bytes(end);
        if this.is_end_stream() {
            this.exchange.complete();
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.event == self.score.ends.len() && self.score.ending == Ending::End
    }

    fn size_hint(&self) -> SizeHint {
        self.score.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests;
