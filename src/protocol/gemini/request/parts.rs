//! Pieces of a client's messages, but for what belongs to functions.

use serde_json::value::RawValue;

use super::read::beyond;
use crate::protocol::dialect::Unreadable;
use crate::protocol::gemini::{members::Members, signature};
use crate::protocol::neutral::request::Beyond;
use crate::protocol::neutral::{Media, Part, Source, is_media_type};

/// Members beside a part's data that change no meaning.
const ASIDE: &[&str] = &["partMetadata"];

/// Reads a part that is no call and no result.
pub(super) fn read_plain(
    mut part: Members<'_>,
    parts: &mut Vec<Part>,
    lost: &mut Vec<Beyond>,
) -> Result<(), Unreadable> {
    let thought = part.flag("thought")?.unwrap_or(false);
    let state = part.text("thoughtSignature")?.filter(|field| !field.is_empty());
    let state = state.map(|field| signature::read(&field));
    if let Some(text) = part.text("text")? {
        if thought {
            think(parts, text, state);
        } else {
            if !(text.is_empty() && state.is_some()) {
                parts.push(Part::Text { text, cache: None });
            }
            // A signature on text has no place of its own: it goes behind the text.
            if state.is_some() {
                parts.push(Part::Thinking { text: String::new(), state });
            }
        }
    } else if let Some(media) = read_media(&mut part)? {
        // A picture that was only thought of is nothing to say again.
        if !thought {
            parts.push(media);
        }
    } else if state.is_some() {
        parts.push(Part::Thinking { text: String::new(), state });
    } else {
        let path = part.path().to_owned();
        let (field, raw) =
            part.rest().next().ok_or_else(|| Unreadable::new(path, "must hold something"))?;
        lost.push(beyond(field, true, Some(raw)));
        return Ok(());
    }
    for (field, raw) in part.rest() {
        let name = field.rsplit('.').next().unwrap_or_default();
        if !ASIDE.contains(&name) {
            lost.push(beyond(field, false, Some(raw)));
        }
    }
    Ok(())
}

/// Adds reasoning. A stream gives it in pieces, which clients send back in pieces: they are one
/// until a signature ends them.
fn think(
    parts: &mut Vec<Part>,
    text: String,
    state: Option<crate::protocol::neutral::OpaqueState>,
) {
    if let Some(Part::Thinking { text: before, state: open @ None }) = parts.last_mut() {
        before.push_str(&text);
        *open = state;
    } else if !text.is_empty() || state.is_some() {
        parts.push(Part::Thinking { text, state });
    }
}

/// Reads `inlineData` or `fileData`, if it is there.
pub(super) fn read_media(part: &mut Members<'_>) -> Result<Option<Part>, Unreadable> {
    if let Some(mut blob) = part.object("inlineData")? {
        let media_type = blob.text("mimeType")?;
        let data = blob.take::<&RawValue>("data", "a string")?;
        let data = data.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let Some(data) = data else {
            return Err(Unreadable::new(blob.at("data"), "must be a string of base64"));
        };
        let source = Source::Base64(standard(data));
        return Ok(Some(media(source, media_type, &mut blob)?));
    }
    let Some(mut file) = part.object("fileData")? else { return Ok(None) };
    let media_type = file.text("mimeType")?;
    let uri = file.text("fileUri")?;
    let uri = uri.ok_or_else(|| Unreadable::new(file.at("fileUri"), "must be a string"))?;
    let source = if is_upload(&uri) { Source::File(uri) } else { Source::Url(uri) };
    Ok(Some(media(source, media_type, &mut file)?))
}

fn media(
    source: Source,
    media_type: Option<String>,
    members: &mut Members<'_>,
) -> Result<Part, Unreadable> {
    if media_type.as_deref().is_some_and(|given| !is_media_type(given)) {
        let field = members.at("mimeType");
        return Err(Unreadable::new(field, "must be a media type, such as `image/png`"));
    }
    let media_type = media_type.or_else(|| match &source {
        Source::Url(url) => type_of_name(url).map(str::to_owned),
        _ => None,
    });
    let kind = media_type.as_deref().and_then(|kind| kind.split_once('/')).map_or("", |it| it.0);
    let make = match kind {
        "image" => Part::Image,
        "audio" => Part::Audio,
        _ => Part::Document,
    };
    let name = members.text("displayName")?;
    let field = members.path().to_owned();
    Ok(make(Media { source, media_type, name, detail: None, cache: None, field }))
}

/// Whether a URI is one of the Gemini API's own uploads.
pub(super) fn is_upload(uri: &str) -> bool {
    let host = uri.strip_prefix("https://").and_then(|rest| rest.split('/').next());
    host == Some("generativelanguage.googleapis.com") && uri.contains("/files/")
}

/// Base64 in the standard alphabet with padding: Google takes the URL's alphabet as well.
fn standard(mut data: String) -> String {
    if data.contains(['-', '_']) {
        data = data.replace('-', "+").replace('_', "/");
    }
    while data.len() % 4 > 1 {
        data.push('=');
    }
    data
}

/// The media type that a URL's ending tells, for what Gemini takes.
pub(super) fn type_of_name(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next()?;
    let ending = path.rsplit('/').next()?.rsplit_once('.')?.1;
    Some(match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "html" | "htm" => "text/html",
        "csv" => "text/csv",
        "md" => "text/markdown",
        "json" => "application/json",
        "wav" => "audio/wav",
        "mp3" => "audio/mp3",
        "flac" => "audio/flac",
        "ogg" => "audio/ogg",
        "aac" => "audio/aac",
        "m4a" => "audio/m4a",
        "mp4" => "video/mp4",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        _ => return None,
    })
}
