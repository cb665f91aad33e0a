//! The scripts of this folder: which package each tries, and how it is run.

use std::path::Path;

use tokio::process::Command;

use crate::packages;
use crate::target::Api;

/// One script; it tries one vendor's package, or one that is built on it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Script {
    OpenAiPython,
    OpenAiNode,
    AnthropicPython,
    AnthropicNode,
    GeminiPython,
    BedrockPython,
    LangChainPython,
    CloudsPython,
}

impl Script {
    /// The command that runs it, once its packages are installed.
    pub(crate) fn command(self) -> Result<Command, String> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk");
        match self {
            Self::OpenAiPython => python(&sources, "openai_test.py"),
            Self::OpenAiNode => node(&sources, "openai.test.cjs"),
            Self::AnthropicPython => python(&sources, "anthropic_test.py"),
            Self::AnthropicNode => node(&sources, "anthropic.test.cjs"),
            Self::GeminiPython => python(&sources, "gemini_test.py"),
            Self::BedrockPython => python(&sources, "bedrock_test.py"),
            Self::LangChainPython => python(&sources, "langchain_test.py"),
            Self::CloudsPython => python(&sources, "clouds_test.py"),
        }
    }

    /// Whether the package refuses to ask a server without TLS.
    pub(crate) fn needs_tls(self) -> bool {
        matches!(self, Self::BedrockPython)
    }

    /// What the package speaks.
    pub(crate) fn api(self) -> Api {
        match self {
            Self::OpenAiPython | Self::OpenAiNode | Self::LangChainPython => Api::OpenAi,
            Self::AnthropicPython | Self::AnthropicNode | Self::CloudsPython => Api::Anthropic,
            Self::GeminiPython => Api::Gemini,
            Self::BedrockPython => Api::Bedrock,
        }
    }
}

fn python(sources: &Path, script: &str) -> Result<Command, String> {
    let mut command = Command::new(packages::python(sources)?);
    command.arg(sources.join(script)).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

fn node(sources: &Path, script: &str) -> Result<Command, String> {
    let mut command = Command::new("node");
    command
        .env("NODE_PATH", packages::node_modules(sources)?)
        .arg("--test")
        .arg(sources.join(script));
    Ok(command)
}
