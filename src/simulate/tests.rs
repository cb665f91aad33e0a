//! The simulator over real sockets, as a client sees it.

pub(super) mod client;
mod faults;
mod http2;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::client::{Got, get, post, post_with};
use super::{Flavor, Simulator};

async fn start() -> Simulator {
    Simulator::builder().name("alpha").start().await.expect("a free port")
}

fn chat(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hello"}]})
}

async fn chatted(model: &str, stream: bool) -> (Simulator, Got) {
    let simulator = start().await;
    let got = post(&simulator, "/v1/chat/completions", &chat(model, stream)).await;
    (simulator, got)
}

#[tokio::test]
async fn a_chat_is_answered_and_accounted_for() {
    let (simulator, got) = chatted("gpt-sim", false).await;
    assert_eq!(got.status, 200);
    let body = got.json();
    assert_eq!(body["model"], "gpt-sim");
    assert_eq!(body["object"], "chat.completion");
    let text = body["choices"][0]["message"]["content"].as_str().expect("text");
    assert!(text.starts_with("You said: \"hello\". "), "{text}");
    assert!(text.ends_with(" Served by alpha."), "{text}");
    assert_eq!(got.header("x-simulator"), Some("alpha"));
    let [request] = &simulator.requests()[..] else { panic!("one request") };
    assert_eq!(request.path(), "/v1/chat/completions");
    assert_eq!(request.json(), chat("gpt-sim", false));
    let after = simulator.wait_for(|now| now.open_connections == 0).await.expect("closes");
    assert_eq!((after.requests, after.completed, after.in_flight, after.cancelled), (1, 1, 0, 0));
}

#[tokio::test]
async fn a_streamed_chat_says_the_same() {
    let (_simulator, plain) = chatted("gpt-sim", false).await;
    let (_simulator, stream) = chatted("gpt-sim", true).await;
    assert_eq!(stream.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let events = stream.events();
    assert_eq!(events.last().map(|event| &*event.data), Some("[DONE]"));
    let text: String = events[..events.len() - 1]
        .iter()
        .filter_map(|event| {
            Some(event.json()["choices"][0]["delta"]["content"].as_str()?.to_owned())
        })
        .collect();
    assert_eq!(json!(text), plain.json()["choices"][0]["message"]["content"]);
}

#[tokio::test]
async fn latency_comes_before_every_answer_without_a_delay() {
    let latency = Duration::from_millis(20);
    let simulator = Simulator::builder().latency(latency).start().await.expect("a free port");
    let begun = Instant::now();
    let got = post(&simulator, "/v1/chat/completions", &chat("m;status=500", false)).await;
    assert!(got.status == 500 && begun.elapsed() >= latency);
}

#[tokio::test]
async fn the_last_requests_are_kept() {
    let simulator = Simulator::builder().kept_requests(2).start().await.expect("a free port");
    for model in ["a", "b", "c"] {
        post(&simulator, "/v1/chat/completions", &chat(model, false)).await;
    }
    let kept: Vec<_> =
        simulator.requests().iter().map(|kept| kept.json()["model"].clone()).collect();
    assert_eq!((kept, simulator.count()), (vec![json!("b"), json!("c")], 3));
}

#[tokio::test]
async fn a_name_that_fits_no_id_is_refused() {
    for name in ["", "with space", "a-name-that-is-too-long"] {
        let error = Simulator::builder().name(name).start().await.expect_err(name);
        assert!(error.to_string().contains("letters, digits and hyphens"), "{error}");
    }
}

#[tokio::test]
async fn each_flavor_has_its_paths_only() {
    let openai = Simulator::builder().provider(Flavor::OpenAi).start().await.expect("a free port");
    let anthropic =
        Simulator::builder().provider(Flavor::Anthropic).start().await.expect("a free port");
    let lost = post(&openai, "/v1/messages", &json!({})).await;
    assert_eq!((lost.status, &lost.json()["error"]["code"]), (404, &json!("unknown_url")));
    let lost = post(&anthropic, "/v1/chat/completions", &json!({})).await;
    assert_eq!((lost.status, &lost.json()["error"]["type"]), (404, &json!("not_found_error")));
    assert_eq!(get(&openai, "/v1/chat/completions").await.status, 405);
}

#[tokio::test]
async fn keys_are_checked_when_there_are_some() {
    let simulator = Simulator::builder().keys(["right"]).start().await.expect("a free port");
    let ask = async |headers: &[(&str, &str)]| {
        post_with(&simulator, "/v1/chat/completions", &chat("m", false), headers).await
    };
    assert_eq!(ask(&[("authorization", "Bearer right")]).await.status, 200);
    assert_eq!(ask(&[("x-api-key", "right")]).await.status, 200);
    let wrong = ask(&[("authorization", "Bearer wrong")]).await;
    assert_eq!((wrong.status, &wrong.json()["error"]["code"]), (401, &json!("invalid_api_key")));
    assert_eq!(ask(&[]).await.status, 401);
    let shown = format!("{:?} {simulator:?}", simulator.requests());
    assert!(!shown.contains("right") && !shown.contains("wrong"), "{shown}");
}

#[tokio::test]
async fn models_are_listed_in_the_shape_of_the_caller() {
    let simulator = Simulator::builder().models(["a", "org/b", "c"]).start().await.expect("port");
    let list = get(&simulator, "/v1/models").await.json();
    assert_eq!(
        list["data"][1],
        json!({"id": "org/b", "object": "model",
        "created": 1_767_225_600, "owned_by": "sim"})
    );
    assert_eq!(get(&simulator, "/v1/models/org%2Fb").await.json()["id"], "org/b");
    assert_eq!(get(&simulator, "/v1/models/org/b").await.json()["id"], "org/b");
    let missing = get(&simulator, "/v1/models/d").await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.json()["error"]["code"], "model_not_found");
    let version = [("anthropic-version", "2023-06-01")];
    let page = client::get_with(&simulator, "/v1/models?limit=2", &version).await.json();
    assert_eq!((&page["has_more"], &page["last_id"]), (&json!(true), &json!("org/b")));
    let page = client::get_with(&simulator, "/v1/models?after_id=org/b", &version).await.json();
    assert_eq!((&page["has_more"], &page["first_id"]), (&json!(false), &json!("c")));
}

