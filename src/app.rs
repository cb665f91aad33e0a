//! The only place where the parts are put together.
//!
//! Two runtimes: requests have the main one, the controller a small one on a thread of its own, so
//! that compiling thousands of routes never stands in a request's way.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::admin::Admin;
use crate::balance;
use crate::compile::Tenancy;
use crate::control::{
    self, AllowedEnv, AmbientConfig, ControlConfig, Report, Source, StatusConfig,
};
use crate::manifest::Admission;
use crate::manifest::schema::{Checker, SchemaError};
use crate::proxy::server::{self, Drain};
use crate::proxy::tls::{CertificateFiles, TlsError};
use crate::proxy::{BodyLimits, Gateway};
use crate::settings::{LogSettings, Settings};
use crate::state::StateStore;
use crate::table::TableCell;
use crate::telemetry::{AccessLog, Metrics, log};
use crate::upstream::{AddressPolicy, Client, Connector, PoolLimits};

/// How long the end may take to write out the access log: what a container runtime takes at once
/// unless its own disk is full, and then nothing is gained by waiting.
const LAST_LINES: Duration = Duration::from_secs(5);

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The runtime cannot be made.
    #[error("cannot start: {0}")]
    Runtime(#[source] io::Error),
    /// `--log-level` is not a filter.
    #[error("`--log-level`: {0}")]
    LogLevel(#[source] tracing_subscriber::filter::ParseError),
    /// A port cannot be opened.
    #[error("cannot listen on {address}: {error} (see `{flag}`)")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Which flag says so.
        flag: &'static str,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// The certificate cannot be served.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No API server is known.
    #[error("no cluster is known: {0} (use `--manifests PATH` to serve files)")]
    Kubernetes(String),
    /// In a cluster callers without a key must come from somewhere.
    #[error(
        "`--anonymous` needs `--anonymous-namespace` in a cluster: the namespace that callers without a key count as coming from"
    )]
    AnonymousNamespace,
    /// A manifest path does not exist.
    #[error("`--manifests`: `{0}` does not exist")]
    NoManifests(PathBuf),
    /// The definitions cannot check anything, which the tests rule out.
    #[error("the resource definitions are not usable: {0}")]
    Schema(#[from] SchemaError),
    /// The metrics contradict each other, which the tests rule out.
    #[error("the metrics are not usable: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The controller did not start.
    #[error("the controller did not start")]
    Controller,
}

/// The runtime for requests: one worker for each core that the container may use.
pub fn runtime() -> Result<Runtime, AppError> {
    install_tls_provider();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // With one core there is nobody to steal work from, and the plain scheduler is cheaper.
    let mut builder =
        if cores == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.enable_all().thread_name("data").build().map_err(AppError::Runtime)
}

/// One TLS provider for the whole process; kube and rustls look for the process's default.
fn install_tls_provider() {
    // A second installation is a test's business: it is the same provider.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// `pilothouse serve`: until a signal says stop.
pub fn serve(settings: &Settings) -> Result<(), AppError> {
    start_log(&settings.log)?;
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let running = start(settings).await?;
        tracing::info!(listen = %running.address, admin = %running.admin_address, "serving");
        let drain_delay = stop_signal().await.delay(settings.drain_delay);
        tokio::select! {
            () = running.drain(drain_delay) => {}
            () = interrupted() => tracing::warn!("a second signal: ending at once"),
        }
        Ok(())
    });
    // Whatever still runs after the drain is not waited for.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

/// Starts the gateway's own log.
pub fn start_log(log: &LogSettings) -> Result<(), AppError> {
    log::start(log.log_format, &log.log_level).map_err(AppError::LogLevel)
}

/// A running gateway.
#[derive(Debug)]
pub struct Running {
    /// Where clients connect.
    pub address: SocketAddr,
    /// Where health and metrics are.
    pub admin_address: SocketAddr,
    /// The controller's account of itself.
    pub report: watch::Receiver<Arc<Report>>,
    draining: CancellationToken,
    stop_accepting: CancellationToken,
    shutdown: CancellationToken,
    data: tokio::task::JoinHandle<()>,
    control: JoinHandle<()>,
    access_log: Arc<AccessLog>,
}

