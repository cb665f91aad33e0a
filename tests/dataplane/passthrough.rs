//! Where both sides speak one protocol, bytes pass.

use http::StatusCode;

use crate::routes::{Api, route, route_of, simulator};
use crate::scripted::Scripted;
use crate::support::Rig;

#[tokio::test]
async fn only_the_model_changes_in_a_body_that_passes() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&route("chat", &[("alpha", &alpha, "upstream-name")], "")).await;
    let body = |model: &str| {
        format!(
            r#"{{ "zeta": 1.0e2, "model" : "{model}","messages":[{{"role":"user","content":"é 😀"}}],
                "unknown":{{"b":1,"a":[1.10]}}, "big":12345678901234567890123 }}"#
        )
    };
    let answer = rig.post("/v1/chat/completions", body("chat")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(alpha.requests()[0].body, body("upstream-name"));
}

#[tokio::test]
async fn usage_that_the_gateway_asks_for_is_hidden_from_a_caller_that_did_not() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&route("chat", &[("alpha", &alpha, "m")], "")).await;
    let answer = rig.chat_stream("chat").await;
    assert_eq!(alpha.requests()[0].json()["stream_options"]["include_usage"], true);
    assert!(!answer.text().contains("\"usage\""), "{}", answer.text());
    assert_eq!(answer.events().last(), Some(&"[DONE]"));
    assert!(answer.streamed_text().ends_with("Served by alpha."));
    let log = rig.log_lines(1).await;
    assert!(log[0]["output_tokens"].as_u64().unwrap() > 0, "{log:?}");
}

#[tokio::test]
async fn usage_that_the_caller_asks_for_arrives() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&route("chat", &[("alpha", &alpha, "m")], "")).await;
    let body = r#"{"model":"chat","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}"#;
    let answer = rig.post("/v1/chat/completions", body).await;
    let events = answer.events();
    let usage: serde_json::Value = serde_json::from_str(events[events.len() - 2]).unwrap();
    assert!(usage["usage"]["completion_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn a_refusal_of_what_the_gateway_added_is_not_shown_to_the_caller() {
    let answer = |status: &str, kind: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let refusal = r#"{"error":{"message":"unknown field stream_options"}}"#;
    let events = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\n\
                  data: [DONE]\n\n";
    let alpha = Scripted::refusing(
        "stream_options",
        &answer("400 Bad Request", "application/json", refusal),
        &answer("200 OK", "text/event-stream", events),
    )
    .await;
    let target = Api::Chat.target("alpha", &alpha.origin, "model: m");
    let rig = Rig::start(&route_of("chat", &[target], "")).await;
    let got = rig.chat_stream("chat").await;
    assert_eq!((got.status, got.text()), (StatusCode::OK, events));
    assert_eq!((alpha.requests(), got.header("x-pilothouse-attempts")), (2, "1"));

    // What the caller itself asked for is the caller's.
    let body =
        r#"{"model":"chat","stream":true,"stream_options":{"include_usage":true},"messages":[]}"#;
    let got = rig.post(Api::Chat.path(), body).await;
    assert_eq!((got.status, got.text(), alpha.requests()), (StatusCode::BAD_REQUEST, refusal, 3));
}

#[tokio::test]
async fn reasoning_of_another_provider_never_reaches_one_that_would_refuse_it() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&Api::Messages.route("claude", &[("alpha", &alpha, "m")], "")).await;
    for signature in ["pilothouse:gemini:c2ln", ""] {
        let body = format!(
            r#"{{"model":"claude","max_tokens":100,"messages":[
                {{"role":"user","content":"hi"}},
                {{"role":"assistant","content":[
                    {{"type":"thinking","thinking":"hm","signature": "{signature}"}},
                    {{"type":"text","text":"hello"}}]}},
                {{"role":"user","content":"go on"}}]}}"#
        );
        let answer = rig.post("/v1/messages", body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert!(answer.headers["x-pilothouse-warnings"].to_str().unwrap().contains("thinking"));
        let sent = alpha.requests().pop().unwrap();
        let sent = sent.json().to_string();
        assert!(sent.contains("go on") && !sent.contains("thinking"), "{sent}");
    }
}