#[tokio::test]
async fn embeddings_come_as_floats_and_as_base64() {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let simulator = start().await;
    let ask = json!({"model": "e", "input": ["one", "two words"], "dimensions": 4});
    let floats = post(&simulator, "/v1/embeddings", &ask).await.json();
    assert_eq!(floats["usage"], json!({"prompt_tokens": 3, "total_tokens": 3}));
    let mut ask = ask;
    ask["encoding_format"] = json!("base64");
    let packed = post(&simulator, "/v1/embeddings", &ask).await.json();
    for index in 0..2 {
        let packed = packed["data"][index]["embedding"].as_str().expect("base64");
        let bytes = BASE64_STANDARD.decode(packed).expect("base64");
        let vector: Vec<_> = bytes
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes(four.try_into().expect("four bytes")))
            .collect();
        assert_eq!(json!(vector), floats["data"][index]["embedding"]);
    }
    let tokens = json!({"model": "e", "input": [[1, 2], [3]], "dimensions": 2});
    let lists = post(&simulator, "/v1/embeddings", &tokens).await.json();
    assert_eq!(lists["usage"]["prompt_tokens"], 3);
}

#[tokio::test]
async fn completions_answer_every_prompt() {
    let simulator = start().await;
    let ask = json!({"model": "m", "prompt": ["a", "b"], "n": 2, "max_tokens": 3});
    let body = post(&simulator, "/v1/completions", &ask).await.json();
    let texts: Vec<_> = (0..4).map(|index| body["choices"][index]["text"].clone()).collect();
    let expected = ["You said: \"a\". ", "(2) You said: ", "You said: \"b\". ", "(2) You said: "];
    assert_eq!(texts, expected.map(Value::from));
    assert_eq!(body["choices"][3]["finish_reason"], "length");
    assert_eq!(body["usage"]["total_tokens"], 2 + 12);
    let mut ask = ask;
    ask["stream"] = json!(true);
    ask["stream_options"] = json!({"include_usage": true});
    let events = post(&simulator, "/v1/completions", &ask).await.events();
    assert_eq!(events.len(), 4 * (3 + 1) + 2);
    assert_eq!(events[events.len() - 2].json()["usage"], body["usage"]);
}

#[tokio::test]
async fn nonsense_is_refused_with_a_reason() {
    let simulator = start().await;
    let bad = client::raw_post(&simulator, "/v1/chat/completions", b"{\"model\": \"m\", ").await;
    assert_eq!((bad.status, &bad.json()["error"]["type"]), (400, &json!("invalid_request_error")));
    for (path, body, field) in [
        ("/v1/chat/completions", json!({"messages": [{"role": "user", "content": "x"}]}), "model"),
        ("/v1/chat/completions", json!({"model": "m"}), "messages"),
        ("/v1/completions", json!({"model": "m"}), "prompt"),
        ("/v1/embeddings", json!({"model": "m"}), "input"),
        ("/v1/responses", json!({"model": "m"}), "input"),
    ] {
        let got = post(&simulator, path, &body).await;
        assert_eq!((got.status, &got.json()["error"]["param"]), (400, &json!(field)), "{path}");
    }
}
