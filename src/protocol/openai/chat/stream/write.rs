//! A streamed answer, written as chunks of a chat completion.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::super::answer::{finish_word, minted_call_id};
use super::super::reasoning::{ExtraContent, ThinkingBlock, call_extra};
use super::super::reply::answer_id;
use super::chunks::Chunks;
use crate::protocol::dialect::{ClientView, EventWriter};
use crate::protocol::neutral::{Event, OpaqueState};
use crate::wire::sse::KEEP_ALIVE;

/// Writes chunks.
pub(in crate::protocol::openai::chat) struct ChunkWriter {
    chunks: Chunks,
    request_id: String,
    choices: BTreeMap<u32, Choice>,
}

#[derive(Default)]
struct Choice {
    /// Calls that have got arguments.
    with_arguments: BTreeSet<u32>,
    /// Entries of `thinking_blocks` so far.
    blocks: u32,
    /// Characters of reasoning since the last of them.
    unsigned: usize,
    finished: bool,
}

#[derive(Serialize)]
struct ChoiceOut<'a> {
    index: u32,
    delta: Delta<'a>,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize, Default)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_blocks: Option<[ThinkingBlock; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallOut<'a>; 1]>,
}

#[derive(Serialize)]
struct CallOut<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: FunctionOut<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<ExtraContent>,
}

#[derive(Serialize)]
struct FunctionOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

impl EventWriter for ChunkWriter {
    fn write(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, .. } => {
                if !id.is_empty() && self.choices.is_empty() {
                    self.chunks.name(id);
                }
                self.begin(0, out);
            }
            Event::Text { choice, text } => {
                self.delta(*choice, Delta { content: Some(text), ..Delta::default() }, out);
            }
            Event::Refusal { choice, text } => {
                self.delta(*choice, Delta { refusal: Some(text), ..Delta::default() }, out);
            }
            Event::Thinking { choice, text } => {
                let delta = Delta { reasoning_content: Some(text), ..Delta::default() };
                self.delta(*choice, delta, out);
                self.choice(*choice).unsigned += text.chars().count();
            }
            Event::ThinkingState { choice, state } => self.state(*choice, state, out),
            // A block without a state needs no entry; one with a state has it.
            Event::ThinkingEnd { .. } => {}
            Event::ToolStart { choice, call, id, name, state } => {
                let minted =
                    id.is_empty().then(|| minted_call_id(&self.request_id, *choice, *call));
                let call = CallOut {
                    index: *call,
                    id: Some(minted.as_deref().unwrap_or(id)),
                    kind: Some("function"),
                    function: FunctionOut { name: Some(name), arguments: "" },
                    extra_content: call_extra(state.as_ref()),
                };
                self.call(*choice, call, out);
            }
            Event::ToolArguments { choice, call, text } => {
                self.choice(*choice).with_arguments.insert(*call);
                self.arguments(*choice, *call, text, out);
            }
            // Clients parse what they have put together: nothing at all is no JSON.
            Event::ToolEnd { choice, call } => {
                if self.choice(*choice).with_arguments.insert(*call) {
                    self.arguments(*choice, *call, "{}", out);
                }
            }
            Event::Finish { choice, reason } => {
                self.begin(*choice, out);
                if !std::mem::replace(&mut self.choice(*choice).finished, true) {
                    self.chunk(*choice, Delta::default(), Some(finish_word(reason)), out);
                }
            }
            Event::Usage(usage) => self.chunks.count(*usage),
            Event::Ping => out.extend_from_slice(KEEP_ALIVE),
            Event::End => self.chunks.end(out),
            // The gateway itself says what failed.
            Event::Error(_) => {}
        }
    }
}

impl ChunkWriter {
    /// A writer for one client.
    pub fn new(client: &ClientView<'_>) -> Self {
        Self {
            chunks: Chunks::new("chat.completion.chunk", answer_id("", client), client),
            request_id: client.request_id.to_owned(),
            choices: BTreeMap::new(),
        }
    }

    fn choice(&mut self, choice: u32) -> &mut Choice {
        self.choices.entry(choice).or_default()
    }

    /// The first chunk of a choice says who speaks.
    fn begin(&mut self, choice: u32, out: &mut Vec<u8>) {
        if !self.choices.contains_key(&choice) {
            self.choice(choice);
            let delta = Delta { role: Some("assistant"), content: Some(""), ..Delta::default() };
            self.chunk(choice, delta, None, out);
        }
    }

    fn delta(&mut self, choice: u32, delta: Delta<'_>, out: &mut Vec<u8>) {
        self.begin(choice, out);
        self.chunk(choice, delta, None, out);
    }

    fn state(&mut self, choice: u32, state: &OpaqueState, out: &mut Vec<u8>) {
        self.begin(choice, out);
        let known = self.choice(choice);
        let index = Some(known.blocks);
        known.blocks += 1;
        let length = (!state.redacted).then(|| std::mem::take(&mut known.unsigned));
        let block = ThinkingBlock { index, length, ..ThinkingBlock::of(state) };
        self.chunk(choice, Delta { thinking_blocks: Some([block]), ..Delta::default() }, None, out);
    }

    fn call(&mut self, choice: u32, call: CallOut<'_>, out: &mut Vec<u8>) {
        self.delta(choice, Delta { tool_calls: Some([call]), ..Delta::default() }, out);
    }

    fn arguments(&mut self, choice: u32, call: u32, arguments: &str, out: &mut Vec<u8>) {
        let function = FunctionOut { name: None, arguments };
        let call = CallOut { index: call, id: None, kind: None, function, extra_content: None };
        self.call(choice, call, out);
    }

    fn chunk(
        &self,
        index: u32,
        delta: Delta<'_>,
        finish_reason: Option<&'static str>,
        out: &mut Vec<u8>,
    ) {
        self.chunks.send(ChoiceOut { index, delta, logprobs: None, finish_reason }, out);
    }
}

#[cfg(test)]
mod tests;
