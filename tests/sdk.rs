//! The official SDKs of OpenAI, Anthropic, Google and AWS, as people use them, against running
//! servers.
//!
//! Each script of `tests/sdk/` runs against the simulated provider, which shows that the script
//! expects what the vendor's API does, and against the gateway in front of a provider of every API:
//! nobody may notice which. So do the tests that the packages bring along ([`suites`]), and agents
//! that are built on these APIs ([`agents`]). Python and Node.js are needed; without one of them what
//! needs it is skipped, which in CI is a failure.

#[path = "sdk/agents.rs"]
mod agents;
#[path = "sdk/gateway.rs"]
mod gateway;
#[path = "sdk/network.rs"]
mod network;
#[path = "sdk/packages.rs"]
mod packages;
#[path = "sdk/script.rs"]
mod script;
#[path = "sdk/suites.rs"]
mod suites;
#[path = "sdk/target.rs"]
mod target;
#[path = "sdk/tls.rs"]
mod tls;

use std::io::Write as _;
use std::process::Stdio;

use gateway::{Gateway, PROVIDER_KEY};
use script::Script;
use serde_json::{Map, Value, json};
use target::Api;
use tls::Tls;
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

/// Settings of the person who runs the tests would lead the SDKs elsewhere.
const FOREIGN: &[&str] =
    &["OPENAI_", "ANTHROPIC_", "GEMINI_", "GOOGLE_", "AWS_", "LANGCHAIN_", "LANGSMITH_"];

/// Runs a script against the server that `described` tells it of, and shows what it said if it
/// failed.
async fn run(script: Script, mut described: Value) {
    let origin = described["url"].as_str().map(str::to_owned).expect("the server's URL");
    let tls = if script.needs_tls() { Some(Tls::before(&origin).await) } else { None };
    if let Some(tls) = &tls {
        tls.describe(&mut described);
    }
    let name = format!("{script:?}");
    if let Some(command) = unless_missing(&name, script.command()) {
        run_command(&name, command, &described).await;
    }
}

/// What is needed to run something; `None` if it is to be skipped, which is said.
fn unless_missing<T>(name: &str, needed: Result<T, String>) -> Option<T> {
    needed
        .map_err(|problem| {
            assert!(std::env::var_os("CI").is_none(), "the packages are needed in CI: {problem}");
            say(&format!("SKIPPED: {name}, because its packages are not there: {problem}"));
        })
        .ok()
}

/// Tells who runs the tests, who sees of a test that passes nothing but this.
fn say(what: &str) {
    // Nobody may be listening.
    let _ = writeln!(std::io::stderr(), "  {what}");
}

/// Runs a command that is told of the server, and shows what it said if it failed. What it said is
/// returned.
async fn run_command(name: &str, mut command: Command, described: &Value) -> String {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().to_ascii_uppercase();
        if FOREIGN.iter().any(|prefix| name.starts_with(prefix)) || name.ends_with("_PROXY") {
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
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{name} failed:\n{said}");
    println!("{said}");
    said
}

async fn against_the_simulator(script: Script) {
    let simulator = target::simulator(KEY).start().await.expect("a free port");
    let api = script.api();
    let mut models = json!({ "chat": api.model(), "embed": api.embedding_model() });
    for (name, fault) in FAULTS {
        models[name] = format!("{};{fault}", api.model()).into();
    }
    let described = json!({
        "url": simulator.url(), "key": KEY, "gateway": false, "target": api.name(),
        "models": models,
    });
    run(script, described).await;
}

async fn against_the_gateway(script: Script, target: Api) {
    let simulator = target::simulator(PROVIDER_KEY).start().await.expect("a free port");
    let gateway = Gateway::start(&simulator.url(), target, KEY).await;
    let cases = FAULTS.iter().map(|(case, _)| *case).chain(["chat", "cut", "embed", "failover"]);
    let models: Map<String, Value> =
        cases.map(|case| (case.to_owned(), gateway::model(case).into())).collect();
    let described = json!({
        "url": gateway.url(), "key": KEY, "gateway": true, "target": target.name(),
        "models": models,
    });
    run(script, described).await;
}

macro_rules! scripts {
    ($($name:ident: $script:ident;)*) => {$(
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread")]
            async fn against_the_simulator() {
                super::against_the_simulator(Script::$script).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn against_the_gateway_and_openai() {
                against_the_gateway(Script::$script, Api::OpenAi).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn against_the_gateway_and_anthropic() {
                against_the_gateway(Script::$script, Api::Anthropic).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn against_the_gateway_and_gemini() {
                against_the_gateway(Script::$script, Api::Gemini).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn against_the_gateway_and_bedrock() {
                against_the_gateway(Script::$script, Api::Bedrock).await;
            }
        }
    )*};
}

/// Clients of clouds are no clients of the gateway's: they show that the simulated clouds, which the
/// gateway is tried with, are asked in the same way.
mod clouds_python {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn against_the_simulator() {
        super::against_the_simulator(Script::CloudsPython).await;
    }
}

scripts! {
    openai_python: OpenAiPython;
    openai_node: OpenAiNode;
    anthropic_python: AnthropicPython;
    anthropic_node: AnthropicNode;
    gemini_python: GeminiPython;
    bedrock_python: BedrockPython;
    langchain_python: LangChainPython;
}
