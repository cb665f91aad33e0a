//! Chunks of a streamed chat completion, read; those of a legacy completion too.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::super::{is_filled, read_error, read_error_object};
use super::super::answer::{Ending, Said, read_finish, read_usage, text};
use super::calls::Calls;
use crate::protocol::dialect::EventReader;
use crate::protocol::error::ErrorFacts;
use crate::protocol::neutral::{Event, Finish, Output};
use crate::protocol::usage::Usage;
use crate::protocol::{Malformed, read_object};

/// OpenAI's own limit on `n`; bounds what a broken server can make us keep.
const MAX_CHOICES: usize = 128;

/// Reads chunks.
#[derive(Default)]
pub(in crate::protocol::openai) struct ChunkReader {
    started: bool,
    ended: bool,
    choices: BTreeMap<u32, Choice>,
    usage: Usage,
}

#[derive(Default)]
struct Choice {
    calls: Calls,
    refused: bool,
    finished: bool,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    choices: Option<Vec<ChoiceIn<'a>>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    x_groq: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ChoiceIn<'a> {
    index: Option<i64>,
    #[serde(borrow)]
    delta: Option<Said<'a>>,
    /// The text of a legacy completion.
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    stop_reason: Option<&'a RawValue>,
}

impl EventReader for ChunkReader {
    fn read(
        &mut self,
        name: Option<&str>,
        data: &[u8],
        events: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        if self.ended {
            return Ok(());
        }
        if data.trim_ascii() == b"[DONE]" {
            self.end(events);
            return Ok(());
        }
        if name == Some("error") {
            events.push(Event::Error(read_error(data)));
            return Ok(());
        }
        let chunk: Chunk<'_> = read_object(data)?;
        if let Some(error) = chunk.error.filter(|raw| is_filled(Some(raw))) {
            events.push(Event::Error(read_error_object(error)));
            return Ok(());
        }
        let choices = chunk.choices.unwrap_or_default();
        // Azure's first chunk is about the prompt, and has neither choices nor an id.
        if !self.started && !choices.is_empty() {
            self.started = true;
            events.push(Event::Start { id: text(chunk.id), model: text(chunk.model) });
        }
        for choice in choices {
            self.read_choice(&choice, events)?;
        }
        if let Some(usage) = read_usage(chunk.usage, chunk.x_groq) {
            let before = self.usage;
            self.usage.update(usage);
            if self.usage != before {
                events.push(Event::Usage(self.usage));
            }
        }
        Ok(())
    }

    // A finish has its own chunk; without one the answer was cut.
    fn close(&mut self, _events: &mut Vec<Event>) {}
}

impl ChunkReader {
    fn read_choice(
        &mut self,
        choice: &ChoiceIn<'_>,
        events: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        let number = choice.index.and_then(|index| u32::try_from(index).ok()).unwrap_or(0);
        if self.choices.len() == MAX_CHOICES && !self.choices.contains_key(&number) {
            return Err(Malformed);
        }
        let state = self.choices.entry(number).or_default();
        if state.finished {
            // Some servers repeat the last chunk.
            return Ok(());
        }
        if let Some(said) = &choice.delta {
            state.read_delta(number, said, events)?;
        }
        let legacy = text(choice.text);
        if !legacy.is_empty() {
            events.push(Event::Text { choice: number, text: legacy });
        }
        let calls = state.calls.any();
        match read_finish(choice.finish_reason, choice.stop_reason, calls, state.refused) {
            Ending::None => Ok(()),
            Ending::Finish(reason) => state.finish(number, reason, events),
            Ending::Failure => {
                let message = "the provider broke the answer off".to_owned();
                let code = text(choice.finish_reason);
                let facts = ErrorFacts { code, message, ..ErrorFacts::default() };
                events.push(Event::Error(facts.shortened()));
                Ok(())
            }
        }
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        self.ended = true;
        // Some servers forget the reason after calls. Where the calls are whole there is no other.
        for (number, choice) in &mut self.choices {
            if !choice.finished && choice.calls.any() && choice.calls.complete() {
                // Complete calls have their names, so that they can be ended.
                let _ended = choice.finish(*number, Finish::ToolCalls, events);
            }
        }
        events.push(Event::End);
    }
}

impl Choice {
    fn read_delta(
        &mut self,
        choice: u32,
        said: &Said<'_>,
        events: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        let reasoning = said.reasoning();
        let repeated = !reasoning.is_empty();
        if repeated {
            events.push(Event::Thinking { choice, text: reasoning });
        }
        for block in said.thinking_blocks() {
            let state = block.state();
            // The text of a block stands in `reasoning_content` as well, where that is given.
            if let Some(text) = block.thinking.filter(|text| !repeated && !text.is_empty()) {
                events.push(Event::Thinking { choice, text });
            }
            if let Some(state) = state {
                events.push(Event::ThinkingState { choice, state });
                events.push(Event::ThinkingEnd { choice });
            }
        }
        for piece in said.content() {
            match piece {
                Output::Text(text) => events.push(Event::Text { choice, text }),
                Output::Thinking { text, .. } => events.push(Event::Thinking { choice, text }),
                Output::ToolCall { .. } | Output::Refusal(_) => {}
            }
        }
        let refusal = said.refusal();
        if !refusal.is_empty() {
            self.refused = true;
            events.push(Event::Refusal { choice, text: refusal });
        }
        for call in said.calls() {
            self.calls.push(choice, &call, events)?;
        }
        Ok(())
    }

    fn finish(
        &mut self,
        choice: u32,
        reason: Finish,
        events: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        self.finished = true;
        self.calls.finish(choice, events)?;
        events.push(Event::Finish { choice, reason });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
