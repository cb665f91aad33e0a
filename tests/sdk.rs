//! The official SDKs of OpenAI and Anthropic, as people use them, against running servers.
//!
//! Each script of `tests/sdk/` runs twice: against the simulated provider, which shows that the
//! script expects what the vendor's API does, and against the gateway in front of it. Python and
//! Node.js are needed; without one of them its scripts are skipped, which in CI is a failure.

#[path = "sdk/gateway.rs"]
mod gateway;
#[path = "sdk/packages.rs"]
mod packages;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use gateway::{Gateway, PROVIDER_KEY};
use pilothouse::simulate::Simulator;
use serde_json::{Map, Value, json};
use tokio::process::Command;

/// What callers send; long enough for the gateway, known to the simulator.
const KEY: &str = "sk-sdk-tests-0123456789abcdef";

/// What each model that the scripts ask for does wrong when the simulator is asked itself.
const FAULTS: &[(&str, &str)] = &[
    ("throttled", "status=429;retry-after=2"),
    ("broken", "status=500"),
    ("refused", "status=400"),
    ("error-midway", "error=4"),
    ("forbidden", "status=403"),
    ("missing", "status=404"),
];

#[derive(Debug, Clone, Copy)]
enum Script {
    OpenAiPython,
    OpenAiNode,
    AnthropicPython,
}

impl Script {
    /// The command that runs it, once its packages are installed.
    fn command(self) -> Result<Command, String> {
        let sources = sources();
        Ok(match self {
            Self::OpenAiPython => python(&sources, "openai_test.py")?,
            Self::AnthropicPython => python(&sources, "anthropic_test.py")?,
            Self::OpenAiNode => {
                let modules = packages::node_modules(&sources)?;
                let mut command = Command::new("node");
                command
                    .env("NODE_PATH", modules)
                    .arg("--test")
                    .arg(sources.join("openai.test.cjs"));
                command
            }
        })
    }

    /// A model that answers properly.
    fn model(self) -> &'static str {
        match self {
            Self::OpenAiPython | Self::OpenAiNode => "gpt-sim",
            Self::AnthropicPython => "claude-sim",
        }
    }
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk")
}

fn python(sources: &Path, script: &str) -> Result<Command, String> {
    let mut command = Command::new(packages::python(sources)?);
    command.arg(sources.join(script)).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

/// Runs a script against the server that `described` tells it of, and shows what it said if it
/// failed.
async fn run(script: Script, described: Value) {
    let mut command = match script.command() {
        Ok(command) => command,
        Err(problem) => {
            assert!(std::env::var_os("CI").is_none(), "the packages are needed in CI: {problem}");
            eprintln!("\n  SKIPPED: {script:?}, because its packages are not there: {problem}\n");
            return;
        }
    };
    // Settings of the person who runs the tests would lead the SDKs elsewhere.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().to_ascii_uppercase();
        if name.starts_with("OPENAI_") || name.starts_with("ANTHROPIC_") || name.ends_with("_PROXY")
        {
            command.env_remove(&name).env_remove(name.to_ascii_lowercase());
        }
    }
    let output = command
        .env("PILOTHOUSE_SDK", described.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("the interpreter starts");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{script:?} failed:\n{said}");
    println!("{said}");
}

async fn against_the_simulator(script: Script) {
    let simulator = Simulator::builder().keys([KEY]).start().await.expect("a free port");
    let model = script.model();
    let mut models = json!({ "chat": model });
    for (name, fault) in FAULTS {
        models[name] = format!("{model};{fault}").into();
    }
    let url = simulator.url();
    run(script, json!({ "url": url, "key": KEY, "gateway": false, "models": models })).await;
}

async fn against_the_gateway(script: Script) {
    let simulator = Simulator::builder().keys([PROVIDER_KEY]).start().await.expect("a free port");
    let gateway = Gateway::start(&simulator.url(), script, KEY).await;
    let cases = FAULTS.iter().map(|(case, _)| *case).chain(["chat", "cut", "failover"]);
    let models: Map<String, Value> =
        cases.map(|case| (case.to_owned(), gateway::model(script, case).into())).collect();
    let url = gateway.url();
    run(script, json!({ "url": url, "key": KEY, "gateway": true, "models": models })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_python_against_the_simulator() {
    against_the_simulator(Script::OpenAiPython).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_node_against_the_simulator() {
    against_the_simulator(Script::OpenAiNode).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropic_python_against_the_simulator() {
    against_the_simulator(Script::AnthropicPython).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_python_against_the_gateway() {
    against_the_gateway(Script::OpenAiPython).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_node_against_the_gateway() {
    against_the_gateway(Script::OpenAiNode).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropic_python_against_the_gateway() {
    against_the_gateway(Script::AnthropicPython).await;
}
