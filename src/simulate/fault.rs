//! What a simulated provider does wrong, as data.
//!
//! A [`Fault`] is read from text (the grammar is the table in [`super`]) or written as a literal
//! with `..Fault::default()`. It only describes; [`super::delivery`] acts on it.

mod grammar;

use std::{num::NonZeroUsize, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode};

pub use grammar::FaultSyntax;
pub(super) use grammar::{OPTIONS, parse_time};

/// Everything that may go wrong with one answer. The default is a healthy, immediate one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fault {
    /// Answer with this status and an error in the protocol's shape.
    pub status: Option<StatusCode>,
    /// `error.code` of the error (OpenAI only).
    pub code: Option<String>,
    /// `error.type` of the error.
    pub kind: Option<String>,
    /// `error.message` of the error.
    pub message: Option<String>,
    /// Response headers, set after all others: `retry-after`, `content-type`, whatever is wanted.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What happens in place of an answer, if anything.
    pub refusal: Option<Mute>,
    /// What replaces the body, if anything.
    pub body: Option<Replacement>,
    /// Wait before the headers.
    pub delay: Duration,
    /// Wait between the headers and the first event (or the plain body).
    pub first: Duration,
    /// Wait between two events.
    pub pace: Duration,
    /// Where and how the body breaks off.
    pub cut: Option<Cut>,
    /// Send the body in pieces of this many bytes, each flushed alone.
    pub drip: Option<NonZeroUsize>,
    /// After this many events comes one that is no JSON.
    pub garbage: Option<usize>,
    /// After this many events comes an error event, and the stream ends without its marker.
    pub error: Option<usize>,
    /// After the first event comes a legal one without content, of at least this many bytes.
    pub huge: Option<usize>,
    /// The stream ends without its end marker.
    pub no_end: bool,
    /// Only the first so many requests of a model suffer; later ones are healthy.
    pub times: Option<u64>,
    /// Length of the answer's text in simulated tokens.
    pub words: Option<usize>,
    /// Length of the reasoning that precedes the answer, in simulated tokens.
    pub reasoning: Option<usize>,
    /// How an answer that was begun elsewhere is gone on with.
    pub goes_on: GoesOn,
}

/// How an answer that was begun elsewhere is gone on with: what models and servers do that are shown
/// their own words, or somebody else's, and are to write the rest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GoesOn {
    /// With the words that it was asked to repeat, if any, and then with the true rest.
    #[default]
    Truly,
    /// From the beginning, word for word.
    Restart,
    /// In other words; those come also where nothing was begun.
    Paraphrase,
    /// With the last sentence once more, and then with the true rest.
    Repeat,
    /// With a courtesy, and then as asked.
    Courtesy,
    /// Where it stopped, be it in the middle of a word, without the words that it was asked to repeat.
    MidWord,
    /// Not at all: with a 400.
    Refuse,
}

/// A place in the body and what happens there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// How many events are sent before. A plain body counts as one event: 0 breaks off before it,
    /// anything more in its middle.
    pub after: usize,
    /// What happens then.
    pub how: Ending,
}

/// How a body breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// HTTP ends the body properly: only the protocol's own end marker is missing.
    End,
    /// The connection closes without the end of the body (HTTP/2: `RST_STREAM`).
    Close,
    /// The connection is reset (HTTP/2: `RST_STREAM`, because others share the connection).
    Reset,
    /// Nothing more is sent, and the connection stays open.
    Stall,
}

/// No answer at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mute {
    /// The connection is reset before the headers (HTTP/2: `RST_STREAM`).
    Reset,
    /// The connection is closed before the headers (HTTP/2: `RST_STREAM`).
    Close,
    /// The request is read and never answered.
    Silent,
}

/// A body that is not the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    /// No byte.
    Empty,
    /// A page such as a load balancer shows.
    Html,
}

impl Fault {
    /// What remains once `times` is used up: how the answer is paced and how long it is, nothing
    /// that harms it.
    #[must_use]
    pub fn healed(&self) -> Self {
        Self { pace: self.pace, words: self.words, reasoning: self.reasoning, ..Self::default() }
    }
}
