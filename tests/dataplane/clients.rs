//! What clients cannot make the gateway hold.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::routes::{route, simulator};
use crate::support::{KEY, Options, Rig};

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nhost: h\r\n\r\n";

async fn read_until(client: &mut TcpStream, needle: &str) -> String {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(needle) {
        assert!(client.read_buf(&mut read).await.unwrap() > 0, "{read:?}");
    }
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn beyond_the_most_connections_clients_wait_for_a_place() {
    let alpha = simulator("alpha").await;
    let options = Options { max_connections: 1, ..Options::default() };
    let rig = Rig::start_with(&route("chat", &[("alpha", &alpha, "m")], ""), options).await;
    let mut first = TcpStream::connect(rig.address).await.unwrap();
    first.write_all(HEALTH).await.unwrap();
    read_until(&mut first, "ok").await;

    let mut second = TcpStream::connect(rig.address).await.unwrap();
    second.write_all(HEALTH).await.unwrap();
    for _ in 0..3 {
        first.write_all(HEALTH).await.unwrap();
        read_until(&mut first, "ok").await;
        assert_eq!(rig.metrics.connections.get(), 1, "the second has no place yet");
    }
    assert!(second.try_read(&mut [0]).is_err(), "nobody has answered the second yet");
    drop(first);
    read_until(&mut second, "ok").await;
}

#[tokio::test]
async fn broken_chunks_are_the_clients_mistake_and_are_answered() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&route("chat", &[("alpha", &alpha, "m")], "")).await;
    let mut client = TcpStream::connect(rig.address).await.unwrap();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nx-api-key: {KEY}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
         5\r\n{{\"mod\r\nno length\r\n"
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let answer = read_until(&mut client, "invalid_request").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let log = rig.log_lines(1).await;
    assert_eq!((&log[0]["status"], &log[0]["code"]), (&400.into(), &"invalid_request".into()));
}

#[tokio::test]
async fn a_client_that_breaks_its_body_off_is_gone() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&route("chat", &[("alpha", &alpha, "m")], "")).await;
    let mut client = TcpStream::connect(rig.address).await.unwrap();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nx-api-key: {KEY}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    client.write_all(request.as_bytes()).await.unwrap();
    drop(client);
    let log = rig.log_lines(1).await;
    assert_eq!((&log[0]["status"], &log[0]["code"]), (&499.into(), &"cancelled".into()));
}
