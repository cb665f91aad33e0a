//! The names of dialects in the files of vectors.

use pilothouse::protocol::dialect::DialectId;

/// The name of a dialect in vectors.
pub fn name(dialect: DialectId) -> &'static str {
    match dialect {
        DialectId::AnthropicMessages => "anthropic-messages",
        DialectId::BedrockConverse => "bedrock-converse",
        DialectId::Gemini => "gemini",
        DialectId::OpenAiChat => "openai-chat",
        DialectId::OpenAiCompletions => "openai-completions",
        DialectId::OpenAiResponses => "openai-responses",
    }
}
