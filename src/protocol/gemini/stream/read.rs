//! A provider's stream as events.

use serde_json::value::RawValue;

use super::chunk::{Candidate, Chunk, Part};
use crate::protocol::Malformed;
use crate::protocol::dialect::EventReader;
use crate::protocol::error::ErrorFacts;
use crate::protocol::gemini::finish::Reason;
use crate::protocol::gemini::{error, signature, usage, wire};
use crate::protocol::neutral::{Event, Finish};
use crate::protocol::usage::Usage;

/// Most answers of one stream; the API gives at most eight.
const MAX_CHOICES: usize = 128;

/// Reads one stream.
#[derive(Debug, Default)]
pub(in crate::protocol::gemini) struct Reader {
    started: bool,
    choices: Vec<Choice>,
    usage: Usage,
}

#[derive(Debug)]
struct Choice {
    index: u32,
    calls: u32,
    /// Reasoning is open.
    thinking: bool,
    /// There is something to show: text or a call.
    produced: bool,
    finished: bool,
}

impl EventReader for Reader {
    fn read(
        &mut self,
        _name: Option<&str>,
        data: &[u8],
        events: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        let chunk = Chunk::read(data)?;
        if let Some(error) = chunk.error {
            events.push(Event::Error(error::read_object(error)));
            return Ok(());
        }
        let blocked = chunk.blocked();
        if !self.started {
            self.started = true;
            let id = chunk.response_id.unwrap_or_default();
            events.push(Event::Start { id, model: chunk.model_version.unwrap_or_default() });
        }
        if blocked {
            let choice = self.choice(0)?;
            if !std::mem::replace(&mut choice.finished, true) {
                events.push(Event::Finish { choice: 0, reason: Finish::Refused });
            }
        }
        for candidate in chunk.candidates.unwrap_or_default() {
            let choice = self.choice(candidate.index.unwrap_or(0))?;
            // What comes after the end belongs to nothing.
            if !choice.finished {
                choice.read(candidate, events)?;
            }
        }
        if let Some(newer) = chunk.usage_metadata.and_then(usage::read) {
            let before = self.usage;
            self.usage.update(newer);
            if self.usage != before {
                events.push(Event::Usage(self.usage));
            }
        }
        Ok(())
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        // Google has no end marker: that every answer has finished is the end.
        if !self.choices.is_empty() && self.choices.iter().all(|choice| choice.finished) {
            events.push(Event::End);
        }
    }
}

impl Reader {
    fn choice(&mut self, index: u32) -> Result<&mut Choice, Malformed> {
        let known = self.choices.iter().position(|choice| choice.index == index);
        let at = known.unwrap_or(self.choices.len());
        if at == MAX_CHOICES {
            return Err(Malformed);
        }
        if known.is_none() {
            self.choices.push(Choice {
                index,
                calls: 0,
                thinking: false,
                produced: false,
                finished: false,
            });
        }
        Ok(&mut self.choices[at])
    }
}

impl Choice {
    fn read(&mut self, candidate: Candidate<'_>, events: &mut Vec<Event>) -> Result<(), Malformed> {
        let parts = candidate.content.and_then(|content| content.parts).unwrap_or_default();
        for part in parts {
            self.part(part, events)?;
        }
        let word = candidate.finish_reason.unwrap_or_default();
        let Some(reason) = Reason::read(&word) else { return Ok(()) };
        self.end_thinking(events);
        self.finished = true;
        if reason == Reason::Failed && !self.produced {
            self.finished = false;
            let message = candidate.finish_message.filter(|message| !message.is_empty());
            let message =
                message.unwrap_or_else(|| format!("the model ended without an answer: `{word}`"));
            let facts = ErrorFacts { kind: word, message, ..ErrorFacts::default() };
            events.push(Event::Error(facts.shortened()));
        } else {
            let reason = reason.finish(self.calls > 0);
            events.push(Event::Finish { choice: self.index, reason });
        }
        Ok(())
    }

    fn part(&mut self, part: Part<'_>, events: &mut Vec<Event>) -> Result<(), Malformed> {
        let choice = self.index;
        let state = part.thought_signature.filter(|field| !field.is_empty());
        let state = state.map(|field| signature::read(&field));
        if let Some(call) = part.function_call {
            // Pieces of arguments come to nobody who did not ask for them.
            let name = call.name.filter(|name| !name.is_empty()).ok_or(Malformed)?;
            self.end_thinking(events);
            let (number, id) = (self.calls, call.id.unwrap_or_default());
            self.calls += 1;
            self.produced = true;
            events.push(Event::ToolStart { choice, call: number, id, name, state });
            let arguments = call.args.map(RawValue::get).map(wire::compact).unwrap_or_default();
            if !matches!(arguments.as_str(), "" | "null" | "{}") {
                events.push(Event::ToolArguments { choice, call: number, text: arguments });
            }
            events.push(Event::ToolEnd { choice, call: number });
            return Ok(());
        }
        let text = part.text.unwrap_or_default();
        if !text.is_empty() {
            if part.thought == Some(true) {
                self.thinking = true;
                events.push(Event::Thinking { choice, text });
            } else {
                self.end_thinking(events);
                self.produced = true;
                events.push(Event::Text { choice, text });
            }
        }
        if let Some(state) = state {
            events.push(Event::ThinkingState { choice, state });
            events.push(Event::ThinkingEnd { choice });
            self.thinking = false;
        }
        Ok(())
    }

    fn end_thinking(&mut self, events: &mut Vec<Event>) {
        if std::mem::take(&mut self.thinking) {
            events.push(Event::ThinkingEnd { choice: self.index });
        }
    }
}
