//! A whole answer.

use super::request::OpaqueState;
use crate::protocol::usage::Usage;

/// A whole answer.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// The provider's id of it; empty if it gave none.
    pub id: String,
    /// The model that answered, as the provider calls it; empty if it did not say.
    pub model: String,
    /// The answers, in order of their index.
    pub choices: Vec<Choice>,
    /// What it cost.
    pub usage: Usage,
    /// The tier that it was processed in, by OpenAI's names.
    pub service_tier: Option<String>,
}

/// One answer.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Its number.
    pub index: u32,
    /// What was generated, in order.
    pub output: Vec<Output>,
    /// Why it ended; `None` if the provider did not say.
    pub finish: Option<Finish>,
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Text.
    Text(String),
    /// Reasoning.
    Thinking {
        /// What may be shown of it; may be empty.
        text: String,
        /// What its maker wants back unchanged.
        state: Option<OpaqueState>,
    },
    /// A call of a function.
    ToolCall {
        /// The call's id; empty if the provider gave none.
        id: String,
        /// The function.
        name: String,
        /// The arguments as the model wrote them; empty for none.
        arguments: String,
        /// What its maker wants back unchanged with the call.
        state: Option<OpaqueState>,
    },
    /// The model refused, with these words.
    Refusal(String),
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// It was finished.
    Stop,
    /// One of the given texts came, if the provider says which.
    StopSequence(Option<String>),
    /// The limit of tokens or of the context.
    Length,
    /// It waits for the results of functions.
    ToolCalls,
    /// The provider's policy, or the model's own refusal.
    Refused,
}
