//! `pilothouse simulate`: simulated providers as a process of their own.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    str::FromStr,
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};

use super::{
    Fault, FaultSyntax, Flavor, Simulator,
    fault::{OPTIONS, parse_time},
};

/// Names of simulators that were given none, in order; beyond them numbers follow.
const NAMES: [&str; 6] = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot"];

/// The body of the examples in Google's API.
const GENERATE: &str = r#"{"contents": [{"parts": [{"text": "hello"}]}]}"#;
/// The end of every other example's body.
const SAID: &str = r#""messages": [{"role": "user", "content": "hello"}]"#;
/// The whole body of an example for Bedrock.
const CONVERSED: &str = r#"{"messages": [{"role": "user", "content": [{"text": "hello"}]}]}"#;

/// Run simulated providers: HTTP servers that speak the APIs of OpenAI, Anthropic, Google and Bedrock, at their own doors or at those of clouds, and fail as told
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = help())]
pub struct SimulateArgs {
    /// Address to listen on; several simulators by several addresses
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9100")]
    pub listen: Vec<SocketAddr>,

    /// What the simulator calls itself, in the order of --listen [default: alpha, bravo, ...]
    #[arg(long, value_name = "NAME")]
    pub name: Vec<String>,

    /// Which API to speak
    #[arg(long, value_enum, default_value_t)]
    pub provider: Flavor,

    /// Accept only this key (repeatable) [default: everything]
    #[arg(long, value_name = "KEY", env = "PILOTHOUSE_SIMULATE_KEY", hide_env_values = true)]
    pub key: Vec<SecretString>,

    /// A model that `GET /v1/models` lists (repeatable); any model is answered
    #[arg(long, value_name = "MODEL")]
    pub model: Vec<String>,

    /// What goes wrong with requests that bring no fault of their own, for all simulators or for
    /// one (repeatable), such as `status=503;times=3` or `bravo:cut=5`
    #[arg(long, value_name = "[NAME:]FAULT")]
    pub fault: Vec<StandingFault>,

    /// Wait before the headers of every answer whose fault has no delay, such as `200ms`
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub latency: Option<Duration>,

    /// Requests that run at a time, by what `GET /metrics` says (in vLLM's words): of more it says that they wait
    #[arg(long, value_name = "COUNT")]
    pub slots: Option<u32>,
}

/// A fault, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingFault {
    /// The simulator's name; none = all.
    pub name: Option<String>,
    /// What goes wrong.
    pub fault: Fault,
}

impl FromStr for StandingFault {
    type Err = FaultSyntax;

    fn from_str(text: &str) -> Result<Self, FaultSyntax> {
        // A colon may also be part of an option's value; then a `=` comes before it.
        let (name, fault) = match text.split_once(':') {
            Some((name, fault)) if !name.contains(['=', ';']) => (Some(name.to_owned()), fault),
            _ => (None, text),
        };
        Ok(Self { name, fault: fault.parse()? })
    }
}

