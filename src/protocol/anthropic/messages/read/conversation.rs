//! The system's instructions and the messages.

use super::content::{read_mark, read_parts};
use crate::protocol::anthropic::messages::fields::{Content, Fields};
use crate::protocol::dialect::Unreadable;
use crate::protocol::neutral::request::Beyond;
use crate::protocol::neutral::{Part, Role, SystemText, Turn};

/// `system`: text or blocks of text.
pub(super) fn read_system(
    fields: &mut Fields<'_>,
    beyond: &mut Vec<Beyond>,
) -> Result<Vec<SystemText>, Unreadable> {
    let mut texts = match fields.content("system")? {
        None => Vec::new(),
        Some(Content::Text(text)) => vec![SystemText { text, cache: None }],
        Some(Content::Blocks(blocks)) => blocks
            .into_iter()
            .map(|block| read_system_block(block, beyond))
            .collect::<Result<_, _>>()?,
    };
    texts.retain(|system| !system.text.is_empty());
    Ok(texts)
}

fn read_system_block(
    mut block: Fields<'_>,
    beyond: &mut Vec<Beyond>,
) -> Result<SystemText, Unreadable> {
    if block.text("type")?.is_some_and(|kind| kind != "text") {
        return Err(block.wrong("type", "must be `text`"));
    }
    super::lost_once(beyond, &mut block, "citations");
    Ok(SystemText { text: block.needed_text("text")?, cache: read_mark(&mut block)? })
}

/// `messages`.
pub(super) fn read_turns(
    fields: &mut Fields<'_>,
    beyond: &mut Vec<Beyond>,
) -> Result<Vec<Turn>, Unreadable> {
    let messages = fields.list("messages")?;
    let message = "is missing: it must be an array of messages";
    let messages = messages.ok_or_else(|| fields.wrong("messages", message))?;
    messages.into_iter().map(|message| read_turn(message, beyond)).collect()
}

fn read_turn(mut message: Fields<'_>, beyond: &mut Vec<Beyond>) -> Result<Turn, Unreadable> {
    let role = match &*message.needed_text("role")? {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return Err(message.wrong("role", "must be `user`, `assistant` or `system`")),
    };
    let parts = match message.content("content")? {
        Some(Content::Text(text)) => vec![Part::Text { text, cache: None }],
        Some(Content::Blocks(blocks)) => read_parts(blocks, beyond)?,
        None => {
            let wanted = "is missing: it must be a string or an array of content blocks";
            return Err(message.wrong("content", wanted));
        }
    };
    Ok(Turn { role, parts })
}

/// A mark on the request as a whole means: cache up to its last block.
pub(super) fn mark_the_end(fields: &mut Fields<'_>, turns: &mut [Turn]) -> Result<(), Unreadable> {
    let Some(mark) = read_mark(fields)? else { return Ok(()) };
    let parts = turns.iter_mut().rev().flat_map(|turn| turn.parts.iter_mut().rev());
    let place = parts.filter_map(|part| match part {
        Part::Text { text, .. } if text.is_empty() => None,
        Part::Text { cache, .. }
        | Part::ToolCall { cache, .. }
        | Part::ToolResult { cache, .. } => Some(cache),
        Part::Image(media) | Part::Audio(media) | Part::Document(media) => Some(&mut media.cache),
        Part::Thinking { .. } | Part::Refusal(_) => None,
    });
    if let Some(cache) = place.into_iter().next() {
        cache.get_or_insert(mark);
    }
    Ok(())
}
