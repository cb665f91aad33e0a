//! THE table of protocols.

/// A protocol by its name in metrics, logs and target identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProtocolId {
    /// OpenAI: chat completions, completions, embeddings, responses.
    OpenAi,
    /// Anthropic Messages.
    Anthropic,
}

impl ProtocolId {
    /// The name in metrics, logs and target identities.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }
}
