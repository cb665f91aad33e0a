//! Errors as protocols carry them.

use std::time::Duration;

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
    /// The field of the request that is at fault, if one is.
    pub param: Option<&'a str>,
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
    /// How long the body itself asks to be left alone, where the protocol has that.
    pub retry_after: Option<Duration>,
}

/// Longest message kept of a provider's error: enough to understand it, short enough to log.
const MESSAGE_LIMIT: usize = 1024;
/// Longest type and code kept: the longest ones in use have some thirty letters, and they go into
/// messages and logs.
const NAME_LIMIT: usize = 64;

impl ErrorFacts {
    /// Facts of a body that has no structure: its beginning as text.
    pub fn unstructured(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(&body[..body.len().min(MESSAGE_LIMIT)]);
        // What is no UTF-8 has grown.
        Self { message: text.trim().to_owned(), ..Self::default() }.shortened()
    }

    /// Whether code, type or message hold `needle`, upper and lower case alike.
    pub fn mentions(&self, needle: &str) -> bool {
        let needle = needle.to_ascii_lowercase();
        [&self.code, &self.kind, &self.message]
            .into_iter()
            .any(|text| text.to_ascii_lowercase().contains(&needle))
    }

    pub(super) fn shortened(mut self) -> Self {
        shorten(&mut self.kind, NAME_LIMIT);
        shorten(&mut self.code, NAME_LIMIT);
        shorten(&mut self.message, MESSAGE_LIMIT);
        self
    }
}

fn shorten(text: &mut String, limit: usize) {
    if text.len() > limit {
        let cut = (0..=limit).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(cut.unwrap_or(0));
        text.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_says_is_kept_short() {
        let long = "é".repeat(5000);
        let facts = ErrorFacts {
            kind: long.clone(),
            code: format!("x{long}"),
            message: long,
            retry_after: None,
        };
        let facts = facts.shortened();
        assert_eq!((facts.kind.len(), facts.code.len(), facts.message.len()), (64, 63, 1024));
        let binary = ErrorFacts::unstructured(&[0xFF; 5000]);
        assert!(binary.message.len() <= MESSAGE_LIMIT, "each byte was replaced by three");
    }
}
