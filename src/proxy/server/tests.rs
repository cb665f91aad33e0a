//! A connection in memory, with time that passes at once.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::*;
use crate::proxy::stall::STALLED;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n";

async fn hello(_: Request<Incoming>) -> Response<Full<Bytes>> {
    Response::new(Full::new(Bytes::from_static(b"hello")))
}

/// The client's end of a connection whose requests are answered with hello.
fn connect() -> DuplexStream {
    connect_until(CancellationToken::new())
}

fn connect_until(draining: CancellationToken) -> DuplexStream {
    let (ours, theirs) = duplex(1 << 20);
    tokio::spawn(async move {
        // Dropped, it would ask the connection to end.
        let graceful = GracefulShutdown::new();
        exchange_requests(hello, ours, Ending { watcher: graceful.watcher(), draining }).await;
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

#[tokio::test]
async fn while_draining_an_answer_says_that_it_is_the_last_of_its_connection() {
    let draining = CancellationToken::new();
    let mut client = connect_until(draining.clone());
    client.write_all(GET).await.expect("an open connection");
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        assert!(client.read_buf(&mut answer).await.expect("an answer") > 0);
    }
    assert!(!String::from_utf8_lossy(&answer).contains("connection: close"));

    draining.cancel();
    client.write_all(GET).await.expect("an open connection");
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.expect("an answer, and the end of the connection");
    assert!(rest.contains("connection: close") && rest.ends_with("hello"), "{rest}");
}

#[test]
fn http2_has_a_frame_for_the_end_and_no_such_header() {
    let mut response = Response::new(());
    announce_end(Version::HTTP_2, &mut response);
    assert!(response.headers().is_empty());
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

/// A body that tells when it is dropped.
struct Watched<B> {
    body: B,
    _dropped: oneshot::Sender<()>,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// An HTTP/2 client whose streams have a window of `window` bytes, and the ends of the bodies that
/// `/endless` and `/large` are answered with. `/` is answered at once.
async fn connect_http2(
    window: u32,
) -> (http2::SendRequest<Empty<Bytes>>, mpsc::Receiver<oneshot::Receiver<()>>) {
    let (ours, theirs) = duplex(1 << 20);
    let (bodies, ends) = mpsc::channel(8);
    let answer = move |request: Request<Incoming>| {
        let body = match request.uri().path() {
            "/endless" => {
                let event = || Ok(Frame::data(Bytes::from_static(b"data: {}\n\n")));
                BodyExt::boxed(StreamBody::new(futures::stream::repeat_with(event)))
            }
            "/large" => BodyExt::boxed(Full::new(Bytes::from(vec![b'a'; 1 << 20]))),
            _ => BodyExt::boxed(Full::new(Bytes::from_static(b"hello"))),
        };
        let (dropped, end) = oneshot::channel();
        if request.uri().path() != "/" {
            bodies.try_send(end).expect("the test runs");
        }
        async move { Response::new(Watched { body, _dropped: dropped }) }
    };
    tokio::spawn(async move {
        let graceful = GracefulShutdown::new();
        let draining = CancellationToken::new();
        let ending = Ending { watcher: graceful.watcher(), draining };
        exchange_requests(answer, ours, ending).await;
    });
    let (sending, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(window)
        .handshake(TokioIo::new(theirs))
        .await
        .expect("a handshake");
    tokio::spawn(connection);
    (sending, ends)
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://h{path}")).body(Empty::new()).expect("a request")
}

#[tokio::test(start_paused = true)]
async fn an_http2_stream_that_its_client_does_not_read_is_reset_and_its_siblings_go_on() {
    for (path, window) in [("/endless", 100), ("/endless", 0), ("/large", 0), ("/large", 1)] {
        let (mut client, mut ends) = connect_http2(window).await;
        let unread = client.send_request(get(path)).await.expect("the head needs no window");
        let started = Instant::now();
        let end = ends.recv().await.expect("a body");
        end.await.expect_err("dropped");
        assert!(about(started.elapsed(), STALLED), "{path} {window}: {:?}", started.elapsed());
        let sibling = client.send_request(get("/")).await.expect("the connection goes on");
        assert_eq!(sibling.status(), StatusCode::OK);
        drop(unread);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_http2_client_gets_everything() {
    let (mut client, _ends) = connect_http2(64 << 10).await;
    let mut answer = client.send_request(get("/large")).await.expect("an answer");
    let mut read = 0;
    while let Some(frame) = answer.frame().await {
        read += frame.expect("no reset").into_data().expect("data").len();
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    assert_eq!(read, 1 << 20);
}

#[tokio::test]
async fn a_panic_is_answered_with_500() {
    let answer = answer_or_own_up(async { panic!("a fault that this test makes") }).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body["error"]["code"], "internal_error");
}
