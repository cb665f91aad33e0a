//! The gateway's own log: events, not requests.

use std::io::stderr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// What libraries log by themselves. The Kubernetes client: each retry while an API server is away,
/// and the text of answers that it cannot decode, which may hold a Secret; the controller tells what
/// matters of it, once. AWS's (`aws_config` and others): what issuers of credentials say. A filter
/// that names these targets is obeyed.
const QUIET: &str = "kube_client=off,kube_runtime=off,aws_=off";

/// Starts the log on standard error; standard output belongs to the access log and to commands.
///
/// `level` is a level or a filter such as `info,pilothouse::control=debug`.
pub fn start(format: LogFormat, level: &str) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(format!("{QUIET},{level}"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    // A second start is a test's business: the first subscriber stays.
    let _ = match format {
        LogFormat::Json => log.json().flatten_event(true).try_init(),
        LogFormat::Text => log.with_target(false).try_init(),
    };
    Ok(())
}
