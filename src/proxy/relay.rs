//! A stream on its way to the client, after the commit: timers, honest ends, settlement.

mod breaking;
mod clock;
mod long;
mod resume;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::StatusCode;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::body::CutShort;
use super::classify::{Class, classify_in_band};
use super::error::Reason;
use super::events::{EventStream, Progress, StreamFault};
use super::exchange::{Exchange, Outcome};
use super::failover::{Failover, Search};
use super::guard::AttemptGuard;
use super::respond::{Told, told};
use crate::protocol::error::ErrorView;
use crate::protocol::usage::Usage;
use breaking::Break;
use clock::{Clock, Due};

pub(super) use long::LongReply;

/// A stream of events, or the rest of a plain reply too long to be held.
#[derive(Debug)]
pub struct StreamBody {
    source: Source,
    /// Bytes from before the commit.
    held: Option<Bytes>,
    exchange: Exchange,
    clock: Clock,
    /// Who finds somebody else to go on, where that is possible.
    failover: Option<Box<Failover>>,
    /// What targets used whose stream broke off.
    others: Usage,
    /// How the stream broke off that somebody is to go on with.
    broke: Option<Break>,
    /// Ends when the gateway's time to drain is over.
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Whom the timers wake.
    woken: Option<Waker>,
    done: bool,
}

enum Source {
    Events(Box<EventStream>, AttemptGuard),
    Plain(Box<LongReply>, AttemptGuard),
    /// The client's stream has begun and who answers is still to be found.
    Search(Search),
    /// All that there was to send has been sent.
    Nothing,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Events(..) => "Events",
            Self::Plain(..) => "Plain",
            Self::Search(_) => "Search",
            Self::Nothing => "Nothing",
        })
    }
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

impl StreamBody {
    /// The rest of a stream of events. `held` are the bytes from before the commit, `progress` what
    /// they came to.
    pub(super) fn events(
        events: Box<EventStream>,
        held: Bytes,
        progress: Progress,
        exchange: Exchange,
        attempt: AttemptGuard,
        failover: Box<Failover>,
    ) -> Self {
        let clock = Clock::new(attempt.timeouts(), progress);
        let mut body = Self::new(Source::Events(events, attempt), held, exchange, clock);
        body.failover = Some(failover).filter(|failover| failover.may_resume());
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
        let clock = Clock::new(attempt.timeouts(), Progress::Output);
        Self::new(Source::Plain(rest, attempt), held, exchange, clock)
    }

    /// A stream that begins before it is known who answers it.
    pub(super) fn searching(search: Search, exchange: Exchange) -> Self {
        Self::new(Source::Search(search), Bytes::new(), exchange, Clock::searching())
    }

