//! What the operator decides for a whole process: flags and environment. Never the policy of a
//! route.

mod label_selector;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;

use crate::api;
use crate::telemetry::log::LogFormat;

/// The flags of `pilothouse serve`. Each has an environment variable `PILOTHOUSE_<FLAG>`.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Where clients connect
    #[arg(long, env = "PILOTHOUSE_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,

    /// Where health, metrics and admin are served
    #[arg(long, env = "PILOTHOUSE_ADMIN_LISTEN", default_value = "0.0.0.0:9090")]
    pub admin_listen: SocketAddr,

    /// The file that holds the token for the admin API below `/admin/` (followed; at least 16
    /// characters). Without it the API answers only connections from this machine, such as those of
    /// `kubectl port-forward`
    #[arg(long, env = "PILOTHOUSE_ADMIN_TOKEN_FILE", value_name = "PATH")]
    pub admin_token_file: Option<PathBuf>,

    /// Serve these files or folders instead of a cluster, and follow their changes (repeatable)
    #[arg(long, env = "PILOTHOUSE_MANIFESTS", value_name = "PATH", value_delimiter = ',')]
    pub manifests: Vec<PathBuf>,

    /// Watch these namespaces only, so that Roles suffice (repeatable)
    #[arg(
        long,
        env = "PILOTHOUSE_WATCH_NAMESPACE",
        value_name = "NAMESPACE",
        value_delimiter = ',',
        conflicts_with = "manifests"
    )]
    pub watch_namespace: Vec<String>,

    /// Only objects whose `spec.gateway` says this are read or written
    #[arg(long, env = "PILOTHOUSE_GATEWAY_NAME", default_value = "default")]
    pub gateway_name: String,

    /// The namespace this installation runs in: its Lease is there, and its names are everybody's
    /// unless `--shared-namespace` says otherwise
    #[arg(long, env = "PILOTHOUSE_NAMESPACE", default_value = "pilothouse")]
    pub namespace: String,

    /// Namespaces whose names everybody may use, in order (repeatable) [default: `--namespace`]
    #[arg(
        long,
        env = "PILOTHOUSE_SHARED_NAMESPACE",
        value_name = "NAMESPACE",
        value_delimiter = ',',
        conflicts_with = "manifests"
    )]
    pub shared_namespace: Vec<String>,

    /// Serve callers without a key
    #[arg(long, env = "PILOTHOUSE_ANONYMOUS")]
    pub anonymous: bool,

    /// The namespace that callers without a key count as coming from (required in a cluster)
    #[arg(
        long,
        env = "PILOTHOUSE_ANONYMOUS_NAMESPACE",
        value_name = "NAMESPACE",
        requires = "anonymous"
    )]
    pub anonymous_namespace: Option<String>,

    /// The only namespace whose CredentialStores may use `env`, `file` and what the gateway runs as in
    /// a cloud
    #[arg(
        long,
        env = "PILOTHOUSE_AMBIENT_CREDENTIALS_NAMESPACE",
        value_name = "NAMESPACE",
        conflicts_with = "manifests"
    )]
    pub ambient_credentials_namespace: Option<String>,

    /// The folder that `valueFrom.file` is relative to
    #[arg(long, env = "PILOTHOUSE_CREDENTIAL_DIR", value_name = "DIR")]
    pub credential_dir: Option<PathBuf>,

    /// Environment variables that `valueFrom.env` may name (repeatable) [default: with
    /// `--manifests` every one, in a cluster none]
    #[arg(long, env = "PILOTHOUSE_CREDENTIAL_ENV", value_name = "NAME", value_delimiter = ',')]
    pub credential_env: Vec<String>,

    /// How Secrets are followed that CredentialStores and Consumers refer to
    #[arg(
        long,
        env = "PILOTHOUSE_SECRET_WATCH",
        value_enum,
        default_value = "ByName",
        value_name = "HOW",
        conflicts_with = "manifests"
    )]
    pub secret_watch: SecretWatch,

    /// Labels that a Secret must have to be read, such as `pilothouse.dev/use=gateway`: whoever may
    /// write CredentialStores or Consumers can use no other [default: with
    /// `--secret-watch Labelled` pilothouse.dev/secret=true, otherwise none]
    #[arg(
        long,
        env = "PILOTHOUSE_SECRET_LABEL_SELECTOR",
        value_name = "SELECTOR",
        value_parser = label_selector::parse,
        conflicts_with = "manifests"
    )]
    pub secret_label_selector: Option<String>,

    /// Private or local addresses (and, for them, plain http) that `baseURL` may reach (repeatable)
    #[arg(
        long,
        env = "PILOTHOUSE_ALLOW_UPSTREAM_CIDR",
        value_name = "CIDR",
        value_delimiter = ',',
        conflicts_with = "manifests"
    )]
    pub allow_upstream_cidr: Vec<IpNet>,

    /// Where pictures and PDFs may be fetched from that a client names by URL, for providers that want
    /// the bytes
    #[arg(long, env = "PILOTHOUSE_FETCH_MEDIA", value_enum, default_value_t = FetchMedia::Public)]
    pub fetch_media: FetchMedia,

    /// Never write status (for sidecars)
    #[arg(long, env = "PILOTHOUSE_NO_STATUS")]
    pub no_status: bool,

    /// Serve TLS with this certificate chain (PEM; reloaded when it changes)
    #[arg(long, env = "PILOTHOUSE_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key (PEM)
    #[arg(long, env = "PILOTHOUSE_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Largest request body, such as `32MiB`
    #[arg(long, env = "PILOTHOUSE_MAX_BODY_SIZE", default_value = "32MiB", value_parser = parse_bytes)]
    pub max_body_size: usize,

    /// Most bytes of bodies held at a time [default: 25 % of the memory limit]
    #[arg(long, env = "PILOTHOUSE_MAX_BUFFERED_BYTES", value_parser = parse_bytes)]
    pub max_buffered_bytes: Option<usize>,

    /// Most client connections at a time; more wait to be accepted. The default takes some 400 MiB
    /// at worst
    #[arg(
        long,
        env = "PILOTHOUSE_MAX_CONNECTIONS",
        value_name = "COUNT",
        default_value = "16384",
        value_parser = parse_count
    )]
    pub max_connections: usize,

    /// After SIGTERM: how long to go on accepting, while readiness already says no
    #[arg(long, env = "PILOTHOUSE_DRAIN_DELAY", default_value = "5s", value_parser = parse_duration)]
    pub drain_delay: Duration,

    /// After that: how long running requests may take to end
    #[arg(long, env = "PILOTHOUSE_DRAIN_TIMEOUT", default_value = "5m", value_parser = parse_duration)]
    pub drain_timeout: Duration,

    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would take a comment for the help of a heading")]
    pub log: LogSettings,
}

