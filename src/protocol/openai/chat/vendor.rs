//! How the servers that speak chat completions deviate from OpenAI, from their own references.

use crate::protocol::dialect::{Continuation, Quirks};

/// OpenAI itself.
pub const OPENAI: Quirks = Quirks {
    max_tokens_field: "max_completion_tokens",
    developer_role: true,
    openai_itself: true,
    refuses_unknown: true,
    ..Quirks::COMPATIBLE
};

/// Azure OpenAI and Foundry. Dated versions know no role `developer`; all know `system`.
pub const AZURE: Quirks = Quirks { developer_role: false, ..OPENAI };

/// Cerebras.
pub const CEREBRAS: Quirks = Quirks {
    max_tokens_field: "max_completion_tokens",
    lacks: &["n", "presence_penalty", "frequency_penalty", "logit_bias"],
    refuses_unknown: true,
    ..Quirks::COMPATIBLE
};

/// Alibaba Cloud's DashScope.
pub const DASHSCOPE: Quirks = Quirks {
    // It takes `required` and does as with `auto`: the client is better told.
    required_word: None,
    thinking_switch: true,
    ..Quirks::COMPATIBLE
};

/// DeepInfra.
pub const DEEPINFRA: Quirks = Quirks { required_word: None, ..Quirks::COMPATIBLE };

/// DeepSeek. Its thinking models want their reasoning back in loops of tool calls.
pub const DEEPSEEK: Quirks =
    Quirks { reasoning_field: Some("reasoning_content"), image_urls: false, ..Quirks::COMPATIBLE };

/// Fireworks.
pub const FIREWORKS: Quirks = Quirks { required_word: Some("any"), ..Quirks::COMPATIBLE };

/// Google's own OpenAI-compatible endpoints, of the Gemini API and of Vertex AI.
pub const GOOGLE: Quirks = Quirks { thought_signatures: true, ..Quirks::COMPATIBLE };

/// Groq.
pub const GROQ: Quirks = Quirks {
    max_tokens_field: "max_completion_tokens",
    lacks: &["n", "logit_bias", "top_k"],
    refuses_unknown: true,
    ..Quirks::COMPATIBLE
};

/// Mistral. It reports usage unasked, and refuses to be asked.
pub const MISTRAL: Quirks = Quirks {
    stream_usage: false,
    refuses_unknown: true,
    required_word: Some("any"),
    seed_field: "random_seed",
    nine_character_ids: true,
    lacks: &["logit_bias"],
    continuation: Continuation::Prefix,
    ..Quirks::COMPATIBLE
};

/// Moonshot.
pub const MOONSHOT: Quirks = Quirks { max_temperature: 1.0, ..Quirks::COMPATIBLE };

/// Ollama and llama.cpp, which read no URLs.
pub const LOCAL: Quirks = Quirks { image_urls: false, ..Quirks::COMPATIBLE };

/// SGLang.
pub const SGLANG: Quirks = Quirks {
    reasoning_field: Some("reasoning_content"),
    continuation: Continuation::Flag,
    ..Quirks::COMPATIBLE
};

/// vLLM and what has it inside: reasoning goes back under the name it is given with.
pub const VLLM: Quirks = Quirks {
    reasoning_field: Some("reasoning"),
    continuation: Continuation::Flag,
    ..Quirks::COMPATIBLE
};
