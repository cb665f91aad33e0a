//! The only place where the parts are put together.
//!
//! Two runtimes: requests have the main one, the controller a small one on a thread of its own, so
//! that compiling thousands of routes never stands in a request's way.

mod parts;
mod stop;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::stop::{Stop, interrupted, stop_signal};
use crate::admin::{Access, Admin, TokenError, TokenFile};
use crate::control::Report;
use crate::health;
use crate::load;
use crate::manifest::schema::SchemaError;
use crate::proxy::Gateway;
use crate::proxy::server::{self, Drain};
use crate::proxy::tls::{CertificateFiles, TlsError};
use crate::settings::{LogSettings, Settings};
use crate::state::StateStore;
use crate::table::TableCell;
use crate::telemetry::{AccessLog, Metrics, log};
use crate::upstream::{Client, Connector, PoolLimits};

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
    /// The admin token cannot be used.
    #[error("`--admin-token-file`: {0}")]
    AdminToken(#[from] TokenError),
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
    let tenancy = parts::tenancy(settings)?;
    let access = match &settings.admin_token_file {
        Some(path) => Access::Token(TokenFile::open(path)?),
        None => Access::Loopback,
    };
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
    let (control, report) = parts::start_control(
        settings.clone(),
        tenancy,
        Arc::clone(&cell),
        state,
        draining.clone(),
        shutdown.clone(),
    )
    .await?;

    let connector = Connector::with_system_roots(parts::addresses(settings));
    let fetcher = parts::fetchable(settings)
        .map(|addresses| Client::new(connector.with_addresses(addresses), PoolLimits::OCCASIONAL));
    let client = Client::new(connector, PoolLimits::default());
    tokio::spawn(health::run(Arc::clone(&cell), client.clone(), shutdown.clone()));
    tokio::spawn(load::run(Arc::clone(&cell), client.clone(), shutdown.clone()));
    let mut gateway = Gateway::new(
        Arc::clone(&cell),
        client,
        Arc::clone(&metrics),
        Arc::clone(&access_log),
        parts::body_limits(settings),
        cut.clone(),
    );
    if let Some(fetcher) = fetcher {
        gateway = gateway.fetching(fetcher);
    }
    let gateway = Arc::new(gateway);
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
        access,
    });
    tokio::spawn(admin.serve(admin_listener, shutdown.clone()));
    let drain = Drain {
        draining: draining.clone(),
        stop_accepting: stop_accepting.clone(),
        timeout: settings.drain_timeout,
        cut,
    };
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
