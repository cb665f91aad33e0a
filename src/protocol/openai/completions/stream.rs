//! A streamed answer, written as chunks of a legacy completion.

use std::collections::BTreeSet;

use serde::Serialize;

use super::super::chat::Chunks;
use super::reply::{answer_id, ending};
use crate::protocol::dialect::{ClientView, EventWriter};
use crate::protocol::neutral::Event;
use crate::wire::sse::KEEP_ALIVE;

pub(super) struct TextWriter {
    chunks: Chunks,
    finished: BTreeSet<u32>,
}

#[derive(Serialize)]
struct ChoiceOut<'a> {
    text: &'a str,
    index: u32,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

impl EventWriter for TextWriter {
    fn write(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, .. } if !id.is_empty() => self.chunks.name(id),
            Event::Text { choice, text } | Event::Refusal { choice, text } => {
                self.chunk(*choice, text, None, out);
            }
            Event::Finish { choice, reason } => {
                if self.finished.insert(*choice) {
                    self.chunk(*choice, "", Some(ending(reason)), out);
                }
            }
            Event::Usage(usage) => self.chunks.count(*usage),
            Event::Ping => out.extend_from_slice(KEEP_ALIVE),
            Event::End => self.chunks.end(out),
            // The API has no place for reasoning, nor for tools, which its requests cannot offer.
            Event::Start { .. }
            | Event::Thinking { .. }
            | Event::ThinkingState { .. }
            | Event::ThinkingEnd { .. }
            | Event::ToolStart { .. }
            | Event::ToolArguments { .. }
            | Event::ToolEnd { .. }
            | Event::Error(_) => {}
        }
    }
}

impl TextWriter {
    pub fn new(client: &ClientView<'_>) -> Self {
        Self {
            chunks: Chunks::new("text_completion", answer_id("", client), client),
            finished: BTreeSet::new(),
        }
    }

    fn chunk(
        &self,
        index: u32,
        text: &str,
        finish_reason: Option<&'static str>,
        out: &mut Vec<u8>,
    ) {
        self.chunks.send(ChoiceOut { text, index, logprobs: None, finish_reason }, out);
    }
}
