//! The APIs that providers speak, and what the simulated ones are called.

use pilothouse::simulate::{Builder, Simulator};

/// An API, of a script's package or of the provider behind a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    OpenAi,
    /// OpenAI's chat completions alone, as many vendors have them.
    Chat,
    Anthropic,
    Gemini,
    Bedrock,
}

impl Api {
    const SIMULATED: [Self; 4] = [Self::OpenAi, Self::Anthropic, Self::Gemini, Self::Bedrock];

    /// As the scripts are told.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Chat => "chat",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Bedrock => "bedrock",
        }
    }

    /// The row of the table of providers.
    pub(crate) fn provider(self) -> &'static str {
        match self {
            Self::OpenAi => "openai-compatible",
            Self::Chat => "cerebras",
            Self::Anthropic => "anthropic-compatible",
            Self::Gemini => "gemini",
            Self::Bedrock => "bedrock",
        }
    }

    /// The base URL of the provider that listens on `origin`.
    pub(crate) fn base_url(self, origin: &str) -> String {
        match self {
            Self::OpenAi | Self::Chat => format!("{origin}/v1"),
            Self::Gemini => format!("{origin}/v1beta"),
            Self::Anthropic | Self::Bedrock => origin.to_owned(),
        }
    }

    /// A model that answers properly. The simulated providers go by the names where the vendors'
    /// rules depend on the model; of each vendor this is the strictest kind.
    pub(crate) fn model(self) -> &'static str {
        match self {
            Self::OpenAi | Self::Chat => "gpt-sim",
            Self::Anthropic => "claude-sim",
            Self::Gemini => "gemini-3-sim",
            Self::Bedrock => "anthropic.claude-sim",
        }
    }

    /// A model that embeds, where the vendor has one.
    pub(crate) fn embedding_model(self) -> &'static str {
        match self {
            Self::OpenAi | Self::Chat | Self::Anthropic => "text-embedding-sim",
            Self::Gemini => "gemini-embedding-001",
            Self::Bedrock => "amazon.titan-embed-text-v2:0",
        }
    }
}

/// A provider that speaks all of them and takes this key alone.
pub(crate) fn simulator(key: &str) -> Builder {
    Simulator::builder().keys([key]).models(Api::SIMULATED.map(Api::model))
}
