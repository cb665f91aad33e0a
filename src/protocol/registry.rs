//! THE tables of protocols and of the operations that clients can call.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::anthropic::{Anthropic, MessagesAnswers};
use super::dialect::{Dialect, DialectId};
use super::openai::{ChatAnswers, OpenAi, ResponsesAnswers};
use super::{Answers, Protocol};

/// A protocol by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProtocolId {
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI: chat completions, completions, embeddings, responses.
    OpenAi,
}

impl ProtocolId {
    /// The name in metrics, logs and target identities.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
        }
    }

    /// What the protocol can say.
    pub fn protocol(self) -> &'static dyn Protocol {
        match self {
            Self::Anthropic => &Anthropic,
            Self::OpenAi => &OpenAi,
        }
    }
}

impl DialectId {
    /// How that API is read and written.
    pub fn dialect(self) -> Option<&'static dyn Dialect> {
        None
    }
}

/// One operation that clients can call with `POST`.
pub struct Operation {
    /// The name in logs and metric labels.
    pub name: &'static str,
    /// The path on the data port.
    pub path: &'static str,
    /// The path below a provider's base URL; `{model}` stands for the model, where it is in the path.
    pub upstream_path: &'static str,
    /// The path for a streamed answer, query included, where it is another one.
    pub upstream_stream_path: Option<&'static str>,
    /// The protocol it belongs to.
    pub protocol: ProtocolId,
    /// Whether its answers can be streamed.
    pub streams: bool,
    /// Whether a stream's usage has to be asked for with `stream_options.include_usage`.
    pub usage_on_request: bool,
    /// How it is read and written, where it can be translated.
    pub dialect: Option<DialectId>,
    /// How its answers are read.
    pub answers: &'static dyn Answers,
    /// Its field for each neutral parameter that it has; several spellings, the preferred one first.
    pub parameters: &'static [(&'static str, &'static [&'static str])],
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Operation {
    /// The path and query of a request for `model` below a provider's base URL.
    pub fn request_path(&self, model: &str, stream: bool) -> Cow<'static, str> {
        let template = match self.upstream_stream_path {
            Some(path) if stream => path,
            _ => self.upstream_path,
        };
        match template.split_once("{model}") {
            None => Cow::Borrowed(template),
            Some((before, after)) => {
                Cow::Owned(format!("{before}{}{after}", as_path_segment(model)))
            }
        }
    }

    /// The fields that may hold the neutral parameter of that name.
    pub fn fields(&self, neutral: &str) -> &'static [&'static str] {
        self.parameters.iter().find(|(name, _)| *name == neutral).map_or(&[], |(_, fields)| fields)
    }
}

/// A name as one segment of a path: everything but unreserved characters is percent-encoded
/// (RFC 3986, section 2.3), slashes and colons of ARNs included.
fn as_path_segment(name: &str) -> String {
    let mut segment = String::with_capacity(name.len() + 8);
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    segment
}

/// Every operation, by path.
pub static OPERATIONS: &[Operation] = &[
    Operation {
        name: "chat_completions",
        path: "/v1/chat/completions",
        upstream_path: "/chat/completions",
        upstream_stream_path: None,
        protocol: ProtocolId::OpenAi,
        streams: true,
        usage_on_request: true,
        dialect: Some(DialectId::OpenAiChat),
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
        upstream_path: "/completions",
        upstream_stream_path: None,
        protocol: ProtocolId::OpenAi,
        streams: true,
        usage_on_request: true,
        dialect: Some(DialectId::OpenAiCompletions),
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
        upstream_path: "/embeddings",
        upstream_stream_path: None,
        protocol: ProtocolId::OpenAi,
        streams: false,
        usage_on_request: false,
        dialect: None,
        answers: &ChatAnswers,
        parameters: &[("user", &["user"])],
    },
    Operation {
        name: "responses",
        path: "/v1/responses",
        upstream_path: "/responses",
        upstream_stream_path: None,
        protocol: ProtocolId::OpenAi,
        streams: true,
        usage_on_request: false,
        dialect: Some(DialectId::OpenAiResponses),
        answers: &ResponsesAnswers,
        parameters: &[
            ("temperature", &["temperature"]),
            ("topP", &["top_p"]),
            ("maxOutputTokens", &["max_output_tokens"]),
            ("user", &["user"]),
        ],
    },
    Operation {
        name: "messages",
        path: "/v1/messages",
        upstream_path: "/v1/messages",
        upstream_stream_path: None,
        protocol: ProtocolId::Anthropic,
        streams: true,
        usage_on_request: false,
        dialect: Some(DialectId::AnthropicMessages),
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
        upstream_path: "/v1/messages/count_tokens",
        upstream_stream_path: None,
        protocol: ProtocolId::Anthropic,
        streams: false,
        usage_on_request: false,
        dialect: None,
        answers: &MessagesAnswers,
        parameters: &[],
    },
];

/// The operation of a path, and whether the path asks for a stream by itself
/// (`/v1/chat/completions-stream`, `/v1/messages-stream`).
pub fn operation(path: &str) -> Option<(&'static Operation, bool)> {
    let find = |path: &str| OPERATIONS.iter().find(|row| row.path == path);
    if let Some(row) = find(path) {
        return Some((row, false));
    }
    let row = find(path.strip_suffix("-stream")?)?;
    matches!(row.name, "chat_completions" | "messages").then_some((row, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_documented_aliases_exist() {
        assert!(operation("/v1/chat/completions-stream").is_some_and(|(_, forced)| forced));
        assert!(operation("/v1/messages-stream").is_some_and(|(_, forced)| forced));
        assert!(operation("/v1/embeddings-stream").is_none());
        assert!(operation("/v1/responses").is_some_and(|(_, forced)| !forced));
    }
}
