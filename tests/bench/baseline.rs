//! The bare reverse proxy that every figure is a ratio to.
//!
//! It does what any hyper proxy must and nothing else: accept, send the request on over a kept
//! connection, stream the answer back. No body is buffered, nothing is parsed, no header is looked
//! at beyond the ones HTTP says belong to a connection. What the gateway costs above it is what
//! the gateway's features cost.
//!
//! The same code runs under three runtimes, so that they can be compared.

mod forward;
mod pool;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

use self::pool::Pool;
use crate::process::announce;

/// Where requests go, and what happens to them first.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) upstream: SocketAddr,
    /// Busy time for each request, which stands in for what a gateway does with it. Zero in the
    /// baseline of the ratios; the runtimes differ more when there is work to spread.
    pub(crate) work: Duration,
}

/// How the baseline's work is spread over threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Threads {
    /// One thread, one pool: the baseline of the ratios.
    Single,
    /// A thread with its own runtime, listener (`SO_REUSEPORT`) and pool for each core.
    PerCore,
    /// One work-stealing runtime with a worker for each core, one pool.
    Stealing,
}

/// Serves until killed. Prints the address that all threads share and then, for `PerCore`, one
/// address for each thread that only it accepts on: the way to aim load at a single thread.
pub(crate) fn run(threads: Threads, workers: usize, target: Target) -> std::io::Result<()> {
    match threads {
        Threads::Single => {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let shared = listen(0)?;
            announce(&[shared.local_addr()?]);
            serve(&runtime, vec![shared], target)
        }
        Threads::Stealing => {
            let runtime =
                Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
            let shared = listen(0)?;
            announce(&[shared.local_addr()?]);
            serve(&runtime, vec![shared], target)
        }
        Threads::PerCore => run_per_core(workers, target),
    }
}

fn run_per_core(workers: usize, target: Target) -> std::io::Result<()> {
    let first = listen(0)?;
    let shared = first.local_addr()?;
    let mut addresses = vec![shared];
    let mut first = Some(first);
    let mut threads = Vec::with_capacity(workers);
    for _ in 0..workers {
        let common = match first.take() {
            Some(listener) => listener,
            None => listen(shared.port())?,
        };
        let own = listen(0)?;
        addresses.push(own.local_addr()?);
        threads.push(std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            serve(&runtime, vec![common, own], target)
        }));
    }
    announce(&addresses);
    threads.into_iter().try_for_each(|thread| thread.join().expect("a worker does not panic"))
}

fn listen(port: u16) -> std::io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

fn serve(
    runtime: &Runtime,
    listeners: Vec<std::net::TcpListener>,
    target: Target,
) -> std::io::Result<()> {
    let pool = Arc::new(Pool::new(target.upstream));
    runtime.block_on(async {
        let accepting = listeners
            .into_iter()
            .map(|listener| Ok(accept(TcpListener::from_std(listener)?, pool.clone(), target.work)))
            .collect::<std::io::Result<Vec<_>>>()?;
        futures::future::try_join_all(accepting).await.map(|_| ())
    })
}

async fn accept(listener: TcpListener, pool: Arc<Pool>, work: Duration) -> std::io::Result<()> {
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        tokio::spawn(answer(socket, pool.clone(), work));
    }
}

async fn answer(socket: TcpStream, pool: Arc<Pool>, work: Duration) {
    let service = service_fn(move |request| {
        spin(work);
        forward::forward(request, pool.clone())
    });
    // A connection that breaks off is the load generator's to count: it sees every error.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(socket), service)
        .await;
}

fn spin(work: Duration) {
    if work.is_zero() {
        return;
    }
    let started = Instant::now();
    while started.elapsed() < work {
        std::hint::spin_loop();
    }
}
