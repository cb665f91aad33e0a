//! Blocks of a message.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::field::Field;
use super::{CacheMark, Request, Turn, Unreadable};
use crate::protocol::bedrock::wire::{media_type_of, redacted_from_field};
use crate::protocol::neutral::{
    Media, OpaqueState, Origin, Part, ResultPart, Source, is_media_type,
};

/// Reads one block, to the end of a turn.
pub(super) fn read(
    block: &Field<'_>,
    turn: &mut Turn,
    request: &mut Request,
) -> Result<(), Unreadable> {
    let block = block.only_member()?;
    let part = match block.name() {
        "text" => Part::Text { text: block.text()?.into_owned(), cache: None },
        "image" => Part::Image(media(&block, "image")?),
        "audio" => Part::Audio(media(&block, "audio")?),
        "document" => Part::Document(document(&block, request)?),
        "toolUse" => tool_use(&block)?,
        "toolResult" => tool_result(&block, request)?,
        "reasoningContent" => reasoning(&block, request)?,
        "citationsContent" => Part::Text { text: cited(&block)?, cache: None },
        "cachePoint" => {
            let mark = cache_mark(&block)?;
            // A mark at the beginning of a message means everything before it.
            let previous = request.turns.last_mut().and_then(|turn| turn.parts.last_mut());
            if let Some(place) = turn.parts.last_mut().or(previous).and_then(cache_of) {
                *place = Some(mark);
            }
            return Ok(());
        }
        // Video, search results, text for a guardrail, and what comes later.
        _ => {
            request.beyond.push(block.beyond(true));
            return Ok(());
        }
    };
    attach(part, &mut turn.parts);
    Ok(())
}

/// The state of a call came to the client as reasoning without words before the call, since a call
/// has no place for it here; see the writer of replies.
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

/// Where a part keeps its mark. Reasoning has none.
fn cache_of(part: &mut Part) -> Option<&mut Option<CacheMark>> {
    match part {
        Part::Text { cache, .. }
        | Part::ToolCall { cache, .. }
        | Part::ToolResult { cache, .. } => Some(cache),
        Part::Image(media) | Part::Audio(media) | Part::Document(media) => Some(&mut media.cache),
        Part::Thinking { .. } | Part::Refusal(_) => None,
    }
}

pub(super) fn cache_mark(block: &Field<'_>) -> Result<CacheMark, Unreadable> {
    let ttl = block.by_name()?.optional("ttl").map(|ttl| ttl.text()).transpose()?;
    Ok(CacheMark { ttl: ttl.map(Into::into) })
}

/// An image, sound or document, without what documents have of their own.
fn media(block: &Field<'_>, kind: &str) -> Result<Media, Unreadable> {
    let members = block.by_name()?;
    let format = members.optional("format");
    let media_type = format.map(|format| read_format(&format, kind)).transpose()?;
    let source = members.required("source")?.only_member()?;
    let source = match source.name() {
        "bytes" => inline(source.text()?.into_owned(), media_type.as_deref()),
        "s3Location" => Source::Url(source.by_name()?.required("uri")?.text()?.into_owned()),
        "text" => Source::Text(source.text()?.into_owned()),
        "content" => {
            let texts: Result<Vec<_>, _> = source
                .items()?
                .iter()
                .map(|item| item.by_name()?.required("text")?.text())
                .collect();
            Source::Text(texts?.join("\n"))
        }
        _ => return Err(source.wrong("should be `bytes` or `s3Location`")),
    };
    Ok(Media {
        source,
        media_type,
        name: None,
        detail: None,
        cache: None,
        field: block.place().to_owned(),
    })
}

fn read_format(format: &Field<'_>, kind: &str) -> Result<String, Unreadable> {
    let media_type = media_type_of(&format.text()?, kind);
    if is_media_type(&media_type) {
        Ok(media_type)
    } else {
        Err(format.wrong("should be a format, such as `png` or `pdf`"))
    }
}

/// Bytes that are text by their type become text, which every API takes.
fn inline(data: String, media_type: Option<&str>) -> Source {
    let text = media_type
        .filter(|media_type| media_type.starts_with("text/"))
        .and_then(|_| BASE64_STANDARD.decode(&data).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    text.map_or(Source::Base64(data), Source::Text)
}

fn document(block: &Field<'_>, request: &mut Request) -> Result<Media, Unreadable> {
    let mut document = media(block, "application")?;
    for member in block.members()? {
        match member.name() {
            "name" => document.name = Some(member.text()?.into_owned()),
            "format" | "source" => {}
            _ => request.beyond.push(member.beyond(false)),
        }
    }
    Ok(document)
}

fn tool_use(block: &Field<'_>) -> Result<Part, Unreadable> {
    let members = block.by_name()?;
    Ok(Part::ToolCall {
        id: members.required("toolUseId")?.word()?,
        name: members.required("name")?.word()?,
        arguments: members
            .optional("input")
            .map_or_else(String::new, |it| it.raw().get().to_owned()),
        state: None,
        cache: None,
    })
}

fn tool_result(block: &Field<'_>, request: &mut Request) -> Result<Part, Unreadable> {
    let members = block.by_name()?;
    let mut content = Vec::new();
    for item in members.optional("content").map_or_else(|| Ok(Vec::new()), |it| it.items())? {
        let part = item.only_member()?;
        match part.name() {
            "text" => content.push(ResultPart::Text(part.text()?.into_owned())),
            "json" => content.push(ResultPart::Text(part.raw().get().to_owned())),
            "image" => content.push(ResultPart::Image(media(&part, "image")?)),
            "document" => content.push(ResultPart::Document(document(&part, request)?)),
            _ => request.beyond.push(part.beyond(true)),
        }
    }
    let status = members.optional("status").map(|status| status.text()).transpose()?;
    Ok(Part::ToolResult {
        id: members.required("toolUseId")?.word()?,
        content,
        is_error: status.is_some_and(|status| status == "error"),
        cache: None,
    })
}

fn reasoning(block: &Field<'_>, request: &mut Request) -> Result<Part, Unreadable> {
    let content = block.only_member()?;
    match content.name() {
        "reasoningText" => {
            let members = content.by_name()?;
            let signature = members.optional("signature").map(|it| it.text()).transpose()?;
            let text = members.optional("text").map(|it| it.text()).transpose()?;
            Ok(Part::Thinking {
                text: text.unwrap_or_default().into_owned(),
                state: signature
                    .filter(|signature| !signature.is_empty())
                    .map(|it| OpaqueState::from_field(&it, Origin::Anthropic, false)),
            })
        }
        "redactedContent" => Ok(Part::Thinking {
            text: String::new(),
            state: Some(redacted_from_field(&content.text()?)),
        }),
        _ => {
            request.beyond.push(content.beyond(false));
            Ok(Part::Thinking { text: String::new(), state: None })
        }
    }
}

/// The text of an answer with citations.
fn cited(block: &Field<'_>) -> Result<String, Unreadable> {
    let Some(content) = block.by_name()?.optional("content") else { return Ok(String::new()) };
    let mut text = String::new();
    for item in content.items()? {
        if let Some(part) = item.by_name()?.optional("text") {
            text.push_str(&part.text()?);
        }
    }
    Ok(text)
}
