//! Bugs that other gateways had in passing bytes on: the golden vectors (`tests/vectors`) whose
//! subject is a connection and not a translation.

use http::StatusCode;
use serde_json::{Value, json};

use crate::routes::{Api, route, route_of, simulator};
use crate::scripted::{Scripted, Then};
use crate::support::Rig;

/// A gateway whose model `chat` is served by `upstream`, which speaks Bedrock's Converse.
async fn before_bedrock(upstream: &Scripted) -> Rig {
    let target = format!(
        "{{name: alpha, provider: bedrock, baseURL: \"{}\", model: m, \
         credentialRef: {{name: one}}}}",
        upstream.origin
    );
    Rig::start(&route_of("chat", &[target], "")).await
}

/// A gateway whose model `chat` is served by `upstream`, which speaks Anthropic's Messages.
async fn before_messages(upstream: &Scripted) -> Rig {
    let target = Api::Messages.target("alpha", &upstream.origin, "model: m");
    Rig::start(&route_of("chat", &[target], "")).await
}

#[tokio::test]
async fn vector_31_an_unknown_block_passes_untouched() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&Api::Messages.route("chat", &[("alpha", &alpha, "m")], "")).await;
    let body = |model: &str| {
        format!(
            r#"{{"model":"{model}","max_tokens":9,"messages":[{{"role":"user","content":[
                {{"type":"future_block", "x":1.0}},{{"type":"text","text":"hi"}}]}}]}}"#
        )
    };
    rig.post("/v1/messages", body("chat")).await;
    assert_eq!(alpha.requests()[0].body, body("m"));
}

#[tokio::test]
async fn vector_54_inputs_of_tokens_pass_or_are_refused_by_name() {
    let (alpha, beta) = (simulator("alpha").await, simulator("beta").await);
    let routes = [
        route("chat", &[("alpha", &alpha, "m")], ""),
        Api::Messages.route("claude", &[("beta", &beta, "m")], ""),
    ];
    let rig = Rig::start(&routes.concat()).await;
    for input in ["[1,2,3]", "[[1],[2]]"] {
        let body = |model: &str| format!(r#"{{"model":"{model}","input":{input}}}"#);
        rig.post("/v1/embeddings", body("chat")).await;
        assert_eq!(alpha.requests().last().unwrap().body, body("m"));
        let answer = rig.post("/v1/embeddings", body("claude")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
        assert!(answer.text().contains("/v1/embeddings"), "{answer:?}");
    }
    assert_eq!(beta.count(), 0);
}

#[tokio::test]
async fn vector_57_an_error_body_is_no_stream() {
    let upstream = Scripted::json(400, r#"{"message":"Malformed input request"}"#).await;
    let answer = before_bedrock(&upstream).await.chat_stream("chat").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json");
    let message = answer.json()["error"]["message"].clone();
    assert!(message.as_str().unwrap().contains("Malformed input request"), "{message}");
}

#[tokio::test]
async fn vector_85_an_error_after_some_text_ends_nothing() {
    let events = [
        json!({"type": "message_start", "message": {"usage": {"input_tokens": 10}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}),
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    ];
    let events = events
        .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()));
    let upstream = Scripted::events(&events.concat(), usize::MAX, Then::Close).await;
    let rig = before_messages(&upstream).await;
    let answer = rig.chat_stream("chat").await;
    assert_eq!(answer.streamed_text(), "Hi");
    assert!(!answer.text().contains("[DONE]"), "{}", answer.text());
    let last: Value = serde_json::from_str(answer.events().last().unwrap()).unwrap();
    assert!(last["error"]["message"].is_string(), "{last}");
    assert_ne!(rig.log_lines(1).await[0]["outcome"], "success");
}

#[tokio::test]
async fn vector_94_what_is_written_anew_has_headers_of_its_own() {
    let body = r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}"#;
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\netag: \"1\"\r\n\
         content-encoding: identity\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let upstream = Scripted::start(format!("{head}{body}"), usize::MAX, Then::Serve).await;
    let answer = before_messages(&upstream).await.chat("chat").await;
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "Hi");
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    for stale in ["content-encoding", "etag"] {
        assert_eq!(answer.header(stale), "", "{stale} is of the other body");
    }
}

#[tokio::test]
async fn vector_98_an_error_of_counting_has_the_shape_of_messages() {
    let error = r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages: too few"},"request_id":"req_1"}"#;
    let upstream = Scripted::json(400, error).await;
    let body = r#"{"model":"chat","messages":[{"role":"user","content":"hi"}]}"#;
    let answer = before_messages(&upstream).await.post("/v1/messages/count_tokens", body).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    assert_eq!(answer.json()["type"], "error");
    assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
}
