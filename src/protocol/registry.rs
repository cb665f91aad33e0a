//! THE tables of protocols and of the operations that clients can call.

mod path;

use std::borrow::Cow;

use super::anthropic::{Anthropic, MessagesAnswers, MessagesDialect};
use super::bedrock::{Bedrock, ConverseAnswers, ConverseDialect};
use super::dialect::{Dialect, DialectId};
use super::gemini::{Gemini, GeminiAnswers, GeminiDialect};
use super::openai::{
    ChatAnswers, ChatDialect, CompletionsDialect, OpenAi, ResponsesAnswers, ResponsesDialect,
};
use super::{Answers, Protocol};

pub use path::{Called, fill, operation};

/// A protocol by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProtocolId {
    /// Anthropic Messages.
    Anthropic,
    /// Amazon Bedrock: Converse.
    Bedrock,
    /// Google's generateContent: Gemini API, Vertex AI.
    Gemini,
    /// OpenAI: chat completions, completions, embeddings, responses.
    OpenAi,
}

impl ProtocolId {
    /// The name in metrics, logs and target identities.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Bedrock => "bedrock",
            Self::Gemini => "gemini",
            Self::OpenAi => "openai",
        }
    }

    /// What the protocol can say.
    pub fn protocol(self) -> &'static dyn Protocol {
        match self {
            Self::Anthropic => &Anthropic,
            Self::Bedrock => &Bedrock,
            Self::Gemini => &Gemini,
            Self::OpenAi => &OpenAi,
        }
    }
}

impl DialectId {
    /// How that API is read and written.
    pub fn dialect(self) -> &'static dyn Dialect {
        match self {
            Self::AnthropicMessages => &MessagesDialect,
            Self::BedrockConverse => &ConverseDialect,
            Self::Gemini => &GeminiDialect,
            Self::OpenAiChat => &ChatDialect,
            Self::OpenAiCompletions => &CompletionsDialect,
            Self::OpenAiResponses => &ResponsesDialect,
        }
    }
}

/// How the events of a stream lie in its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Server-Sent Events (WHATWG HTML, section 9.2).
    Sse,
    /// AWS's binary event stream.
    AwsEventStream,
    /// AWS's binary event stream around the events of another API: those of Bedrock's
    /// `InvokeModelWithResponseStream`, each the JSON that Server-Sent Events would carry.
    AwsChunks,
}

impl Framing {
    /// The media type of such a stream.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Sse => "text/event-stream",
            Self::AwsEventStream | Self::AwsChunks => "application/vnd.amazon.eventstream",
        }
    }
}

/// One operation that clients can call with `POST`.
pub struct Operation {
    /// The name in logs and metric labels.
    pub name: &'static str,
    /// The path on the data port; `{model}` stands for the model, where it is in the path.
    pub path: &'static str,
    /// A path that asks for a streamed answer by itself.
    pub stream_path: Option<&'static str>,
    /// The path below a provider's base URL; `{model}` stands for the model, where it is in the path.
    pub upstream_path: &'static str,
    /// The path for a streamed answer, query included, where it is another one.
    pub upstream_stream_path: Option<&'static str>,
    /// The protocol it belongs to.
    pub protocol: ProtocolId,
    /// Only OpenAI itself and Azure have it, and no other server that speaks OpenAI's API.
    pub openai_alone: bool,
    /// Whether its answers can be streamed.
    pub streams: bool,
    /// How the events of a streamed answer lie in its bytes.
    pub framing: Framing,
    /// Whether a stream's usage has to be asked for with `stream_options.include_usage`.
    pub usage_on_request: bool,
    /// How it is read and written, where it can be translated.
    pub dialect: Option<DialectId>,
    /// Set where it asks how many tokens a prompt has: how that prompt is read.
    pub counts: Option<DialectId>,
    /// How its answers are read.
    pub answers: &'static dyn Answers,
    /// Its field for each neutral parameter that it has, dotted where it stands in another member;
    /// several spellings, the preferred one first.
    pub parameters: &'static [(&'static str, &'static [&'static str])],
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Operation {
    /// Whether the model stands in the path and not in the body.
    pub fn model_in_path(&self) -> bool {
        self.path.contains(path::MODEL)
    }

    /// The path and query of a request for `model` below a provider's base URL.
    pub fn request_path(&self, model: &str, stream: bool) -> Cow<'static, str> {
        match self.upstream_stream_path {
            Some(template) if stream => path::fill(template, model),
            _ => path::fill(self.upstream_path, model),
        }
    }

    /// The fields that may hold the neutral parameter of that name.
    pub fn fields(&self, neutral: &str) -> &'static [&'static str] {
        self.parameters.iter().find(|(name, _)| *name == neutral).map_or(&[], |(_, fields)| fields)
    }
}

