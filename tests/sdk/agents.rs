//! Coding agents whose provider speaks another API than they do: two calls of a tool that they run,
//! then an answer.
//!
//! Each has a home of its own and a network that holds nothing but this machine.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use std::{env, fs};

use pilothouse::simulate::Captured;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use crate::gateway::{Gateway, PROVIDER_KEY};
use crate::target::{self, Api};
use crate::{KEY, network, packages, unless_missing};

/// Agents need about two seconds; a busy machine is given much more, and nobody waits for ever.
const PATIENCE: Duration = Duration::from_secs(120);

/// The commands that the model has run. What the second prints stands in neither of them.
const COMMANDS: [&str; 2] = ["printf 'made by %s' agent > made.txt", "cat made.txt"];
const MADE: &str = "made by agent";

#[derive(Debug, Clone, Copy)]
enum Agent {
    /// Claude Code, as it comes.
    Claude,
    /// Codex with a model that it does not know: its tools are functions.
    Codex,
    /// Codex with a model that it knows: its tool takes text, in a namespace.
    CodexInCode,
}

impl Agent {
    /// How a model runs a command: the function as it is told to a provider, and the arguments.
    fn call(self, line: &str) -> (&'static str, Value) {
        match self {
            Self::Claude => ("Bash", json!({ "command": line, "description": "Runs a command" })),
            Self::Codex => ("exec_command", json!({ "cmd": line })),
            Self::CodexInCode => {
                let arguments = json!({ "cmd": line });
                let code = format!("text(await tools.exec_command({arguments}));");
                ("functions__exec", json!({ "input": code }))
            }
        }
    }

    /// The command that asks the gateway at `url` something, at home in `home`.
    fn command(self, programs: &Path, home: &Path, url: &str) -> Command {
        let mut command = match self {
            Self::Claude => {
                let mut command = Command::new(programs.join("claude"));
                command
                    .args(["--print", "Make a file", "--output-format", "json"])
                    .args(["--allowedTools", "Bash"])
                    .env_clear()
                    .env("ANTHROPIC_BASE_URL", url)
                    .env("ANTHROPIC_API_KEY", KEY)
                    .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
                command
            }
            Self::Codex | Self::CodexInCode => {
                let settings = home.join(".codex");
                fs::create_dir(&settings).expect("a new folder");
                let text = self.codex_config(url);
                fs::write(settings.join("config.toml"), text).expect("a file in a new folder");
                let mut command = Command::new(programs.join("codex"));
                command
                    .args(["exec", "--skip-git-repo-check"])
                    .args(["--sandbox", "danger-full-access", "Make a file"])
                    .env_clear()
                    .env("PILOTHOUSE_API_KEY", KEY);
                command
            }
        };
        let work = home.join("work");
        fs::create_dir(&work).expect("a new folder");
        command
            .env("HOME", home)
            .env("PATH", env::var_os("PATH").expect("the programs were found"))
            .current_dir(work);
        network::confine(&mut command);
        command
    }

    fn codex_config(self, url: &str) -> String {
        let model = if matches!(self, Self::Codex) { "any-model" } else { "gpt-6.1-sol" };
        format!(
            r#"
            model = "{model}"
            model_provider = "pilothouse"
            check_for_update_on_startup = false
            [analytics]
            enabled = false
            [model_providers.pilothouse]
            name = "Pilothouse"
            base_url = "{url}/v1"
            env_key = "PILOTHOUSE_API_KEY"
            wire_api = "responses"
            "#
        )
    }
}

/// What tools returned, by a request in the API of `target`.
fn results(target: Api, request: &Captured) -> Vec<String> {
    let body = request.json();
    let (list, pointer) = match target {
        Api::Gemini => ("contents", "/parts"),
        _ => ("messages", "/content"),
    };
    let turns = body[list].as_array().cloned().unwrap_or_default();
    let parts = turns.iter().flat_map(|turn| match target {
        Api::OpenAi | Api::Chat => vec![turn.clone()],
        _ => turn.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default(),
    });
    let result = |part: &Value| match target {
        Api::OpenAi | Api::Chat => (part["role"] == "tool").then(|| part["content"].to_string()),
        Api::Anthropic => (part["type"] == "tool_result").then(|| part["content"].to_string()),
        Api::Gemini => part.get("functionResponse").map(Value::to_string),
        Api::Bedrock => part.get("toolResult").map(Value::to_string),
    };
    parts.filter_map(|part| result(&part)).collect()
}

async fn run(test: &str, agent: Agent, target: Api) {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk");
    let needed = packages::agents(&sources);
    let Some(programs) = unless_missing(&format!("{agent:?}"), needed) else { return };
    let test = test.split_once("::").expect("a path in this crate").1;
    if network::ran_elsewhere(test).await {
        return;
    }
    let planned = COMMANDS.iter().map(|line| agent.call(line));
    let simulator = planned
        .fold(target::simulator(PROVIDER_KEY), |simulator, (tool, arguments)| {
            simulator.call(tool, &arguments)
        })
        .start()
        .await
        .expect("a free port");
    let gateway = Gateway::for_any_model(&simulator.url(), target, KEY).await;
    let home = tempfile::tempdir().expect("a folder for the agent's home");
    let mut command = agent.command(&programs, home.path(), gateway.url());
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(PATIENCE, running).await.expect("it ends").expect("the agent starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{agent:?} failed:\n{said}\n{complaint}");
    assert!(said.contains("Served by sim."), "no answer came out:\n{said}\n{complaint}");

    let made = fs::read_to_string(home.path().join("work/made.txt"));
    assert_eq!(made.ok().as_deref(), Some(MADE), "the tool ran:\n{said}\n{complaint}");
    let requests = simulator.requests();
    let returned = requests.last().map(|last| results(target, last)).unwrap_or_default();
    assert_eq!(returned.len(), COMMANDS.len(), "{returned:#?}");
    assert!(returned[1].contains(MADE), "{returned:#?}");
}

macro_rules! agents {
    ($($name:ident: $agent:ident and $target:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            run(concat!(module_path!(), "::", stringify!($name)), Agent::$agent, Api::$target).await;
        }
    )*};
}

agents! {
    claude_code_and_openai: Claude and OpenAi;
    claude_code_and_gemini: Claude and Gemini;
    claude_code_and_bedrock: Claude and Bedrock;
    codex_and_anthropic: Codex and Anthropic;
    codex_and_gemini: Codex and Gemini;
    codex_and_bedrock: Codex and Bedrock;
    codex_and_chat_completions: Codex and Chat;
    codex_in_code_and_anthropic: CodexInCode and Anthropic;
    codex_in_code_and_gemini: CodexInCode and Gemini;
    codex_in_code_and_bedrock: CodexInCode and Bedrock;
    codex_in_code_and_chat_completions: CodexInCode and Chat;
}
