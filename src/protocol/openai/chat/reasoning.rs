//! Reasoning and its state, as extensions of chat completions carry them.
//!
//! OpenAI's own endpoint has neither. The text goes as `reasoning_content` (DeepSeek's name, which
//! most clients know), a state as an entry of `thinking_blocks` (LiteLLM's name), and a state that
//! belongs to a call as `extra_content.google.thought_signature` (Google's own endpoint). Clients
//! send back what they got, and all of it is read again.
//!
//! In a stream a block's text has gone out before its state is known, and must not be sent twice or
//! held for that: the entry says by `length` how many characters of the text it is about.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::protocol::neutral::{OpaqueState, Origin};

/// Whose states the fields of `thinking_blocks` hold as they are.
const BLOCKS: Origin = Origin::Anthropic;
/// Whose states `extra_content.google` holds as they are.
const CALLS: Origin = Origin::Gemini;

/// An entry of `thinking_blocks`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct ThinkingBlock {
    /// Its number in the message. SDKs put the pieces of a stream together by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// `thinking` or `redacted_thinking`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// How many characters of the message's reasoning the block is about, where it has no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// The state of a block with text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// The state of a redacted block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

impl ThinkingBlock {
    /// An entry for a state.
    pub fn of(state: &OpaqueState) -> Self {
        let field = Some(state.to_field(BLOCKS));
        if state.redacted {
            Self { kind: "redacted_thinking".to_owned(), data: field, ..Self::default() }
        } else {
            Self { kind: "thinking".to_owned(), signature: field, ..Self::default() }
        }
    }

    /// The state that the entry holds.
    pub fn state(&self) -> Option<OpaqueState> {
        let redacted = self.kind == "redacted_thinking";
        let field = if redacted { &self.data } else { &self.signature };
        let field = field.as_deref().filter(|field| !field.is_empty())?;
        Some(OpaqueState::from_field(field, BLOCKS, redacted))
    }
}

/// What a message says of its reasoning, in order: each piece with its state.
pub(super) fn thinking(
    text: &str,
    blocks: Vec<ThinkingBlock>,
) -> Vec<(String, Option<OpaqueState>)> {
    let mut pieces = Vec::with_capacity(blocks.len().max(1));
    let has_text = |block: &ThinkingBlock| block.thinking.as_ref().is_some_and(|t| !t.is_empty());
    // Blocks that have their texts repeat `reasoning_content`.
    let mut rest = if blocks.iter().any(has_text) { "" } else { text };
    for block in blocks {
        let state = block.state();
        let own = block.thinking.unwrap_or_default();
        let redacted = state.as_ref().is_some_and(|state| state.redacted);
        let text = match (own.is_empty(), redacted) {
            (false, _) => own,
            (true, true) => String::new(),
            (true, false) => {
                let ends = block.length.and_then(|length| rest.char_indices().nth(length));
                let (piece, after) = rest.split_at(ends.map_or(rest.len(), |(at, _)| at));
                rest = after;
                piece.to_owned()
            }
        };
        if !text.is_empty() || state.is_some() {
            pieces.push((text, state));
        }
    }
    if !rest.is_empty() {
        pieces.push((rest.to_owned(), None));
    }
    pieces
}

/// `extra_content` of a call.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ExtraContent {
    google: Google,
}

#[derive(Debug, Serialize, Deserialize)]
struct Google {
    thought_signature: String,
}

/// The state in a call's `extra_content`. Anything else in there is other people's.
pub(super) fn call_state(extra: Option<&RawValue>) -> Option<OpaqueState> {
    let extra: ExtraContent = serde_json::from_str(extra?.get()).ok()?;
    let field = extra.google.thought_signature;
    (!field.is_empty()).then(|| OpaqueState::from_field(&field, CALLS, false))
}

/// `extra_content` for a call's state.
pub(super) fn call_extra(state: Option<&OpaqueState>) -> Option<ExtraContent> {
    let thought_signature = state?.to_field(CALLS);
    Some(ExtraContent { google: Google { thought_signature } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(data: &str) -> OpaqueState {
        OpaqueState { origin: Origin::Anthropic, data: data.to_owned(), redacted: false }
    }

    #[test]
    fn streamed_blocks_find_their_text_again() {
        let block =
            |data: &str, length| ThinkingBlock { length, ..ThinkingBlock::of(&signed(data)) };
        let pieces = thinking("aéb", vec![block("1", Some(2)), block("2", Some(1))]);
        assert_eq!(
            pieces,
            [("aé".to_owned(), Some(signed("1"))), ("b".to_owned(), Some(signed("2")))]
        );
        // A client that keeps no unknown members of a block.
        let pieces = thinking("ab", vec![block("1", None)]);
        assert_eq!(pieces, [("ab".to_owned(), Some(signed("1")))]);
        // The text was never shown: the state is kept all the same.
        let pieces = thinking("", vec![block("1", Some(0))]);
        assert_eq!(pieces, [(String::new(), Some(signed("1")))]);
    }

    #[test]
    fn foreign_states_keep_their_origin() {
        for origin in [Origin::Anthropic, Origin::Gemini, Origin::OpenAi] {
            for redacted in [false, true] {
                let state = OpaqueState { origin, data: "x:y=".to_owned(), redacted };
                assert_eq!(ThinkingBlock::of(&state).state(), Some(state.clone()));
            }
            let state = OpaqueState { origin, data: "x:y=".to_owned(), redacted: false };
            let extra = serde_json::value::to_raw_value(&call_extra(Some(&state))).expect("JSON");
            assert_eq!(call_state(Some(&extra)), Some(state));
        }
    }
}
