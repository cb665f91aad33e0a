//! What the simulator understands of a request, whichever API it came by.

use serde_json::Value;

/// Added for each message, as chat templates do.
pub(super) const MESSAGE_TOKENS: usize = 4;

/// A request for text.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    /// What is answered: the last thing the user said, or what the tools returned.
    pub(super) said: String,
    /// Whether `said` is what tools returned; no tool is called then.
    pub(super) tools_returned: bool,
    /// An assistant's message at the end, to be continued.
    pub(super) prefill: Option<String>,
    /// What was said before `said`, if that answers an assistant's message.
    pub(super) earlier: Option<Earlier>,
    pub(super) tools: Vec<Tool>,
    pub(super) choice: ToolChoice,
    /// Whether several tools may be called at once.
    pub(super) parallel: bool,
    pub(super) format: Format,
    /// Most tokens of the answer.
    pub(super) limit: Option<usize>,
    pub(super) stops: Vec<String>,
    /// Tokens of the prompt.
    pub(super) tokens: usize,
    /// Whether reasoning was asked for.
    pub(super) reasoning: bool,
}

/// What a conversation held before its last message.
#[derive(Debug)]
pub(super) struct Earlier {
    /// By the user.
    pub(super) said: String,
    /// By the assistant, in answer to that.
    pub(super) written: String,
}

impl Earlier {
    /// Out of messages of which the last is the user's. `is_user` tells the user's from others, of
    /// which the assistant's is expected.
    pub(super) fn of<M>(
        messages: &[M],
        is_user: impl Fn(&M) -> bool,
        text: impl Fn(&M) -> String,
    ) -> Option<Self> {
        let [before @ .., answer, last] = messages else { return None };
        if is_user(answer) || !is_user(last) {
            return None;
        }
        let asked = before.iter().rev().find(|message| is_user(message))?;
        Some(Self { said: text(asked), written: text(answer) })
    }
}

/// A function that may be called.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: String,
    /// JSON schema of the arguments.
    pub(super) schema: Value,
}

/// Which tools have to be called.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum ToolChoice {
    None,
    #[default]
    Auto,
    Required,
    Named(String),
}

/// What form the text has to have.
#[derive(Debug, Default)]
pub(super) enum Format {
    #[default]
    Text,
    /// Any JSON object.
    Json,
    /// JSON that meets this schema.
    Schema(Value),
}