/// Why the simulators could not start.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// More names than addresses.
    #[error("{names} names for {addresses} addresses: give one `--listen` for each `--name`")]
    Names {
        /// How many `--name` there are.
        names: usize,
        /// How many `--listen` there are.
        addresses: usize,
    },
    /// A fault for a simulator that is not there.
    #[error("`--fault {0}:...` names no simulator; names are {names}", names = .1.join(", "))]
    NoSuchName(String, Vec<String>),
    /// An address that cannot be listened on.
    #[error("the simulated provider `{name}` cannot listen on {addr}")]
    Listen {
        /// Which simulator.
        name: String,
        /// Where.
        addr: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Standard output is gone.
    #[error("cannot say where the simulated providers listen")]
    Output(#[from] io::Error),
}

/// Runs simulators until `shutdown`, after saying on standard output where they listen and what
/// to try.
///
/// # Errors
///
/// When the arguments contradict each other or an address cannot be listened on.
pub async fn run(
    args: SimulateArgs,
    shutdown: impl Future<Output = ()>,
) -> Result<(), SimulateError> {
    let simulators = start(&args).await?;
    io::stdout().write_all(greeting(&simulators, &args).as_bytes())?;
    shutdown.await;
    let stops = simulators.into_iter().map(|(_, simulator)| simulator.stop());
    futures::future::join_all(stops).await;
    Ok(())
}

async fn start(args: &SimulateArgs) -> Result<Vec<(String, Simulator)>, SimulateError> {
    let names = names(args)?;
    let mut simulators = Vec::with_capacity(names.len());
    for (name, addr) in names.into_iter().zip(&args.listen) {
        let keys = args.key.iter().map(|key| key.expose_secret().to_owned());
        let mut builder = Simulator::builder()
            .provider(args.provider)
            .name(&name)
            .fault(fault(args, &name))
            .latency(args.latency.unwrap_or_default())
            .keys(keys)
            .bind(*addr)
            // Nobody looks into them here.
            .kept_requests(0);
        if let Some(slots) = args.slots {
            builder = builder.slots(slots);
        }
        if !args.model.is_empty() {
            builder = builder.models(&args.model);
        }
        match builder.start().await {
            Ok(simulator) => simulators.push((name, simulator)),
            Err(source) => return Err(SimulateError::Listen { name, addr: *addr, source }),
        }
    }
    Ok(simulators)
}

fn names(args: &SimulateArgs) -> Result<Vec<String>, SimulateError> {
    let (names, addresses) = (args.name.len(), args.listen.len());
    if names > addresses {
        return Err(SimulateError::Names { names, addresses });
    }
    let default = |index: usize| {
        NAMES.get(index).map_or_else(|| format!("sim-{}", index + 1), |name| (*name).to_owned())
    };
    let names: Vec<_> = (0..addresses)
        .map(|index| args.name.get(index).cloned().unwrap_or_else(|| default(index)))
        .collect();
    let strange = args.fault.iter().filter_map(|fault| fault.name.as_ref());
    match strange.into_iter().find(|name| !names.contains(name)) {
        Some(name) => Err(SimulateError::NoSuchName(name.clone(), names)),
        None => Ok(names),
    }
}

/// A fault of this simulator's own wins over one of all; the last one given of each.
fn fault(args: &SimulateArgs, name: &str) -> Fault {
    let of = |owner: Option<&str>| {
        args.fault.iter().rev().find(move |fault| fault.name.as_deref() == owner)
    };
    let standing = of(Some(name)).or_else(|| of(None));
    standing.map_or_else(Fault::default, |standing| standing.fault.clone())
}

fn greeting(simulators: &[(String, Simulator)], args: &SimulateArgs) -> String {
    let places = simulators
        .iter()
        .map(|(name, simulator)| format!("{name} simulates a provider at {}\n", simulator.url()));
    let mut text: String = places.collect();
    if let Some((_, first)) = simulators.first() {
        text.push_str("\nTry:\n");
        text.push_str(&examples(&first.url(), args));
    }
    text
}

fn examples(url: &str, args: &SimulateArgs) -> String {
    let secret = |header: &str| {
        if args.key.is_empty() { String::new() } else { format!(" -H '{header}KEY'") }
    };
    let chat = |model: &str, more: &str| {
        format!(
            "  curl -sN {url}/v1/chat/completions{key} -d '{{\"model\": \"{model}\", {more}{SAID}}}'\n",
            key = secret("authorization: Bearer "),
        )
    };
    let message = |model: &str| {
        format!(
            "  curl -sN {url}/v1/messages{key} -H 'anthropic-version: 2023-06-01' \
             -d '{{\"model\": \"{model}\", \"max_tokens\": 100, {SAID}}}'\n",
            key = secret("x-api-key: "),
        )
    };
    let converse = |model: &str, operation: &str| {
        format!(
            "  curl -sN {url}/model/{model}/{operation}{key} -d '{CONVERSED}'\n",
            key = secret("authorization: Bearer "),
        )
    };
    let curl = |target: &str, members: &str| format!("  curl -sN {target} -d '{{{members}}}'\n");
    let mut text = String::new();
    let generate = |model: &str, method: &str| {
        format!(
            "  curl -sN '{url}/v1beta/models/{model}:{method}'{key} -d '{GENERATE}'\n",
            key = secret("x-goog-api-key: "),
        )
    };
    let speaks = |one| args.provider == one || args.provider == Flavor::Both;
    if speaks(Flavor::OpenAi) {
        text += &chat("gpt-sim", "");
        text += &chat("gpt-sim;pace=100ms", "\"stream\": true, ");
        text += &chat("gpt-sim;status=429;retry-after=2;times=1", "");
    }
    if speaks(Flavor::Anthropic) {
        text += &message("claude-sim");
        text += &message("claude-sim;status=529;times=1");
    }
    if speaks(Flavor::Bedrock) {
        text += &converse("claude-sim", "converse");
        text += &converse("claude-sim%3Bstatus=429%3Btimes=1", "converse-stream");
    }
    if args.provider == Flavor::Azure {
        let dated = "openai/deployments/gpt-sim/chat/completions?api-version=2024-10-21";
        text += &curl(&format!("'{url}/{dated}'{}", secret("api-key: ")), SAID);
    }
    if args.provider == Flavor::Vertex {
        let model = "v1/projects/p/locations/global/publishers/anthropic/models/claude-sim";
        let said =
            format!("\"anthropic_version\": \"vertex-2023-10-16\", \"max_tokens\": 100, {SAID}");
        let key = secret("authorization: Bearer ");
        text += &curl(&format!("{url}/{model}:rawPredict{key}"), &said);
    }
    if speaks(Flavor::Gemini) {
        text += &generate("gemini-sim", "generateContent");
        text += &generate("gemini-sim;pace=100ms", "streamGenerateContent?alt=sse");
    }
    text
}

/// The end of `--help`: the fault options and what they do.
fn help() -> String {
    let width = OPTIONS.iter().map(|(option, _)| option.len()).max().unwrap_or_default();
    let lines = OPTIONS.iter().map(|(option, effect)| format!("  {option:width$}  {effect}\n"));
    let table: String = lines.collect();
    format!(
        "Faults are chosen per request, by the header `x-simulate: FAULT` or after a `;` in the \
         model name (`gpt-sim;status=429;retry-after=2`), or for all others by --fault. Options \
         are separated by `;`; TIME is 250ms, 2s or 1m; N counts events from 0.\n\n{table}\n\
         Examples:\n  pilothouse simulate\n  pilothouse simulate --listen 127.0.0.1:9101 --listen \
         127.0.0.1:9102 --fault 'alpha:status=503;times=5'\n"
    )
}

#[cfg(test)]
mod tests;
