//! `pilothouse demo`: the gateway and simulated providers in one process, to try it without a
//! cluster and without keys.
//!
//! The demo serves a folder of manifests that it writes itself, as `serve --manifests` would: a
//! person can edit them and see the gateway follow.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::BodyExt;

use crate::app::{self, AppError, Running};
use crate::cli::{Cli, Command, DemoArgs};
use crate::settings::{LogSettings, Settings};
use crate::simulate::{Flavor, Simulator};
use crate::table::BaseUrl;
use crate::telemetry::log::LogFormat;
use crate::upstream::{AddressPolicy, Client, Connector, PoolLimits, SendError};

/// The one key that the demo's Consumer has. It opens simulated providers on loopback only.
const KEY: &str = "demo-key-of-pilothouse";
/// What the simulated providers accept, to show that the gateway puts it on.
const PROVIDER_KEY: &str = "simulated-provider-key";

/// Why the demo does not run.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The gateway does not start.
    #[error(transparent)]
    App(#[from] AppError),
    /// Its own flags are wrong, which the tests rule out.
    #[error("the demo's settings are not valid: {0}")]
    Settings(#[from] clap::Error),
    /// A file or port cannot be made.
    #[error("cannot prepare the demo: {0}")]
    Io(#[from] io::Error),
    /// The gateway did not take the demo's own manifests.
    #[error("the demo's routes did not come up")]
    NoTable,
    /// The request that shows a failover failed.
    #[error("the demo's own request failed: {0}")]
    Request(#[from] SendError),
    /// Its answer broke off.
    #[error("the demo's own request failed: {0}")]
    Answer(#[from] hyper::Error),
}

/// Runs the demo until a signal says stop.
pub fn run(args: &DemoArgs) -> Result<(), DemoError> {
    app::start_log(&log_settings(args))?;
    let runtime = app::runtime()?;
    let result = runtime.block_on(serve(args));
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

/// The log is for the person at the terminal.
fn log_settings(args: &DemoArgs) -> LogSettings {
    LogSettings {
        log_format: LogFormat::Text,
        log_level: args.log_level.clone(),
        no_access_log: false,
    }
}

async fn serve(args: &DemoArgs) -> Result<(), DemoError> {
    let mut simulators = Vec::new();
    for name in ["alpha", "bravo"] {
        let simulator = Simulator::builder().provider(Flavor::Both).name(name).keys([PROVIDER_KEY]);
        simulators.push(simulator.kept_requests(0).start().await?);
    }
    let folder = Folder::create()?;
    let manifest = write_manifest(&folder.0, &simulators[0].url(), &simulators[1].url())?;
    let running = app::start(&settings(args, &folder.0)?).await?;
    let mut report = running.report.clone();
    report.wait_for(|report| report.is_published()).await.map_err(|_| DemoError::NoTable)?;

    let failover = show_failover(running.address).await?;
    let greeting = greeting(&running, &manifest, &failover);
    io::stdout().write_all(greeting.as_bytes())?;
    app::stop_signal().await;
    tokio::select! {
        () = running.drain(Duration::ZERO) => {}
        () = app::interrupted() => {}
    }
    for simulator in simulators {
        simulator.stop().await;
    }
    Ok(())
}

/// A folder of the demo's own, gone when the demo ends.
struct Folder(PathBuf);

impl Folder {
    /// Nobody else may have made it, and nobody else may write to it: it decides what is served.
    fn create() -> io::Result<Self> {
        let name = format!("pilothouse-demo-{:08x}", fastrand::u32(..));
        let path = std::env::temp_dir().join(name);
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is a temporary file like any other.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The settings of `serve`, as its command line would make them.
fn settings(args: &DemoArgs, folder: &Path) -> Result<Settings, DemoError> {
    let (listen, admin) = (args.listen.to_string(), args.admin_listen.to_string());
    let words = ["pilothouse", "serve", "--listen", &listen, "--admin-listen", &admin];
    let mut words: Vec<std::ffi::OsString> = words.into_iter().map(Into::into).collect();
    words.extend(["--drain-timeout".into(), "10s".into(), "--manifests".into(), folder.into()]);
    match Cli::try_parse_from(words)?.command {
        Command::Serve(settings) => Ok(Settings { log: log_settings(args), ..*settings }),
        _ => Err(DemoError::NoTable),
    }
}

fn write_manifest(folder: &Path, alpha: &str, bravo: &str) -> io::Result<PathBuf> {
    let text = include_str!("demo/routes.yaml")
        .replace("ALPHA_URL", alpha)
        .replace("BRAVO_URL", bravo)
        .replace("PROVIDER_KEY", PROVIDER_KEY)
        .replace("CLIENT_KEY", KEY);
    let path = folder.join("routes.yaml");
    fs::write(&path, text)?;
    Ok(path)
}

/// Asks for the model whose first target always fails, and tells what happened.
async fn show_failover(address: SocketAddr) -> Result<String, DemoError> {
    let client =
        Client::new(Connector::with_system_roots(AddressPolicy::Any), PoolLimits::default());
    let body = r#"{"model":"unlucky","messages":[{"role":"user","content":"hello"}]}"#;
    let mut request = Request::new(Bytes::from_static(body.as_bytes()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static("/v1/chat/completions");
    let headers = request.headers_mut();
    headers.insert("x-api-key", HeaderValue::from_static(KEY));
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let base: BaseUrl = format!("http://{address}").parse().map_err(|_| DemoError::NoTable)?;
    let response = client.send(&base, request, Duration::from_secs(5)).await?;
    let status = response.status().as_u16();
    let about = headers_of_interest(response.headers());
    response.into_body().collect().await?;
    Ok(format!(
        "Model `unlucky` has two targets; `alpha` answers 503 to everything. Asked just now:\n\n\
         HTTP {status}\n{about}"
    ))
}

fn headers_of_interest(headers: &HeaderMap) -> String {
    ["x-used-provider", "x-used-fallback", "x-pilothouse-attempts", "x-pilothouse-route"]
        .into_iter()
        .filter_map(|name| Some(format!("{name}: {}\n", headers.get(name)?.to_str().ok()?)))
        .collect()
}

fn greeting(running: &Running, manifest: &Path, failover: &str) -> String {
    let (address, admin) = (running.address, running.admin_address);
    let mut text = format!(
        "Pilothouse demo: gateway on http://{address}, metrics on http://{admin}/metrics\n\n\
         {failover}\n\
         Try it:\n"
    );
    let messages = r#""messages": [{"role": "user", "content": "hello"}]"#;
    let auth = format!("-H 'authorization: Bearer {KEY}'");
    let json = "-H 'content-type: application/json'";
    let examples = [
        (
            "a plain answer",
            format!(
                "curl -s http://{address}/v1/chat/completions {auth} {json} -d '{{\"model\": \"chat\", {messages}}}'"
            ),
        ),
        (
            "a stream",
            format!(
                "curl -sN http://{address}/v1/chat/completions {auth} {json} -d '{{\"model\": \"chat\", \"stream\": true, {messages}}}'"
            ),
        ),
        (
            "a failover: look at x-used-provider",
            format!(
                "curl -si http://{address}/v1/chat/completions {auth} {json} -d '{{\"model\": \"unlucky\", {messages}}}'"
            ),
        ),
        (
            "Anthropic's API",
            format!(
                "curl -s http://{address}/v1/messages -H 'x-api-key: {KEY}' {json} -d '{{\"model\": \"claude\", \"max_tokens\": 100, {messages}}}'"
            ),
        ),
        (
            "the same client, answered by a provider that speaks OpenAI's",
            format!(
                "curl -s http://{address}/v1/messages -H 'x-api-key: {KEY}' {json} -d '{{\"model\": \"chat\", \"max_tokens\": 100, {messages}}}'"
            ),
        ),
        ("what this key may ask for", format!("curl -s http://{address}/v1/models {auth}")),
        ("the health of its routes", format!("curl -s http://{address}/health/detailed {auth}")),
    ];
    for (what, command) in examples {
        let _ = write!(text, "\n# {what}\n{command}\n");
    }
    let _ = write!(
        text,
        "\nThe routes are in {}: edit them and the next request follows.\nCtrl-C ends the demo.\n\n",
        manifest.display()
    );
    text
}
