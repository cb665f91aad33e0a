//! Cleartext HTTP/2 with prior knowledge.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http2::SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::{chat, start};
use crate::simulate::Simulator;

async fn connect(simulator: &Simulator) -> SendRequest<Full<Bytes>> {
    let socket = TcpStream::connect(simulator.addr()).await.expect("it listens");
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket))
            .await
            .expect("it speaks HTTP/2");
    tokio::spawn(connection);
    sender
}

async fn ask(
    simulator: &Simulator,
    sender: &SendRequest<Full<Bytes>>,
    fault: &str,
) -> hyper::Result<Response<Incoming>> {
    let body = chat("gpt-sim", true).to_string();
    let request = Request::post(format!("{}/v1/chat/completions", simulator.url()))
        .header("x-simulate", fault)
        .body(Full::from(body))
        .expect("a legal request");
    sender.clone().send_request(request).await
}

#[tokio::test]
async fn streams_share_a_connection_and_break_alone() {
    let simulator = start().await;
    let sender = connect(&simulator).await;
    let healthy = ask(&simulator, &sender, "words=50").await.expect("an answer");
    assert!(ask(&simulator, &sender, "reset").await.is_err());
    let cut = ask(&simulator, &sender, "cut=3:reset").await.expect("a head");
    assert!(cut.into_body().collect().await.is_err());
    let body = healthy.into_body().collect().await.expect("whole").to_bytes();
    assert!(body.ends_with(b"data: [DONE]\n\n"));
    assert_eq!(simulator.snapshot().connections, 1);
}

#[tokio::test]
async fn a_client_that_resets_its_stream_is_counted() {
    let simulator = start().await;
    let sender = connect(&simulator).await;
    let stalled = ask(&simulator, &sender, "stall=2").await.expect("a head");
    drop(stalled);
    simulator.wait_for(|now| now.cancelled == 1 && now.in_flight == 0).await.expect("notices");
    let silent = tokio::spawn({
        let request = Request::post(format!("{}/v1/chat/completions", simulator.url()))
            .header("x-simulate", "silent")
            .body(Full::from("{}"))
            .expect("a legal request");
        let mut sender = sender.clone();
        async move { sender.send_request(request).await }
    });
    simulator.wait_for(|now| now.requests == 2).await.expect("arrives");
    silent.abort();
    simulator.wait_for(|now| now.cancelled == 2 && now.in_flight == 0).await.expect("notices");
}
