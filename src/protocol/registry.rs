//! THE tables of protocols and of the operations that clients can call.

mod path;

use std::borrow::Cow;

use super::anthropic::{Anthropic, MessagesAnswers, MessagesDialect};
use super::bedrock::{Bedrock, ConverseAnswers, ConverseDialect};
use super::counting::CountingId;
use super::dialect::{Dialect, DialectId};
use super::embeddings::ClientApi;
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
    /// Set where it asks how many tokens a prompt has.
    pub counts: Option<CountingId>,
    /// Set where it asks for embeddings.
    pub embeds: Option<ClientApi>,
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

/// An operation without streams; rows change what differs.
const PLAIN: Operation = Operation {
    name: "",
    path: "",
    stream_path: None,
    upstream_path: "",
    upstream_stream_path: None,
    protocol: ProtocolId::OpenAi,
    openai_alone: false,
    streams: false,
    framing: Framing::Sse,
    usage_on_request: false,
    dialect: None,
    counts: None,
    embeds: None,
    answers: &ChatAnswers,
    parameters: &[],
};

/// Every operation, by path.
pub static OPERATIONS: &[Operation] = &[
    Operation {
        name: "chat_completions",
        path: "/v1/chat/completions",
        stream_path: Some("/v1/chat/completions-stream"),
        upstream_path: "/chat/completions",
        streams: true,
        usage_on_request: true,
        dialect: Some(DialectId::OpenAiChat),
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
        ..PLAIN
    },
    Operation {
        name: "completions",
        path: "/v1/completions",
        upstream_path: "/completions",
        streams: true,
        usage_on_request: true,
        dialect: Some(DialectId::OpenAiCompletions),
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
        ..PLAIN
    },
    Operation {
        name: "embeddings",
        path: "/v1/embeddings",
        upstream_path: "/embeddings",
        embeds: Some(ClientApi::OpenAi),
        parameters: &[("user", &["user"])],
        ..PLAIN
    },
    Operation {
        name: "responses",
        path: "/v1/responses",
        upstream_path: "/responses",
        streams: true,
        dialect: Some(DialectId::OpenAiResponses),
        answers: &ResponsesAnswers,
        parameters: &[
            ("temperature", &["temperature"]),
            ("topP", &["top_p"]),
            ("maxOutputTokens", &["max_output_tokens"]),
            ("user", &["user"]),
        ],
        ..PLAIN
    },
    Operation {
        name: "responses_compact",
        path: "/v1/responses/compact",
        upstream_path: "/responses/compact",
        openai_alone: true,
        // What it answers with is the provider's secret, which only the provider can read.
        answers: &ResponsesAnswers,
        ..PLAIN
    },
    Operation {
        name: "input_tokens",
        path: "/v1/responses/input_tokens",
        upstream_path: "/responses/input_tokens",
        counts: Some(CountingId::OpenAi),
        answers: &ResponsesAnswers,
        ..PLAIN
    },
    Operation {
        name: "messages",
        path: "/v1/messages",
        stream_path: Some("/v1/messages-stream"),
        upstream_path: "/v1/messages",
        protocol: ProtocolId::Anthropic,
        streams: true,
        dialect: Some(DialectId::AnthropicMessages),
        answers: &MessagesAnswers,
        parameters: &[
            ("temperature", &["temperature"]),
            ("topP", &["top_p"]),
            ("topK", &["top_k"]),
            ("maxOutputTokens", &["max_tokens"]),
            ("stop", &["stop_sequences"]),
        ],
        ..PLAIN
    },
    Operation {
        name: "count_tokens",
        path: "/v1/messages/count_tokens",
        upstream_path: "/v1/messages/count_tokens",
        protocol: ProtocolId::Anthropic,
        counts: Some(CountingId::Anthropic),
        answers: &MessagesAnswers,
        ..PLAIN
    },
    Operation {
        name: "generate_content",
        path: "/v1beta/models/{model}:generateContent",
        stream_path: Some("/v1beta/models/{model}:streamGenerateContent"),
        upstream_path: "/models/{model}:generateContent",
        upstream_stream_path: Some("/models/{model}:streamGenerateContent?alt=sse"),
        protocol: ProtocolId::Gemini,
        streams: true,
        dialect: Some(DialectId::Gemini),
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
        ..PLAIN
    },
    Operation {
        name: "gemini_count_tokens",
        path: "/v1beta/models/{model}:countTokens",
        upstream_path: "/models/{model}:countTokens",
        protocol: ProtocolId::Gemini,
        counts: Some(CountingId::Gemini),
        answers: &GeminiAnswers,
        ..PLAIN
    },
    Operation {
        name: "embed_content",
        path: "/v1beta/models/{model}:embedContent",
        upstream_path: "/models/{model}:embedContent",
        protocol: ProtocolId::Gemini,
        embeds: Some(ClientApi::GeminiOne),
        answers: &GeminiAnswers,
        ..PLAIN
    },
    Operation {
        name: "batch_embed_contents",
        path: "/v1beta/models/{model}:batchEmbedContents",
        upstream_path: "/models/{model}:batchEmbedContents",
        protocol: ProtocolId::Gemini,
        embeds: Some(ClientApi::GeminiBatch),
        answers: &GeminiAnswers,
        ..PLAIN
    },
    Operation {
        name: "converse",
        path: "/model/{model}/converse",
        stream_path: Some("/model/{model}/converse-stream"),
        upstream_path: "/model/{model}/converse",
        upstream_stream_path: Some("/model/{model}/converse-stream"),
        protocol: ProtocolId::Bedrock,
        streams: true,
        framing: Framing::AwsEventStream,
        dialect: Some(DialectId::BedrockConverse),
        answers: &ConverseAnswers,
        parameters: &[
            ("temperature", &["inferenceConfig.temperature"]),
            ("topP", &["inferenceConfig.topP"]),
            ("maxOutputTokens", &["inferenceConfig.maxTokens"]),
            ("stop", &["inferenceConfig.stopSequences"]),
        ],
        ..PLAIN
    },
    Operation {
        name: "bedrock_count_tokens",
        path: "/model/{model}/count-tokens",
        upstream_path: "/model/{model}/count-tokens",
        protocol: ProtocolId::Bedrock,
        counts: Some(CountingId::Bedrock),
        answers: &ConverseAnswers,
        ..PLAIN
    },
];
