//! The content of messages and of what tools returned.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::value::RawValue;

use super::super::fields::Fields;
use crate::protocol::dialect::Unreadable;
use crate::protocol::neutral::request::Beyond;
use crate::protocol::neutral::{Media, Part, Source, is_media_type};

/// Reads `content` (or `output`), which is a text or a list of parts. What has no place in the
/// neutral form goes to `beyond`.
pub(super) fn read(
    raw: &RawValue,
    path: &str,
    beyond: &mut Vec<Beyond>,
) -> Result<Vec<Part>, Unreadable> {
    if raw.get().starts_with('"') {
        let text = serde_json::from_str(raw.get())
            .map_err(|_| Unreadable::new(path, "must be a valid string"))?;
        return Ok(vec![Part::Text { text, cache: None }]);
    }
    if !raw.get().starts_with('[') {
        return Err(Unreadable::new(path, "must be a string or a list of parts"));
    }
    let mut parts = Vec::new();
    for part in Fields::list(raw, path)? {
        parts.extend(read_part(part, beyond)?);
    }
    Ok(parts)
}

fn read_part(mut part: Fields<'_>, beyond: &mut Vec<Beyond>) -> Result<Option<Part>, Unreadable> {
    let kind = part.needed("type")?;
    Ok(Some(match &*kind {
        "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" => {
            Part::Text { text: part.needed("text")?, cache: None }
        }
        "refusal" => Part::Refusal(part.needed("refusal")?),
        "input_image" => Part::Image(read_image(&mut part)?),
        "input_file" => Part::Document(read_file(&mut part)?),
        "input_audio" => Part::Audio(read_audio(&mut part)?),
        _ => {
            let field = part.at("type");
            beyond.push(Beyond { field, essential: true, value: None });
            return Ok(None);
        }
    }))
}

fn media(source: Source, media_type: Option<String>, field: String) -> Media {
    Media { source, media_type, name: None, detail: None, cache: None, field }
}

fn read_image(part: &mut Fields<'_>) -> Result<Media, Unreadable> {
    let detail = part.string("detail")?;
    let image = match (part.string("image_url")?, part.string("file_id")?) {
        (Some(url), _) => read_url(&url, part.at("image_url"))?,
        (None, Some(id)) => media(Source::File(id), None, part.at("file_id")),
        (None, None) => {
            let message = "is missing: give a URL, a data URL or a `file_id`";
            return Err(Unreadable::new(part.at("image_url"), message));
        }
    };
    Ok(Media { detail, ..image })
}

fn read_file(part: &mut Fields<'_>) -> Result<Media, Unreadable> {
    let name = part.string("filename")?;
    let data = part.string("file_data")?;
    let file = match (data, part.string("file_url")?, part.string("file_id")?) {
        (Some(data), _, _) if data.starts_with("data:") => {
            as_text(read_url(&data, part.at("file_data"))?)
        }
        // The API takes base64 without a prefix as well.
        (Some(data), _, _) => media(Source::Base64(data), None, part.at("file_data")),
        (None, Some(url), _) => read_url(&url, part.at("file_url"))?,
        (None, None, Some(id)) => media(Source::File(id), None, part.at("file_id")),
        (None, None, None) => {
            let message = "is missing: give `file_data`, `file_url` or `file_id`";
            return Err(Unreadable::new(part.at("file_data"), message));
        }
    };
    Ok(Media { name, ..file })
}

fn read_audio(part: &mut Fields<'_>) -> Result<Media, Unreadable> {
    let at = part.at("input_audio");
    let Some(mut audio) = part.object("input_audio")? else {
        return Err(Unreadable::new(at, "is missing: it must be an object"));
    };
    let data = audio.needed("data")?;
    let kind = format!("audio/{}", audio.needed("format")?);
    if !is_media_type(&kind) {
        return Err(Unreadable::new(format!("{at}.format"), "must be a format, such as `wav`"));
    }
    Ok(media(Source::Base64(data), Some(kind), at))
}

/// Text files are of use to APIs that know no files, but only as text.
fn as_text(media: Media) -> Media {
    let Source::Base64(data) = &media.source else {
        return media;
    };
    if !media.media_type.as_deref().is_some_and(|kind| kind.starts_with("text/")) {
        return media;
    }
    match BASE64_STANDARD.decode(data).map(String::from_utf8) {
        Ok(Ok(text)) => Media { source: Source::Text(text), ..media },
        _ => media,
    }
}

fn read_url(url: &str, field: String) -> Result<Media, Unreadable> {
    const EXPECTED: &str =
        "must be a URL (`https:`, `http:`, `gs:`, `s3:`) or a data URL in base64";
    if let Some(rest) = url.strip_prefix("data:") {
        let Some((kind, data)) = rest.split_once(";base64,") else {
            return Err(Unreadable::new(field, EXPECTED));
        };
        // `text/plain;charset=utf-8`: nobody takes the parameter.
        let kind = kind.split(';').next().unwrap_or_default();
        let kind = (!kind.is_empty()).then(|| kind.to_owned());
        if kind.as_deref().is_some_and(|kind| !is_media_type(kind)) {
            return Err(Unreadable::new(field, EXPECTED));
        }
        return Ok(media(Source::Base64(data.to_owned()), kind, field));
    }
    if ["https:", "http:", "gs:", "s3:"].iter().any(|scheme| url.starts_with(scheme)) {
        return Ok(media(Source::Url(url.to_owned()), None, field));
    }
    Err(Unreadable::new(field, EXPECTED))
}
