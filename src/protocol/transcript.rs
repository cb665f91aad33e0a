//! What a client has been shown of a stream, in case it breaks and another target has to go on.
//!
//! A stream that is translated is noted event by event as it is written. One that passes as bytes is
//! noted by its own reader ([`Notes`]), which has parsed each event anyway: text is appended to one
//! string, and the few events that are something else are kept as they are. Only if the stream breaks
//! are they played through the readers and writers of a translation, whose writer is then where the
//! client is.

mod account;
mod notes;
mod replay;

use super::dialect::{DialectId, EventWriter};
use super::estimate::text_tokens;
use super::neutral::Event;
use super::usage::Usage;

pub(super) use account::{Account, LeftOut};
pub use notes::Notes;
pub use replay::{Seen, SeenItem};

/// Most bytes that are kept of one stream: some 250,000 tokens, more than any model writes in one
/// answer. What is longer is machine-made, and would cost more to ask for again than it is worth.
pub const MAX_TRANSCRIPT: usize = 1024 * 1024;

/// Why nobody can go on with a stream. Reads on after `cannot be resumed: `.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unresumable {
    /// Its events were not noted: the request is of a kind that is not resumed.
    #[error("answers of this kind are not resumed")]
    Unrecorded,
    /// A call of a function has begun.
    #[error("a tool call had begun")]
    ToolCall,
    /// A tool of the provider's own has run.
    #[error("a tool of the provider was at work")]
    HostedTool,
    /// Text with citations or annotations.
    #[error("the text holds citations")]
    Citations,
    /// Sound or pictures.
    #[error("the answer is more than text")]
    Media,
    /// A refusal in words of its own.
    #[error("the model had begun to refuse")]
    Refusal,
    /// Log probabilities.
    #[error("log probabilities belong to one model's tokens")]
    Logprobs,
    /// Several answers at once.
    #[error("several answers were asked for")]
    Choices,
    /// The provider stores the answer under its id.
    #[error("the answer is stored at the provider")]
    Stored,
    /// Reasoning that its maker has not signed yet.
    #[error("the reasoning was not complete")]
    Reasoning,
    /// The format can be kept by a model only that continues its own words.
    #[error("only a model that takes a prefill can go on with structured output")]
    Structured,
    /// The text is complete, and only the end of the stream is missing.
    #[error("the text had ended")]
    Ended,
    /// More than [`MAX_TRANSCRIPT`].
    #[error("the answer is too long to be kept")]
    TooLong,
}

/// How far the reasoning of an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Reasoning {
    #[default]
    None,
    Open,
    Complete,
}

/// What a client has been shown of one answer.
#[derive(Debug)]
pub struct Transcript {
    /// The client's API shows reasoning, and a state of it which only its maker can write.
    signs: bool,
    /// The client's API shows no reasoning at all.
    hides: bool,
    text: String,
    /// Bytes of reasoning that were shown.
    thought: usize,
    reasoning: Reasoning,
    barred: Option<Unresumable>,
    /// Where the text of the current try begins, and its reasoning.
    begun_at: (usize, usize),
    account: Account,
}

impl Transcript {
    /// An empty one, of a stream that a client of this API reads.
    pub fn new(client: DialectId) -> Self {
        let hides = client == DialectId::OpenAiCompletions;
        Self {
            signs: !hides && client != DialectId::OpenAiChat,
            hides,
            text: String::new(),
            thought: 0,
            reasoning: Reasoning::None,
            barred: None,
            begun_at: (0, 0),
            account: Account::default(),
        }
    }

    /// Notes an event that is written.
    pub fn note(&mut self, event: &Event) {
        if self.barred.is_some() {
            return;
        }
        match event {
            Event::Text { choice: 0, text } => {
                if self.reasoning == Reasoning::Open {
                    self.reasoning = Reasoning::Complete;
                }
                if self.text.len() + text.len() > MAX_TRANSCRIPT {
                    self.bar(Unresumable::TooLong);
                } else {
                    self.text.push_str(text);
                }
            }
            Event::Thinking { choice: 0, .. } if self.hides => {}
            Event::Thinking { choice: 0, text } => {
                self.reasoning = Reasoning::Open;
                self.thought += text.len();
            }
            // A signature alone, as Gemini's is, is reasoning that is complete.
            Event::ThinkingState { choice: 0, .. } => self.reasoning = Reasoning::Complete,
            Event::ThinkingEnd { choice: 0 } => {
                if self.reasoning == Reasoning::Open {
                    self.reasoning = Reasoning::Complete;
                }
            }
            Event::Refusal { .. } => self.bar(Unresumable::Refusal),
            Event::ToolStart { .. } | Event::ToolArguments { .. } | Event::ToolEnd { .. } => {
                self.bar(Unresumable::ToolCall);
            }
            Event::Text { .. }
            | Event::Thinking { .. }
            | Event::ThinkingState { .. }
            | Event::ThinkingEnd { .. } => self.bar(Unresumable::Choices),
            Event::Finish { .. } => self.bar(Unresumable::Ended),
            Event::Start { .. } | Event::Usage(_) | Event::Ping | Event::End | Event::Error(_) => {}
        }
    }

    /// Nobody can go on with it any more, and nothing is kept.
    pub(super) fn bar(&mut self, why: Unresumable) {
        self.barred.get_or_insert(why);
        self.text = String::new();
    }

    /// Reasoning was announced of which nothing was told.
    fn open_reasoning(&mut self) {
        self.reasoning = Reasoning::Open;
    }

    /// All text that the client has.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the client has seen anything that was generated.
    pub fn has_output(&self) -> bool {
        !self.text.is_empty() || self.reasoning != Reasoning::None
    }

    /// How many bytes it takes.
    pub fn size(&self) -> usize {
        self.text.capacity()
    }

    /// Whether somebody else can go on with it.
    pub fn resumable(&self) -> Result<(), Unresumable> {
        match self.barred {
            Some(why) => Err(why),
            None if self.signs && self.reasoning == Reasoning::Open => Err(Unresumable::Reasoning),
            None => Ok(()),
        }
    }

    pub(super) fn account(&self) -> Account {
        self.account
    }

    /// About how many tokens of the current try the client has.
    pub(super) fn delivered_tokens(&self) -> u64 {
        let (text, thought) = self.begun_at;
        // Reasoning is prose: see `estimate`.
        let thought = (self.thought - thought) as u64 * 2 / 7;
        text_tokens(self.text.get(text..).unwrap_or_default()) + thought
    }

    /// The current try is over. Its provider counted `said`, and the client has it but for `left_out`
    /// tokens.
    pub(super) fn settle(&mut self, said: Usage, left_out: LeftOut) {
        self.account = self.account.after(said, self.delivered_tokens(), left_out);
        self.begun_at = (self.text.len(), self.thought);
    }
}

/// A stream that broke: the writer of what the client gets, which goes on where it stopped, and what
/// the client has.
pub struct Interrupted {
    pub(super) writer: Box<dyn EventWriter>,
    pub(super) transcript: Transcript,
}

impl std::fmt::Debug for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interrupted")
            .field("bytes", &self.transcript.size())
            .finish_non_exhaustive()
    }
}

impl Interrupted {
    /// What the client has of it.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// What all tries so far have cost, as far as it is known.
    pub fn usage(&self) -> Usage {
        self.transcript.account.spent
    }
}

#[cfg(test)]
mod tests;
