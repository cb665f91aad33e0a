//! Listening, and ending well.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::stall::StallGuard;
use super::{Gateway, handle};
use crate::upstream::configure_socket;

/// Connections that wait to be accepted: a burst of clients after a restart.
const BACKLOG: i32 = 4096;
/// A client that has not finished its handshake or its request head by then is not serious.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// After an error of `accept`, which most often means that there are no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Streams of one HTTP/2 connection. A service's SDK keeps all its calls on one connection.
const HTTP2_STREAMS: u32 = 1000;

/// How the data port ends.
#[derive(Debug, Clone)]
pub struct Drain {
    /// No new connections from then on; running requests go on.
    pub stop_accepting: CancellationToken,
    /// How long running requests may take after that.
    pub timeout: Duration,
    /// Ended when that time is over, so that streams say so.
    pub cut: CancellationToken,
}

/// After the cut a stream needs a moment to say goodbye on its connection.
const FAREWELL: Duration = Duration::from_secs(1);

/// Opens the data port.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]` serves both families, as people expect of it.
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Serves connections until `drain` says stop, then until the last request has ended or its time is
/// over.
pub async fn serve(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    drain: Drain,
) {
    let graceful = Arc::new(GracefulShutdown::new());
    loop {
        let accepted = tokio::select! {
            () = drain.stop_accepting.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(connection(
                    Arc::clone(&gateway),
                    stream,
                    tls.clone(),
                    graceful.watcher(),
                ));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let Some(graceful) = Arc::into_inner(graceful) else { return };
    let mut ending = std::pin::pin!(graceful.shutdown());
    if timeout(drain.timeout, &mut ending).await.is_err() {
        tracing::warn!("some requests did not end within the drain timeout and are cut off");
        drain.cut.cancel();
        // What cannot be told goodbye to within that time is simply closed.
        let _ = timeout(FAREWELL, ending).await;
    }
    drain.cut.cancel();
}

async fn connection(
    gateway: Arc<Gateway>,
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    if let Err(error) = configure_socket(&stream) {
        // The peer is gone already.
        tracing::debug!(%error, "a connection cannot be configured");
        return;
    }
    let open = gateway.metrics.connections.clone();
    open.inc();
    match tls {
        None => exchange_requests(gateway, stream, watcher).await,
        Some(acceptor) => match timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => exchange_requests(gateway, stream, watcher).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        },
    }
    open.dec();
}

async fn exchange_requests<I>(
    gateway: Arc<Gateway>,
    io: I,
    watcher: hyper_util::server::graceful::Watcher,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Without a timer hyper has no defence against clients that never finish their head.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    let service = service_fn(move |request| {
        let gateway = Arc::clone(&gateway);
        async move { Ok::<_, std::convert::Infallible>(handle(gateway, request).await) }
    });
    let serving = builder.serve_connection(TokioIo::new(StallGuard::new(io)), service);
    if let Err(error) = watcher.watch(serving.into_owned()).await {
        tracing::debug!(%error, "a client connection ended");
    }
}
