//! The gateway ends without cutting anybody off unsaid.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::routes::{Api, route, simulator};
use crate::support::{Options, Rig};

/// Waits until nobody is let in any more.
async fn refuses_connections(rig: &Rig) {
    while TcpStream::connect(rig.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn running_requests_finish_and_new_connections_are_refused() {
    let alpha = simulator("alpha").await;
    let routes = [
        route("stream", &[("alpha", &alpha, "m;pace=20ms")], ""),
        route("plain", &[("alpha", &alpha, "m;delay=300ms")], ""),
    ];
    let rig = Rig::start(&routes.concat()).await;
    let mut stream = rig.open_chat("stream").await;
    stream.read_until("hello").await;
    let mut plain = Box::pin(rig.chat("plain"));
    tokio::select! {
        answer = &mut plain => panic!("too early: {answer:?}"),
        seen = alpha.wait_for(|now| now.requests == 2) => { seen.unwrap(); }
    }
    rig.stop_accepting.cancel();
    refuses_connections(&rig).await;
    assert!(!rig.serving.is_finished());
    let rest = stream.finish().await;
    assert_eq!((rest.events().last(), rest.cut), (Some(&"[DONE]"), false));
    assert_eq!(plain.await.status, StatusCode::OK);
    rig.wait_for("the listener to end", || rig.serving.is_finished()).await;
    rig.settled().await;
}

#[tokio::test]
async fn past_the_drain_timeout_streams_end_with_an_honest_error() {
    let alpha = simulator("alpha").await;
    for api in Api::ALL {
        let options = Options { drain_timeout: Duration::from_millis(100), ..Options::default() };
        let extra = "  circuitBreaker: {failureThreshold: 1}\n";
        let routes = api.route("chat", &[("alpha", &alpha, "m;stall=9")], extra);
        let rig = Rig::start_with(&routes, options).await;
        let asking = rig.ask(api, "chat", true);
        let begun = alpha.in_flight();
        let (answer, ()) = tokio::join!(asking, async {
            alpha.wait_for(|now| now.in_flight > begun).await.unwrap();
            rig.wait_for("the stream", || rig.in_flight() == 1).await;
            rig.stop_accepting.cancel();
        });
        assert_eq!((answer.status, answer.cut), (StatusCode::OK, false));
        let last: Value = serde_json::from_str(answer.events().last().unwrap()).unwrap();
        let said = last.to_string();
        assert!(said.contains("shutting down"), "{api:?}: {said}");
        for marker in ["[DONE]", "message_stop", "response.completed"] {
            assert!(!answer.text().contains(marker), "{api:?}");
        }
        let log = rig.log_lines(1).await;
        assert_eq!(
            (&log[0]["outcome"], &log[0]["code"]),
            (&json!("broken"), &json!("shutting_down"))
        );
        assert!(!rig.scrape().contains("pilothouse_breaker_opened_total{"), "{}", rig.scrape());
        rig.wait_for("the listener to end", || rig.serving.is_finished()).await;
    }
}

#[tokio::test]
async fn past_the_drain_timeout_a_request_without_answer_gets_503() {
    let alpha = simulator("alpha").await;
    let options = Options { drain_timeout: Duration::from_millis(100), ..Options::default() };
    let rig = Rig::start_with(&route("chat", &[("alpha", &alpha, "m;silent")], ""), options).await;
    let (answer, ()) = tokio::join!(rig.chat("chat"), async {
        alpha.wait_for(|now| now.requests == 1).await.unwrap();
        rig.stop_accepting.cancel();
    });
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["error"]["code"], "shutting_down");
    alpha.wait_for(|now| now.cancelled == 1).await.unwrap();
}
