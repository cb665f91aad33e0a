//! What goes out is what the target said, and what is counted is what went out.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use crate::routes::{Api, route, route_of, simulator};
use crate::scripted::{Scripted, Then};
use crate::support::{Options, Rig};

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

#[tokio::test]
async fn a_target_that_refuses_stream_options_is_asked_without_them() {
    let alpha = simulator("alpha").await;
    let model = "m;status=400;message=unknown:stream_options;times=1";
    let rig = Rig::start(&route("chat", &[("alpha", &alpha, model)], "")).await;
    for _ in 0..2 {
        let answer = rig.chat_stream("chat").await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.header("x-pilothouse-attempts"), "1");
    }
    let asked: Vec<bool> = alpha
        .requests()
        .iter()
        .map(|request| request.json().get("stream_options").is_some())
        .collect();
    assert_eq!(asked, [true, false, false], "refused, repeated, remembered");
    rig.target(model).reset();
    rig.chat_stream("chat").await;
    let last = alpha.requests().pop().unwrap();
    assert!(last.json().get("stream_options").is_some(), "an operator made it forget");
}

#[tokio::test]
async fn a_wrong_request_is_asked_once() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&route("chat", &[("alpha", &alpha, "m;status=400")], "")).await;
    let answer = rig.chat_stream("chat").await;
    assert_eq!((answer.status, alpha.count()), (StatusCode::BAD_REQUEST, 1));
}

#[tokio::test]
async fn a_fault_of_the_clients_that_comes_as_an_event_is_json_with_an_id() {
    let error = r#"{"type":"error","error":{"type":"invalid_request_error","message":"no"}}"#;
    for api in [Api::Chat, Api::Messages] {
        let events = format!("event: error\ndata: {error}\n\n");
        let upstream = Scripted::events(&events, usize::MAX, Then::Close).await;
        let target = api.target("alpha", &upstream.origin, "model: m");
        let rig = Rig::start(&route_of("chat", &[target], "")).await;
        let answer = rig.ask(api, "chat", true).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.json()["error"]["message"], "no");
        if api == Api::Messages {
            assert_eq!(answer.json()["request_id"], answer.header("x-request-id"));
        }
    }
}

#[tokio::test]
async fn an_error_in_a_stream_says_what_to_do_about_it() {
    let begun = &FINISHED[..FINISHED.find("\n\n").unwrap() + 2];
    let cases = [
        (r#"{"type":"rate_limit_error"}"#, "rate_limit_exceeded", "try again later"),
        (
            r#"{"code":"context_length_exceeded","type":"invalid_request_error"}"#,
            "context_length_exceeded",
            "longer than the context",
        ),
        (
            r#"{"code":"content_filter","type":"invalid_request_error"}"#,
            "content_filter",
            "refused by its policy",
        ),
        (r#"{"type":"authentication_error"}"#, "provider_credential", "credential"),
        (r#"{"type":"server_error"}"#, "provider_failed", "reported an error"),
    ];
    for (error, code, words) in cases {
        let events = format!("{begun}data: {{\"error\":{error}}}\n\n");
        let upstream = Scripted::events(&events, usize::MAX, Then::Close).await;
        let answer = before(&upstream).await.chat_stream("chat").await;
        let last: Value = serde_json::from_str(answer.events().last().unwrap()).unwrap();
        assert_eq!(last["error"]["code"], code, "{last}");
        assert!(last["error"]["message"].as_str().unwrap().contains(words), "{last}");
    }
}

/// A reply of embeddings too long to be held, up to its end.
fn long_reply(end: &str) -> String {
    format!(r#"{{"object":"list","padding":"{}"{end}"#, "x".repeat(5 << 20))
}

#[tokio::test]
async fn the_end_of_a_long_reply_says_what_it_cost_and_whether_it_is_whole() {
    let ask = r#"{"model":"chat","input":"hello"}"#;
    let reply = long_reply(r#","usage":{"prompt_tokens":7,"total_tokens":7}}"#);
    let upstream = Scripted::json(200, &reply).await;
    let rig = before(&upstream).await;
    let answer = rig.post("/v1/embeddings", ask).await;
    assert_eq!((answer.cut, answer.body.len()), (false, reply.len()));
    assert_eq!(rig.log_lines(1).await[0]["input_tokens"], 7);

    let upstream = Scripted::json(200, &long_reply(",\"usage\":")).await;
    let rig = before(&upstream).await;
    assert!(rig.post("/v1/embeddings", ask).await.cut, "its length was right, its text is not");
    assert_eq!(rig.log_lines(1).await[0]["outcome"], "broken");

    let upstream = Scripted::json(200, &format!("<html>{}", "x".repeat(5 << 20))).await;
    let answer = before(&upstream).await.post("/v1/embeddings", ask).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{:?}", answer.headers);
}

#[tokio::test]
async fn answers_count_against_the_memory_for_bodies_and_a_lack_of_it_blames_no_target() {
    let big = "x".repeat(2 << 20);
    let reply = Scripted::json(200, &json!({"padding": big}).to_string()).await;
    let event = format!("data: {{\"choices\":[],\"padding\":\"{big}\"}}\n\n");
    let events = Scripted::events(&event, usize::MAX, Then::Close).await;
    for (upstream, stream) in [(reply, false), (events, true)] {
        let extra = "  circuitBreaker: {failureThreshold: 1}\n";
        let target = Api::Chat.target("alpha", &upstream.origin, "model: m");
        let options = Options { max_body: 64 << 10, max_buffered: 1 << 20, ..Options::default() };
        let rig = Rig::start_with(&route_of("chat", &[target], extra), options).await;
        for _ in 0..2 {
            let answer = rig.ask(Api::Chat, "chat", stream).await;
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{stream}: {answer:?}");
            assert_eq!(answer.header("x-pilothouse-attempts"), "1", "the breaker stays closed");
        }
        rig.settled().await;
        assert_eq!(rig.metrics.buffered_bytes.get(), 0, "stream={stream}");
    }
}

#[tokio::test]
async fn what_an_answer_holds_is_given_back() {
    let reply = json!({"padding": "x".repeat(2 << 20)}).to_string();
    let upstream = Scripted::json(200, &reply).await;
    let rig = before(&upstream).await;
    let answer = rig.chat("chat").await;
    assert_eq!(answer.body.len(), reply.len());
    rig.wait_for("nothing held", || rig.metrics.buffered_bytes.get() == 0).await;
}

#[tokio::test]
async fn a_stream_does_not_keep_the_table_alive_that_it_was_routed_by() {
    let alpha = simulator("alpha").await;
    let routes = route("chat", &[("alpha", &alpha, "m;pace=20ms;words=10000")], "");
    let rig = Rig::start(&routes).await;
    let table = Arc::downgrade(&rig.cell.current());
    let mut stream = rig.open_chat("chat").await;
    stream.read_until("hello").await;
    rig.publish(&routes);
    assert!(table.upgrade().is_none(), "the stream holds its route and its target alone");
    stream.read_until("data: ").await;
}