/// Where the gateway goes on a client's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FetchMedia {
    /// Nowhere: such a request is refused
    Off,
    /// To public addresses, over https
    Public,
    /// To wherever upstreams may be: `--allow-upstream-cidr` too, and with `--manifests` anywhere
    Upstreams,
}

/// How Secrets are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum SecretWatch {
    /// By a watch of each: a role that names them is enough
    ByName,
    /// By a watch of each namespace, for the labelled ones: far fewer watches where there are many
    Labelled,
}

impl SecretWatch {
    /// The label selector of [`SecretWatch::Labelled`] where no other is given.
    pub const LABEL: &'static str = "pilothouse.dev/secret=true";
}

/// How the process logs.
#[derive(Debug, Clone, Args)]
pub struct LogSettings {
    /// How log lines look
    #[arg(long, env = "PILOTHOUSE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,

    /// Level of the log, or a filter such as `info,pilothouse::control=debug`
    #[arg(long, env = "PILOTHOUSE_LOG_LEVEL", default_value = "info")]
    pub log_level: String,

    /// Write no line a request
    #[arg(long, env = "PILOTHOUSE_NO_ACCESS_LOG")]
    pub no_access_log: bool,
}

/// A duration as resources have it (GEP-2257), such as `1m30s`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    text.parse::<api::Duration>().map(api::Duration::get).map_err(|error| error.to_string())
}

