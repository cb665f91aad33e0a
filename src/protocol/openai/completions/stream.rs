//! A streamed answer, written as chunks of a legacy completion.

use std::collections::BTreeSet;

use serde::Serialize;

use super::super::chat::{UsageMember, UsageOut};
use super::reply::{answer_id, ending};
use crate::protocol::dialect::{ClientView, EventWriter};
use crate::protocol::neutral::Event;
use crate::protocol::usage::Usage;
use crate::wire::sse::{KEEP_ALIVE, encode_event};

pub(super) struct TextWriter {
    id: String,
    model: String,
    created: u64,
    include_usage: bool,
    usage: Option<Usage>,
    finished: BTreeSet<u32>,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: &'a [ChoiceOut<'a>],
    #[serde(skip_serializing_if = "UsageMember::is_absent")]
    usage: UsageMember,
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
            Event::Start { id, .. } if !id.is_empty() => self.id.clone_from(id),
            Event::Text { choice, text } | Event::Refusal { choice, text } => {
                self.chunk(*choice, text, None, out);
            }
            Event::Finish { choice, reason } => {
                if self.finished.insert(*choice) {
                    self.chunk(*choice, "", Some(ending(reason)), out);
                }
            }
            Event::Usage(usage) => self.usage.get_or_insert_default().update(*usage),
            Event::Ping => out.extend_from_slice(KEEP_ALIVE),
            Event::End => {
                if let Some(usage) = self.usage.filter(|_| self.include_usage) {
                    self.frame(&[], UsageMember::Known(UsageOut::from(&usage)), out);
                }
                out.extend_from_slice(b"data: [DONE]\n\n");
            }
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
            id: answer_id("", client),
            model: client.model.to_owned(),
            created: client.created,
            include_usage: client.include_usage,
            usage: None,
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
        let choice = ChoiceOut { text, index, logprobs: None, finish_reason };
        self.frame(&[choice], UsageMember::of_chunk(self.include_usage), out);
    }

    fn frame(&self, choices: &[ChoiceOut<'_>], usage: UsageMember, out: &mut Vec<u8>) {
        let chunk = Chunk {
            id: &self.id,
            object: "text_completion",
            created: self.created,
            model: &self.model,
            choices,
            usage,
        };
        let chunk = serde_json::to_vec(&chunk).expect("plain values are JSON");
        out.extend_from_slice(&encode_event(None, &chunk));
    }
}
