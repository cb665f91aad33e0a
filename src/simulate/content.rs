//! Message content as all three request formats write it: a string, or a list of typed parts.

use serde::Deserialize;

use super::tokens;

/// What an image counts: OpenAI's price of one at low detail.
const IMAGE_TOKENS: usize = 85;

/// The content of a message.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "content must be a string or an array of content parts")]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

/// One part; only what the simulator reads of it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Part {
    #[serde(rename = "type")]
    pub(super) kind: String,
    text: Option<String>,
    /// Of a tool result.
    content: Option<Content>,
}

impl Content {
    /// All text, in order, tool results included.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => {
                let texts: Vec<_> =
                    parts.iter().map(Part::text).filter(|t| !t.is_empty()).collect();
                texts.join("\n")
            }
        }
    }

    /// Tokens by the rule of [`super::tokens`].
    pub(super) fn tokens(&self) -> usize {
        match self {
            Self::Text(text) => tokens::count(text),
            Self::Parts(parts) => parts.iter().map(Part::tokens).sum(),
        }
    }

    /// Whether a part is of this type.
    pub(super) fn has(&self, kind: &str) -> bool {
        match self {
            Self::Text(_) => false,
            Self::Parts(parts) => parts.iter().any(|part| part.kind == kind),
        }
    }
}

impl Part {
    fn text(&self) -> String {
        match (&self.text, &self.content) {
            (Some(text), _) => text.clone(),
            (None, Some(content)) => content.text(),
            (None, None) => String::new(),
        }
    }

    fn tokens(&self) -> usize {
        match self.kind.as_str() {
            "image" | "image_url" | "input_image" => IMAGE_TOKENS,
            _ => tokens::count(&self.text()),
        }
    }
}
