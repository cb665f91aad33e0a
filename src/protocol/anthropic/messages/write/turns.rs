//! The messages: merged, in the order that the API demands, without what it refuses.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::cache::Marks;
use super::media;
use super::names::{ToolNames, call_id};
use crate::protocol::anthropic::messages::wire::{Block, Message, ResultContent, no_members};
use crate::protocol::dialect::TargetView;
use crate::protocol::neutral::{
    CacheMark, CannotCross, Crossing, Media, OpaqueState, Origin, Part, ResultPart, Role, Turn,
};

/// Writes the messages of a conversation, before which there may be instructions.
pub(super) fn write<'a>(
    turns: &[&'a Turn],
    instructed: bool,
    names: &'a ToolNames<'a>,
    target: &TargetView<'_>,
    marks: &mut Marks,
    crossing: &mut Crossing,
) -> Result<Vec<Message<'a>>, CannotCross> {
    let mut messages: Vec<Message<'a>> = Vec::with_capacity(turns.len());
    let mut writer = Writer { names, image_urls: target.quirks.image_urls, marks, crossing };
    for turn in turns {
        let role = match turn.role {
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::System => "system",
        };
        let mut blocks = Vec::with_capacity(turn.parts.len());
        for part in &turn.parts {
            blocks.extend(writer.part(part, turn.role)?);
        }
        match messages.last_mut() {
            // An empty message is refused, and says nothing.
            _ if blocks.is_empty() => {}
            Some(last) if last.role == role => last.content.append(&mut blocks),
            _ => messages.push(Message { role, content: blocks }),
        }
    }
    put_results_first(&mut messages);
    end_well(&mut messages, target, crossing)?;
    if messages.first().is_some_and(|first| first.role == "assistant") {
        // A conversation begins with the user.
        crossing.adjusted("messages")?;
        messages.insert(0, Message { role: "user", content: vec![Block::text(".")] });
    }
    if messages.is_empty() && instructed {
        // Instructions alone are a prompt to other APIs.
        crossing.adjusted("messages")?;
        messages.push(Message { role: "user", content: vec![Block::text(".")] });
    }
    if messages.is_empty() {
        let message = "holds nothing to answer: add a user message that is not empty";
        return Err(CannotCross::new("messages", message));
    }
    Ok(messages)
}

/// Results of tools come before anything else, in the order of the calls.
fn put_results_first(messages: &mut [Message<'_>]) {
    for at in 1..messages.len() {
        let (before, after) = messages.split_at_mut(at);
        let (Some(calls), Some(message)) = (before.last(), after.first_mut()) else { continue };
        let place = |id: &str| {
            calls.content.iter().position(
                |block| matches!(block, Block::ToolUse { id: called, .. } if called == id),
            )
        };
        message.content.sort_by_key(|block| match block {
            Block::ToolResult { tool_use_id, .. } => place(tool_use_id).unwrap_or(usize::MAX - 1),
            _ => usize::MAX,
        });
    }
}

/// The API refuses white space at the end of an answer that is to be continued, and some models
/// refuse to continue one at all.
fn end_well(
    messages: &mut Vec<Message<'_>>,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<(), CannotCross> {
    let Some(last) = messages.last_mut().filter(|last| last.role == "assistant") else {
        return Ok(());
    };
    if target.facts.refuses_prefill {
        let message = "must end with a message of the user: the model does not continue an answer \
                       that was begun for it";
        crossing.refused("messages", message)?;
        messages.pop();
    } else if let Some(Block::Text { text, .. }) = last.content.last_mut() {
        *text = match std::mem::take(text) {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim_end()),
            Cow::Owned(text) => Cow::Owned(text.trim_end().to_owned()),
        };
    }
    Ok(())
}

/// Whether a part is reasoning that the API takes back.
pub(super) fn is_own_thinking(part: &Part) -> bool {
    matches!(part, Part::Thinking { state: Some(state), .. } if state.origin == Origin::Anthropic)
}

struct Writer<'a, 'w> {
    names: &'a ToolNames<'a>,
    image_urls: bool,
    marks: &'w mut Marks,
    crossing: &'w mut Crossing,
}

