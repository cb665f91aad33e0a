//! Pictures and documents.

use super::content::read_mark;
use super::{lost_once, unknown_block};
use crate::protocol::anthropic::messages::fields::{Content, Fields};
use crate::protocol::dialect::Unreadable;
use crate::protocol::neutral::request::Beyond;
use crate::protocol::neutral::{Media, Source, is_media_type};

pub(super) fn read_image(mut block: Fields<'_>) -> Result<Media, Unreadable> {
    let mut source = needed_source(&mut block)?;
    let source = match &*source.needed_text("type")? {
        "base64" => said(Source::Base64(source.needed_text("data")?), source.text("media_type")?),
        "url" => said(Source::Url(source.needed_text("url")?), None),
        "file" => said(Source::File(source.needed_text("file_id")?), None),
        _ => return Err(source.wrong("type", "must be `base64`, `url` or `file`")),
    };
    finish(source, None, block)
}

/// `None` for a document that the neutral form has no place for, which then is noted in `beyond`.
pub(super) fn read_document(
    mut block: Fields<'_>,
    beyond: &mut Vec<Beyond>,
) -> Result<Option<Media>, Unreadable> {
    let mut source = needed_source(&mut block)?;
    let source = match &*source.needed_text("type")? {
        "base64" => said(Source::Base64(source.needed_text("data")?), source.text("media_type")?),
        "text" => said(Source::Text(source.needed_text("data")?), source.text("media_type")?),
        "url" => said(Source::Url(source.needed_text("url")?), None),
        "file" => said(Source::File(source.needed_text("file_id")?), None),
        "content" => match read_content(&mut source)? {
            Some(text) => said(Source::Text(text), Some("text/plain".to_owned())),
            None => {
                unknown_block(beyond, block.path());
                return Ok(None);
            }
        },
        _ => {
            let message = "must be `base64`, `text`, `content`, `url` or `file`";
            return Err(source.wrong("type", message));
        }
    };
    lost_once(beyond, &mut block, "context");
    let cited = block.object("citations")?.map(|mut citations| citations.boolean("enabled"));
    if cited.transpose()?.flatten() == Some(true)
        && !beyond.iter().any(|other| other.field.ends_with(".citations"))
    {
        let field = block.path_of("citations");
        beyond.push(Beyond { field, essential: false, value: None });
    }
    let name = block.text("title")?;
    finish(source, name, block).map(Some)
}

/// The text of a document that the client has cut into blocks; `None` if there are pictures in it.
fn read_content(source: &mut Fields<'_>) -> Result<Option<String>, Unreadable> {
    let blocks = match source.content("content")? {
        Some(Content::Text(text)) => return Ok(Some(text)),
        Some(Content::Blocks(blocks)) => blocks,
        None => return Err(source.wrong("content", "is missing: it must be text or blocks")),
    };
    let mut texts = Vec::with_capacity(blocks.len());
    for mut block in blocks {
        if block.needed_text("type")? != "text" {
            return Ok(None);
        }
        texts.push(block.needed_text("text")?);
    }
    Ok(Some(texts.join("\n")))
}

fn needed_source<'a>(block: &mut Fields<'a>) -> Result<Fields<'a>, Unreadable> {
    let source = block.object("source")?;
    source.ok_or_else(|| block.wrong("source", "is missing: it must be an object"))
}

fn said(source: Source, media_type: Option<String>) -> (Source, Option<String>) {
    (source, media_type)
}

fn finish(
    (source, media_type): (Source, Option<String>),
    name: Option<String>,
    mut block: Fields<'_>,
) -> Result<Media, Unreadable> {
    if media_type.as_deref().is_some_and(|given| !is_media_type(given)) {
        let field = block.path_of("source.media_type");
        return Err(Unreadable::new(field, "must be a media type, such as `image/png`"));
    }
    let cache = read_mark(&mut block)?;
    Ok(Media { source, media_type, name, detail: None, cache, field: block.path().to_owned() })
}
