//! The doors of clouds behind which other vendors' APIs are, and what passes them.
//!
//! Sources: the references of Azure OpenAI, Bedrock's runtime and Vertex AI, and what their users
//! report of betas.

use super::transport::{Door, Spelling, Transport};
use crate::protocol::dialect::{Betas, Quirks};
use crate::protocol::openai::chat::vendor;
use crate::protocol::registry::{Framing, ProtocolId};

/// Azure OpenAI as it was before its v1 API: deployments in the path, a date in the query.
pub const AZURE_DATED: Transport = Transport {
    doors: &[
        Door {
            operation: "chat_completions",
            path: "/openai/deployments/{model}/chat/completions",
            stream_path: None,
            drops: &[],
        },
        Door {
            operation: "completions",
            path: "/openai/deployments/{model}/completions",
            stream_path: None,
            drops: &[],
        },
        Door {
            operation: "embeddings",
            path: "/openai/deployments/{model}/embeddings",
            stream_path: None,
            drops: &[],
        },
        // Alone among them these have the deployment in the body.
        Door { operation: "responses", path: "/openai/responses", stream_path: None, drops: &[] },
        Door {
            operation: "responses_compact",
            path: "/openai/responses/compact",
            stream_path: None,
            drops: &[],
        },
    ],
    ..Transport::PLAIN
};

/// Claude by Bedrock's `InvokeModel`.
pub const BEDROCK_INVOKE: Transport = Transport {
    doors: &[Door {
        operation: "messages",
        path: "/model/{model}/invoke",
        stream_path: Some("/model/{model}/invoke-with-response-stream"),
        drops: &["model", "stream"],
    }],
    framing: Some(Framing::AwsChunks),
    // The one that every model takes. The newer one only refuses more.
    version: Some("bedrock-2023-05-31"),
    betas_in_body: true,
    errors: Some(ProtocolId::Bedrock),
    ..Transport::PLAIN
};

/// Gemini on Vertex AI.
pub const VERTEX: Transport = Transport {
    doors: &[Door {
        operation: "generate_content",
        path: "/publishers/google/models/{model}:generateContent",
        stream_path: Some("/publishers/google/models/{model}:streamGenerateContent?alt=sse"),
        drops: &[],
    }],
    ..Transport::PLAIN
};

/// Claude on Vertex AI.
pub const VERTEX_RAW_PREDICT: Transport = Transport {
    doors: &[
        Door {
            operation: "messages",
            path: "/publishers/anthropic/models/{model}:rawPredict",
            stream_path: Some("/publishers/anthropic/models/{model}:streamRawPredict"),
            // `stream` is wanted in the body too.
            drops: &["model"],
        },
        Door {
            operation: "count_tokens",
            path: "/publishers/anthropic/models/count-tokens:rawPredict",
            stream_path: None,
            drops: &[],
        },
    ],
    spelling: Spelling::DateBehindAt,
    version: Some("vertex-2023-10-16"),
    errors: Some(ProtocolId::Gemini),
    ..Transport::PLAIN
};

/// Vertex AI's OpenAI-compatible endpoint.
pub const VERTEX_OPENAI: Transport = Transport {
    spelling: Spelling::OfPublisher("google"),
    errors: Some(ProtocolId::Gemini),
    ..Transport::PLAIN
};

/// Claude at clouds that fetch no pictures.
const CLAUDE: Quirks =
    Quirks { stream_usage: false, image_urls: false, cloud: true, ..Quirks::COMPATIBLE };

