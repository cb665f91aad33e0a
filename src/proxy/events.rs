//! A provider's stream as a sequence of batches: what it means, and the bytes to pass on.

mod batch;
mod chunk;
mod framing;
mod passage;

use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::attempt::UNCOUNTED;
use super::budget::{Budget, Exhausted, Reservation};
use super::classify::Class;
use crate::protocol::continuation::Mode;
use crate::protocol::dialect::{ClientView, Dialect, Undo};
use crate::protocol::error::ErrorFacts;
use crate::protocol::hub::StreamTranslator;
use crate::protocol::registry::Framing;
use crate::protocol::splice::Mismatch;
use crate::protocol::stream::Meaning;
use crate::protocol::transcript::{Interrupted, Unresumable};
use crate::protocol::usage::Usage;
use crate::upstream::UpstreamBody;

use batch::{Batch, Joined};
use framing::{Frame, Frames};
pub(super) use passage::Passage;
use passage::Passed;

/// Largest single event. Images in a Responses stream come as one event of some megabytes.
const MAX_EVENT: usize = 16 * 1024 * 1024;

/// A provider's stream, read as it passes.
pub(super) struct EventStream {
    body: UpstreamBody,
    frames: Frames,
    passage: Passage,
    /// The answer must fit a schema: no event of it can be left out.
    structured: bool,
    budget: Budget,
    /// For an unfinished event that has grown large, and until the client has taken it.
    reservation: Option<Reservation>,
    /// For what is kept of the stream in case it breaks.
    recording: Option<Reservation>,
    malformed: u32,
    ended: bool,
    /// What ends the stream after the batch that was read with it.
    fault: Option<StreamFault>,
}

/// How another target goes on with a stream.
#[derive(Debug)]
pub(super) struct Resuming {
    /// What has to be undone in its answer.
    pub undo: Undo,
    /// How it was asked.
    pub mode: Mode,
    /// The whole text has to be JSON.
    pub structured: bool,
}

/// What the last bytes brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Progress {
    /// Nothing that counts as life: a role, a comment, a ping.
    None,
    /// Reasoning, or a tool that the provider runs.
    Thinking,
    /// Text or tool arguments.
    Output,
    /// Every choice has finished.
    Finished,
    /// The stream's own end.
    Ended,
}

/// Why a stream is no whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StreamFault {
    /// It closed before it had finished.
    Cut,
    /// Its connection broke.
    Broken(String),
    /// The provider said so.
    Error(ErrorFacts),
    /// An event that cannot be read, where leaving it out would change the answer.
    Garbled,
    /// One event of more than [`MAX_EVENT`] bytes.
    TooLarge,
    /// There is no memory for an event of that size.
    NoMemory(Exhausted),
    /// It was to go on with another one, and does not fit it.
    Mismatch(Mismatch),
}

impl StreamFault {
    /// For messages: `the stream of target X ...`.
    pub fn describe(&self) -> String {
        match self {
            Self::Cut => "closed before the answer had finished".into(),
            Self::Broken(cause) => format!("broke off: {cause}"),
            Self::Error(_) => "reported an error".into(),
            Self::Garbled => "sent an event that cannot be read".into(),
            Self::TooLarge => format!("sent an event of more than {MAX_EVENT} bytes"),
            Self::NoMemory(_) => "sent an event too large to be held".into(),
            Self::Mismatch(why) => format!("does not go on with what was delivered: {why}"),
        }
    }

