//! Every fault, as it looks from outside.

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::{
    chat,
    client::{Got, post, post_with, read, send},
    start,
};
use crate::simulate::Simulator;

/// A streamed chat with this fault: what came, and whether the connection was reset.
async fn streamed(simulator: &Simulator, fault: &str) -> (Option<Got>, bool) {
    let body = chat("gpt-sim", true).to_string();
    let headers = [("x-simulate", fault)];
    let stream = send(simulator, "POST /v1/chat/completions", &headers, body.as_bytes()).await;
    read(stream).await
}

async fn stream(simulator: &Simulator, fault: &str) -> Got {
    streamed(simulator, fault).await.0.expect("an answer")
}

#[tokio::test]
async fn a_status_comes_in_the_shape_of_the_protocol() {
    let simulator = start().await;
    let model = "gpt-sim;status=429;retry-after=2;code=insufficient_quota;message=No more.";
    let got = post(&simulator, "/v1/chat/completions", &chat(model, true)).await;
    assert_eq!(got.status, 429);
    assert_eq!(got.header("retry-after"), Some("2"));
    let expected = json!({"error": {"message": "No more.", "type": "rate_limit_exceeded",
        "param": null, "code": "insufficient_quota"}});
    assert_eq!(got.json(), expected);
    let headers = [("x-simulate", "status=529;should-retry=false")];
    let got = post_with(&simulator, "/v1/messages", &json!({}), &headers).await;
    assert_eq!(got.status, 529);
    assert_eq!(got.header("x-should-retry"), Some("false"));
    assert_eq!(got.json()["error"]["type"], "overloaded_error");
}

#[tokio::test]
async fn a_wrong_fault_is_explained() {
    let simulator = start().await;
    let got = post(&simulator, "/v1/chat/completions", &chat("m;stauts=1", false)).await;
    assert_eq!(got.status, 400);
    let message = got.json()["error"]["message"].to_string();
    assert!(message.contains("`stauts=1`: is not known") && message.contains("pace=TIME"));
}

#[tokio::test]
async fn times_counts_per_model() {
    let simulator = start().await;
    let ask = async |model: &str| {
        post(&simulator, "/v1/chat/completions", &chat(model, false)).await.status
    };
    assert_eq!(ask("a;status=503;times=2").await, 503);
    assert_eq!(ask("b;status=503;times=2").await, 503);
    assert_eq!(ask("a;status=503;times=2").await, 503);
    assert_eq!(ask("a;status=503;times=2").await, 200);
}

#[tokio::test]
async fn a_standing_fault_can_change() {
    let simulator = start().await;
    let ask = async || post(&simulator, "/v1/chat/completions", &chat("m", false)).await;
    simulator.set_fault("status=500;times=1".parse().expect("legal"));
    assert_eq!(ask().await.status, 500);
    assert_eq!(ask().await.status, 200);
    simulator.set_fault("status=502;body=html".parse().expect("legal"));
    let got = ask().await;
    assert_eq!((got.status, got.header("content-type")), (502, Some("text/html")));
    let headers = [("x-simulate", "body=empty")];
    let got = post_with(&simulator, "/v1/chat/completions", &chat("m", false), &headers).await;
    assert_eq!((got.status, got.body.len()), (200, 0));
}

#[tokio::test]
async fn words_decides_the_length_exactly() {
    let simulator = start().await;
    for words in [1, 3, 40, 1000] {
        let mut ask = chat(&format!("m;words={words}"), true);
        ask["stream_options"] = json!({"include_usage": true});
        let events = post(&simulator, "/v1/chat/completions", &ask).await.events();
        assert_eq!(events.len(), 1 + words + 3);
        let usage = events[events.len() - 2].json()["usage"].clone();
        assert_eq!(usage["completion_tokens"], json!(words));
    }
}

