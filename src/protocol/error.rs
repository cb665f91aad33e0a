//! Errors as protocols carry them.

use http::StatusCode;

/// An error that the gateway answers with, before it takes a protocol's shape.
#[derive(Debug, Clone, Copy)]
pub struct ErrorView<'a> {
    /// The HTTP status; in a stream, the one it would have been.
    pub status: StatusCode,
    /// A word of the gateway's closed set.
    pub code: &'static str,
    /// What happened, and what to do about it.
    pub message: &'a str,
    /// The gateway's id of the request.
    pub request_id: &'a str,
}

/// What a provider's error says, whatever its shape was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ErrorFacts {
    /// `error.type`.
    pub kind: String,
    /// `error.code`, numbers as text.
    pub code: String,
    /// `error.message`, or the beginning of a body that is no error object.
    pub message: String,
}

/// Longest message kept of a provider's error: enough to understand it, short enough to log.
const MESSAGE_LIMIT: usize = 1024;

impl ErrorFacts {
    /// Facts of a body that has no structure: its beginning as text.
    pub fn unstructured(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(&body[..body.len().min(MESSAGE_LIMIT)]);
        Self { message: text.trim().to_owned(), ..Self::default() }
    }

    /// Whether code, type or message hold `needle`, upper and lower case alike.
    pub fn mentions(&self, needle: &str) -> bool {
        let needle = needle.to_ascii_lowercase();
        [&self.code, &self.kind, &self.message]
            .into_iter()
            .any(|text| text.to_ascii_lowercase().contains(&needle))
    }

    pub(super) fn shortened(mut self) -> Self {
        if self.message.len() > MESSAGE_LIMIT {
            let cut = (0..=MESSAGE_LIMIT).rev().find(|at| self.message.is_char_boundary(*at));
            self.message.truncate(cut.unwrap_or(0));
        }
        self
    }
}