/// Claude on Foundry, which is Anthropic's own service in most.
pub const CLAUDE_ON_FOUNDRY: Quirks = Quirks {
    image_urls: true,
    betas: Some(&Betas {
        known: &[
            "advanced-tool-use-2025-11-20",
            "code-execution-2025-08-25",
            "computer-use-2025-01-24",
            "computer-use-2025-11-24",
            "context-1m-2025-08-07",
            "context-management-2025-06-27",
            "effort-2025-11-24",
            "files-api-2025-04-14",
            "interleaved-thinking-2025-05-14",
            "mcp-client-2025-04-04",
            "mcp-client-2025-11-20",
            "per-turn-control-2026-07-01",
            "prompt-caching-scope-2026-01-05",
            "skills-2025-10-02",
            "structured-outputs-2025-11-13",
            "thinking-display-updates-2026-08-18",
            "web-fetch-2025-09-10",
            "web-search-2025-03-05",
        ],
        renamed: &[],
    }),
    ..CLAUDE
};

/// Tools that are found by searching: a part of this beta is on clouds under a name of its own.
const TOOL_SEARCH: &[(&str, &str)] =
    &[("advanced-tool-use-2025-11-20", "tool-search-tool-2025-10-19")];

/// Claude by Bedrock's `InvokeModel`.
pub const CLAUDE_ON_BEDROCK: Quirks = Quirks {
    betas: Some(&Betas {
        known: &[
            "compact-2026-01-12",
            "computer-use-2025-01-24",
            "computer-use-2025-11-24",
            "context-1m-2025-08-07",
            "context-management-2025-06-27",
            "dev-full-thinking-2025-05-14",
            "effort-2025-11-24",
            "fine-grained-tool-streaming-2025-05-14",
            "interleaved-thinking-2025-05-14",
            "mid-conversation-output-config-2026-07-01",
            "mid-conversation-tool-changes-2026-07-01",
            "output-128k-2025-02-19",
            "thinking-binding-controls-2026-08-01",
            "thinking-display-updates-2026-08-18",
            "token-efficient-tools-2025-02-19",
            "tool-examples-2025-10-29",
            "tool-search-tool-2025-10-19",
        ],
        renamed: TOOL_SEARCH,
    }),
    ..CLAUDE
};

/// Claude by Bedrock's newer endpoint, which has Anthropic's own paths.
pub const CLAUDE_ON_MANTLE: Quirks = Quirks {
    betas: Some(&Betas {
        known: &[
            "claude-code-20250219",
            "compact-2026-01-12",
            "computer-use-2025-01-24",
            "computer-use-2025-11-24",
            "context-1m-2025-08-07",
            "context-management-2025-06-27",
            "effort-2025-11-24",
            "fine-grained-tool-streaming-2025-05-14",
            "interleaved-thinking-2025-05-14",
            "output-128k-2025-02-19",
            "per-turn-control-2026-07-01",
            "structured-outputs-2025-11-13",
            "thinking-binding-controls-2026-08-01",
            "thinking-display-updates-2026-08-18",
            "token-efficient-tools-2025-02-19",
            "tool-examples-2025-10-29",
            "tool-search-tool-2025-10-19",
            "web-search-2025-03-05",
        ],
        renamed: TOOL_SEARCH,
    }),
    ..CLAUDE
};

/// Claude on Vertex AI, which breaks connections off that name a beta unknown to it.
pub const CLAUDE_ON_VERTEX: Quirks = Quirks {
    betas: Some(&Betas {
        known: &[
            "compact-2026-01-12",
            "compact-2026-09-04",
            "computer-use-2025-01-24",
            "computer-use-2025-11-24",
            "context-1m-2025-08-07",
            "context-management-2025-06-27",
            "interleaved-thinking-2025-05-14",
            "per-turn-control-2026-07-01",
            "thinking-binding-controls-2026-08-01",
            "thinking-display-updates-2026-08-18",
            "tool-search-tool-2025-10-19",
            "web-search-2025-03-05",
        ],
        renamed: TOOL_SEARCH,
    }),
    ..CLAUDE
};

/// Gemini on Vertex AI, which fetches pictures and has labels.
pub const GEMINI_ON_VERTEX: Quirks =
    Quirks { stream_usage: false, cloud: true, ..Quirks::COMPATIBLE };

/// Gemini by Vertex AI's OpenAI-compatible endpoint.
pub const OPENAI_ON_VERTEX: Quirks = vendor::GOOGLE;
