//! Listening, and ending well.

mod answering;
mod patience;
mod silence;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use self::answering::Answering;
use self::patience::PatientExecutor;
use self::silence::{Activity, HEAD_TIMEOUT, IDLE_TIMEOUT, SilenceGuard};
use super::body::GatewayBody;
use super::stall::StallGuard;
use super::{Gateway, handle};
use crate::telemetry::metrics::Counted;
use crate::upstream::configure_socket;

/// Connections that wait to be accepted: a burst of clients after a restart.
const BACKLOG: i32 = 4096;
/// Bytes of a request's head. Keys and identity tokens take a few KiB; hyper would hold 400.
const HEAD_LIMIT: u32 = 64 << 10;
/// After an error of `accept`, which most often means that there are no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Streams of one HTTP/2 connection. A service's SDK keeps all its calls on one connection.
const HTTP2_STREAMS: u32 = 1000;

/// How the data port ends.
#[derive(Debug, Clone)]
pub struct Drain {
    /// New connections should go elsewhere, and those that are open too: from then on each answer over
    /// HTTP/1 is its connection's last. One that was closed while the client writes its next request
    /// would cost that request; one that was announced costs nothing.
    pub draining: CancellationToken,
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
/// over. Beyond `max_connections` clients wait to be accepted.
pub async fn serve(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    max_connections: usize,
    drain: Drain,
) {
    let graceful = Arc::new(GracefulShutdown::new());
    let places = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
    loop {
        let accepted = tokio::select! {
            () = drain.stop_accepting.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let ending =
                    Ending { watcher: graceful.watcher(), draining: drain.draining.clone() };
                let serving = connection(Arc::clone(&gateway), stream, tls.clone(), ending);
                tokio::spawn(async move {
                    serving.await;
                    drop(place);
                });
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

/// The next connection, once there is a place for it. What waits meanwhile waits in the kernel,
/// where it costs this process nothing.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = match Arc::clone(places).try_acquire_owned() {
        Ok(place) => place,
        Err(_) => {
            tracing::warn!("all connections are in use: clients wait (`--max-connections`)");
            Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?
        }
    };
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn connection(
    gateway: Arc<Gateway>,
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    ending: Ending,
) {
    if let Err(error) = configure_socket(&stream) {
        // The peer is gone already.
        tracing::debug!(%error, "a connection cannot be configured");
        return;
    }
    let _open = Counted::by(&gateway.metrics.connections);
    // Boxed at once: hyper keeps room for a request's future on every connection and moves it there,
    // and each wrapper around it would make both several times as large.
    let answer = move |request| answer_or_own_up(Box::pin(handle(Arc::clone(&gateway), request)));
    match tls {
        None => exchange_requests(answer, stream, ending).await,
        Some(acceptor) => match timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => exchange_requests(answer, stream, ending).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        },
    }
}

/// A fault of the gateway is an answer as well: without it the client would see its connection
/// break, and try again what fails again.
async fn answer_or_own_up(
    answer: impl Future<Output = Response<GatewayBody>>,
) -> Response<GatewayBody> {
    // Nothing of the future is used after a panic but what its drops left behind.
    if let Ok(response) = AssertUnwindSafe(answer).catch_unwind().await {
        return response;
    }
    let body = r#"{"error":{"message":"a fault of the gateway","type":"server_error","code":"internal_error","param":null}}"#;
    let mut response = Response::new(GatewayBody::full(body));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// How a connection learns that it should end.
struct Ending {
    /// Asks it to, once its running requests have ended.
    watcher: Watcher,
    /// See [`Drain::draining`].
    draining: CancellationToken,
}

/// Tells a client whose connection should not be used again. HTTP/2 has a frame for that, which
/// loses nothing, so it may come late; its answers must not hold the header.
fn announce_end<B>(version: Version, response: &mut Response<B>) {
    if version < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Serves one connection with `answer`.
async fn exchange_requests<I, A, F, B>(answer: A, io: I, ending: Ending)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Unpin
        + Send
        + 'static,
{
    let mut builder = auto::Builder::new(PatientExecutor);
    builder
        .http1()
        .timer(TokioTimer::new())
        // The guard below is stricter; with this one hyper looks at the connection again after each
        // answer, which starts the guard's clock.
        .header_read_timeout(IDLE_TIMEOUT)
        .max_buf_size(HEAD_LIMIT as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS)
        .max_header_list_size(HEAD_LIMIT)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    let watcher = ending.watcher;
    // A clone of the token itself is a matter for all connections, this one only for requests here.
    let draining = Arc::new(ending.draining);
    let activity = Activity::new();
    let io = SilenceGuard::new(StallGuard::new(io), Arc::clone(&activity));
    let service = service_fn(move |request: Request<Incoming>| {
        let version = request.version();
        let running = activity.begin(version);
        let answering = answer(request);
        let draining = Arc::clone(&draining);
        async move {
            let mut response = answering.await.map(|body| Answering::new(body, running));
            if draining.is_cancelled() {
                announce_end(version, &mut response);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let serving = builder.serve_connection(TokioIo::new(io), service);
    if let Err(error) = watcher.watch(serving.into_owned()).await {
        tracing::debug!(%error, "a client connection ended");
    }
}
