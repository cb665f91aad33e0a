//! THE table of providers. Facts from the vendors' own API references.

use super::transport::Transport;
use super::{Auth, Cloud, Dated, Provider, clouds};
use crate::protocol::counting::CountingId;
use crate::protocol::dialect::Quirks;
use crate::protocol::embeddings::EmbeddingsId;
use crate::protocol::openai::chat::vendor;
use crate::protocol::registry::ProtocolId;

/// An OpenAI-speaking vendor without deviations; rows below change what differs.
const OPENAI_SPEAKING: Provider = Provider {
    name: "",
    title: "",
    protocol: ProtocolId::OpenAi,
    base_url: None,
    template: None,
    auth: Auth::Bearer,
    cloud: None,
    // A proxy before Bedrock is signed for like Bedrock.
    service: "bedrock",
    key_optional: false,
    hosts: &[],
    quirks: Quirks::COMPATIBLE,
    lacks: &[],
    embeddings: None,
    counts: None,
    transport: &Transport::PLAIN,
    dated: None,
};

/// Is not asked for usage in streams.
const NO_STREAM_USAGE: Quirks = Quirks { stream_usage: false, ..Quirks::COMPATIBLE };

/// Hosts of Bedrock's runtime. Other hosts of AWS belong to its customers.
const BEDROCK_HOSTS: &[&str] = &[
    "bedrock-runtime.*.amazonaws.com",
    "bedrock-runtime-fips.*.amazonaws.com",
    "bedrock-runtime.*.api.aws",
];

/// Hosts of Vertex AI. Endpoints that customers deploy have others.
const VERTEX_HOSTS: &[&str] = &[
    "aiplatform.googleapis.com",
    "*-aiplatform.googleapis.com",
    "aiplatform.us.rep.googleapis.com",
    "aiplatform.eu.rep.googleapis.com",
];

/// An OpenAI-speaking server that people run themselves, with or without a key.
const SELF_HOSTED: Provider = Provider { key_optional: true, ..OPENAI_SPEAKING };

