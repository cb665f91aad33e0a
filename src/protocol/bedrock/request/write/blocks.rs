//! The blocks of one message.

use std::borrow::Cow;

use serde_json::json;
use serde_json::value::RawValue;

use super::names::call_id;
use super::shape::{Block, Message, ReasoningContent, Speaker, ToolResult, ToolUse, raw};
use super::turns::FILLER;
use super::{CannotCross, Writer};
use crate::protocol::bedrock::wire::redacted_to_field;
use crate::protocol::neutral::{CacheMark, OpaqueState, Origin, Part, ResultPart, Role, Turn};

/// A message that more may be said in.
pub(super) struct Draft<'a> {
    pub(super) role: Speaker,
    /// Results, each with the id of its call and the mark behind it.
    results: Vec<(&'a str, Vec<Block<'a>>)>,
    pub(super) blocks: Vec<Block<'a>>,
    /// The ids of the calls, in order.
    pub(super) calls: Vec<&'a str>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(role: Speaker) -> Self {
        Self { role, results: Vec::new(), blocks: Vec::new(), calls: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.results.is_empty() && self.blocks.is_empty()
    }

    pub(super) fn append(&mut self, other: Self) {
        self.results.extend(other.results);
        self.blocks.extend(other.blocks);
        self.calls.extend(other.calls);
    }

    /// Takes away the white space at the end, which the API refuses of an assistant.
    pub(super) fn trim_end(&mut self) {
        if let Some(Block::Text(text)) = self.blocks.last_mut() {
            let length = text.trim_end().len();
            match text {
                Cow::Borrowed(text) => *text = &text[..length],
                Cow::Owned(text) => text.truncate(length),
            }
        }
    }

    /// The message: results first, in the order of the `calls` before it.
    pub(super) fn finish(mut self, calls: &[&str]) -> Message<'a> {
        let place = |id: &str| calls.iter().position(|call| *call == id).unwrap_or(calls.len());
        self.results.sort_by_key(|(id, _)| place(id));
        let documents = self.blocks.iter().any(|block| matches!(block, Block::Document(_)));
        let texts = self.blocks.iter().any(|block| matches!(block, Block::Text(_)));
        if documents && !texts {
            // The API refuses a document without a text beside it.
            self.blocks.push(Block::Text(Cow::Borrowed(FILLER)));
        }
        let results = self.results.into_iter().flat_map(|(_, blocks)| blocks);
        Message { role: self.role, content: results.chain(self.blocks).collect() }
    }
}

impl<'a> Writer<'a, '_> {
    pub(super) fn draft(&mut self, turn: &'a Turn, index: usize) -> Result<Draft<'a>, CannotCross> {
        let assistant = turn.role == Role::Assistant;
        let role = if assistant { Speaker::Assistant } else { Speaker::User };
        let mut draft = Draft::new(role);
        for (number, part) in turn.parts.iter().enumerate() {
            let place = || format!("messages[{index}].content[{number}]");
            let (block, cache) = match part {
                Part::Text { text, cache } => (text_block(text), cache.as_ref()),
                Part::Refusal(text) => (text_block(text), None),
                Part::Image(media) | Part::Audio(media) | Part::Document(media) if assistant => {
                    let message = "cannot stand in an assistant's message on Amazon Bedrock";
                    self.crossing.refused(&media.field, message)?;
                    continue;
                }
                Part::Image(media) => (self.image(media)?, media.cache.as_ref()),
                Part::Audio(media) => (self.audio(media)?, media.cache.as_ref()),
                Part::Document(media) => (self.document(media)?, media.cache.as_ref()),
                Part::Thinking { text, state } => {
                    (self.thought(text, state.as_ref(), place)?, None)
                }
                Part::ToolCall { id, name, arguments, cache, .. } => {
                    draft.calls.push(id);
                    (Some(self.call(id, name, arguments, place)?), cache.as_ref())
                }
                Part::ToolResult { id, content, is_error, cache } => {
                    let result = self.result(id, content, *is_error)?;
                    let mark = self.cache_point(cache.as_ref())?.map(Block::CachePoint);
                    let blocks = std::iter::once(result).chain(mark).collect();
                    draft.results.push((id, blocks));
                    continue;
                }
            };
            self.push(block, cache, &mut draft.blocks)?;
        }
        Ok(draft)
    }

    fn push(
        &mut self,
        block: Option<Block<'a>>,
        cache: Option<&'a CacheMark>,
        blocks: &mut Vec<Block<'a>>,
    ) -> Result<(), CannotCross> {
        // A mark needs something before it.
        if let Some(block) = block {
            blocks.push(block);
            blocks.extend(self.cache_point(cache)?.map(Block::CachePoint));
        }
        Ok(())
    }

    /// Reasoning, for Claude only, and only what Claude has signed: it refuses any other.
    fn thought(
        &mut self,
        text: &'a str,
        state: Option<&'a OpaqueState>,
        place: impl Fn() -> String,
    ) -> Result<Option<Block<'a>>, CannotCross> {
        let Some(state) = state else { return Ok(None) };
        if state.origin != Origin::Anthropic || !self.family.takes_claude() {
            self.crossing.dropped(&place())?;
            return Ok(None);
        }
        let content = if state.redacted {
            ReasoningContent::RedactedContent(redacted_to_field(state))
        } else {
            ReasoningContent::ReasoningText { text, signature: &state.data }
        };
        Ok(Some(Block::ReasoningContent(content)))
    }

    fn call(
        &mut self,
        id: &'a str,
        name: &'a str,
        arguments: &'a str,
        place: impl Fn() -> String,
    ) -> Result<Block<'a>, CannotCross> {
        let none = || Cow::Owned(raw(&json!({})));
        let input = match serde_json::from_str::<&RawValue>(arguments) {
            Ok(object) if object.get().starts_with('{') => Cow::Borrowed(object),
            Ok(null) if null.get() == "null" => none(),
            Err(_) if arguments.trim().is_empty() => none(),
            // The model wrote it, so the client cannot help it: the conversation goes on.
            Ok(_) | Err(_) => {
                self.crossing.adjusted(&format!("{}.arguments", place()))?;
                none()
            }
        };
        let name = self.names.tool(name);
        Ok(Block::ToolUse(ToolUse { id: call_id(id), name, input }))
    }

    fn result(
        &mut self,
        id: &'a str,
        content: &'a [ResultPart],
        is_error: bool,
    ) -> Result<Block<'a>, CannotCross> {
        let mut blocks = Vec::with_capacity(content.len());
        for part in content {
            blocks.extend(match part {
                ResultPart::Text(text) => text_block(text),
                ResultPart::Image(media) => self.image(media)?,
                ResultPart::Document(media) => self.document(media)?,
            });
        }
        let status = is_error.then_some("error");
        Ok(Block::ToolResult(ToolResult { id: call_id(id), content: blocks, status }))
    }
}

/// Text; a blank one is refused and therefore left out.
fn text_block(text: &str) -> Option<Block<'_>> {
    (!text.trim().is_empty()).then_some(Block::Text(Cow::Borrowed(text)))
}
