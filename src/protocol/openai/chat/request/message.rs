//! The messages of a chat completion.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::super::member::{beyond, member, object};
use super::super::reasoning::{ThinkingBlock, call_state, thinking};
use super::content::{CacheMember, Content};
use crate::protocol::dialect::Unreadable;
use crate::protocol::neutral::{CacheMark, Part, Request, ResultPart, Role, SystemText, Turn};

#[derive(Deserialize)]
struct Message<'a> {
    role: String,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    refusal: Option<String>,
    reasoning_content: Option<String>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    thinking_blocks: Option<Vec<ThinkingBlock>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<&'a RawValue>>,
    tool_call_id: Option<String>,
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
    #[serde(borrow)]
    audio: Option<&'a RawValue>,
    cache_control: Option<CacheMember>,
}

#[derive(Deserialize)]
struct ToolCall<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(borrow)]
    function: Option<FunctionCall<'a>>,
    #[serde(borrow)]
    extra_content: Option<&'a RawValue>,
    cache_control: Option<CacheMember>,
}

#[derive(Deserialize)]
struct FunctionCall<'a> {
    name: String,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

pub(super) fn read(raw: &RawValue, request: &mut Request) -> Result<(), Unreadable> {
    let messages: Vec<&RawValue> = member(raw, "messages")?;
    if messages.is_empty() {
        return Err(Unreadable::new("messages", "should have at least one message"));
    }
    for (at, raw) in messages.into_iter().enumerate() {
        let path = format!("messages[{at}]");
        let message: Message<'_> = object(raw, &path)?;
        match &*message.role {
            "system" | "developer" => read_system(&message, &path, request)?,
            "user" => read_user(&message, &path, request)?,
            "assistant" => read_assistant(message, &path, request)?,
            "tool" => read_result(message, &path, request)?,
            // Deprecated, and beyond the neutral form: its results belong to no call by id.
            "function" => request.beyond.push(beyond(path, true, Some(raw))),
            _ => {
                let roles = "should be one of developer, system, user, assistant, tool";
                return Err(Unreadable::new(format!("{path}.role"), roles));
            }
        }
    }
    Ok(())
}

/// The parts of a message, none of which may be of another kind than its role can have.
fn parts(
    message: &Message<'_>,
    path: &str,
    request: &mut Request,
    allowed: fn(&Part) -> bool,
) -> Result<Vec<Part>, Unreadable> {
    let path = format!("{path}.content");
    let unknown = |field, raw: &RawValue| request.beyond.push(beyond(field, true, Some(raw)));
    let mut parts = Content::read(message.content, &path)?.into_parts(&path, unknown)?;
    if let Some(at) = parts.iter().position(|part| !allowed(part)) {
        let message = format!("holds a part (number {at}) that a message of this role cannot have");
        return Err(Unreadable::new(path, message));
    }
    if let (Some(mark), Some(last)) = (&message.cache_control, parts.last_mut()) {
        set_cache(last, mark.into());
    }
    Ok(parts)
}

fn set_cache(part: &mut Part, mark: CacheMark) {
    match part {
        Part::Text { cache, .. }
        | Part::ToolCall { cache, .. }
        | Part::ToolResult { cache, .. } => {
            *cache = Some(mark);
        }
        Part::Image(media) | Part::Audio(media) | Part::Document(media) => media.cache = Some(mark),
        Part::Thinking { .. } | Part::Refusal(_) => {}
    }
}

fn missing(path: &str, name: &str) -> Unreadable {
    Unreadable::new(format!("{path}.{name}"), "is missing")
}

fn read_system(message: &Message<'_>, path: &str, request: &mut Request) -> Result<(), Unreadable> {
    if message.content.is_none() {
        return Err(missing(path, "content"));
    }
    let parts = parts(message, path, request, |part| matches!(part, Part::Text { .. }))?;
    if !request.turns.is_empty() {
        request.turns.push(Turn { role: Role::System, parts });
        return Ok(());
    }
    for part in parts {
        if let Part::Text { text, cache } = part
            && !text.is_empty()
        {
            request.system.push(SystemText { text, cache });
        }
    }
    Ok(())
}