/// Every known vendor, by name.
pub static PROVIDERS: &[Provider] = &[
    Provider {
        name: "anthropic",
        title: "Anthropic",
        protocol: ProtocolId::Anthropic,
        base_url: Some("https://api.anthropic.com"),
        auth: Auth::XApiKey,
        quirks: NO_STREAM_USAGE,
        counts: Some(CountingId::Anthropic),
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "anthropic-compatible",
        title: "Any server that speaks Anthropic's Messages API",
        protocol: ProtocolId::Anthropic,
        auth: Auth::XApiKey,
        key_optional: true,
        quirks: NO_STREAM_USAGE,
        counts: Some(CountingId::Anthropic),
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "azure-anthropic",
        title: "Claude on Microsoft Foundry",
        protocol: ProtocolId::Anthropic,
        template: Some("https://{resource}.services.ai.azure.com/anthropic"),
        hosts: &["*.services.ai.azure.com"],
        auth: Auth::XApiKey,
        cloud: Some(Cloud::Azure),
        quirks: clouds::CLAUDE_ON_FOUNDRY,
        counts: Some(CountingId::Anthropic),
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "azure-openai",
        title: "Azure OpenAI and Microsoft Foundry",
        template: Some("https://{resource}.openai.azure.com/openai/v1"),
        // Every resource has its own, and all of them are Azure's.
        hosts: &[
            "*.openai.azure.com",
            "*.openai.azure.us",
            "*.openai.azure.cn",
            "*.services.ai.azure.com",
        ],
        auth: Auth::AzureApiKey,
        cloud: Some(Cloud::Azure),
        quirks: vendor::AZURE,
        counts: Some(CountingId::OpenAi),
        dated: Some(Dated {
            template: "https://{resource}.openai.azure.com",
            transport: &clouds::AZURE_DATED,
        }),
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "bedrock",
        title: "Amazon Bedrock (Converse)",
        protocol: ProtocolId::Bedrock,
        template: Some("https://bedrock-runtime.{region}.amazonaws.com"),
        // Bedrock's own API keys, or signatures.
        cloud: Some(Cloud::Aws),
        hosts: BEDROCK_HOSTS,
        quirks: NO_STREAM_USAGE,
        embeddings: Some(EmbeddingsId::Bedrock),
        counts: Some(CountingId::Bedrock),
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "bedrock-anthropic",
        title: "Claude on Amazon Bedrock (InvokeModel)",
        protocol: ProtocolId::Anthropic,
        template: Some("https://bedrock-runtime.{region}.amazonaws.com"),
        cloud: Some(Cloud::Aws),
        hosts: BEDROCK_HOSTS,
        quirks: clouds::CLAUDE_ON_BEDROCK,
        transport: &clouds::BEDROCK_INVOKE,
        // By its counterpart in Converse: the tokens are the same.
        counts: Some(CountingId::Bedrock),
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "bedrock-mantle",
        title: "Claude on Amazon Bedrock (Mantle)",
        protocol: ProtocolId::Anthropic,
        template: Some("https://bedrock-mantle.{region}.api.aws/anthropic"),
        cloud: Some(Cloud::Aws),
        service: "bedrock-mantle",
        hosts: &["bedrock-mantle.*.api.aws"],
        quirks: clouds::CLAUDE_ON_MANTLE,
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "bedrock-openai",
        title: "Amazon Bedrock (OpenAI-compatible)",
        template: Some("https://bedrock-runtime.{region}.amazonaws.com/openai/v1"),
        cloud: Some(Cloud::Aws),
        hosts: BEDROCK_HOSTS,
        lacks: &["/completions", "/embeddings"],
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "cerebras",
        title: "Cerebras",
        quirks: vendor::CEREBRAS,
        base_url: Some("https://api.cerebras.ai/v1"),
        lacks: &["/embeddings", "/responses"],
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "dashscope",
        title: "Alibaba Cloud Model Studio (DashScope)",
        quirks: vendor::DASHSCOPE,
        base_url: Some("https://dashscope.aliyuncs.com/compatible-mode/v1"),
        hosts: &["dashscope-intl.aliyuncs.com", "dashscope-us.aliyuncs.com", "*.maas.aliyuncs.com"],
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "deepinfra",
        title: "DeepInfra",
        quirks: vendor::DEEPINFRA,
        base_url: Some("https://api.deepinfra.com/v1/openai"),
        lacks: &["/responses"],
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "deepseek",
        title: "DeepSeek",
        quirks: vendor::DEEPSEEK,
        base_url: Some("https://api.deepseek.com/v1"),
        lacks: &["/embeddings", "/responses"],
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "fireworks",
        title: "Fireworks AI",
        quirks: vendor::FIREWORKS,
        base_url: Some("https://api.fireworks.ai/inference/v1"),
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "gemini",
        title: "Google Gemini API",
        protocol: ProtocolId::Gemini,
        base_url: Some("https://generativelanguage.googleapis.com/v1beta"),
        auth: Auth::GoogleApiKey,
        quirks: Quirks { image_urls: false, ..NO_STREAM_USAGE },
        embeddings: Some(EmbeddingsId::Gemini),
        counts: Some(CountingId::Gemini),
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "groq",
        title: "Groq",
        quirks: vendor::GROQ,
        base_url: Some("https://api.groq.com/openai/v1"),
        lacks: &["/embeddings", "/completions"],
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "huggingface",
        title: "Hugging Face router",
        base_url: Some("https://router.huggingface.co/v1"),
        ..OPENAI_SPEAKING
    },
    Provider { name: "llama-cpp", title: "llama.cpp server", quirks: vendor::LOCAL, ..SELF_HOSTED },
    Provider { name: "lm-studio", title: "LM Studio", ..SELF_HOSTED },
    Provider {
        name: "mistral",
        title: "Mistral AI",
        base_url: Some("https://api.mistral.ai/v1"),
        quirks: vendor::MISTRAL,
        lacks: &["/completions", "/responses"],
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "moonshot",
        title: "Moonshot AI",
        quirks: vendor::MOONSHOT,
        base_url: Some("https://api.moonshot.ai/v1"),
        lacks: &["/embeddings", "/responses"],
        ..OPENAI_SPEAKING
    },
    Provider { name: "ollama", title: "Ollama", quirks: vendor::LOCAL, ..SELF_HOSTED },
    Provider {
        name: "openai",
        title: "OpenAI",
        base_url: Some("https://api.openai.com/v1"),
        hosts: &["*.api.openai.com"],
        quirks: vendor::OPENAI,
        counts: Some(CountingId::OpenAi),
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "openai-compatible",
        title: "Any server that speaks OpenAI's API",
        ..SELF_HOSTED
    },
    Provider {
        name: "openrouter",
        title: "OpenRouter",
        base_url: Some("https://openrouter.ai/api/v1"),
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "runpod",
        title: "RunPod serverless vLLM",
        quirks: vendor::VLLM,
        // The base URL holds the endpoint's id, so every installation has its own.
        hosts: &["api.runpod.ai"],
        ..OPENAI_SPEAKING
    },
    Provider { name: "sglang", title: "SGLang", quirks: vendor::SGLANG, ..SELF_HOSTED },
    Provider { name: "tgi", title: "Text Generation Inference", ..SELF_HOSTED },
    Provider {
        name: "together",
        title: "Together AI",
        base_url: Some("https://api.together.ai/v1"),
        hosts: &["api.together.xyz"],
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "vertex",
        title: "Gemini on Google Vertex AI",
        protocol: ProtocolId::Gemini,
        template: Some("https://{host}/v1/projects/{project}/locations/{location}"),
        hosts: VERTEX_HOSTS,
        cloud: Some(Cloud::Google),
        quirks: clouds::GEMINI_ON_VERTEX,
        transport: &clouds::VERTEX,
        lacks: &["/models/{model}:embedContent", "/models/{model}:batchEmbedContents"],
        embeddings: Some(EmbeddingsId::Vertex),
        counts: Some(CountingId::Vertex),
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "vertex-anthropic",
        title: "Claude on Google Vertex AI",
        protocol: ProtocolId::Anthropic,
        template: Some("https://{host}/v1/projects/{project}/locations/{location}"),
        hosts: VERTEX_HOSTS,
        cloud: Some(Cloud::Google),
        quirks: clouds::CLAUDE_ON_VERTEX,
        transport: &clouds::VERTEX_RAW_PREDICT,
        counts: Some(CountingId::Anthropic),
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "vertex-openai",
        title: "Google Vertex AI (OpenAI-compatible)",
        template: Some(
            "https://{host}/v1/projects/{project}/locations/{location}/endpoints/openapi",
        ),
        hosts: VERTEX_HOSTS,
        cloud: Some(Cloud::Google),
        quirks: clouds::OPENAI_ON_VERTEX,
        lacks: &["/completions", "/embeddings", "/responses"],
        transport: &clouds::VERTEX_OPENAI,
        ..OPENAI_SPEAKING
    },
    Provider { name: "vllm", title: "vLLM", quirks: vendor::VLLM, ..SELF_HOSTED },
    Provider {
        name: "xai",
        title: "xAI",
        base_url: Some("https://api.x.ai/v1"),
        ..OPENAI_SPEAKING
    },
];

/// The row of that name.
pub fn find(name: &str) -> Option<&'static Provider> {
    PROVIDERS.binary_search_by(|row| row.name.cmp(name)).ok().map(|at| &PROVIDERS[at])
}

#[cfg(test)]
mod tests;
