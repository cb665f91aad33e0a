//! Rules of content.

use std::collections::BTreeSet;

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Message, Refusal, Request, Role, require};
use crate::simulate::bedrock::converse::{
    content::{Block, CachePoint, Media, Reasoning, ResultBlock, Source},
    request::ToolEntry,
};

/// The most marks of the cache in one request.
const CACHE_POINTS: usize = 4;
/// Longest name of a document.
const DOCUMENT_NAME: usize = 200;

const IMAGES: &[&str] = &["png", "jpeg", "gif", "webp"];
const DOCUMENTS: &[&str] = &["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"];

pub(super) fn check(request: &Request, claude: bool) -> Result<(), Refusal> {
    let mut documents = BTreeSet::new();
    for (index, message) in request.messages.iter().enumerate() {
        let place = format!("messages.{index}");
        require(!message.content.is_empty(), || {
            format!(
                "The content field in the Message object at {place} is empty. Add a ContentBlock \
                 object to the content field and try again."
            )
        })?;
        sequence(&message.content, &format!("{place}.content"))?;
        for (number, block) in message.content.iter().enumerate() {
            let place = format!("{place}.content.{number}");
            let its_role = message.role != Role::Assistant
                || !matches!(block, Block::Image(_) | Block::Document(_) | Block::ToolResult(_));
            require(its_role, || format!("{place}: the block cannot be said by the assistant."))?;
            check_block(block, &place, claude, &mut documents)?;
        }
        let document = message.content.iter().any(|block| matches!(block, Block::Document(_)));
        let text = message.content.iter().any(|block| matches!(block, Block::Text(_)));
        require(text || !document, || {
            format!("{place}: A text block is required when a document is in the message.")
        })?;
    }
    sequence(&request.system, "system")?;
    for (number, block) in request.system.iter().enumerate() {
        let legal = matches!(block, Block::Text(_) | Block::CachePoint(_) | Block::GuardContent(_));
        require(legal, || format!("system.{number}: should be text, guardContent or cachePoint."))?;
        check_block(block, &format!("system.{number}"), claude, &mut documents)?;
    }
    last_words(request.messages.last())?;
    cache_points(request)
}

/// A mark needs something before it.
fn sequence(blocks: &[Block], place: &str) -> Result<(), Refusal> {
    let first = matches!(blocks.first(), Some(Block::CachePoint(_)));
    require(!first, || format!("{place}.0: a cachePoint must follow another block."))
}

fn check_block(
    block: &Block,
    place: &str,
    claude: bool,
    documents: &mut BTreeSet<String>,
) -> Result<(), Refusal> {
    match block {
        Block::Text(text) => not_blank(text, place),
        Block::Image(media) => check_media(media, IMAGES, place),
        Block::Audio(media) | Block::Video(media) => source(media, place),
        Block::Document(media) => document(media, place, documents),
        Block::ToolResult(result) => {
            for (number, block) in result.content.iter().enumerate() {
                let place = format!("{place}.toolResult.content.{number}");
                match block {
                    ResultBlock::Text(text) => not_blank(text, &place)?,
                    ResultBlock::Image(media) => check_media(media, IMAGES, &place)?,
                    ResultBlock::Document(media) => document(media, &place, documents)?,
                    ResultBlock::Video(media) => source(media, &place)?,
                    ResultBlock::Json(_) | ResultBlock::SearchResult(_) => {}
                }
            }
            Ok(())
        }
        Block::ReasoningContent(Reasoning::ReasoningText(text)) if claude => {
            let signed = text.signature.as_ref().is_some_and(|signature| !signature.is_empty());
            require(signed, || format!("{place}: Invalid `signature` in `thinking` block"))
        }
        Block::ReasoningContent(Reasoning::RedactedContent(data)) => base64(data, place),
        Block::CachePoint(point) => cache_point(point, place),
        Block::ReasoningContent(Reasoning::ReasoningText(_))
        | Block::ToolUse(_)
        | Block::GuardContent(_)
        | Block::CitationsContent(_)
        | Block::SearchResult(_) => Ok(()),
    }
}

fn not_blank(text: &str, place: &str) -> Result<(), Refusal> {
    require(!text.trim().is_empty(), || {
        format!(
            "The text field in the ContentBlock object at {place} is blank. Add text to the text \
             field, and try again."
        )
    })
}

fn check_media(media: &Media, formats: &[&str], place: &str) -> Result<(), Refusal> {
    require(formats.contains(&media.format.as_str()), || {
        format!("Value at '{place}.format' failed to satisfy enum value set: {formats:?}")
    })?;
    source(media, place)
}

fn source(media: &Media, place: &str) -> Result<(), Refusal> {
    match &media.source {
        Source::Bytes(data) => base64(data, place),
        Source::S3Location(at) => {
            require(at.uri.starts_with("s3://"), || format!("{place}: Invalid S3 URI."))
        }
        Source::Text(text) => not_blank(text, place),
        Source::Content(parts) => {
            require(!parts.is_empty(), || format!("{place}: The source is empty."))
        }
    }
}

fn base64(data: &str, place: &str) -> Result<(), Refusal> {
    let legal = BASE64_STANDARD.decode(data).is_ok_and(|bytes| !bytes.is_empty());
    require(legal, || format!("{place}: The bytes are not valid base64."))
}

fn document(media: &Media, place: &str, documents: &mut BTreeSet<String>) -> Result<(), Refusal> {
    check_media(media, DOCUMENTS, place)?;
    let name = media.name.as_deref().unwrap_or_default();
    let legal = |c: char| c.is_ascii_alphanumeric() || " -()[]".contains(c);
    let fits = (1..=DOCUMENT_NAME).contains(&name.len())
        && name.chars().all(legal)
        && !name.contains("  ");
    require(fits, || {
        format!(
            "{place}: The document file name can only contain alphanumeric characters, whitespace \
             characters, hyphens, parentheses, and square brackets. The name can't contain more \
             than one consecutive whitespace character."
        )
    })?;
    require(documents.insert(name.to_owned()), || {
        format!("{place}: Messages cannot contain documents with duplicate names.")
    })
}

/// What the assistant is to go on with.
fn last_words(last: Option<&Message>) -> Result<(), Refusal> {
    let words = last.filter(|last| last.role == Role::Assistant).and_then(|one| one.content.last());
    let Some(Block::Text(text)) = words else { return Ok(()) };
    require(text.trim_end() == text, || {
        "messages: final assistant content cannot end with trailing whitespace".to_owned()
    })
}

pub(super) fn cache_point(point: &CachePoint, place: &str) -> Result<(), Refusal> {
    let known = point.ttl.as_deref().is_none_or(|ttl| ["5m", "1h"].contains(&ttl));
    require(point.kind == "default" && known, || {
        format!("{place}.cachePoint: should be {{\"type\": \"default\"}}, with a ttl of 5m or 1h")
    })
}

fn cache_points(request: &Request) -> Result<(), Refusal> {
    let messages = request.messages.iter().flat_map(|message| &message.content);
    let blocks = messages.chain(&request.system);
    let tools = request.tool_config.iter().flat_map(|config| &config.tools);
    let count = blocks.filter(|block| matches!(block, Block::CachePoint(_))).count()
        + tools.filter(|entry| matches!(entry, ToolEntry::CachePoint(_))).count();
    require(count <= CACHE_POINTS, || {
        format!(
            "A maximum of {CACHE_POINTS} blocks with cache_control may be provided. Found {count}."
        )
    })
}
