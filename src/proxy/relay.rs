//! A stream on its way to the client, after the commit: timers, honest ends, settlement.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::body::CutShort;
use super::classify::{Class, classify_in_band};
use super::error::Reason;
use super::events::{EventStream, Progress, StreamFault};
use super::exchange::{Exchange, Outcome};
use super::guard::AttemptGuard;
use crate::protocol::error::ErrorView;
use crate::table::Timeouts;
use crate::upstream::UpstreamBody;

/// A stream that has committed without output shows the client that it lives this often: well below
/// the minute after which common proxies cut a silent connection.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// A stream whose every choice has finished is ended properly after this long without usage and end
/// marker.
const GRACE: Duration = Duration::from_secs(2);

/// A stream of events, or the rest of a plain reply too long to be held.
#[derive(Debug)]
pub struct StreamBody {
    source: Source,
    /// Bytes from before the commit.
    held: Option<Bytes>,
    exchange: Exchange,
    attempt: AttemptGuard,
    clock: Clock,
    /// Ends when the gateway's time to drain is over.
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    done: bool,
}

#[derive(Debug)]
enum Source {
    Events(Box<EventStream>),
    Plain(UpstreamBody),
}

/// Which silence is too long, counted while the client is willing to read.
#[derive(Debug)]
struct Clock {
    timeouts: Timeouts,
    progress: Progress,
    /// When the provider last gave a sign of progress.
    alive: Instant,
    /// When bytes last went to the client.
    sent: Instant,
    /// Set while the client has not come back for more.
    away_since: Option<Instant>,
    sleep: Pin<Box<Sleep>>,
}

/// What a silence calls for.
enum Due {
    KeepAlive,
    Stalled,
    EndProperly,
}

impl Clock {
    fn new(timeouts: Timeouts, progress: Progress) -> Self {
        let now = Instant::now();
        Self {
            timeouts,
            progress,
            alive: now,
            sent: now,
            away_since: None,
            sleep: Box::pin(tokio::time::sleep(Duration::from_secs(3600))),
        }
    }

    /// The client is here: the time it was away does not count against the provider.
    fn client_is_back(&mut self) {
        if let Some(since) = self.away_since.take() {
            let away = since.elapsed();
            self.alive += away;
            self.sent += away;
        }
    }

    fn sent(&mut self) {
        let now = Instant::now();
        self.sent = now;
        self.away_since = Some(now);
    }

    /// Pings and preamble are no progress, and reasoning does not take back what has finished.
    fn note(&mut self, progress: Progress) {
        if progress > Progress::None {
            self.alive = Instant::now();
            if self.progress < Progress::Finished || progress > self.progress {
                self.progress = progress;
            }
        }
    }

    fn next(&self) -> (Instant, Due) {
        match self.progress {
            Progress::None | Progress::Thinking => {
                let stalled = self.alive + self.timeouts.thinking_idle;
                let keep_alive = self.sent + KEEP_ALIVE;
                if keep_alive < stalled {
                    (keep_alive, Due::KeepAlive)
                } else {
                    (stalled, Due::Stalled)
                }
            }
            Progress::Output => (self.alive + self.timeouts.idle, Due::Stalled),
            Progress::Finished | Progress::Ended => (self.alive + GRACE, Due::EndProperly),
        }
    }

    /// Waits for the next thing that a silence calls for. The timer is only moved when it fires too
    /// early, not with every event.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        loop {
            let (at, due) = self.next();
            if self.sleep.deadline() > at {
                self.sleep.as_mut().reset(at);
            }
            match self.sleep.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if Instant::now() >= at => return Poll::Ready(due),
                Poll::Ready(()) => self.sleep.as_mut().reset(at),
            }
        }
    }
}

impl StreamBody {
    /// The rest of a stream of events. `held` are the bytes from before the commit, `progress` what
    /// they came to.
    pub(super) fn events(
        events: Box<EventStream>,
        held: Bytes,
        progress: Progress,
        exchange: Exchange,
        attempt: AttemptGuard,
    ) -> Self {
        let mut body = Self::new(Source::Events(events), held, progress, exchange, attempt);
        body.progressed(progress);
        body
    }

    /// The rest of a plain reply.
    pub(super) fn plain(
        rest: UpstreamBody,
        held: Bytes,
        exchange: Exchange,
        attempt: AttemptGuard,
    ) -> Self {
        Self::new(Source::Plain(rest), held, Progress::Output, exchange, attempt)
    }

    fn new(
        source: Source,
        held: Bytes,
        progress: Progress,
        exchange: Exchange,
        attempt: AttemptGuard,
    ) -> Self {
        let clock = Clock::new(attempt.timeouts(), progress);
        let cut = Box::pin(exchange.gateway.cut.clone().cancelled_owned());
        let held = (!held.is_empty()).then_some(held);
        Self { source, held, exchange, attempt, clock, cut, done: false }
    }

    pub(super) fn is_done(&self) -> bool {
        self.done && self.held.is_none()
    }

