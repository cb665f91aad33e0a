//! A connection in memory, with time that passes at once.

use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::Instant;

use super::*;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n";

async fn hello(_: Request<Incoming>) -> Response<Full<Bytes>> {
    Response::new(Full::new(Bytes::from_static(b"hello")))
}

/// The client's end of a connection whose requests are answered with hello.
fn connect() -> DuplexStream {
    let (ours, theirs) = duplex(1 << 20);
    tokio::spawn(async move {
        // Dropped, it would ask the connection to end.
        let graceful = GracefulShutdown::new();
        exchange_requests(hello, ours, graceful.watcher()).await;
    });
    theirs
}

/// How long it takes until the gateway closes the connection.
async fn time_to_close(client: &mut DuplexStream) -> Duration {
    let started = Instant::now();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.expect("a closed connection reads as ended");
    started.elapsed()
}

async fn read_hello(client: &mut DuplexStream) {
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        assert!(client.read_buf(&mut answer).await.expect("an answer") > 0, "{answer:?}");
    }
}

fn about(took: Duration, limit: Duration) -> bool {
    took.abs_diff(limit) < Duration::from_secs(1)
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_first_byte_is_closed() {
    let mut client = connect();
    assert!(about(time_to_close(&mut client).await, HEAD_TIMEOUT));
}

#[tokio::test(start_paused = true)]
async fn half_an_http2_preface_does_not_hold_a_connection() {
    let mut client = connect();
    client.write_all(b"PRI * HT").await.expect("bytes are taken");
    assert!(about(time_to_close(&mut client).await, HEAD_TIMEOUT));
}

#[tokio::test(start_paused = true)]
async fn a_trickling_head_is_cut_off_on_a_new_and_on_a_used_connection() {
    for used in [false, true] {
        let client = connect();
        let (mut reading, mut writing) = tokio::io::split(client);
        let trickle = async {
            if used {
                writing.write_all(GET).await.expect("a request");
                tokio::time::sleep(Duration::from_secs(300)).await;
            }
            let started = Instant::now();
            while writing.write_all(b"G").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            started.elapsed()
        };
        let mut rest = Vec::new();
        let (took, _) = tokio::join!(trickle, reading.read_to_end(&mut rest));
        assert!(took.abs_diff(HEAD_TIMEOUT) <= Duration::from_secs(6), "{used}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_waits_for_its_next_request_longer_than_load_balancers_do() {
    let mut client = connect();
    for _ in 0..3 {
        client.write_all(GET).await.expect("a request");
        read_hello(&mut client).await;
        tokio::time::sleep(Duration::from_secs(605)).await;
    }
    client.write_all(GET).await.expect("a request");
    read_hello(&mut client).await;
    assert!(about(time_to_close(&mut client).await, IDLE_TIMEOUT));
}

#[tokio::test(start_paused = true)]
async fn a_head_beyond_its_limit_is_refused() {
    let mut client = connect();
    let long = "a".repeat(HEAD_LIMIT as usize);
    let head = format!("GET / HTTP/1.1\r\nhost: h\r\nx-long: {long}\r\n\r\n");
    client.write_all(head.as_bytes()).await.expect("bytes are taken");
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.expect("an answer");
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    assert!(answer.starts_with(&format!("HTTP/1.1 {}", status.as_u16())), "{answer}");
}
