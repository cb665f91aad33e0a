//! What clients cannot make the gateway hold.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::routes::{route, simulator};
use crate::support::{Options, Rig};

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
