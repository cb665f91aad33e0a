//! How a vendor's door differs from the API that is spoken through it: data, which the proxy applies.
//!
//! A cloud lets its customers in by paths, with errors and around streams of its own, and behind that
//! is another vendor's API. Such a vendor is a row with that API's protocol and a [`Transport`].

use std::borrow::Cow;

use crate::protocol::registry::{Framing, Operation, ProtocolId, fill};

/// How a vendor's door differs from the API's own.
#[derive(Debug)]
pub struct Transport {
    /// Operations that have a path of their own here; all others keep the API's.
    pub doors: &'static [Door],
    /// How the events of a stream lie in its bytes, where not as in the API itself.
    pub framing: Option<Framing>,
    /// How a model's name is spelled.
    pub spelling: Spelling,
    /// What `anthropic_version` in the body says, in place of the header of that name.
    pub version: Option<&'static str>,
    /// Whether betas stand in the body, as the list `anthropic_beta`, and not in a header.
    pub betas_in_body: bool,
    /// Whose errors it answers with, where they are not the API's.
    pub errors: Option<ProtocolId>,
}

/// One operation at a vendor's door.
#[derive(Debug)]
pub struct Door {
    /// The operation's name.
    pub operation: &'static str,
    /// The path below the base URL; `{model}` stands for the model.
    pub path: &'static str,
    /// The path for a streamed answer, query included, where it is another one.
    pub stream_path: Option<&'static str>,
    /// Members of the body that are refused there, because the path says the same.
    pub drops: &'static [&'static str],
}

/// How a vendor spells the names of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// As the route has them.
    AsGiven,
    /// A date stands behind an `@`: `claude-sonnet-4-5@20250929`.
    DateBehindAt,
    /// A name without a publisher is one of this publisher's: `google/gemini-3.1-pro`.
    OfPublisher(&'static str),
}

impl Transport {
    /// The API's own door.
    pub const PLAIN: Self = Self {
        doors: &[],
        framing: None,
        spelling: Spelling::AsGiven,
        version: None,
        betas_in_body: false,
        errors: None,
    };

    /// The door of this operation, where it has one of its own.
    pub fn door(&self, operation: &Operation) -> Option<&'static Door> {
        self.doors.iter().find(|door| door.operation == operation.name)
    }

    /// The path and query of a request for `model` (which is spelled as it is wanted here) below the
    /// base URL.
    pub fn path(&self, operation: &Operation, model: &str, stream: bool) -> Cow<'static, str> {
        match self.door(operation) {
            None => operation.request_path(model, stream),
            Some(Door { stream_path: Some(path), .. }) if stream => fill(path, model),
            Some(door) => fill(door.path, model),
        }
    }

    /// How the events of a streamed answer lie in its bytes.
    pub fn framing(&self, operation: &Operation) -> Framing {
        self.framing.unwrap_or(operation.framing)
    }
}

impl Spelling {
    /// A model's name as it is wanted here.
    pub fn spell(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::DateBehindAt => match name.rsplit_once('-') {
                Some((model, date)) if is_date(date) => Cow::Owned(format!("{model}@{date}")),
                _ => Cow::Borrowed(name),
            },
            Self::OfPublisher(publisher) if !name.contains('/') => {
                Cow::Owned(format!("{publisher}/{name}"))
            }
            Self::AsGiven | Self::OfPublisher(_) => Cow::Borrowed(name),
        }
    }
}

/// `20250929`.
fn is_date(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_as_each_cloud_wants_them() {
        let cases = [
            (Spelling::AsGiven, "claude-sonnet-4-5-20250929", "claude-sonnet-4-5-20250929"),
            (Spelling::DateBehindAt, "claude-sonnet-4-5-20250929", "claude-sonnet-4-5@20250929"),
            (Spelling::DateBehindAt, "claude-sonnet-4-5@20250929", "claude-sonnet-4-5@20250929"),
            (Spelling::DateBehindAt, "claude-sonnet-4-6", "claude-sonnet-4-6"),
            (Spelling::DateBehindAt, "claude-3-opus-latest", "claude-3-opus-latest"),
            (Spelling::OfPublisher("google"), "gemini-2.5-pro", "google/gemini-2.5-pro"),
            (Spelling::OfPublisher("google"), "meta/llama-4", "meta/llama-4"),
        ];
        for (spelling, name, spelled) in cases {
            assert_eq!(spelling.spell(name), spelled, "{spelling:?}");
        }
    }
}
