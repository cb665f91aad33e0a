//! What is different where a stream goes on for a client that has its beginning from somebody else.

use serde::de::IgnoredAny;

use crate::protocol::continuation::{Mode, added_tokens};
use crate::protocol::dialect::EventWriter;
use crate::protocol::neutral::{Event, Finish};
use crate::protocol::splice::{Mismatch, Splice};
use crate::protocol::transcript::{Account, LeftOut, Transcript};
use crate::protocol::usage::Usage;

/// Makes of the new target's events what the client lacks.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Resumption {
    splice: Splice,
    /// The client has output already: a start, reasoning and a refusal would be in its midst.
    goes_on: bool,
    /// The text of both must be JSON.
    structured: bool,
    thought: bool,
    said: bool,
    /// About how many tokens were added to the prompt.
    added: u64,
    account: Account,
}

impl Resumption {
    pub fn new(transcript: &Transcript, mode: Mode, structured: bool) -> Self {
        Self {
            splice: Splice::new(mode, transcript.text()),
            goes_on: transcript.has_output(),
            structured,
            thought: false,
            said: false,
            added: added_tokens(transcript.text(), mode),
            account: transcript.account(),
        }
    }

    /// Hands on what an event comes to.
    pub fn admit(&mut self, event: Event, pass: &mut dyn FnMut(Event)) -> Result<(), Mismatch> {
        match event {
            // The client has one, or does not need it.
            Event::Start { .. } => {}
            Event::Thinking { .. } | Event::ThinkingState { .. } | Event::ThinkingEnd { .. }
                if self.goes_on =>
            {
                self.thought = true;
            }
            Event::Text { choice: 0, text } => {
                self.said = true;
                let mut new = String::new();
                let result = self.splice.push(&text, &mut new);
                emit(new, pass);
                result?;
            }
            Event::Refusal { .. } if self.goes_on => return Err(Mismatch::Refused),
            Event::ToolStart { .. } => {
                self.complete(pass)?;
                pass(event);
            }
            Event::Finish { .. } => {
                if self.goes_on && self.thought && !self.said {
                    return Err(Mismatch::Silent);
                }
                self.complete(pass)?;
                pass(event);
            }
            Event::Usage(said) => pass(Event::Usage(self.account.shown(said, self.left_out()))),
            other => pass(other),
        }
        Ok(())
    }

    /// All text has come.
    fn complete(&mut self, pass: &mut dyn FnMut(Event)) -> Result<(), Mismatch> {
        let mut new = String::new();
        let result = self.splice.finish(&mut new);
        emit(new, pass);
        result
    }

    /// Whether an event that is about to be written belies what was asked for.
    pub fn check(&self, event: &Event, transcript: Option<&Transcript>) -> Result<(), Mismatch> {
        let stops = matches!(event, Event::Finish { reason: Finish::Stop, .. });
        match transcript.filter(|_| self.structured && stops).map(Transcript::text) {
            Some(text) if serde_json::from_str::<IgnoredAny>(text).is_err() => {
                Err(Mismatch::Malformed)
            }
            _ => Ok(()),
        }
    }

    pub fn left_out(&self) -> LeftOut {
        LeftOut {
            repeated: self.splice.repeated() as u64 * 2 / 7,
            reasoning: self.goes_on,
            added: self.added,
        }
    }

    /// What all tries cost.
    pub fn spent(&self, said: Usage) -> Usage {
        self.account.spent(said, self.left_out())
    }

    /// What the client is told at the end, where the new target counted nothing but the first did.
    pub fn estimated(&self, said: Usage, delivered: u64) -> Option<Usage> {
        let told = self.account.shown.input.is_some();
        (told && said.output.is_none()).then(|| {
            let said = Usage { output: Some(delivered), ..said };
            self.account.shown(said, LeftOut { repeated: 0, ..self.left_out() })
        })
    }
}

fn emit(new: String, pass: &mut dyn FnMut(Event)) {
    if !new.is_empty() {
        pass(Event::Text { choice: 0, text: new });
    }
}

/// Writes nothing: for a stream whose client is served by another one.
pub(super) struct Mute;

impl EventWriter for Mute {
    fn write(&mut self, _event: &Event, _out: &mut Vec<u8>) {}
}