    fn new(source: Source, held: Bytes, mut exchange: Exchange, clock: Clock) -> Self {
        exchange.response_bytes += held.len() as u64;
        let cut = Box::pin(exchange.gateway.cut.clone().cancelled_owned());
        let held = (!held.is_empty()).then_some(held);
        Self {
            source,
            held,
            exchange,
            clock,
            failover: None,
            others: Usage::default(),
            broke: None,
            cut,
            woken: None,
            done: false,
        }
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
            Source::Events(events, _) => ready!(events.poll_batch(cx))
                .map(|batch| batch.map(|batch| (batch.bytes, batch.progress))),
            Source::Plain(reply, _) => {
                ready!(reply.poll_data(cx)).map(|data| data.map(|data| (data, Progress::Output)))
            }
            Source::Search(search) => {
                let (failover, answer) = ready!(search.as_mut().poll(cx));
                return Poll::Ready(self.found(failover, answer));
            }
            Source::Nothing => None,
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

    fn attempt(&mut self) -> Option<&mut AttemptGuard> {
        match &mut self.source {
            Source::Events(_, attempt) | Source::Plain(_, attempt) => Some(attempt),
            Source::Search(_) | Source::Nothing => None,
        }
    }

    fn progressed(&mut self, progress: Progress) {
        self.clock.note(progress);
        // Reasoning is generated output too.
        if progress >= Progress::Thinking && self.exchange.first_token.is_none() {
            self.exchange.first_token = Some(self.exchange.started.elapsed());
        }
        if progress >= Progress::Thinking
            && let Some(attempt) = self.attempt()
        {
            attempt.first_output();
        }
        if progress == Progress::Ended {
            self.settle_answered();
        }
    }

    fn poll_timers(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        // Between two events nothing has changed as a rule, and there are many of them.
        let is_known = self.woken.as_ref().is_some_and(|woken| woken.will_wake(cx.waker()));
        if is_known && self.clock.is_waiting() && !self.exchange.gateway.cut.is_cancelled() {
            return Poll::Pending;
        }
        if !is_known {
            self.woken = Some(cx.waker().clone());
        }
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
                    self.clock.nothing_to_say();
                    Step::Again
                } else {
                    Step::Send(bytes)
                }
            }
            Due::Stalled => {
                let message = format!(
                    "the stream of target `{}` was silent for {} s",
                    self.target_name(),
                    self.clock.silence().as_secs()
                );
                self.interrupted(Break::of(Reason::ProviderTimeout, Class::TimedOut, message))
            }
            Due::EndProperly => self.end_properly(),
        })
    }

    /// The provider finished but does not close: nobody waits for that.
    fn end_properly(&mut self) -> Step {
        let marker = match &mut self.source {
            Source::Events(events, _) if !self.exchange.is_settled() => events.end(),
            _ => Bytes::new(),
        };
        self.exchange.response_bytes += marker.len() as u64;
        self.settle_answered();
        self.done = true;
        if marker.is_empty() { Step::End } else { Step::Send(marker) }
    }

    fn settle_answered(&mut self) {
        self.take_counts();
        if let Some(attempt) = self.attempt() {
            attempt.record(Class::Success);
        }
        self.exchange.settle(Outcome::Answered(StatusCode::OK));
        // Nobody needs the request any more.
        self.failover = None;
    }

    fn take_counts(&mut self) {
        match &self.source {
            Source::Events(events, _) => {
                self.exchange.usage = events.usage();
                self.exchange.malformed_events = events.malformed();
            }
            Source::Plain(reply, _) => self.exchange.usage = reply.usage(),
            Source::Search(_) | Source::Nothing => {}
        }
        let usage = self.exchange.usage.since(self.others);
        if let Some(attempt) = self.attempt() {
            attempt.used(usage);
        }
    }

    fn fail(&mut self, fault: &StreamFault) -> Step {
        let class = match (fault, self.attempt()) {
            (StreamFault::Error(facts), Some(attempt)) => {
                let (configured, policy) = attempt.classifying();
                classify_in_band(facts, configured, policy)
            }
            (other, _) => other.class(),
        };
        let Told { reason, code, cause } = told(class);
        let message =
            format!("the stream of target `{}` {}{cause}", self.target_name(), fault.describe());
        self.interrupted(Break { reason, code, class, message })
    }

    fn target_name(&mut self) -> String {
        self.attempt().map(|attempt| attempt.target_name().to_owned()).unwrap_or_default()
    }

    /// Ends a stream with an error in it: the status went out long ago.
    fn break_off(&mut self, how: Break) -> Step {
        let Break { reason, code, class, message } = how;
        self.done = true;
        self.take_counts();
        let name = self.target_name();
        if let Some(attempt) = self.attempt() {
            attempt.record_failure(class, &message);
            self.exchange.trail.failed(&name, class.as_str());
        }
        let event = match (&self.source, self.exchange.operation) {
            (Source::Events(..) | Source::Search(_) | Source::Nothing, Some(operation)) => {
                operation.answers.in_band_error(&ErrorView {
                    status: reason.status(),
                    code,
                    message: &message,
                    param: None,
                    request_id: &self.exchange.request_id,
                })
            }
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
