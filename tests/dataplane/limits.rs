//! What requests may hold in memory.

use http::StatusCode;

use crate::raw::{Raw, chat_head};
use crate::routes::{Api, chat_body, route, simulator};
use crate::support::{Options, Rig};

async fn rig(options: Options) -> (Rig, pilothouse::simulate::Simulator) {
    let alpha = simulator("alpha").await;
    let routes = [
        route("chat", &[("alpha", &alpha, "m")], ""),
        // What is to be gone on with is kept longer.
        route("long", &[("alpha", &alpha, "m;stall=4")], "  streaming: {onInterruption: Error}\n"),
    ];
    (Rig::start_with(&routes.concat(), options).await, alpha)
}

/// A chat request of that many bytes.
fn padded(model: &str, bytes: usize) -> String {
    let body = chat_body(model, false);
    body.replace("hello", &"x".repeat(bytes - body.len() + "hello".len()))
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_refused_before_it_is_read() {
    let (rig, alpha) = rig(Options { max_body: 1000, ..Options::default() }).await;
    let mut client = Raw::connect(rig.address).await;
    client.write(&chat_head("content-length: 1001")).await;
    let answer = client.read_until("}}", 1).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("--max-body-size") && answer.contains("x-should-retry: false"));

    assert_eq!(rig.post(Api::Chat.path(), padded("chat", 1000)).await.status, StatusCode::OK);
    let answer = rig.post(Api::Chat.path(), padded("chat", 1001)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(alpha.count(), 1);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_refused_where_it_becomes_too_long() {
    let (rig, alpha) = rig(Options { max_body: 1000, ..Options::default() }).await;
    let mut client = Raw::connect(rig.address).await;
    client.write(&chat_head("transfer-encoding: chunked")).await;
    // It never ends: nobody waits for that.
    client.write(&format!("1f4\r\n{0}\r\n1f5\r\n{0}x\r\n", "x".repeat(500))).await;
    let answer = client.read_until("}}", 1).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(alpha.count(), 0);

    let mut client = Raw::connect(rig.address).await;
    let body = padded("chat", 1000);
    client.write(&chat_head("transfer-encoding: chunked")).await;
    client.write(&format!("64\r\n{}\r\n384\r\n{}\r\n0\r\n\r\n", &body[..100], &body[100..])).await;
    assert!(client.read_until("}}", 1).await.starts_with("HTTP/1.1 200"));
    assert_eq!(alpha.requests()[0].json()["messages"].as_array().unwrap().len(), 1);
    rig.wait_for("the memory to come back", || rig.metrics.buffered_bytes.get() == 0).await;
}

#[tokio::test]
async fn when_the_memory_for_bodies_is_used_up_the_next_is_told_to_come_back() {
    let (rig, alpha) = rig(Options { max_buffered: 1000, ..Options::default() }).await;
    let mut slow = Raw::connect(rig.address).await;
    slow.write(&chat_head("content-length: 1000")).await;
    slow.write(&"x".repeat(900)).await;
    rig.wait_for("the reservation of what has come", || rig.metrics.buffered_bytes.get() == 900)
        .await;
    let answer = rig.post(Api::Chat.path(), padded("chat", 200)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["error"]["code"], "overloaded");
    assert_eq!(answer.header("retry-after"), "1");
    let mut growing = Raw::connect(rig.address).await;
    growing.write(&chat_head("transfer-encoding: chunked")).await;
    growing.write(&format!("c8\r\n{}\r\n", "x".repeat(200))).await;
    assert!(growing.read_until("}}", 1).await.starts_with("HTTP/1.1 503"));
    assert_eq!(alpha.count(), 0);
    // A client that leaves in the middle of its body gives its memory back.
    drop(slow);
    rig.wait_for("the memory to come back", || rig.metrics.buffered_bytes.get() == 0).await;
    assert_eq!(rig.post(Api::Chat.path(), padded("chat", 200)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_is_kept_until_its_answer_has_begun_and_no_longer() {
    let (rig, alpha) = rig(Options::default()).await;
    let mut stream = rig.open_chat("long").await;
    stream.read_until("You").await;
    assert_eq!(rig.metrics.buffered_bytes.get(), 0);
    assert_eq!(rig.in_flight(), 1);
    drop(stream);
    alpha.wait_for(|now| now.in_flight == 0).await.unwrap();
}

#[tokio::test]
async fn a_connection_outlives_a_refusal_by_the_head() {
    let (rig, alpha) = rig(Options::default()).await;
    let mut client = Raw::connect(rig.address).await;
    let body = padded("chat", 1000);
    let framing = "content-length: 1000";
    let head = chat_head(framing);
    // The body comes later than its head, as from many clients.
    for refused in [head.replace("x-api-key: ", "x-api-key: not-"), head.replace("json", "xml")] {
        client.write(&refused).await;
        tokio::task::yield_now().await;
        client.write(&body).await;
        assert!(client.read_until("}}", 1).await.starts_with("HTTP/1.1 4"));
    }
    client.write(&format!("{head}{body}")).await;
    assert!(client.read_until("}}", 1).await.starts_with("HTTP/1.1 200"));
    assert_eq!(alpha.count(), 1);
}
