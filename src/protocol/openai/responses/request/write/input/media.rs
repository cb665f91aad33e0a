//! Parts of messages: texts, pictures, documents.

use serde::Serialize;

use crate::protocol::dialect::TargetView;
use crate::protocol::neutral::{CannotCross, Crossing, Media, Source};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(in super::super) enum Content<'a> {
    InputText {
        text: &'a str,
    },
    OutputText {
        text: &'a str,
    },
    SummaryText {
        text: &'a str,
    },
    ReasoningText {
        text: &'a str,
    },
    Refusal {
        refusal: &'a str,
    },
    InputImage {
        #[serde(skip_serializing_if = "Option::is_none")]
        image_url: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<&'a str>,
        // Required by the API's schema.
        detail: &'a str,
    },
    InputFile {
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_data: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_url: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<&'a str>,
    },
}

/// A picture; none if it had to be left out.
pub(super) fn image<'a>(
    media: &'a Media,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<Option<Content<'a>>, CannotCross> {
    let (image_url, file_id) = match &media.source {
        Source::Base64(data) => (Some(data_url(media, "image/png", data)), None),
        Source::Url(url) if fetches(url, target) => (Some(url.clone()), None),
        Source::File(id) if is_its_own(id, target) => (None, Some(&**id)),
        _ => return refused(media, crossing),
    };
    let detail = media.detail.as_deref().unwrap_or("auto");
    Ok(Some(Content::InputImage { image_url, file_id, detail }))
}

/// A document; none if it had to be left out.
pub(super) fn document<'a>(
    media: &'a Media,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<Option<Content<'a>>, CannotCross> {
    let filename = media.name.as_deref();
    Ok(Some(match &media.source {
        Source::Text(text) => Content::InputText { text },
        Source::Base64(data) => Content::InputFile {
            // Data without a name is refused.
            filename: filename.or(Some("document.pdf")),
            file_data: Some(data_url(media, "application/pdf", data)),
            file_url: None,
            file_id: None,
        },
        Source::Url(url) if fetches(url, target) => Content::InputFile {
            filename: None,
            file_data: None,
            file_url: Some(url),
            file_id: None,
        },
        Source::File(id) if is_its_own(id, target) => Content::InputFile {
            filename: None,
            file_data: None,
            file_url: None,
            file_id: Some(id),
        },
        _ => return refused(media, crossing),
    }))
}

fn refused<'a>(media: &Media, crossing: &mut Crossing) -> Result<Option<Content<'a>>, CannotCross> {
    let message = match media.source {
        Source::File(_) => "refers to a file in another provider's account: send the file itself",
        _ => "cannot be fetched by the target: send the data itself",
    };
    crossing.refused(&media.field, message)?;
    Ok(None)
}

fn data_url(media: &Media, default: &str, data: &str) -> String {
    format!("data:{};base64,{data}", media.media_type.as_deref().unwrap_or(default))
}

fn fetches(url: &str, target: &TargetView<'_>) -> bool {
    target.quirks.image_urls && (url.starts_with("https:") || url.starts_with("http:"))
}

/// OpenAI's ids of files begin so; those of others do not.
fn is_its_own(id: &str, target: &TargetView<'_>) -> bool {
    target.quirks.openai_itself && id.starts_with("file-")
}
