//! A stream on its way to the client, after the commit: timers, honest ends, settlement.

mod clock;
mod long;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::StatusCode;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::body::CutShort;
use super::classify::{Class, classify_in_band};
use super::error::Reason;
use super::events::{EventStream, Progress, StreamFault};
use super::exchange::{Exchange, Outcome};
use super::guard::AttemptGuard;
use super::respond::{Told, told};
use crate::protocol::error::ErrorView;
use clock::{Clock, Due};

pub(super) use long::LongReply;

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
    Plain(Box<LongReply>),
}

/// What one look at the stream comes to.
enum Step {
    Send(Bytes),
    /// Nothing for the client yet: look again.
    Again,
    End,
    /// The connection breaks off: there is no other way to say that something is missing.
    Cut,
}

/// How a stream breaks off.
#[derive(Clone, Copy)]
struct Break<'a> {
    reason: Reason,
    /// What the client is told; where it is not the reason itself, it is more exact.
    code: &'static str,
    class: Class,
    message: &'a str,
}

impl<'a> Break<'a> {
    fn of(reason: Reason, class: Class, message: &'a str) -> Self {
        Self { reason, code: reason.as_str(), class, message }
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
        rest: Box<LongReply>,
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
        mut exchange: Exchange,
        attempt: AttemptGuard,
    ) -> Self {
        exchange.response_bytes += held.len() as u64;
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
            self.clock.sent();
            return Poll::Ready(Some(Ok(held)));
        }
        if self.done {
            return Poll::Ready(None);
        }
        loop {
            let step = match self.poll_source(cx) {
                Poll::Ready(step) => step,
                Poll::Pending => ready!(self.poll_timers(cx)),
            };
            return Poll::Ready(match step {
                Step::Again => continue,
                Step::Send(bytes) => {
                    self.clock.sent();
                    Some(Ok(bytes))
                }
                Step::End => None,
                Step::Cut => Some(Err(CutShort)),
            });
        }
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let read = match &mut self.source {
            Source::Events(events) => ready!(events.poll_batch(cx))
                .map(|batch| batch.map(|batch| (batch.bytes, batch.progress))),
            Source::Plain(reply) => {
                ready!(reply.poll_data(cx)).map(|data| data.map(|data| (data, Progress::Output)))
            }
        };
        Poll::Ready(match read {
            Some(Ok((bytes, progress))) => {
                // Counted first: the last batch settles the request.
                self.exchange.response_bytes += bytes.len() as u64;
                self.progressed(progress);
                if bytes.is_empty() { Step::Again } else { Step::Send(bytes) }
            }
            Some(Err(fault)) => self.fail(&fault),
            None => {
                self.settle_answered();
                self.done = true;
                Step::End
            }
        })
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

    fn poll_timers(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if self.cut.as_mut().poll(cx).is_ready() && !self.exchange.is_settled() {
            let message = "the gateway is shutting down and cannot wait for the rest of the answer";
            let how = Break::of(Reason::ShuttingDown, Class::Cancelled, message);
            return Poll::Ready(self.break_off(how));
        }
        Poll::Ready(match ready!(self.clock.poll_due(cx)) {
            Due::KeepAlive => {
                let bytes = match &self.exchange.operation {
                    Some(operation) => Bytes::from_static(operation.answers.keep_alive()),
                    None => Bytes::new(),
                };
                self.exchange.response_bytes += bytes.len() as u64;
                if bytes.is_empty() {
                    // The protocol has nothing to say in silence: the next silence is looked at.
                    self.clock.sent();
                    Step::Again
                } else {
                    Step::Send(bytes)
                }
            }
            Due::Stalled => {
                let message = format!(
                    "the stream of target `{}` was silent for {} s",
                    self.attempt.target_name(),
                    self.clock.silence().as_secs()
                );
                self.break_off(Break::of(Reason::ProviderTimeout, Class::TimedOut, &message))
            }
            Due::EndProperly => self.end_properly(),
        })
    }

    /// The provider finished but does not close: nobody waits for that.
    fn end_properly(&mut self) -> Step {
        let marker = match &mut self.source {
            Source::Events(events) if !self.exchange.is_settled() => events.end(),
            _ => Bytes::new(),
        };
        self.exchange.response_bytes += marker.len() as u64;
        self.settle_answered();
        self.done = true;
        if marker.is_empty() { Step::End } else { Step::Send(marker) }
    }

    fn settle_answered(&mut self) {
        self.take_counts();
        self.attempt.record(Class::Success);
        self.exchange.settle(Outcome::Answered(StatusCode::OK));
    }

    fn take_counts(&mut self) {
        match &self.source {
            Source::Events(events) => {
                self.exchange.usage = events.usage();
                self.exchange.malformed_events = events.malformed();
            }
            Source::Plain(reply) => self.exchange.usage = reply.usage(),
        }
        self.attempt.used(self.exchange.usage);
    }

    fn fail(&mut self, fault: &StreamFault) -> Step {
        let class = match fault {
            StreamFault::Error(facts) => {
                let (configured, policy) = self.attempt.classifying();
                classify_in_band(facts, configured, policy)
            }
            other => other.class(),
        };
        let Told { reason, code, cause } = told(class);
        let message = format!(
            "the stream of target `{}` {}{cause}",
            self.attempt.target_name(),
            fault.describe()
        );
        self.break_off(Break { reason, code, class, message: &message })
    }

    /// Ends a stream with an error in it: the status went out long ago.
    fn break_off(&mut self, how: Break<'_>) -> Step {
        let Break { reason, code, class, message } = how;
        self.done = true;
        self.take_counts();
        self.attempt.record_failure(class, message);
        self.exchange.failures.push(format!("{}: {}", self.attempt.target_name(), class.as_str()));
        let event = match (&self.source, self.exchange.operation) {
            (Source::Events(_), Some(operation)) => operation.answers.in_band_error(&ErrorView {
                status: reason.status(),
                code,
                message,
                param: None,
                request_id: &self.exchange.request_id,
            }),
            // A plain reply has no room for an error: its connection breaks off.
            _ => {
                self.exchange.settle(Outcome::Broken(reason));
                return Step::Cut;
            }
        };
        self.exchange.response_bytes += event.len() as u64;
        self.exchange.settle(Outcome::Broken(reason));
        Step::Send(event)
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