fn read_user(message: &Message<'_>, path: &str, request: &mut Request) -> Result<(), Unreadable> {
    if message.content.is_none() {
        return Err(missing(path, "content"));
    }
    let parts = parts(message, path, request, |part| !matches!(part, Part::Refusal(_)))?;
    request.turns.push(Turn { role: Role::User, parts });
    Ok(())
}

fn read_assistant(
    mut message: Message<'_>,
    path: &str,
    request: &mut Request,
) -> Result<(), Unreadable> {
    let said = parts(&message, path, request, |part| {
        matches!(part, Part::Text { .. } | Part::Refusal(_))
    })?;
    let reasoning = message.reasoning.and_then(|raw| serde_json::from_str(raw.get()).ok());
    let text = message.reasoning_content.take().filter(|text| !text.is_empty()).or(reasoning);
    let blocks = message.thinking_blocks.take().unwrap_or_default();
    let thoughts = thinking(&text.unwrap_or_default(), blocks);
    let mut parts: Vec<Part> =
        thoughts.into_iter().map(|(text, state)| Part::Thinking { text, state }).collect();
    parts.extend(said);
    parts.extend(message.refusal.filter(|words| !words.is_empty()).map(Part::Refusal));
    for (at, raw) in message.tool_calls.unwrap_or_default().into_iter().enumerate() {
        let path = format!("{path}.tool_calls[{at}]");
        match read_call(raw, &path)? {
            Some(call) => parts.push(call),
            None => request.beyond.push(beyond(path, true, Some(raw))),
        }
    }
    for (name, raw) in [("function_call", message.function_call), ("audio", message.audio)] {
        if raw.is_some() {
            request.beyond.push(beyond(format!("{path}.{name}"), true, raw));
        }
    }
    request.turns.push(Turn { role: Role::Assistant, parts });
    Ok(())
}

/// `None` is a call of something that is no function.
fn read_call(raw: &RawValue, path: &str) -> Result<Option<Part>, Unreadable> {
    let call: ToolCall<'_> = object(raw, path)?;
    if call.kind.is_some_and(|kind| kind != "function") {
        return Ok(None);
    }
    let Some(function) = call.function else { return Err(missing(path, "function")) };
    if function.name.is_empty() {
        return Err(Unreadable::new(format!("{path}.function.name"), "should not be empty"));
    }
    let arguments = match function.arguments {
        None => String::new(),
        Some(raw) if raw.get().starts_with('"') => {
            member(raw, format_args!("{path}.function.arguments"))?
        }
        // Some clients send what their own model API gives: an object.
        Some(raw) => raw.get().to_owned(),
    };
    Ok(Some(Part::ToolCall {
        id: call.id,
        name: function.name,
        arguments,
        state: call_state(call.extra_content),
        cache: call.cache_control.as_ref().map(Into::into),
    }))
}

fn read_result(message: Message<'_>, path: &str, request: &mut Request) -> Result<(), Unreadable> {
    let parts = parts(&message, path, request, |part| {
        matches!(part, Part::Text { .. } | Part::Image(_) | Part::Document(_))
    })?;
    let Some(id) = message.tool_call_id else { return Err(missing(path, "tool_call_id")) };
    let mut mark = None;
    let mut content = Vec::with_capacity(parts.len());
    for part in parts {
        let (piece, cache) = match part {
            Part::Text { text, cache } => (ResultPart::Text(text), cache),
            Part::Image(media) => {
                let cache = media.cache.clone();
                (ResultPart::Image(media), cache)
            }
            Part::Document(media) => {
                let cache = media.cache.clone();
                (ResultPart::Document(media), cache)
            }
            // No other kind was let through.
            _ => continue,
        };
        content.push(piece);
        mark = cache.or(mark);
    }
    let result = Part::ToolResult { id, content, is_error: false, cache: mark };
    request.turns.push(Turn { role: Role::User, parts: vec![result] });
    Ok(())
}
