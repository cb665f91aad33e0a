//! One kept client connection.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::answer::Answer;

/// Larger than any plain answer, so that one read takes it whole.
const READ_BUFFER: usize = 16 * 1024;

/// A connection that opens itself when it must and is kept while answers end cleanly.
pub(crate) struct Connection {
    address: SocketAddr,
    socket: Option<TcpStream>,
    buffer: Box<[u8]>,
}

impl Connection {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, socket: None, buffer: vec![0; READ_BUFFER].into() }
    }

    /// Sends `request` and reads the answer to its end, calling `on_event` for every event that
    /// arrives in it. Anything but a complete 200 is an error and closes the connection.
    pub(crate) async fn exchange(
        &mut self,
        request: &[u8],
        mut on_event: impl FnMut(Instant),
    ) -> Result<()> {
        // Taken out for the time of the exchange: given up half-way, it must not be used again.
        let mut socket = match self.socket.take() {
            Some(socket) => socket,
            None => connect(self.address).await?,
        };
        socket.write_all(request).await?;
        let mut answer = Answer::default();
        while !answer.is_complete() {
            let read = socket.read(&mut self.buffer).await?;
            if read == 0 {
                return Err(Error::from(ErrorKind::UnexpectedEof));
            }
            let events = answer.feed(&self.buffer[..read])?;
            if events > 0 {
                let now = Instant::now();
                (0..events).for_each(|_| on_event(now));
            }
        }
        self.socket = Some(socket);
        Ok(())
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}
