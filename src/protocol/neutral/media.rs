//! The pictures and documents of a request, wherever they stand in it.

use super::request::{Media, Part, Request, ResultPart, Source};

/// What a picture or document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A document.
    Document,
}

/// The bytes of a picture or document that a client named by its URL.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// In base64 (RFC 4648, with padding).
    pub data: String,
    /// What it is, by its first bytes.
    pub media_type: &'static str,
}

impl Fetched {
    fn is_picture(&self) -> bool {
        self.media_type.starts_with("image/")
    }
}

/// Whether a text can be a media type (RFC 6838 section 4.2), with or without parameters. What cannot
/// would not survive in a `data:` URL.
pub fn is_media_type(text: &str) -> bool {
    let (kind, parameters) = text.split_once(';').unwrap_or((text, ""));
    let name = |name: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        !name.is_empty() && name.bytes().all(plain)
    };
    let parameter = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && byte != b',';
    kind.trim_end().split_once('/').is_some_and(|(kind, subtype)| name(kind) && name(subtype))
        && parameters.bytes().all(parameter)
}

impl Media {
    /// Where it is on the web, if it is there.
    pub fn web_url(&self) -> Option<&str> {
        match &self.source {
            Source::Url(url) if is_web(url) => Some(url),
            _ => None,
        }
    }
}

fn is_web(url: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| {
        url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })
}

impl Request {
    /// Every picture and document, in the order in which they stand.
    pub fn media(&self) -> impl Iterator<Item = (MediaKind, &Media)> {
        self.turns.iter().flat_map(|turn| &turn.parts).flat_map(|part| {
            let (own, of_result) = match part {
                Part::Image(media) => (Some((MediaKind::Image, media)), &[][..]),
                Part::Document(media) => (Some((MediaKind::Document, media)), &[][..]),
                Part::ToolResult { content, .. } => (None, &content[..]),
                _ => (None, &[][..]),
            };
            let of_result = of_result.iter().filter_map(|part| match part {
                ResultPart::Image(media) => Some((MediaKind::Image, media)),
                ResultPart::Document(media) => Some((MediaKind::Document, media)),
                ResultPart::Text(_) => None,
            });
            own.into_iter().chain(of_result)
        })
    }

    /// Puts the bytes in the place of URLs, where `bytes` has some for one. A picture that turns out
    /// to be a document becomes one, and the other way round.
    pub fn inline(&mut self, mut bytes: impl FnMut(MediaKind, &str) -> Option<Fetched>) {
        let mut replace = |kind: MediaKind, media: &mut Media| {
            let fetched = bytes(kind, media.web_url()?)?;
            let found = if fetched.is_picture() { MediaKind::Image } else { MediaKind::Document };
            media.source = Source::Base64(fetched.data);
            media.media_type = Some(fetched.media_type.to_owned());
            (found != kind).then(|| media.clone())
        };
        for part in self.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
            match part {
                Part::Image(media) => {
                    if let Some(document) = replace(MediaKind::Image, media) {
                        *part = Part::Document(document);
                    }
                }
                Part::Document(media) => {
                    if let Some(picture) = replace(MediaKind::Document, media) {
                        *part = Part::Image(picture);
                    }
                }
                Part::ToolResult { content, .. } => {
                    for part in content {
                        match part {
                            ResultPart::Image(media) => {
                                if let Some(document) = replace(MediaKind::Image, media) {
                                    *part = ResultPart::Document(document);
                                }
                            }
                            ResultPart::Document(media) => {
                                if let Some(picture) = replace(MediaKind::Document, media) {
                                    *part = ResultPart::Image(picture);
                                }
                            }
                            ResultPart::Text(_) => {}
                        }
                    }
                }
                _ => {}
            }
        }
    }
}
