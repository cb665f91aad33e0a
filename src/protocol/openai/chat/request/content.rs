//! The parts of a message's content.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::super::member::{member, object};
use crate::protocol::dialect::Unreadable;
use crate::protocol::neutral::{CacheMark, Media, Part, Source, is_media_type};

/// What a message holds.
pub(super) enum Content<'a> {
    /// Nothing, or `null`.
    None,
    /// One text.
    Text(String),
    /// Parts, each as it is, for who must know it.
    Parts(Vec<&'a RawValue>),
}

impl<'a> Content<'a> {
    pub fn read(raw: Option<&'a RawValue>, path: &str) -> Result<Self, Unreadable> {
        let Some(raw) = raw else { return Ok(Self::None) };
        match raw.get().as_bytes().first() {
            Some(b'"') => Ok(Self::Text(member(raw, path)?)),
            Some(b'[') => Ok(Self::Parts(member(raw, path)?)),
            _ => Err(Unreadable::new(path, "should be a text or an array of parts")),
        }
    }

    /// Reads every part. The ones of an unknown type are given to `unknown`.
    pub fn into_parts(
        self,
        path: &str,
        mut unknown: impl FnMut(String, &RawValue),
    ) -> Result<Vec<Part>, Unreadable> {
        match self {
            Self::None => Ok(Vec::new()),
            Self::Text(text) => Ok(vec![Part::Text { text, cache: None }]),
            Self::Parts(raw) => {
                let mut parts = Vec::with_capacity(raw.len());
                for (at, raw) in raw.into_iter().enumerate() {
                    let path = format!("{path}[{at}]");
                    match read_part(raw, &path)? {
                        Some(part) => parts.push(part),
                        None => unknown(path, raw),
                    }
                }
                Ok(parts)
            }
        }
    }
}

/// `cache_control` of Anthropic, which servers in front of Claude take here too, or OpenAI's own
/// `prompt_cache_breakpoint`.
#[derive(Deserialize)]
pub(super) struct CacheMember {
    ttl: Option<String>,
}

impl From<&CacheMember> for CacheMark {
    fn from(member: &CacheMember) -> Self {
        Self { ttl: member.ttl.clone() }
    }
}

#[derive(Deserialize)]
struct PartMember<'a> {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    refusal: Option<String>,
    #[serde(borrow)]
    image_url: Option<&'a RawValue>,
    input_audio: Option<AudioMember>,
    file: Option<FileMember>,
    cache_control: Option<CacheMember>,
    prompt_cache_breakpoint: Option<CacheMember>,
}

#[derive(Deserialize)]
struct ImageMember {
    url: String,
    detail: Option<String>,
}

#[derive(Deserialize)]
struct AudioMember {
    data: String,
    format: String,
}

#[derive(Deserialize)]
struct FileMember {
    file_data: Option<String>,
    file_id: Option<String>,
    filename: Option<String>,
}

fn needed<T>(value: Option<T>, path: &str, name: &str) -> Result<T, Unreadable> {
    value.ok_or_else(|| Unreadable::new(format!("{path}.{name}"), "is missing"))
}

fn read_part(raw: &RawValue, path: &str) -> Result<Option<Part>, Unreadable> {
    let part: PartMember<'_> = object(raw, path)?;
    let mark = part.cache_control.as_ref().or(part.prompt_cache_breakpoint.as_ref());
    let cache: Option<CacheMark> = mark.map(Into::into);
    Ok(Some(match &*part.kind {
        "text" => Part::Text { text: needed(part.text, path, "text")?, cache },
        "refusal" => Part::Refusal(needed(part.refusal, path, "refusal")?),
        "image_url" => {
            let raw = needed(part.image_url, path, "image_url")?;
            let field = format!("{path}.image_url");
            // A mere URL is not OpenAI's, but many servers take it.
            let image = if raw.get().starts_with('"') {
                ImageMember { url: member(raw, &field)?, detail: None }
            } else {
                object(raw, &field)?
            };
            let (source, media_type) = read_url(image.url, &format!("{field}.url"))?;
            Part::Image(Media {
                source,
                media_type,
                name: None,
                detail: image.detail,
                cache,
                field,
            })
        }
        "input_audio" => {
            let audio = needed(part.input_audio, path, "input_audio")?;
            let media_type = match &*audio.format {
                "mp3" => "audio/mpeg".to_owned(),
                format => format!("audio/{format}"),
            };
            if !is_media_type(&media_type) {
                let field = format!("{path}.input_audio.format");
                return Err(Unreadable::new(field, "should be a format, such as `wav`"));
            }
            Part::Audio(Media {
                source: Source::Base64(audio.data),
                media_type: Some(media_type),
                name: None,
                detail: None,
                cache,
                field: format!("{path}.input_audio"),
            })
        }
        "file" => {
            let file = needed(part.file, path, "file")?;
            let field = format!("{path}.file");
            let (source, media_type) = match (file.file_data, file.file_id) {
                (Some(data), _) => as_text(read_url(data, &format!("{field}.file_data"))?),
                (None, Some(id)) => (Source::File(id), None),
                (None, None) => {
                    return Err(Unreadable::new(field, "should have `file_data` or `file_id`"));
                }
            };
            let name = file.filename;
            Part::Document(Media { source, media_type, name, detail: None, cache, field })
        }
        _ => return Ok(None),
    }))
}

/// Where a URL points, and the media type that it says.
fn read_url(url: String, path: &str) -> Result<(Source, Option<String>), Unreadable> {
    let Some((scheme, rest)) = url.split_once(':') else {
        return Err(Unreadable::new(path, "should be a URL: `https:` or `data:`"));
    };
    if !scheme.eq_ignore_ascii_case("data") {
        return Ok((Source::Url(url), None));
    }
    let wrong = || Unreadable::new(path, "should be `data:TYPE;base64,DATA`");
    let (head, data) = rest.split_once(',').ok_or_else(wrong)?;
    let mut head = head.split(';').map(str::trim);
    let media_type = head.next().unwrap_or_default().to_ascii_lowercase();
    if !head.any(|word| word.eq_ignore_ascii_case("base64")) {
        return Err(wrong());
    }
    let media_type = match &*media_type {
        "" => None,
        "image/jpg" => Some("image/jpeg".to_owned()),
        kind if !is_media_type(kind) => return Err(wrong()),
        _ => Some(media_type),
    };
    Ok((Source::Base64(data.to_owned()), media_type))
}

/// Text that came as base64 is text, which every target takes.
fn as_text(file: (Source, Option<String>)) -> (Source, Option<String>) {
    if let (Source::Base64(data), Some(kind)) = &file
        && kind.starts_with("text/")
        && let Ok(bytes) = STANDARD.decode(data)
        && let Ok(text) = String::from_utf8(bytes)
    {
        return (Source::Text(text), file.1);
    }
    file
}
