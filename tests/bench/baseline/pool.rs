//! Kept connections to the one upstream, last used first.

use std::io::Error;
use std::net::SocketAddr;

use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;

/// Idle connections to `upstream`.
pub(crate) struct Pool {
    upstream: SocketAddr,
    idle: Mutex<Vec<SendRequest<Incoming>>>,
}

impl Pool {
    pub(crate) fn new(upstream: SocketAddr) -> Self {
        Self { upstream, idle: Mutex::new(Vec::new()) }
    }

    /// A connection that can take a request now: a kept one, else a new one.
    pub(crate) async fn take(&self) -> Result<SendRequest<Incoming>, Error> {
        while let Some(mut kept) = self.pop() {
            if kept.ready().await.is_ok() {
                return Ok(kept);
            }
        }
        let socket = TcpStream::connect(self.upstream).await?;
        socket.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(socket)).await.map_err(Error::other)?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Takes back a connection whose answer has been read to the end.
    pub(crate) fn put(&self, connection: SendRequest<Incoming>) {
        self.idle.lock().push(connection);
    }

    /// A function of its own so that the lock is not held over `take`'s await.
    fn pop(&self) -> Option<SendRequest<Incoming>> {
        self.idle.lock().pop()
    }
}