/// Every operation, by path.
pub static OPERATIONS: &[Operation] = &[
    Operation {
        name: "chat_completions",
        path: "/v1/chat/completions",
        stream_path: Some("/v1/chat/completions-stream"),
        upstream_path: "/chat/completions",
        upstream_stream_path: None,
        protocol: ProtocolId::OpenAi,
        openai_alone: false,
        streams: true,
        framing: Framing::Sse,
        usage_on_request: true,
        dialect: Some(DialectId::OpenAiChat),
        counts: None,
        answers: &ChatAnswers,
        parameters: &[
            ("temperature", &["temperature"]),
            ("topP", &["top_p"]),
            ("topK", &["top_k"]),
            ("maxOutputTokens", &["max_tokens", "max_completion_tokens"]),
            ("stop", &["stop"]),
            ("seed", &["seed"]),
            ("presencePenalty", &["presence_penalty"]),
            ("frequencyPenalty", &["frequency_penalty"]),
            ("reasoningEffort", &["reasoning_effort"]),
            ("user", &["user"]),
        ],
    },
    Operation {
        name: "completions",
        path: "/v1/completions",
        stream_path: None,
        upstream_path: "/completions",
        upstream_stream_path: None,
        protocol: ProtocolId::OpenAi,
        openai_alone: false,
        streams: true,
        framing: Framing::Sse,
        usage_on_request: true,
        dialect: Some(DialectId::OpenAiCompletions),
        counts: None,
        answers: &ChatAnswers,
        parameters: &[
            ("temperature", &["temperature"]),
            ("topP", &["top_p"]),
            ("topK", &["top_k"]),
            ("maxOutputTokens", &["max_tokens"]),
            ("stop", &["stop"]),
            ("seed", &["seed"]),
            ("presencePenalty", &["presence_penalty"]),
            ("frequencyPenalty", &["frequency_penalty"]),
            ("user", &["user"]),
        ],
    },
    Operation {
        name: "embeddings",
        path: "/v1/embeddings",
        stream_path: None,
        upstream_path: "/embeddings",
        upstream_stream_path: None,
        protocol: ProtocolId::OpenAi,
        openai_alone: false,
        streams: false,
        framing: Framing::Sse,
        usage_on_request: false,
        dialect: None,
        counts: None,
        answers: &ChatAnswers,
        parameters: &[("user", &["user"])],
    },
    Operation {
        name: "responses",
        path: "/v1/responses",
        stream_path: None,
        upstream_path: "/responses",
        upstream_stream_path: None,
        protocol: ProtocolId::OpenAi,
        openai_alone: false,
        streams: true,
        framing: Framing::Sse,
        usage_on_request: false,
        dialect: Some(DialectId::OpenAiResponses),
        counts: None,
        answers: &ResponsesAnswers,
        parameters: &[
            ("temperature", &["temperature"]),
            ("topP", &["top_p"]),
            ("maxOutputTokens", &["max_output_tokens"]),
            ("user", &["user"]),
        ],
    },
    Operation {
        name: "responses_compact",
        path: "/v1/responses/compact",
        stream_path: None,
        upstream_path: "/responses/compact",
        upstream_stream_path: None,
        protocol: ProtocolId::OpenAi,
        openai_alone: true,
        streams: false,
        framing: Framing::Sse,
        usage_on_request: false,
        // What it answers with is the provider's secret, which only the provider can read.
        dialect: None,
        counts: None,
        answers: &ResponsesAnswers,
        parameters: &[],
    },
    Operation {
        name: "messages",
        path: "/v1/messages",
        stream_path: Some("/v1/messages-stream"),
        upstream_path: "/v1/messages",
        upstream_stream_path: None,
        protocol: ProtocolId::Anthropic,
        openai_alone: false,
        streams: true,
        framing: Framing::Sse,
        usage_on_request: false,
        dialect: Some(DialectId::AnthropicMessages),
        counts: None,
        answers: &MessagesAnswers,
        parameters: &[
            ("temperature", &["temperature"]),
            ("topP", &["top_p"]),
            ("topK", &["top_k"]),
            ("maxOutputTokens", &["max_tokens"]),
            ("stop", &["stop_sequences"]),
        ],
    },
    Operation {
        name: "count_tokens",
        path: "/v1/messages/count_tokens",
        stream_path: None,
        upstream_path: "/v1/messages/count_tokens",
        upstream_stream_path: None,
        protocol: ProtocolId::Anthropic,
        openai_alone: false,
        streams: false,
        framing: Framing::Sse,
        usage_on_request: false,
        dialect: None,
        counts: Some(DialectId::AnthropicMessages),
        answers: &MessagesAnswers,
        parameters: &[],
    },
    Operation {
        name: "generate_content",
        path: "/v1beta/models/{model}:generateContent",
        stream_path: Some("/v1beta/models/{model}:streamGenerateContent"),
        upstream_path: "/models/{model}:generateContent",
        upstream_stream_path: Some("/models/{model}:streamGenerateContent?alt=sse"),
        protocol: ProtocolId::Gemini,
        openai_alone: false,
        streams: true,
        framing: Framing::Sse,
        usage_on_request: false,
        dialect: Some(DialectId::Gemini),
        counts: None,
        answers: &GeminiAnswers,
        parameters: &[
            ("temperature", &["generationConfig.temperature"]),
            ("topP", &["generationConfig.topP"]),
            ("topK", &["generationConfig.topK"]),
            ("maxOutputTokens", &["generationConfig.maxOutputTokens"]),
            ("stop", &["generationConfig.stopSequences"]),
            ("seed", &["generationConfig.seed"]),
            ("presencePenalty", &["generationConfig.presencePenalty"]),
            ("frequencyPenalty", &["generationConfig.frequencyPenalty"]),
        ],
    },
    Operation {
        name: "converse",
        path: "/model/{model}/converse",
        stream_path: Some("/model/{model}/converse-stream"),
        upstream_path: "/model/{model}/converse",
        upstream_stream_path: Some("/model/{model}/converse-stream"),
        protocol: ProtocolId::Bedrock,
        openai_alone: false,
        streams: true,
        framing: Framing::AwsEventStream,
        usage_on_request: false,
        dialect: Some(DialectId::BedrockConverse),
        counts: None,
        answers: &ConverseAnswers,
        parameters: &[
            ("temperature", &["inferenceConfig.temperature"]),
            ("topP", &["inferenceConfig.topP"]),
            ("maxOutputTokens", &["inferenceConfig.maxTokens"]),
            ("stop", &["inferenceConfig.stopSequences"]),
        ],
    },
];
