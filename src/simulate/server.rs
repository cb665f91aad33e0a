//! Sockets in, exchanges out: accepts connections and ends them.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

use super::{
    exchange,
    observe::Connected,
    provider::Provider,
    socket::{Link, Socket},
};

/// How long a stop lets running exchanges finish. Scripted stalls and silences end at once, so
/// this only bounds answers that are being sent.
const GRACE: Duration = Duration::from_secs(5);

/// Streams of one HTTP/2 connection at a time; hyper's 200 would queue a benchmark's clients.
const MAX_STREAMS: u32 = 4096;

/// After an accept error other than a lost peer (descriptors used up, most likely), so that the
/// loop does not spin until some connection ends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Listens on `addr`; port 0 takes a free one.
pub(super) async fn listen(addr: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(addr).await?;
    let addr = listener.local_addr()?;
    Ok((listener, addr))
}

/// Serves until the provider is stopping, then lets connections finish. Dropping the future ends
/// them all.
pub(super) async fn serve(listener: TcpListener, provider: Arc<Provider>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = provider.stopping.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let connected = provider.ledger.connect();
                connections.spawn(connection(stream, Arc::clone(&provider), connected));
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "a simulated provider cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let _ = timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
    connections.shutdown().await;
}

async fn connection(stream: TcpStream, provider: Arc<Provider>, _connected: Connected) {
    // Every event has to leave at once; a failure means that the peer is gone already.
    let _ = stream.set_nodelay(true);
    let link = Arc::new(Link::default());
    let socket = Socket::new(stream, Arc::clone(&link));
    let service =
        service_fn(|request| exchange::run(Arc::clone(&provider), Arc::clone(&link), request));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(socket), service));
    // Errors are what clients and faults make of a connection: they show in the counters.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = provider.stopping.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
