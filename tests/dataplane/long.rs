//! What takes its built-in time or size, in real time.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use crate::routes::{Api, route, route_of, simulator};
use crate::scripted::{Scripted, Then};
use crate::support::Rig;

#[tokio::test]
async fn a_committed_stream_without_output_shows_every_ten_seconds_that_it_lives() {
    let alpha = simulator("alpha").await;
    let extra = "  streaming: {commitAfter: 50ms}\n";
    let routes = [
        route("chat", &[("alpha", &alpha, "m;stall=1")], extra),
        Api::Messages.route("claude", &[("alpha", &alpha, "m;stall=1")], extra),
    ];
    let rig = Rig::start(&routes.concat()).await;
    let waited = tokio::time::timeout(Duration::from_secs(25), async {
        tokio::join!(
            async { rig.open_chat("chat").await.read_until(": keep-alive\n\n").await },
            async {
                let headers = [("x-api-key", crate::support::KEY)];
                let body = Api::Messages.body("claude", true);
                let path = Api::Messages.path();
                let mut open = rig.open(http::Method::POST, path, &headers, body).await;
                open.read_until("event: ping\n").await
            }
        )
    });
    waited.await.expect("a sign of life");
}

/// A reply too long to be held back.
fn long_reply() -> String {
    json!({"object": "list", "data": [], "padding": "x".repeat(5 << 20)}).to_string()
}

fn embeddings(model: &str) -> String {
    json!({"model": model, "input": "hello"}).to_string()
}

#[tokio::test]
async fn a_reply_too_long_to_be_held_passes_as_it_comes() {
    let reply = long_reply();
    let upstream = Scripted::json(200, &reply).await;
    let target = Api::Chat.target("alpha", &upstream.origin, "model: m");
    let rig = Rig::start(&route_of("chat", &[target], "")).await;
    let answer = rig.post("/v1/embeddings", embeddings("chat")).await;
    assert_eq!((answer.status, answer.cut), (StatusCode::OK, false));
    assert!(answer.body == reply.as_bytes());
    let log = rig.log_lines(1).await;
    assert_eq!(log[0]["outcome"], "success");
    assert_eq!(log[0]["response_bytes"], reply.len());
    rig.settled().await;
}

#[tokio::test]
async fn a_long_reply_that_is_cut_breaks_off_and_is_never_taken_for_a_whole_one() {
    let reply = long_reply();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", reply.len());
    let cut = format!("{head}{}", &reply[..reply.len() - 10]);
    let upstream = Scripted::start(cut, usize::MAX, Then::Close).await;
    let target = Api::Chat.target("alpha", &upstream.origin, "model: m");
    let rig = Rig::start(&route_of("chat", &[target], "")).await;
    let answer = rig.post("/v1/embeddings", embeddings("chat")).await;
    assert!(answer.cut, "{}", answer.status);
    let log = rig.log_lines(1).await;
    assert_eq!(
        (&log[0]["outcome"], &log[0]["code"]),
        (&json!("broken"), &json!("provider_failed"))
    );
    rig.settled().await;
}