#[tokio::test]
async fn streams_are_cut_in_three_ways() {
    let simulator = start().await;
    for (fault, whole, was_reset) in
        [("cut=3:end", true, false), ("cut=3", false, false), ("cut=3:reset", false, true)]
    {
        let (got, reset) = streamed(&simulator, fault).await;
        let got = got.expect("a head");
        assert_eq!((got.events().len(), got.whole, reset), (3, whole, was_reset), "{fault}");
    }
    let after = simulator.wait_for(|now| now.in_flight == 0).await.expect("ends");
    assert_eq!((after.completed, after.cancelled), (3, 0));
}

#[tokio::test]
async fn plain_bodies_are_cut_in_the_middle() {
    let simulator = start().await;
    let headers = [("x-simulate", "cut=1")];
    let got = post_with(&simulator, "/v1/chat/completions", &chat("m", false), &headers).await;
    assert!(!got.whole && !got.body.is_empty());
    let headers = [("x-simulate", "cut=1:end")];
    let got = post_with(&simulator, "/v1/chat/completions", &chat("m", false), &headers).await;
    assert!(got.whole && serde_json::from_slice::<Value>(&got.body).is_err());
}

#[tokio::test]
async fn connections_break_before_the_headers() {
    let simulator = start().await;
    let (got, reset) = streamed(&simulator, "reset").await;
    assert!(got.is_none() && reset);
    let (got, reset) = streamed(&simulator, "close").await;
    assert!(got.is_none() && !reset);
}

#[tokio::test]
async fn a_client_that_leaves_is_counted() {
    let simulator = start().await;
    for (fault, answers) in [("silent", false), ("stall=2", true)] {
        let body = chat(&format!("m;{fault}"), true).to_string();
        let mut stream = send(&simulator, "POST /v1/chat/completions", &[], body.as_bytes()).await;
        simulator.wait_for(|now| now.in_flight == 1).await.expect("arrives");
        if answers {
            stream.read_u8().await.expect("a byte");
        }
        drop(stream);
        simulator.wait_for(|now| now.in_flight == 0).await.expect("notices");
    }
    assert_eq!(simulator.cancelled(), 2);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_what_stalls() {
    for fault in ["silent", "stall=2"] {
        let simulator = start().await;
        let body = chat(&format!("m;{fault}"), true).to_string();
        let stream = send(&simulator, "POST /v1/chat/completions", &[], body.as_bytes()).await;
        simulator.wait_for(|now| now.requests == 1).await.expect("arrives");
        simulator.stop().await;
        let (got, _) = read(stream).await;
        assert!(got.is_none_or(|got| !got.whole));
    }
}

#[tokio::test]
async fn events_are_added_and_left_out() {
    let simulator = start().await;
    let healthy = stream(&simulator, "").await.events().len();

    let garbage = stream(&simulator, "garbage=2").await.events();
    assert_eq!(garbage.len(), healthy + 1);
    assert!(serde_json::from_str::<Value>(&garbage[2].data).is_err());

    let endless = stream(&simulator, "no-end").await.events();
    assert_eq!(endless.len(), healthy - 1);
    assert!(endless.iter().all(|event| event.data != "[DONE]"));

    let failed = stream(&simulator, "error=1;message=overloaded;code=oops").await.events();
    assert_eq!(failed.len(), 2);
    assert_eq!(failed[1].json()["error"]["code"], "oops");

    let huge = stream(&simulator, "huge=100000").await.events();
    assert_eq!(huge.len(), healthy + 1);
    assert!(huge[1].data.len() > 100_000 && huge[1].json()["choices"] == json!([]));
}

#[tokio::test]
async fn dripped_and_paced_streams_are_complete() {
    let simulator = start().await;
    let healthy = stream(&simulator, "words=3").await.events().len();
    for fault in ["drip;words=3", "drip=7;words=3", "pace=1ms;words=3", "first=1ms;words=3"] {
        let got = stream(&simulator, fault).await;
        assert!(got.whole, "{fault}");
        assert_eq!(got.events().len(), healthy, "{fault}");
    }
}