/// A number of bytes with an optional unit: `1048576`, `32MiB`, `32Mi`, `32MB`.
fn parse_bytes(text: &str) -> Result<usize, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: usize = match unit.trim() {
        "" | "B" => 1,
        "KiB" | "Ki" => 1 << 10,
        "MiB" | "Mi" => 1 << 20,
        "GiB" | "Gi" => 1 << 30,
        "KB" | "k" => 1_000,
        "MB" | "M" => 1_000_000,
        "GB" | "G" => 1_000_000_000,
        unit => return Err(format!("`{unit}` is no unit of bytes: use KiB, MiB or GiB")),
    };
    number
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| format!("`{text}` is no number of bytes, such as `32MiB`"))
}

/// A number of which there must be one at least.
fn parse_count(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| *count > 0)
        .ok_or_else(|| format!("`{text}` is no number above zero"))
}

/// The part of the memory that bodies may take where nobody said how much.
const BUFFERED_SHARE: usize = 4;
/// Where the memory limit cannot be read: bodies of 16 requests of the largest size.
const BUFFERED_UNKNOWN: usize = 512 << 20;

impl Settings {
    /// Most bytes of bodies held at a time.
    pub fn max_buffered(&self) -> usize {
        self.max_buffered_bytes
            .or_else(|| memory_limit().map(|limit| limit / BUFFERED_SHARE))
            .unwrap_or(BUFFERED_UNKNOWN)
    }

    /// The largest request body that is accepted: one that is larger than all bodies together may
    /// be could never be taken, and its client would be told to try again for ever.
    pub fn largest_body(&self) -> usize {
        self.max_body_size.min(self.max_buffered())
    }
}

/// The container's memory limit (cgroup v2, then v1), else the machine's memory.
fn memory_limit() -> Option<usize> {
    let cgroup = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limit = cgroup.iter().find_map(|path| read_number(path));
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix(" kB")?.parse::<usize>().ok().map(|kib| kib * 1024)
    });
    // Without a limit cgroup v1 answers with a number larger than any memory.
    limit.into_iter().chain(machine).min()
}

fn read_number(path: &str) -> Option<usize> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Serve {
        #[command(flatten)]
        settings: Settings,
    }

    #[test]
    fn no_body_may_be_larger_than_all_bodies_together() {
        let parse = |buffered: &str| {
            let flags = ["serve", "--max-body-size=8MiB", "--max-buffered-bytes", buffered];
            <Serve as clap::Parser>::try_parse_from(flags).expect("flags").settings
        };
        assert_eq!(parse("4MiB").largest_body(), 4 << 20);
        assert_eq!(parse("64MiB").largest_body(), 8 << 20);
    }

    #[test]
    fn labels_of_secrets_are_checked_at_the_start() {
        let parse = |selector: &str| {
            let flags = ["serve", "--secret-label-selector", selector];
            <Serve as clap::Parser>::try_parse_from(flags)
        };
        let settings = parse("use in (gateway, models)").expect("flags").settings;
        assert_eq!(settings.secret_label_selector.as_deref(), Some("use in (gateway,models)"));
        let refusal = parse("use of gateway").expect_err("no selector").to_string();
        let named = refusal.contains("--secret-label-selector") && refusal.contains("`key=value`");
        assert!(named, "{refusal}");
    }

    #[test]
    fn secrets_are_followed_by_name_unless_it_is_said_otherwise() {
        let parse = |flags: &[&str]| {
            let flags = ["serve"].iter().chain(flags);
            <Serve as clap::Parser>::try_parse_from(flags).expect("flags").settings.secret_watch
        };
        assert_eq!(parse(&[]), SecretWatch::ByName);
        assert_eq!(parse(&["--secret-watch", "Labelled"]), SecretWatch::Labelled);
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        assert_eq!(parse_bytes("32MiB"), Ok(32 << 20));
        assert_eq!(parse_bytes("32Mi"), Ok(32 << 20));
        assert_eq!(parse_bytes("10 KB"), Ok(10_000));
        assert_eq!(parse_bytes("7"), Ok(7));
        for wrong in ["", "MiB", "0", "-1", "5 parsecs", "99999999999GiB"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
    }
}
