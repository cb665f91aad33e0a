//! Opaque reasoning state in `encrypted_content`, the one field of this API that every client sends
//! back untouched.
//!
//! Other makers' states need two facts beside their bytes: that a state has no readable text at all,
//! and that it belongs to the call that follows (Gemini signs calls; calls here have no field for
//! it, and clients drop members that they do not know). Both stand before the state, in words that
//! OpenAI's own states, which are base64, cannot begin with.

use memchr::memmem;

use crate::protocol::neutral::{OpaqueState, Origin};

const REDACTED: &str = "pilothouse-redacted:";
const OF_CALL: &str = "pilothouse-call:";

/// Whether a JSON text holds a state with one of these marks.
pub(super) fn is_marked_in(json: &[u8]) -> bool {
    [REDACTED, OF_CALL].iter().any(|mark| memmem::find(json, mark.as_bytes()).is_some())
}

/// A state that was sent back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sealed {
    /// Of the reasoning that it stands with.
    Reasoning(OpaqueState),
    /// Of the call that follows.
    Call(OpaqueState),
}

/// The state of reasoning, for `encrypted_content`.
pub(super) fn seal(state: &OpaqueState) -> String {
    let field = state.to_field(Origin::OpenAi);
    if state.redacted { format!("{REDACTED}{field}") } else { field }
}

/// The state of a call, for the `encrypted_content` of an item in front of it.
pub(super) fn seal_call(state: &OpaqueState) -> String {
    format!("{OF_CALL}{}", state.to_field(Origin::OpenAi))
}

/// Reads what the two above wrote, and OpenAI's own.
pub(super) fn unseal(field: &str) -> Sealed {
    if let Some(field) = field.strip_prefix(OF_CALL) {
        return Sealed::Call(OpaqueState::from_field(field, Origin::OpenAi, false));
    }
    let (field, redacted) = match field.strip_prefix(REDACTED) {
        Some(field) => (field, true),
        None => (field, false),
    };
    Sealed::Reasoning(OpaqueState::from_field(field, Origin::OpenAi, redacted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_comes_back_as_it_was() {
        for origin in [Origin::OpenAi, Origin::Anthropic, Origin::Gemini] {
            for redacted in [false, true] {
                let state = OpaqueState { origin, data: "a:b==".into(), redacted };
                assert_eq!(unseal(&seal(&state)), Sealed::Reasoning(state.clone()));
            }
            let state = OpaqueState { origin, data: "a:b==".into(), redacted: false };
            assert_eq!(unseal(&seal_call(&state)), Sealed::Call(state.clone()));
        }
    }

    #[test]
    fn openai_s_own_state_is_not_touched() {
        let state = OpaqueState { origin: Origin::OpenAi, data: "gAAAA".into(), redacted: false };
        assert_eq!(seal(&state), "gAAAA");
    }
}
