//! Pictures, sound and documents for a target.

use std::borrow::Cow;

use crate::protocol::dialect::TargetView;
use crate::protocol::gemini::request::parts::{is_upload, type_of_name};
use crate::protocol::gemini::wire::{Blob, FileData, Part};
use crate::protocol::neutral::{CannotCross, Crossing, Media, Source};

/// Writes one; `None` if it was refused and the route wants to go on without it.
pub(super) fn part<'r>(
    media: &'r Media,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<Option<Part<'r>>, CannotCross> {
    let media_type = media.media_type.as_deref().map(canonical);
    let refused = |crossing: &mut Crossing, message: &str| {
        crossing.refused(&media.field, message).map(|()| None)
    };
    match &media.source {
        Source::Text(text) if text.is_empty() => Ok(None),
        Source::Text(text) => Ok(Some(Part::text(text.as_str()))),
        Source::Base64(data) => match media_type {
            Some(mime_type) => {
                let blob = Blob { mime_type, data };
                Ok(Some(Part { inline_data: Some(blob), ..Part::default() }))
            }
            None => refused(crossing, "has no media type, which this target must be told"),
        },
        Source::File(uri) if is_upload(uri) => Ok(Some(file(uri, media_type))),
        Source::File(_) => refused(crossing, "was uploaded to another provider: send its content"),
        Source::Url(url) => {
            let web = ["https://", "http://"].iter().any(|scheme| url.starts_with(scheme));
            if !web && !url.starts_with("gs://") {
                return refused(crossing, "must be data, or a URL of `https:` or `gs:`");
            }
            if web && !target.quirks.image_urls {
                return refused(crossing, "must be data: this target fetches no URLs");
            }
            match media_type.or_else(|| type_of_name(url).map(Cow::Borrowed)) {
                Some(media_type) => Ok(Some(file(url, Some(media_type)))),
                None => refused(
                    crossing,
                    "has an unknown media type: use a URL that ends in one (`.png`), or send the data",
                ),
            }
        }
    }
}

fn file<'r>(uri: &'r str, mime_type: Option<Cow<'r, str>>) -> Part<'r> {
    Part { file_data: Some(FileData { mime_type, file_uri: uri }), ..Part::default() }
}

/// The media type by the name that Google knows it by.
fn canonical(media_type: &str) -> Cow<'_, str> {
    let plain = media_type.split(';').next().unwrap_or_default().trim();
    match plain.to_ascii_lowercase().as_str() {
        "image/jpg" => Cow::Borrowed("image/jpeg"),
        "audio/mpeg" => Cow::Borrowed("audio/mp3"),
        "audio/x-wav" | "audio/wave" => Cow::Borrowed("audio/wav"),
        known if known == plain => Cow::Borrowed(plain),
        lower => Cow::Owned(lower.to_owned()),
    }
}