impl Running {
    /// Ends well: not ready at once, no new connections after `delay`, then running requests get
    /// their time. Returns when the last one has ended or its time is over.
    pub async fn drain(self, delay: Duration) {
        self.draining.cancel();
        tracing::info!(delay = ?delay, "draining");
        tokio::time::sleep(delay).await;
        self.stop_accepting.cancel();
        // A panic of the data plane was logged where it happened.
        let _ = self.data.await;
        self.shutdown.cancel();
        let control = self.control;
        let _ = tokio::task::spawn_blocking(move || control.join()).await;
        self.access_log.close_within(LAST_LINES).await;
        tracing::info!("drained");
    }
}

/// Puts the parts together and starts them. The ports are open when this returns; the first table
/// follows (see [`Running::report`]).
pub async fn start(settings: &Settings) -> Result<Running, AppError> {
    let tenancy = tenancy(settings)?;
    let (listener, address) = listen(settings.listen, "--listen")?;
    let (admin_listener, admin_address) = listen(settings.admin_listen, "--admin-listen")?;
    let (draining, stop_accepting) = (CancellationToken::new(), CancellationToken::new());
    let (shutdown, cut) = (CancellationToken::new(), CancellationToken::new());

    let cell = Arc::new(TableCell::new());
    let state = Arc::new(StateStore::new());
    let metrics = Arc::new(Metrics::new()?);
    let access_log = Arc::new(if settings.log.no_access_log {
        AccessLog::off()
    } else {
        AccessLog::start(settings.log.log_format, io::stdout())
    });
    let (control, report) =
        start_control(settings.clone(), tenancy, Arc::clone(&cell), state, shutdown.clone())
            .await?;

    let connector = Connector::with_system_roots(addresses(settings));
    let gateway = Arc::new(Gateway::new(
        Arc::clone(&cell),
        Client::new(connector, PoolLimits::default()),
        Arc::clone(&metrics),
        Arc::clone(&access_log),
        body_limits(settings),
        cut.clone(),
    ));
    let tls = match (&settings.tls_cert, &settings.tls_key) {
        (Some(cert), Some(key)) => {
            let files = CertificateFiles { cert: cert.clone(), key: key.clone() };
            Some(files.acceptor(shutdown.clone())?)
        }
        _ => None,
    };
    let admin = Arc::new(Admin {
        cell,
        metrics,
        access_log: Arc::clone(&access_log),
        report: report.clone(),
        draining: draining.clone(),
    });
    tokio::spawn(admin.serve(admin_listener, shutdown.clone()));
    let drain =
        Drain { stop_accepting: stop_accepting.clone(), timeout: settings.drain_timeout, cut };
    let data = tokio::spawn(server::serve(gateway, listener, tls, settings.max_connections, drain));
    Ok(Running {
        address,
        admin_address,
        report,
        draining,
        stop_accepting,
        shutdown,
        data,
        control,
        access_log,
    })
}

