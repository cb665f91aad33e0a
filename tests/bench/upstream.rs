//! The provider behind the proxies: as cheap as possible, so that the proxy is what saturates.
//!
//! It speaks just enough HTTP/1.1 by hand: one read and one write for a plain answer, one write
//! for each event of a stream. A hyper server here would cost nearly as much as the proxy that is
//! measured, and would be measured instead of it.

mod answers;

use std::io::{Error, ErrorKind, Result};
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{MissedTickBehavior, interval};

use crate::process::announce;

/// Requests larger than this do not occur in the benchmark; one that does is a mistake in it.
const MAX_REQUEST: usize = 64 * 1024;

/// What a stream looks like.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Pace {
    /// Text events in one stream.
    #[arg(long, default_value_t = 200)]
    pub(crate) events: u32,
    /// Milliseconds from one event to the next.
    #[arg(long, default_value_t = 5)]
    pub(crate) pace_ms: u64,
}

/// Serves until killed.
pub(crate) fn run(pace: Pace) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        announce(&[listener.local_addr()?]);
        let plain = answers::plain();
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let plain = plain.clone();
            // A client that goes away in mid-stream ends its connection here; that is expected.
            tokio::spawn(async move { serve(socket, &plain, pace).await });
        }
    })
}

async fn serve(mut socket: TcpStream, plain: &[u8], pace: Pace) -> Result<()> {
    let mut buffer = vec![0; MAX_REQUEST];
    while let Some(request) = read_request(&mut socket, &mut buffer).await? {
        if memchr::memmem::find(request, br#""stream":true"#).is_some() {
            stream(&mut socket, pace).await?;
        } else {
            socket.write_all(plain).await?;
        }
    }
    Ok(())
}

async fn stream(socket: &mut TcpStream, pace: Pace) -> Result<()> {
    let mut ticks = interval(Duration::from_millis(pace.pace_ms));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    socket.write_all(&answers::stream_head()).await?;
    let event = answers::text_event();
    for _ in 0..pace.events {
        ticks.tick().await;
        socket.write_all(&event).await?;
    }
    socket.write_all(&answers::stream_end(pace.events)).await
}

/// The next request whole, or `None` where the peer closed between two requests.
async fn read_request<'b>(
    socket: &mut TcpStream,
    buffer: &'b mut [u8],
) -> Result<Option<&'b [u8]>> {
    let mut filled = 0;
    loop {
        let read = socket.read(&mut buffer[filled..]).await?;
        if read == 0 && filled == 0 {
            return Ok(None);
        }
        if read == 0 {
            return Err(Error::from(ErrorKind::UnexpectedEof));
        }
        filled += read;
        if let Some(length) = request_length(&buffer[..filled])?
            && filled >= length
        {
            return Ok(Some(&buffer[..length]));
        }
    }
}

/// Bytes of head and body, once the head is complete.
fn request_length(received: &[u8]) -> Result<Option<usize>> {
    let Some(end) = memchr::memmem::find(received, b"\r\n\r\n") else { return Ok(None) };
    let head = str::from_utf8(&received[..end]).map_err(Error::other)?;
    let body = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .ok_or_else(|| Error::other("a request without content-length"))?;
    Ok(Some(end + 4 + body))
}
