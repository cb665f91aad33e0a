//! Google's finish reasons, both ways.

use crate::protocol::neutral::Finish;

/// What a finish reason says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// The answer is done, or waits for results of functions.
    Stop,
    /// The limit of tokens.
    Length,
    /// A policy stopped it.
    Refused,
    /// The provider made a mistake of its own, such as a call that cannot be parsed.
    Failed,
}

impl Reason {
    /// Reads a reason; `None` for the one that says nothing.
    pub(super) fn read(word: &str) -> Option<Self> {
        Some(match word {
            "" | "FINISH_REASON_UNSPECIFIED" => return None,
            "MAX_TOKENS" => Self::Length,
            "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII"
            | "MODEL_ARMOR" => Self::Refused,
            image if image.starts_with("IMAGE_") => Self::Refused,
            "MALFORMED_FUNCTION_CALL"
            | "MALFORMED_RESPONSE"
            | "MISSING_THOUGHT_SIGNATURE"
            | "UNEXPECTED_TOOL_CALL"
            | "TOO_MANY_TOOL_CALLS"
            | "NO_IMAGE"
            | "OTHER" => Self::Failed,
            // One that is new: whatever it means, the provider says that the answer has ended.
            _ => Self::Stop,
        })
    }

    /// Why the answer ended, given whether functions were called in it. A failure after something
    /// was said is an end like any other.
    pub(super) fn finish(self, called: bool) -> Finish {
        match self {
            Self::Length => Finish::Length,
            Self::Refused => Finish::Refused,
            Self::Stop | Self::Failed if called => Finish::ToolCalls,
            Self::Stop | Self::Failed => Finish::Stop,
        }
    }
}

/// The reason as Google's clients know it.
pub(super) fn word(finish: Option<&Finish>) -> &'static str {
    match finish {
        Some(Finish::Length) => "MAX_TOKENS",
        Some(Finish::Refused) => "SAFETY",
        Some(Finish::Stop | Finish::StopSequence(_) | Finish::ToolCalls) | None => "STOP",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_say_what_became_of_the_answer() {
        let cases = [
            ("STOP", false, Finish::Stop),
            ("STOP", true, Finish::ToolCalls),
            ("MAX_TOKENS", true, Finish::Length),
            ("SAFETY", false, Finish::Refused),
            ("IMAGE_PROHIBITED_CONTENT", false, Finish::Refused),
            ("OTHER", false, Finish::Stop),
            ("SOMETHING_NEW", true, Finish::ToolCalls),
        ];
        for (reason, called, expected) in cases {
            let read = Reason::read(reason).expect("a reason");
            assert_eq!(read.finish(called), expected, "{reason}");
        }
        assert_eq!(Reason::read("FINISH_REASON_UNSPECIFIED"), None);
    }
}