fn listen(address: SocketAddr, flag: &'static str) -> Result<(TcpListener, SocketAddr), AppError> {
    let open = || {
        let listener = server::bind(address)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    open().map_err(|error| AppError::Listen { address, flag, error })
}

/// Starts the controller on its own thread and runtime, the Kubernetes client included.
async fn start_control(
    settings: Settings,
    tenancy: Tenancy,
    cell: Arc<TableCell>,
    state: Arc<StateStore>,
    shutdown: CancellationToken,
) -> Result<(JoinHandle<()>, watch::Receiver<Arc<Report>>), AppError> {
    let (started, start) = oneshot::channel();
    let runtime = Builder::new_current_thread().enable_all().build().map_err(AppError::Runtime)?;
    let thread = std::thread::Builder::new()
        .name("control".into())
        .spawn(move || {
            runtime.block_on(async move {
                let source = match source(&settings).await {
                    Ok(source) => source,
                    Err(error) => return drop(started.send(Err(error))),
                };
                let config = ControlConfig { source, tenancy, ambient: ambient(&settings) };
                let handle = control::start(config, cell, state, shutdown);
                // Nobody waits any more if the gateway failed to start otherwise.
                let _ = started.send(Ok(handle.report()));
                handle.stopped().await;
            });
        })
        .map_err(AppError::Runtime)?;
    let report = start.await.map_err(|_| AppError::Controller)??;
    Ok((thread, report))
}

fn tenancy(settings: &Settings) -> Result<Tenancy, AppError> {
    let operator_owned = !settings.manifests.is_empty();
    if settings.anonymous && !operator_owned && settings.anonymous_namespace.is_none() {
        return Err(AppError::AnonymousNamespace);
    }
    let shared = match settings.shared_namespace.as_slice() {
        [] => std::slice::from_ref(&settings.namespace),
        named => named,
    };
    Ok(Tenancy {
        gateway_name: settings.gateway_name.as_str().into(),
        operator_owned,
        shared_namespaces: shared.iter().map(|name| name.as_str().into()).collect(),
        anonymous: settings.anonymous,
        anonymous_namespace: settings.anonymous_namespace.as_deref().map(Into::into),
        ambient_namespace: settings.ambient_credentials_namespace.as_deref().map(Into::into),
        private_upstreams: operator_owned || !settings.allow_upstream_cidr.is_empty(),
    })
}

async fn source(settings: &Settings) -> Result<Source, AppError> {
    if settings.manifests.is_empty() {
        let client =
            control::connect().await.map_err(|error| AppError::Kubernetes(error.to_string()))?;
        let replica = std::env::var("HOSTNAME").unwrap_or_else(|_| "pilothouse".into());
        let status = StatusConfig { namespace: settings.namespace.clone(), replica };
        return Ok(Source::Cluster {
            client,
            watch_namespaces: settings
                .watch_namespace
                .iter()
                .map(|ns| ns.as_str().into())
                .collect(),
            status: (!settings.no_status).then_some(status),
        });
    }
    if let Some(missing) = settings.manifests.iter().find(|path| !path.exists()) {
        return Err(AppError::NoManifests(missing.clone()));
    }
    let strategies: Vec<&str> = balance::registry::names().collect();
    let checker = Checker::new(&crate::api::crds(&strategies))?;
    Ok(Source::Folder { paths: settings.manifests.clone(), admission: Admission::new(checker) })
}

fn ambient(settings: &Settings) -> AmbientConfig {
    let operator_owned = !settings.manifests.is_empty();
    let env = match settings.credential_env.as_slice() {
        [] if operator_owned => AllowedEnv::Any,
        listed => AllowedEnv::Listed(listed.iter().cloned().collect()),
    };
    AmbientConfig { directory: settings.credential_dir.clone(), env }
}

fn body_limits(settings: &Settings) -> BodyLimits {
    let limits =
        BodyLimits { max_body: settings.largest_body(), max_buffered: settings.max_buffered() };
    if limits.max_body < settings.max_body_size {
        tracing::warn!(
            bytes = limits.max_body,
            "request bodies are limited to what all bodies together may take \
             (`--max-buffered-bytes`), which is less than `--max-body-size`"
        );
    }
    limits
}

fn addresses(settings: &Settings) -> AddressPolicy {
    if settings.manifests.is_empty() {
        AddressPolicy::PublicAnd(settings.allow_upstream_cidr.clone())
    } else {
        AddressPolicy::Any
    }
}

/// How the process was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// SIGTERM: somebody routes traffic by readiness and needs time to notice.
    Terminate,
    /// SIGINT: a person at a terminal.
    Interrupt,
}

impl Stop {
    fn delay(self, configured: Duration) -> Duration {
        match self {
            Self::Terminate => configured,
            Self::Interrupt => Duration::ZERO,
        }
    }
}

/// Waits for SIGTERM or SIGINT.
pub async fn stop_signal() -> Stop {
    // Both fail only where the process may not have signal handlers at all; it then ends as the
    // system has it.
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => Stop::Terminate,
        _ = interrupt.recv() => Stop::Interrupt,
    }
}

/// Ends with the next SIGTERM or SIGINT.
pub async fn interrupted() {
    stop_signal().await;
}