impl<'a> Writer<'a, '_> {
    fn part(&mut self, part: &'a Part, role: Role) -> Result<Option<Block<'a>>, CannotCross> {
        match part {
            Part::Text { text, cache } => Ok(self.text(text, cache.as_ref())),
            Part::Refusal(text) => Ok(self.text(text, None)),
            Part::Image(media) | Part::Audio(media) | Part::Document(media)
                if role != Role::User =>
            {
                let message = "must be in a message of the user: the target takes media there only";
                self.crossing.refused(&media.field, message).map(|()| None)
            }
            Part::Image(media) => self.image(media),
            Part::Document(media) => self.document(media),
            Part::Audio(media) => {
                let message = "is sound, which the target does not take";
                self.crossing.refused(&media.field, message).map(|()| None)
            }
            Part::Thinking { text, state } => self.thinking(text, state.as_ref()),
            Part::ToolCall { id, name, arguments, cache, .. } => Ok(Some(Block::ToolUse {
                id: call_id(id),
                name: self.names.written(name),
                input: Cow::Borrowed(self.input(arguments)?),
                cache_control: self.marks.take(cache.as_ref()),
            })),
            Part::ToolResult { id, content, is_error, cache } => Ok(Some(Block::ToolResult {
                tool_use_id: call_id(id),
                content: self.result(content)?,
                is_error: *is_error,
                cache_control: self.marks.take(cache.as_ref()),
            })),
        }
    }

    /// The API refuses text that is nothing but white space.
    fn text(&mut self, text: &'a str, mark: Option<&'a CacheMark>) -> Option<Block<'a>> {
        (!text.trim().is_empty())
            .then(|| Block::Text { text: text.into(), cache_control: self.marks.take(mark) })
    }

    fn image(&mut self, media: &'a Media) -> Result<Option<Block<'a>>, CannotCross> {
        let Some(source) = media::image(media, self.image_urls, self.crossing)? else {
            return Ok(None);
        };
        let cache_control = self.marks.take(media.cache.as_ref());
        Ok(Some(if media::is_pdf_url(media) {
            Block::Document { source, title: media.name.as_deref(), cache_control }
        } else {
            Block::Image { source, cache_control }
        }))
    }

    fn document(&mut self, media: &'a Media) -> Result<Option<Block<'a>>, CannotCross> {
        let source = media::document(media, self.image_urls, self.crossing)?;
        Ok(source.map(|source| Block::Document {
            source,
            title: media.name.as_deref().filter(|title| !title.is_empty()),
            cache_control: self.marks.take(media.cache.as_ref()),
        }))
    }

    /// Only what Claude has signed itself can go back to it.
    fn thinking(
        &mut self,
        text: &'a str,
        state: Option<&'a OpaqueState>,
    ) -> Result<Option<Block<'a>>, CannotCross> {
        match state {
            Some(state) if state.origin != Origin::Anthropic => {}
            Some(OpaqueState { data, redacted: true, .. }) => {
                return Ok(Some(Block::RedactedThinking { data: data.as_str().into() }));
            }
            Some(OpaqueState { data, .. }) => {
                let signature = data.as_str().into();
                return Ok(Some(Block::Thinking { thinking: text, signature }));
            }
            None => {}
        }
        self.crossing.dropped("thinking").map(|()| None)
    }

    /// Arguments as an object, whatever the model once wrote.
    fn input(&mut self, arguments: &'a str) -> Result<&'a RawValue, CannotCross> {
        match serde_json::from_str::<&RawValue>(arguments) {
            Ok(object) if object.get().starts_with('{') => return Ok(object),
            Ok(null) if null.get() == "null" => {}
            _ if arguments.trim().is_empty() => {}
            _ => self.crossing.adjusted("arguments")?,
        }
        Ok(no_members())
    }

    fn result(
        &mut self,
        parts: &'a [ResultPart],
    ) -> Result<Option<ResultContent<'a>>, CannotCross> {
        if let [ResultPart::Text(text)] = parts {
            return Ok(Some(ResultContent::Text(text)));
        }
        let mut blocks = Vec::with_capacity(parts.len());
        for part in parts {
            blocks.extend(match part {
                ResultPart::Text(text) => {
                    (!text.trim().is_empty()).then(|| Block::text(text.as_str()))
                }
                ResultPart::Image(media) => self.image(media)?,
                ResultPart::Document(media) => self.document(media)?,
            });
        }
        Ok((!blocks.is_empty()).then_some(ResultContent::Blocks(blocks)))
    }
}
