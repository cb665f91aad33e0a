//! THE table of providers. Facts from the vendors' own API references.

use super::{Auth, BEDROCK_SERVICE, Cloud, Provider};
use crate::protocol::dialect::Quirks;
use crate::protocol::openai::chat::vendor;
use crate::protocol::registry::ProtocolId;

/// An OpenAI-speaking vendor without deviations; rows below change what differs.
const OPENAI_SPEAKING: Provider = Provider {
    name: "",
    title: "",
    protocol: ProtocolId::OpenAi,
    base_url: None,
    auth: Auth::Bearer,
    cloud: None,
    key_optional: false,
    hosts: &[],
    quirks: Quirks::COMPATIBLE,
    lacks: &[],
};

/// Is not asked for usage in streams.
const NO_STREAM_USAGE: Quirks = Quirks { stream_usage: false, ..Quirks::COMPATIBLE };

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
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "anthropic-compatible",
        title: "Any server that speaks Anthropic's Messages API",
        protocol: ProtocolId::Anthropic,
        auth: Auth::XApiKey,
        key_optional: true,
        quirks: NO_STREAM_USAGE,
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "azure-openai",
        title: "Azure OpenAI and Foundry (v1 API)",
        // Every resource has its own: `https://RESOURCE.openai.azure.com/openai/v1`.
        hosts: &["*.openai.azure.com", "*.services.ai.azure.com"],
        auth: Auth::AzureApiKey,
        quirks: vendor::AZURE,
        ..OPENAI_SPEAKING
    },
    Provider {
        name: "bedrock",
        title: "Amazon Bedrock (Converse)",
        protocol: ProtocolId::Bedrock,
        // Bedrock's own API keys, or signatures; every region has its host.
        cloud: Some(Cloud::Aws { service: BEDROCK_SERVICE }),
        // Other hosts of AWS belong to its customers.
        hosts: &[
            "bedrock-runtime.*.amazonaws.com",
            "bedrock-runtime-fips.*.amazonaws.com",
            "bedrock-runtime.*.api.aws",
        ],
        quirks: NO_STREAM_USAGE,
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
mod tests {
    use super::*;
    use crate::table::BaseUrl;

    #[test]
    fn rows_are_sorted_and_their_urls_are_base_urls() {
        assert!(PROVIDERS.is_sorted_by(|a, b| a.name < b.name), "binary search needs the order");
        for row in PROVIDERS {
            if let Some(url) = row.base_url {
                let parsed: BaseUrl = url.parse().expect(row.name);
                assert!(parsed.is_https(), "{}", row.name);
                assert!(row.owns_host(parsed.host()), "{}", row.name);
            }
        }
    }

    #[test]
    fn a_key_of_bedrock_goes_to_bedrock_and_to_no_customers_host() {
        let bedrock = find("bedrock").expect("a row");
        assert!(bedrock.owns_host("bedrock-runtime.eu-west-1.amazonaws.com"));
        assert!(bedrock.owns_host("bedrock-runtime-fips.us-east-1.amazonaws.com"));
        for host in [
            "evil.execute-api.eu-west-1.amazonaws.com",
            "bedrock-runtime.evil.s3.amazonaws.com",
            "bedrock-runtime..amazonaws.com",
            "bedrock-runtime.amazonaws.com",
            "bedrock-runtime.eu-west-1.amazonaws.com.evil.example",
        ] {
            assert!(!bedrock.owns_host(host), "{host}");
        }
    }

    #[test]
    fn a_suffix_host_does_not_match_a_lookalike() {
        let openai = find("openai").expect("a row");
        assert!(openai.owns_host("eu.api.openai.com"));
        assert!(!openai.owns_host("evilapi.openai.com"));
        assert!(!openai.owns_host(".api.openai.com.evil.example"));
    }
}
