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

/// kube's client logs every request that fails as an error. The controller says once that it cannot
/// follow the API server, and why; with a line for each retry an outage would be all that is seen.
const TOLD_OTHERWISE: &str = "kube_client::client::builder=off";

/// Starts the log on standard error; standard output belongs to the access log and to commands.
///
/// `level` is a level or a filter such as `info,pilothouse::control=debug`.
pub fn start(format: LogFormat, level: &str) -> Result<(), ParseError> {
    // `level` comes last, so that it may ask for these again.
    let filter = EnvFilter::builder().parse(format!("{TOLD_OTHERWISE},{level}"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    // A second start is a test's business: the first subscriber stays.
    let _ = match format {
        LogFormat::Json => log.json().flatten_event(true).try_init(),
        LogFormat::Text => log.with_target(false).try_init(),
    };
    Ok(())
}