    /// What it means for the target, where the provider did not say.
    pub fn class(&self) -> Class {
        match self {
            Self::NoMemory(_) => Class::Exhausted,
            Self::Mismatch(_) => Class::Mismatch,
            _ => Class::Failure,
        }
    }
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl EventStream {
    pub(super) fn new(
        body: UpstreamBody,
        framing: Framing,
        passage: Passage,
        structured: bool,
        budget: Budget,
    ) -> Self {
        Self {
            body,
            frames: Frames::new(framing, MAX_EVENT),
            passage,
            structured,
            budget,
            reservation: None,
            recording: None,
            malformed: 0,
            ended: false,
            fault: None,
        }
    }

    /// A stream that goes on with one that broke, as `provider` sends it.
    pub(super) fn resumed(
        body: UpstreamBody,
        framing: Framing,
        interrupted: Interrupted,
        provider: &dyn Dialect,
        how: Resuming,
        budget: Budget,
    ) -> Self {
        let Resuming { undo, mode, structured } = how;
        let translator = StreamTranslator::resumed(provider, undo, interrupted, mode, structured);
        let passage = Passage::Translated(Box::new(translator));
        Self::new(body, framing, passage, structured, budget)
    }

    /// Takes out what somebody else needs to go on with this stream, which broke. `view` is that of
    /// the client's request. What is left is good for its counts, and to be dropped.
    pub(super) fn take_over(&mut self, view: &ClientView<'_>) -> Result<Interrupted, Unresumable> {
        let interrupted = self.passage.interrupt(view)?;
        self.ended = true;
        Ok(interrupted)
    }

    /// The next events; `None` once the stream has ended as it should. After an error nothing.
    pub(super) fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Batch, StreamFault>>> {
        loop {
            if let Some(fault) = self.fault.take() {
                return Poll::Ready(Some(Err(fault)));
            }
            match ready!(self.body.poll_data(cx)) {
                // What follows the end marker belongs to nobody; it is read to keep the connection.
                Some(Ok(_)) if self.ended => {}
                Some(Ok(chunk)) => {
                    if let Some(batch) = self.read_chunk(chunk) {
                        return Poll::Ready(Some(Ok(batch)));
                    }
                }
                Some(Err(_)) | None if self.ended => return Poll::Ready(None),
                // Nothing of the answer is missing: how the connection ended is the provider's own
                // affair. Some close chunked streams without the last chunk.
                Some(Err(error)) if !self.passage.finished() => {
                    self.fault = Some(StreamFault::Broken(error.to_string()));
                }
                Some(Err(_)) | None => match self.read_rest() {
                    Some(batch) => return Poll::Ready(Some(Ok(batch))),
                    None if self.ended => return Poll::Ready(None),
                    None => self.fault = Some(StreamFault::Cut),
                },
            }
        }
    }

    /// Ends a finished stream whose end marker does not come: what was missing of it.
    pub(super) fn end(&mut self) -> Bytes {
        self.ended = true;
        self.passage.end()
    }

    pub(super) fn usage(&self) -> Usage {
        self.passage.usage()
    }

    pub(super) fn malformed(&self) -> u32 {
        self.malformed
    }

    /// Reads what a chunk completes. `None` if it completes nothing.
    fn read_chunk(&mut self, chunk: Bytes) -> Option<Batch> {
        // The client came back for more: what it was given is gone.
        if self.frames.held() <= UNCOUNTED {
            self.reservation = None;
        }
        self.frames.feed(chunk);
        let mut batch = Joined::default();
        loop {
            match self.frames.next_frame() {
                Ok(Some(frame)) => self.read_frame(frame, &mut batch),
                Ok(None) => {
                    self.account();
                    self.account_for_recording();
                    break;
                }
                Err(fault) => self.fault = Some(fault),
            }
            if self.fault.is_some() || self.ended {
                break;
            }
        }
        batch.finish()
    }

    /// Takes memory out of the budget for what is kept in case of a break. It is a precaution: where
    /// there is no room, there is none for it.
    fn account_for_recording(&mut self) {
        let kept = self.passage.kept();
        if kept <= UNCOUNTED {
            return;
        }
        let grown = match &mut self.recording {
            Some(reservation) => reservation.grow_to(kept),
            None => self.budget.reserve(kept).map(|made| self.recording = Some(made)),
        };
        if grown.is_err() {
            self.passage.forget();
            self.recording = None;
        }
    }

    /// Takes memory out of the budget for a large event that is not whole yet.
    fn account(&mut self) {
        let held = self.frames.held();
        if held <= UNCOUNTED {
            return;
        }
        let grown = match &mut self.reservation {
            Some(reservation) => reservation.grow_to(held),
            None => self.budget.reserve(held).map(|made| self.reservation = Some(made)),
        };
        if let Err(exhausted) = grown {
            self.fault = Some(StreamFault::NoMemory(exhausted));
        }
    }

    /// What is left when the provider closes: perhaps an end marker without its blank line, and for
    /// a finished stream the marker that it forgot.
    fn read_rest(&mut self) -> Option<Batch> {
        let rest = self.frames.finish();
        let bytes = self.passage.close(rest);
        let mut batch = Joined::default();
        if self.passage.finished() {
            self.ended = true;
            batch.push(bytes, Progress::Ended);
        } else if bytes.is_empty() {
            return None;
        } else {
            // What was written is noted as shown, so it has to be shown.
            self.fault = Some(StreamFault::Cut);
            batch.push(bytes, Progress::Output);
        }
        batch.finish()
    }

    fn read_frame(&mut self, frame: Frame, batch: &mut Joined) {
        let Passed { meaning, bytes } = self.passage.pass(frame);
        let progress = match meaning {
            Ok(Meaning::Preamble | Meaning::UsageOnly) => Progress::None,
            Ok(Meaning::Thinking) => Progress::Thinking,
            // The finish reason of the last choice may come with its last words.
            Ok(Meaning::Output | Meaning::Structured) if self.passage.finished() => {
                Progress::Finished
            }
            Ok(Meaning::Output | Meaning::Structured) => Progress::Output,
            Ok(Meaning::Finished) => Progress::Finished,
            Ok(Meaning::End) if self.passage.finished() => {
                self.ended = true;
                Progress::Ended
            }
            // An end marker that somebody on the way put behind a broken answer does not mend it.
            Ok(Meaning::End) => {
                self.fault = Some(StreamFault::Cut);
                Progress::None
            }
            Ok(Meaning::Error(facts)) => {
                self.fault = Some(StreamFault::Error(facts));
                Progress::None
            }
            Ok(Meaning::Mismatch(why)) => {
                self.fault = Some(StreamFault::Mismatch(why));
                Progress::None
            }
            Err(_) if self.structured || self.passage.structured() => {
                self.fault = Some(StreamFault::Garbled);
                Progress::None
            }
            Err(_) => {
                self.malformed += 1;
                Progress::None
            }
        };
        batch.push(bytes, progress);
    }
}
