//! What goes out is what the target said, and what is counted is what went out.

use serde_json::json;

use crate::routes::{Api, route_of};
use crate::scripted::{Scripted, Then};
use crate::support::Rig;

/// A chat stream of one choice up to its finish reason.
const FINISHED: &str = concat!(
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
);

/// A gateway before one scripted upstream.
async fn before(upstream: &Scripted) -> Rig {
    let target = Api::Chat.target("alpha", &upstream.origin, "model: m");
    Rig::start(&route_of("chat", &[target], "")).await
}

#[tokio::test]
async fn every_byte_of_a_stream_is_counted_the_last_ones_too() {
    let events = format!("{FINISHED}data: [DONE]\n\n");
    for piece in [usize::MAX, 40] {
        let upstream = Scripted::events(&events, piece, Then::Close).await;
        let rig = before(&upstream).await;
        let answer = rig.chat_stream("chat").await;
        assert_eq!(answer.text(), events);
        assert_eq!(rig.log_lines(1).await[0]["response_bytes"], events.len());
    }
}

#[tokio::test]
async fn a_finished_stream_whose_connection_breaks_is_whole() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                transfer-encoding: chunked\r\n\r\n";
    // The last chunk, which ends a chunked body, never comes.
    let bytes = format!("{head}{:x}\r\n{FINISHED}\r\n", FINISHED.len());
    let upstream = Scripted::start(bytes, usize::MAX, Then::Close).await;
    let rig = before(&upstream).await;
    let answer = rig.chat_stream("chat").await;
    assert_eq!(answer.text(), format!("{FINISHED}data: [DONE]\n\n"));
    assert_eq!(rig.log_lines(1).await[0]["outcome"], "success");
}

#[tokio::test]
async fn a_completion_of_several_prompts_ends_with_the_last_of_them() {
    let choice = |index: u32, rest: &str| {
        format!("data: {{\"choices\":[{{\"index\":{index},{rest}}}]}}\n\n")
    };
    let begun = [choice(0, "\"text\":\"a\""), choice(0, "\"finish_reason\":\"stop\"")].concat();
    let rest = [choice(1, "\"text\":\"b\""), choice(1, "\"finish_reason\":\"stop\"")].concat();
    let body = r#"{"model":"chat","stream":true,"prompt":["one","two"]}"#;

    let upstream = Scripted::events(&begun, usize::MAX, Then::Close).await;
    let answer = before(&upstream).await.post("/v1/completions", body).await;
    assert!(answer.text().contains("provider_failed"), "the second is missing: {answer:?}");

    let upstream = Scripted::events(&[begun, rest].concat(), usize::MAX, Then::Close).await;
    let rig = before(&upstream).await;
    let answer = rig.post("/v1/completions", body).await;
    assert_eq!(answer.events().last(), Some(&"[DONE]"));
    assert_eq!(rig.log_lines(1).await[0]["outcome"], json!("success"));
}
