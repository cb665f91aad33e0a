//! The blocks of a message.

use serde_json::value::RawValue;

use super::media::{read_document, read_image};
use super::{lost_once, unknown_block};
use crate::protocol::anthropic::messages::fields::{Content, Fields};
use crate::protocol::dialect::Unreadable;
use crate::protocol::neutral::request::Beyond;
use crate::protocol::neutral::{CacheMark, OpaqueState, Origin, Part, ResultPart};

pub(super) fn read_parts(
    blocks: Vec<Fields<'_>>,
    beyond: &mut Vec<Beyond>,
) -> Result<Vec<Part>, Unreadable> {
    let mut parts = Vec::with_capacity(blocks.len());
    for block in blocks {
        if let Some(part) = read_part(block, beyond)? {
            attach(part, &mut parts);
        }
    }
    Ok(parts)
}

/// The state of a call came to the client as a thinking block without words before the call, since
/// a call has no place for it here; see the writer of replies.
fn attach(mut part: Part, parts: &mut Vec<Part>) {
    if let Part::ToolCall { state: call_state, .. } = &mut part
        && let Some(Part::Thinking { text, state: Some(state) }) = parts.last()
        && text.is_empty()
        && state.origin == Origin::Gemini
    {
        *call_state = Some(state.clone());
        parts.pop();
    }
    parts.push(part);
}

/// `None` for a block that the neutral form has no place for, which then is noted in `beyond`.
fn read_part(mut block: Fields<'_>, beyond: &mut Vec<Beyond>) -> Result<Option<Part>, Unreadable> {
    Ok(Some(match &*block.needed_text("type")? {
        "text" => {
            lost_once(beyond, &mut block, "citations");
            Part::Text { text: block.needed_text("text")?, cache: read_mark(&mut block)? }
        }
        "image" => Part::Image(read_image(block)?),
        "document" => {
            return Ok(read_document(block, beyond)?.map(Part::Document));
        }
        "search_result" => {
            let cache = read_mark(&mut block)?;
            Part::Text { text: read_search_result(block, beyond)?, cache }
        }
        "thinking" => {
            let signature = block.text("signature")?.filter(|signature| !signature.is_empty());
            let state = |field: String| OpaqueState::from_field(&field, Origin::Anthropic, false);
            Part::Thinking { text: block.needed_text("thinking")?, state: signature.map(state) }
        }
        "redacted_thinking" => {
            let data = block.needed_text("data")?;
            let state = OpaqueState::from_field(&data, Origin::Anthropic, true);
            Part::Thinking { text: String::new(), state: Some(state) }
        }
        "tool_use" => read_call(block)?,
        "tool_result" => read_result(block, beyond)?,
        // Calls and results of Anthropic's own tools, and whatever may come.
        _ => {
            unknown_block(beyond, block.path());
            return Ok(None);
        }
    }))
}

fn read_call(mut block: Fields<'_>) -> Result<Part, Unreadable> {
    let input = block.take("input");
    if input.is_some_and(|input| !input.get().starts_with('{')) {
        return Err(block.wrong("input", "must be an object"));
    }
    Ok(Part::ToolCall {
        id: block.needed_name("id")?,
        name: block.needed_name("name")?,
        arguments: input.map_or("", RawValue::get).to_owned(),
        state: None,
        cache: read_mark(&mut block)?,
    })
}

fn read_result(mut block: Fields<'_>, beyond: &mut Vec<Beyond>) -> Result<Part, Unreadable> {
    let id = block.needed_name("tool_use_id")?;
    let content = match block.content("content")? {
        None => Vec::new(),
        Some(Content::Text(text)) => vec![ResultPart::Text(text)],
        Some(Content::Blocks(blocks)) => {
            let mut parts = Vec::with_capacity(blocks.len());
            for inner in blocks {
                parts.extend(read_result_part(inner, beyond)?);
            }
            parts
        }
    };
    let is_error = block.boolean("is_error")?.unwrap_or(false);
    Ok(Part::ToolResult { id, content, is_error, cache: read_mark(&mut block)? })
}

fn read_result_part(
    mut block: Fields<'_>,
    beyond: &mut Vec<Beyond>,
) -> Result<Option<ResultPart>, Unreadable> {
    Ok(match &*block.needed_text("type")? {
        "text" => Some(ResultPart::Text(block.needed_text("text")?)),
        "image" => Some(ResultPart::Image(read_image(block)?)),
        "document" => read_document(block, beyond)?.map(ResultPart::Document),
        "search_result" => Some(ResultPart::Text(read_search_result(block, beyond)?)),
        // Names a tool that was found by searching; the model is told of every tool anyway.
        "tool_reference" => None,
        _ => {
            unknown_block(beyond, block.path());
            None
        }
    })
}

/// A search result as text: others have no block for it.
fn read_search_result(
    mut block: Fields<'_>,
    beyond: &mut Vec<Beyond>,
) -> Result<String, Unreadable> {
    lost_once(beyond, &mut block, "citations");
    let mut text = format!("{}\n{}", block.needed_text("title")?, block.needed_text("source")?);
    for mut inner in block.list("content")?.unwrap_or_default() {
        text.push('\n');
        text.push_str(&inner.needed_text("text")?);
    }
    Ok(text)
}

/// `cache_control`, of a block or of the request.
pub(super) fn read_mark(fields: &mut Fields<'_>) -> Result<Option<CacheMark>, Unreadable> {
    let Some(mut mark) = fields.object("cache_control")? else { return Ok(None) };
    Ok(Some(CacheMark { ttl: mark.text("ttl")? }))
}
