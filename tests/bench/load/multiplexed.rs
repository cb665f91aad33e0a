//! Streams over few HTTP/2 connections: what a mesh sidecar or a gRPC-minded client sends.

use std::io::{Error, Result};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout_at};

use super::Seen;
use crate::meter::Window;

/// Keeps `streams` streams open on each of `connections` and times the gaps between events.
pub(crate) async fn streams(
    address: SocketAddr,
    connections: usize,
    streams: usize,
    window: Window,
) -> Result<Seen> {
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let connection = connect(address).await?;
        for _ in 0..streams {
            // Apart, so that the streams do not tick in step.
            sleep(Duration::from_millis(1)).await;
            clients.spawn(repeat(connection.clone(), window));
        }
    }
    let mut seen = Seen::default();
    while let Some(client) = clients.join_next().await {
        seen.add(client.map_err(Error::other)?);
    }
    Ok(seen)
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let (sender, connection) =
        handshake(TokioExecutor::new(), TokioIo::new(socket)).await.map_err(Error::other)?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn repeat(mut connection: SendRequest<Full<Bytes>>, window: Window) -> Seen {
    let mut seen = Seen::default();
    let body = Bytes::from(super::request::body(true));
    while Instant::now() < window.until {
        let stream = one(&mut connection, body.clone(), window, &mut seen.times);
        match timeout_at(window.until.into(), stream).await {
            Ok(Ok(())) => (),
            Ok(Err(error)) => seen.fail(&error),
            Err(_) => break,
        }
    }
    seen
}

async fn one(
    connection: &mut SendRequest<Full<Bytes>>,
    body: Bytes,
    window: Window,
    gaps: &mut Vec<Duration>,
) -> Result<()> {
    let request = Request::post("http://gateway/v1/chat/completions")
        .header("content-type", "application/json")
        .body(Full::new(body))
        .map_err(Error::other)?;
    let answer = connection.send_request(request).await.map_err(Error::other)?;
    if !answer.status().is_success() {
        return Err(Error::other(answer.status().to_string()));
    }
    let mut body = answer.into_body();
    let mut last = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(Error::other)?;
        let events =
            frame.data_ref().map_or(0, |data| memchr::memmem::find_iter(data, "\n\n").count());
        let now = Instant::now();
        for _ in 0..events {
            if let Some(last) = last.replace(now)
                && window.holds(now)
            {
                gaps.push(now - last);
            }
        }
    }
    Ok(())
}
