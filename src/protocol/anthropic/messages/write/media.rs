//! Pictures and documents, in the forms that the API takes.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::protocol::anthropic::messages::wire::MediaSource;
use crate::protocol::neutral::{CannotCross, Crossing, Media, Source};

/// The first bytes of pictures in base64: what they are, where nobody says.
const BEGINNINGS: &[(&str, &str)] = &[
    ("/9j/", "image/jpeg"),
    ("iVBORw", "image/png"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
];

/// The source of a picture; `None` if it was left out.
pub(super) fn image<'a>(
    media: &'a Media,
    urls: bool,
    crossing: &mut Crossing,
) -> Result<Option<MediaSource<'a>>, CannotCross> {
    match &media.source {
        Source::Base64(data) => match image_type(media.media_type.as_deref(), data) {
            Some(media_type) => Ok(Some(MediaSource::Base64 { media_type, data })),
            None => {
                let message = "must be a picture of type JPEG, PNG, GIF or WebP for this target";
                crossing.refused(&media.field, message).map(|()| None)
            }
        },
        Source::Text(_) => {
            crossing.refused(&media.field, "must be a picture, not text").map(|()| None)
        }
        Source::Url(url) => by_url(url, media, urls, crossing),
        Source::File(_) => file(media, crossing),
    }
}

/// The source of a document; `None` if it was left out.
pub(super) fn document<'a>(
    media: &'a Media,
    urls: bool,
    crossing: &mut Crossing,
) -> Result<Option<MediaSource<'a>>, CannotCross> {
    match &media.source {
        Source::Base64(data) => match document_type(media, data) {
            "application/pdf" => {
                Ok(Some(MediaSource::Base64 { media_type: "application/pdf", data }))
            }
            kind => match as_text(data).filter(|_| kind.starts_with("text/")) {
                Some(text) => Ok(Some(plain(Cow::Owned(text)))),
                None => {
                    let message = "must be a PDF or plain text for this target";
                    crossing.refused(&media.field, message).map(|()| None)
                }
            },
        },
        Source::Text(text) => Ok(Some(plain(Cow::Borrowed(text)))),
        Source::Url(url) => by_url(url, media, urls, crossing),
        Source::File(_) => file(media, crossing),
    }
}

/// Whether a picture's URL is that of a document, as some clients send them.
pub(super) fn is_pdf_url(media: &Media) -> bool {
    let Source::Url(url) = &media.source else { return false };
    let path = url.split(['?', '#']).next().unwrap_or(url);
    path.len() > 4 && path.as_bytes()[path.len() - 4..].eq_ignore_ascii_case(b".pdf")
}

fn by_url<'a>(
    url: &'a str,
    media: &Media,
    urls: bool,
    crossing: &mut Crossing,
) -> Result<Option<MediaSource<'a>>, CannotCross> {
    let web = url.starts_with("https://") || url.starts_with("http://");
    if web && urls {
        return Ok(Some(MediaSource::Url { url }));
    }
    let message = if web {
        "must be sent as base64: the target fetches nothing by URL"
    } else {
        "must be sent as base64 or as an `https:` URL for this target"
    };
    crossing.refused(&media.field, message).map(|()| None)
}

fn file(
    media: &Media,
    crossing: &mut Crossing,
) -> Result<Option<MediaSource<'static>>, CannotCross> {
    let message = "names an uploaded file, which only the account has that it was uploaded to: \
                   send its bytes";
    crossing.refused(&media.field, message).map(|()| None)
}

fn image_type(said: Option<&str>, data: &str) -> Option<&'static str> {
    match said.map(str::to_ascii_lowercase).as_deref() {
        Some("image/jpeg" | "image/jpg") => Some("image/jpeg"),
        Some("image/png") => Some("image/png"),
        Some("image/gif") => Some("image/gif"),
        Some("image/webp") => Some("image/webp"),
        Some(_) => None,
        None => BEGINNINGS.iter().find(|(begin, _)| data.starts_with(begin)).map(|(_, kind)| *kind),
    }
}

fn document_type<'a>(media: &'a Media, data: &str) -> &'a str {
    let said = media.media_type.as_deref().filter(|kind| *kind != "application/octet-stream");
    match said {
        Some(kind) => kind,
        // `%PDF` in base64.
        None if data.starts_with("JVBER") => "application/pdf",
        None => match media.name.as_deref().and_then(|name| name.rsplit_once('.')) {
            Some((_, "txt" | "md" | "csv" | "html" | "xml" | "json")) => "text/plain",
            Some((_, "pdf")) | None => "application/pdf",
            Some(_) => "",
        },
    }
}

fn as_text(data: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(data).ok()?).ok()
}

/// The API knows one type of text.
fn plain(data: Cow<'_, str>) -> MediaSource<'_> {
    MediaSource::Text { media_type: "text/plain", data }
}
