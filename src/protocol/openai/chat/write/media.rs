//! Pictures, sound and documents.

use std::borrow::Cow;

use serde::Serialize;

use super::Draft;
use crate::protocol::neutral::{CannotCross, Media, Source};

/// A part of a message's content.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Piece<'a> {
    Text { text: Cow<'a, str> },
    ImageUrl { image_url: Image<'a> },
    InputAudio { input_audio: Audio<'a> },
    File { file: File<'a> },
}

#[derive(Serialize)]
pub(super) struct Image<'a> {
    url: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct Audio<'a> {
    data: &'a str,
    format: &'static str,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "OpenAI's names")]
pub(super) struct File<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_id: Option<&'a str>,
}

/// What an answer to "where is it?" comes to: a piece, or nothing where a loss is allowed.
type Written<'a> = Result<Option<Piece<'a>>, CannotCross>;

fn refused<'a>(draft: &mut Draft<'_, '_>, media: &Media, message: &str) -> Written<'a> {
    draft.crossing.refused(&media.field, message)?;
    Ok(None)
}

pub(super) fn image<'a>(draft: &mut Draft<'_, '_>, media: &'a Media) -> Written<'a> {
    let url: Cow<'a, str> = match &media.source {
        Source::Base64(data) => match media.media_type.as_deref().or_else(|| sniffed(data)) {
            Some(kind) => Cow::Owned(format!("data:{kind};base64,{data}")),
            None => return refused(draft, media, "needs a media type, such as `image/png`"),
        },
        Source::Url(url) if !url.starts_with("https:") && !url.starts_with("http:") => {
            return refused(draft, media, "points to a store that the target cannot read");
        }
        Source::Url(_) if !draft.target.quirks.image_urls => {
            let message = "is a URL, and the target fetches none: send the picture itself";
            return refused(draft, media, message);
        }
        Source::Url(url) => Cow::Borrowed(url),
        Source::File(_) => {
            return refused(draft, media, "is a file of another account: send the picture itself");
        }
        Source::Text(_) => return refused(draft, media, "is text, which is no picture"),
    };
    let quirks = draft.target.quirks;
    let knows_detail = quirks.openai_itself || !quirks.refuses_unknown;
    let detail = media.detail.as_deref().filter(|_| knows_detail);
    Ok(Some(Piece::ImageUrl { image_url: Image { url, detail } }))
}

/// The type of a picture by its first bytes, as they look in base64.
fn sniffed(data: &str) -> Option<&'static str> {
    let kinds = [
        ("/9j/", "image/jpeg"),
        ("iVBORw0KGgo", "image/png"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
    ];
    kinds.into_iter().find(|(start, _)| data.starts_with(start)).map(|(_, kind)| kind)
}

pub(super) fn audio<'a>(draft: &mut Draft<'_, '_>, media: &'a Media) -> Written<'a> {
    let Source::Base64(data) = &media.source else {
        return refused(draft, media, "has to be sent itself, in base64");
    };
    let format = match media.media_type.as_deref() {
        Some("audio/wav" | "audio/x-wav" | "audio/wave") => "wav",
        Some("audio/mpeg" | "audio/mp3") => "mp3",
        _ => return refused(draft, media, "should be of type `audio/wav` or `audio/mpeg`"),
    };
    Ok(Some(Piece::InputAudio { input_audio: Audio { data, format } }))
}

pub(super) fn document<'a>(draft: &mut Draft<'_, '_>, media: &'a Media) -> Written<'a> {
    let file = match &media.source {
        Source::Text(text) => return Ok(Some(Piece::Text { text: Cow::Borrowed(text) })),
        Source::Base64(data) => {
            let kind = media.media_type.as_deref().unwrap_or("application/pdf");
            // OpenAI refuses a file without a name.
            let filename = Some(media.name.as_deref().unwrap_or("document.pdf"));
            let file_data = Some(format!("data:{kind};base64,{data}"));
            File { filename, file_data, file_id: None }
        }
        Source::File(id) if draft.target.quirks.openai_itself => {
            File { filename: None, file_data: None, file_id: Some(id) }
        }
        Source::File(_) => {
            return refused(draft, media, "is a file of another account: send the document itself");
        }
        Source::Url(_) => {
            let message = "is a URL, which chat completions take for pictures only: send the \
                           document itself";
            return refused(draft, media, message);
        }
    };
    Ok(Some(Piece::File { file }))
}
