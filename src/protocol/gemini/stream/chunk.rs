//! One event of a stream, which is a whole response; a plain answer is one too.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::{Malformed, read_object};

/// A response. What is missing or `null` was not said.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::protocol::gemini) struct Chunk<'a> {
    /// Google's endpoints for code assistants wrap everything in this.
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(in crate::protocol::gemini) error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(in crate::protocol::gemini) candidates: Option<Vec<Candidate<'a>>>,
    #[serde(default)]
    pub(in crate::protocol::gemini) prompt_feedback: Option<Feedback>,
    #[serde(borrow, default)]
    pub(in crate::protocol::gemini) usage_metadata: Option<&'a RawValue>,
    #[serde(default)]
    pub(in crate::protocol::gemini) model_version: Option<String>,
    #[serde(default)]
    pub(in crate::protocol::gemini) response_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::protocol::gemini) struct Candidate<'a> {
    #[serde(default)]
    pub(in crate::protocol::gemini) index: Option<u32>,
    #[serde(borrow, default)]
    pub(in crate::protocol::gemini) content: Option<Content<'a>>,
    #[serde(default)]
    pub(in crate::protocol::gemini) finish_reason: Option<String>,
    #[serde(default)]
    pub(in crate::protocol::gemini) finish_message: Option<String>,
    /// Whose words it repeats.
    #[serde(borrow, default)]
    pub(in crate::protocol::gemini) citation_metadata: Option<&'a RawValue>,
    /// What a search found.
    #[serde(borrow, default)]
    pub(in crate::protocol::gemini) grounding_metadata: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub(in crate::protocol::gemini) struct Content<'a> {
    #[serde(borrow, default)]
    pub(in crate::protocol::gemini) parts: Option<Vec<Part<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::protocol::gemini) struct Part<'a> {
    #[serde(default)]
    pub(in crate::protocol::gemini) text: Option<String>,
    #[serde(default)]
    pub(in crate::protocol::gemini) thought: Option<bool>,
    #[serde(default)]
    pub(in crate::protocol::gemini) thought_signature: Option<String>,
    #[serde(borrow, default)]
    pub(in crate::protocol::gemini) function_call: Option<Call<'a>>,
    /// A picture or sound; in a thought, a draft of one.
    #[serde(borrow, default)]
    pub(in crate::protocol::gemini) inline_data: Option<&'a RawValue>,
    /// What the provider runs for the model, and what came of it.
    #[serde(borrow, default)]
    pub(in crate::protocol::gemini) executable_code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(in crate::protocol::gemini) code_execution_result: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::protocol::gemini) struct Call<'a> {
    #[serde(default)]
    pub(in crate::protocol::gemini) id: Option<String>,
    #[serde(default)]
    pub(in crate::protocol::gemini) name: Option<String>,
    #[serde(borrow, default)]
    pub(in crate::protocol::gemini) args: Option<&'a RawValue>,
    /// The arguments come in pieces, as a client has to ask for, and this is not the last.
    #[serde(default)]
    pub(in crate::protocol::gemini) will_continue: Option<bool>,
}

/// What became of the prompt.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::protocol::gemini) struct Feedback {
    #[serde(default)]
    block_reason: Option<String>,
}

impl<'a> Chunk<'a> {
    pub(in crate::protocol::gemini) fn read(data: &'a [u8]) -> Result<Self, Malformed> {
        let chunk: Self = read_object(data)?;
        match chunk.response {
            Some(inner) => read_object(inner.get().as_bytes()),
            None => Ok(chunk),
        }
    }

    /// Whether the prompt was refused, so that no candidate comes.
    pub(in crate::protocol::gemini) fn blocked(&self) -> bool {
        let reason = self.prompt_feedback.as_ref().and_then(|said| said.block_reason.as_deref());
        reason.is_some_and(|word| !matches!(word, "" | "BLOCK_REASON_UNSPECIFIED"))
            && self.candidates.as_ref().is_none_or(Vec::is_empty)
    }
}
