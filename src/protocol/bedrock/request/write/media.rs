//! Pictures, sounds and documents.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::family::Family;
use super::shape::{self, Block, MediaSource};
use super::{CannotCross, Writer};
use crate::protocol::bedrock::wire::format_of;
use crate::protocol::neutral::{Media, Source};

/// The words for formats of pictures and documents; other words are sounds.
const IMAGES: &[&str] = &["png", "jpeg", "gif", "webp"];
const DOCUMENTS: &[&str] = &["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"];

impl<'a> Writer<'a, '_> {
    /// A picture; `None` if it cannot be said and the route lets it go.
    pub(super) fn image(&mut self, media: &'a Media) -> Result<Option<Block<'a>>, CannotCross> {
        let Some(format) = format(media).filter(|format| IMAGES.contains(format)) else {
            return self
                .lost(media, "must be a PNG, JPEG, GIF or WebP picture with its media type");
        };
        self.block(media, format).map(|it| it.map(Block::Image))
    }

    /// A sound, likewise.
    pub(super) fn audio(&mut self, media: &'a Media) -> Result<Option<Block<'a>>, CannotCross> {
        let known = format(media);
        let known = known.filter(|word| !IMAGES.contains(word) && !DOCUMENTS.contains(word));
        let Some(format) = known.filter(|_| self.family != Family::Claude) else {
            return self.lost(media, "is sound, which this model does not take");
        };
        self.block(media, format).map(|it| it.map(Block::Audio))
    }

    /// A document, likewise.
    pub(super) fn document(&mut self, media: &'a Media) -> Result<Option<Block<'a>>, CannotCross> {
        let plain = matches!(media.source, Source::Text(_)).then_some("txt");
        let format = format(media).filter(|format| DOCUMENTS.contains(format));
        let Some(format) = format.or(plain) else {
            return self.lost(media, "must be a PDF, text or office document with its media type");
        };
        let name = self.names.document(media.name.as_deref());
        let block = self.block(media, format)?;
        Ok(block.map(|block| Block::Document(shape::Media { name: Some(name), ..block })))
    }

    fn block(
        &mut self,
        media: &'a Media,
        format: &'static str,
    ) -> Result<Option<shape::Media<'a>>, CannotCross> {
        let source = match &media.source {
            Source::Base64(data) => MediaSource::Bytes(Cow::Borrowed(data)),
            // Text sources are for citations, which not all models have; bytes are for all.
            Source::Text(text) => MediaSource::Bytes(Cow::Owned(BASE64_STANDARD.encode(text))),
            Source::Url(uri) if uri.starts_with("s3://") => MediaSource::S3Location { uri },
            Source::Url(_) => {
                return self.lost(
                    media,
                    "must be sent as data or be in S3 (`s3://`): Amazon Bedrock fetches no URLs",
                );
            }
            Source::File(_) => {
                return self.lost(media, "is a file of another provider's: send its data instead");
            }
        };
        Ok(Some(shape::Media { format, name: None, source }))
    }

    fn lost<T>(&mut self, media: &Media, message: &str) -> Result<Option<T>, CannotCross> {
        self.crossing.refused(&media.field, message).map(|()| None)
    }
}

/// The word for what it is, by its type or else by the extension of its name or place.
fn format(media: &Media) -> Option<&'static str> {
    let place = match &media.source {
        Source::Url(uri) => Some(uri.as_str()),
        _ => None,
    };
    let by_extension = || {
        let (_, extension) = media.name.as_deref().or(place)?.rsplit_once('.')?;
        let extension = match &*extension.to_ascii_lowercase() {
            "jpg" => "jpeg".to_owned(),
            "htm" => "html".to_owned(),
            other => other.to_owned(),
        };
        IMAGES.iter().chain(DOCUMENTS).find(|word| **word == extension).copied()
    };
    media.media_type.as_deref().and_then(format_of).or_else(by_extension)
}