    pub(super) fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, CutShort>>> {
        self.clock.client_is_back();
        if let Some(held) = self.held.take() {
            return self.send(held);
        }
        if self.done {
            return Poll::Ready(None);
        }
        loop {
            let read = match &mut self.source {
                Source::Events(events) => events.poll_batch(cx).map(|batch| {
                    batch.map(|batch| batch.map(|batch| (batch.bytes, batch.progress)))
                }),
                Source::Plain(rest) => rest.poll_data(cx).map(|data| {
                    data.map(|data| {
                        data.map(|data| (data, Progress::Output))
                            .map_err(|error| StreamFault::Broken(error.to_string()))
                    })
                }),
            };
            match read {
                Poll::Ready(Some(Ok((bytes, progress)))) => {
                    self.progressed(progress);
                    if !bytes.is_empty() {
                        return self.send(bytes);
                    }
                }
                Poll::Ready(Some(Err(fault))) => return self.fail(&fault),
                Poll::Ready(None) => {
                    self.settle_answered();
                    self.done = true;
                    return Poll::Ready(None);
                }
                Poll::Pending => match self.poll_timers(cx) {
                    Poll::Ready(Some(bytes)) => return bytes,
                    Poll::Ready(None) => {}
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }

    fn send(&mut self, bytes: Bytes) -> Poll<Option<Result<Bytes, CutShort>>> {
        self.clock.sent();
        if !self.exchange.is_settled() {
            self.exchange.response_bytes += bytes.len() as u64;
        }
        Poll::Ready(Some(Ok(bytes)))
    }

    fn progressed(&mut self, progress: Progress) {
        self.clock.note(progress);
        // Reasoning is generated output too.
        if progress >= Progress::Thinking && self.exchange.first_token.is_none() {
            self.exchange.first_token = Some(self.exchange.started.elapsed());
            self.attempt.first_output();
        }
        if progress == Progress::Ended {
            self.settle_answered();
        }
    }

    /// The inner `None` means that the source is to be asked again.
    #[allow(clippy::type_complexity, reason = "the poll of a poll, used once")]
    fn poll_timers(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Poll<Option<Result<Bytes, CutShort>>>>> {
        if self.cut.as_mut().poll(cx).is_ready() && !self.exchange.is_settled() {
            let message = "the gateway is shutting down and cannot wait for the rest of the answer";
            return Poll::Ready(Some(self.break_off(
                Reason::ShuttingDown,
                Class::Cancelled,
                message,
            )));
        }
        match self.clock.poll_due(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Due::KeepAlive) => {
                let bytes = match &self.exchange.operation {
                    Some(operation) => Bytes::from_static(operation.answers.keep_alive()),
                    None => Bytes::new(),
                };
                Poll::Ready(Some(self.send(bytes)))
            }
            Poll::Ready(Due::Stalled) => {
                let message = format!(
                    "the stream of target `{}` was silent for {} s",
                    self.attempt.target_name(),
                    self.clock.alive.elapsed().as_secs()
                );
                Poll::Ready(Some(self.break_off(
                    Reason::ProviderTimeout,
                    Class::TimedOut,
                    &message,
                )))
            }
            Poll::Ready(Due::EndProperly) => Poll::Ready(Some(self.end_properly())),
        }
    }

    /// The provider finished but does not close: nobody waits for that.
    fn end_properly(&mut self) -> Poll<Option<Result<Bytes, CutShort>>> {
        let marker = match &mut self.source {
            Source::Events(events) if !self.exchange.is_settled() => events.end(),
            _ => Bytes::new(),
        };
        self.settle_answered();
        self.done = true;
        if marker.is_empty() { Poll::Ready(None) } else { self.send(marker) }
    }

    fn settle_answered(&mut self) {
        self.take_counts();
        self.attempt.record(Class::Success);
        self.exchange.settle(Outcome::Answered(StatusCode::OK));
    }

    fn take_counts(&mut self) {
        if let Source::Events(events) = &self.source {
            self.exchange.usage = events.usage();
            self.exchange.malformed_events = events.malformed();
        }
    }

    fn fail(&mut self, fault: &StreamFault) -> Poll<Option<Result<Bytes, CutShort>>> {
        let class = match fault {
            StreamFault::Error(facts) => {
                let (configured, policy) = self.attempt.classifying();
                classify_in_band(facts, configured, policy)
            }
            _ => Class::Failure,
        };
        let message =
            format!("the stream of target `{}` {}", self.attempt.target_name(), fault.describe());
        self.break_off(Reason::ProviderFailed, class, &message)
    }

    /// Ends a stream with an error in it: the status went out long ago.
    fn break_off(
        &mut self,
        reason: Reason,
        class: Class,
        message: &str,
    ) -> Poll<Option<Result<Bytes, CutShort>>> {
        self.done = true;
        self.take_counts();
        self.attempt.record(class);
        self.exchange.failures.push(format!("{}: {}", self.attempt.target_name(), class.as_str()));
        let event = match (&self.source, self.exchange.operation) {
            (Source::Events(_), Some(operation)) => operation.answers.in_band_error(&ErrorView {
                status: reason.status(),
                code: reason.as_str(),
                message,
                request_id: &self.exchange.request_id,
            }),
            // A plain reply has no room for an error: its connection breaks off.
            _ => {
                self.exchange.settle(Outcome::Broken(reason));
                return Poll::Ready(Some(Err(CutShort)));
            }
        };
        self.exchange.response_bytes += event.len() as u64;
        self.exchange.settle(Outcome::Broken(reason));
        Poll::Ready(Some(Ok(event)))
    }
}

impl Drop for StreamBody {
    /// A client that went away leaves counts behind that it has to pay for.
    fn drop(&mut self) {
        if !self.exchange.is_settled() {
            self.take_counts();
        }
    }
}
