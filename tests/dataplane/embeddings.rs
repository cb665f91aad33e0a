//! Embeddings by OpenAI's API, whoever the provider is.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::StatusCode;
use pilothouse::simulate::Simulator;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::routes::{Api, ONCE, fault, route_of, simulator};
use crate::scripted::{Scripted, Then};
use crate::support::{Options, Rig};

/// Providers that embed, each with the model that is asked for: what is tried on one is tried on all.
const PROVIDERS: [(&str, &str, &str); 8] = [
    ("openai-compatible", "/v1", "text-embedding-sim"),
    ("gemini", "/v1beta", "gemini-embedding-001"),
    ("bedrock", "", "amazon.titan-embed-text-v2:0"),
    ("bedrock", "", "cohere.embed-v4:0"),
    ("bedrock", "", "cohere.embed-multilingual-v3"),
    ("vertex", "/v1/projects/p/locations/l", "text-embedding-005"),
    ("vertex", "/v1/projects/p/locations/l", "gemini-embedding-001"),
    ("vertex", "/v1/projects/p/locations/l", "gemini-embedding-2"),
];

fn target(name: &str, provider: &str, base: &str, model: &str, rest: &str) -> String {
    format!(
        "{{name: {name}, provider: {provider}, baseURL: \"{base}\", model: \"{model}\", {rest}}}"
    )
}

fn titan(name: &str, origin: &str, suffix: &str, rest: &str) -> String {
    target(name, "bedrock", origin, &format!("amazon.titan-embed-text-v2:0{suffix}"), rest)
}

async fn before(provider: (&str, &str, &str)) -> (Simulator, Rig) {
    let alpha = simulator("alpha").await;
    let (provider, path, model) = provider;
    let target = target("alpha", provider, &format!("{}{path}", alpha.url()), model, "");
    let rig = Rig::start(&route_of("embed", &[target], "")).await;
    (alpha, rig)
}

async fn embed(rig: &Rig, members: Value) -> Answer {
    let mut body = json!({"model": "embed"});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    rig.post("/v1/embeddings", body.to_string()).await
}

fn vectors(answer: &Answer) -> Vec<Vec<f32>> {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let answer = answer.json();
    assert_eq!(answer["object"], "list");
    let rows = answer["data"].as_array().unwrap();
    let vector = |(at, row): (usize, &Value)| {
        assert_eq!((&row["object"], &row["index"]), (&json!("embedding"), &json!(at)));
        match &row["embedding"] {
            Value::String(packed) => {
                let bytes = BASE64_STANDARD.decode(packed).unwrap();
                let floats =
                    bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap()));
                floats.collect()
            }
            plain => serde_json::from_value(plain.clone()).unwrap(),
        }
    };
    rows.iter().enumerate().map(vector).collect()
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("text number {at}")).collect()
}

#[tokio::test]
async fn every_provider_that_embeds_gives_the_same_answer() {
    for provider in PROVIDERS {
        let (alpha, rig) = before(provider).await;
        let input = texts(3);
        let mut plain = vectors(&embed(&rig, json!({"input": input})).await);
        let packed = embed(&rig, json!({"input": input, "encoding_format": "base64"})).await;
        assert_eq!(vectors(&packed), plain, "{provider:?}");
        assert_eq!(packed.json()["model"], provider.2, "whose vectors they are");
        let last = embed(&rig, json!({"input": input[2]})).await;
        assert_eq!(vectors(&last), [plain.pop().unwrap()], "{provider:?}: the order is kept");
        assert!(alpha.count() >= 3);
    }
}

#[tokio::test]
async fn a_length_is_asked_for_where_the_model_has_a_choice() {
    for provider in [&PROVIDERS[1..4], &PROVIDERS[5..]].concat() {
        let (_alpha, rig) = before(provider).await;
        let answer = embed(&rig, json!({"input": "a", "dimensions": 256})).await;
        assert_eq!(vectors(&answer)[0].len(), 256, "{provider:?}");
    }
    let (alpha, rig) = before(PROVIDERS[4]).await;
    let answer = embed(&rig, json!({"input": "a", "dimensions": 256})).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    assert_eq!(answer.json()["error"]["param"], "dimensions", "{answer:?}");
    assert_eq!(alpha.count(), 0);
}

#[tokio::test]
async fn large_batches_are_asked_for_in_pieces() {
    let pieces = [
        (PROVIDERS[1], 2),
        (PROVIDERS[2], 150),
        (PROVIDERS[3], 2),
        (PROVIDERS[5], 1),
        (PROVIDERS[6], 150),
        (PROVIDERS[7], 150),
    ];
    for (provider, calls) in pieces {
        let (alpha, rig) = before(provider).await;
        let answer = embed(&rig, json!({"input": texts(150), "dimensions": 256})).await;
        assert_eq!(answer.header("x-pilothouse-attempts"), "1", "they are one try");
        let (all, mut alone) = (vectors(&answer), Vec::new());
        for at in [0, 99, 100, 149] {
            let text = &texts(150)[at];
            alone.extend(vectors(&embed(&rig, json!({"input": text, "dimensions": 256})).await));
            assert_eq!(Some(&all[at]), alone.last(), "{provider:?}");
        }
        assert_eq!(alpha.count(), calls + 4, "{provider:?}");
    }
}

#[tokio::test]
async fn usage_is_the_providers_or_says_that_it_is_estimated() {
    for provider in &PROVIDERS[1..] {
        let (_alpha, rig) = before(*provider).await;
        let answer = embed(&rig, json!({"input": ["one two", "three"]})).await;
        let usage = answer.json()["usage"].clone();
        assert_eq!(usage["prompt_tokens"], usage["total_tokens"]);
        let line = &rig.log_lines(1).await[0];
        if provider.0 == "gemini" {
            assert_eq!(answer.header("x-pilothouse-estimated"), "true");
            assert!((2..8).contains(&usage["prompt_tokens"].as_u64().unwrap()), "{usage}");
            assert_eq!(line["input_tokens"], Value::Null, "nobody counted");
        } else {
            assert_eq!(answer.header("x-pilothouse-estimated"), "");
            assert_eq!((&usage["prompt_tokens"], &line["input_tokens"]), (&json!(3), &json!(3)));
        }
    }
}

#[tokio::test]
async fn tokens_go_to_a_target_that_takes_them_or_are_refused_by_field() {
    for input in [json!([1, 2, 3]), json!([[1, 2], [3]])] {
        let (alpha, rig) = before(PROVIDERS[1]).await;
        let answer = embed(&rig, json!({"input": input})).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
        assert_eq!(answer.json()["error"]["param"], "input", "{answer:?}");
        assert_eq!(alpha.count(), 0);
        let targets = [
            titan("alpha", &alpha.url(), "", "priority: 0"),
            Api::Chat.target("bravo", &alpha.url(), "priority: 1, model: embed"),
        ];
        rig.publish(&route_of("embed", &targets, ""));
        let answer = embed(&rig, json!({"input": input})).await;
        assert_eq!((answer.status, answer.target()), (StatusCode::OK, "bravo"), "{answer:?}");
    }
}

#[tokio::test]
async fn one_failure_fails_the_try_and_another_target_answers() {
    let (alpha, bravo) = (simulator("alpha").await, simulator("bravo").await);
    alpha.set_fault(fault("status=500;times=1"));
    let targets = [
        titan("alpha", &alpha.url(), "", "priority: 0"),
        titan("bravo", &bravo.url(), "", "priority: 1"),
    ];
    let rig = Rig::start(&route_of("embed", &targets, ONCE)).await;
    let answer = embed(&rig, json!({"input": texts(20)})).await;
    assert_eq!((vectors(&answer).len(), answer.target()), (20, "bravo"));
    assert_eq!(answer.header("x-pilothouse-attempts"), "2");
    assert!(alpha.count() < 20, "the others are not asked for any more");
    assert_eq!(bravo.count(), 20);
}

#[tokio::test]
async fn a_refusal_is_told_in_openais_words() {
    let alpha = simulator("alpha").await;
    let cases = [
        (";status=400;message=this-is-odd", StatusCode::BAD_REQUEST, "this-is-odd"),
        (";status=429;retry-after=7", StatusCode::TOO_MANY_REQUESTS, "rate_limit"),
        (";status=500", StatusCode::BAD_GATEWAY, "provider_failed"),
        (";body=html", StatusCode::BAD_GATEWAY, "not of its protocol"),
    ];
    for (suffix, status, words) in cases {
        let target = titan("alpha", &alpha.url(), suffix, "");
        let rig = Rig::start(&route_of("embed", &[target], "")).await;
        let answer = embed(&rig, json!({"input": ["a", "b"]})).await;
        assert_eq!(answer.status, status, "{suffix}: {answer:?}");
        assert!(answer.json()["error"].is_object() && answer.text().contains(words), "{answer:?}");
    }
}

#[tokio::test]
async fn eight_calls_run_at_once_and_all_end_with_the_client() {
    let silent = Scripted::start("", usize::MAX, Then::Hang).await;
    let rig = Rig::start(&route_of("embed", &[titan("alpha", &silent.origin, "", "")], "")).await;
    let body = json!({"model": "embed", "input": texts(100)}).to_string();
    let rig = std::sync::Arc::new(rig);
    let asking = tokio::spawn({
        let rig = std::sync::Arc::clone(&rig);
        async move { rig.post("/v1/embeddings", body).await }
    });
    rig.wait_for("eight calls", || silent.requests() >= 8).await;
    asking.abort();
    rig.settled().await;
    assert_eq!(silent.requests(), 8);
    assert_eq!(rig.log_lines(1).await[0]["outcome"], "cancelled");
}

#[tokio::test]
async fn calls_together_have_the_time_of_one_reply() {
    let silent = Scripted::start("", usize::MAX, Then::Hang).await;
    let target = titan("alpha", &silent.origin, "", "timeouts: {response: 50ms}");
    let rig = Rig::start(&route_of("embed", &[target], "")).await;
    let answer = embed(&rig, json!({"input": texts(30)})).await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT, "{answer:?}");
    assert_eq!(silent.requests(), 8);
}

#[tokio::test]
async fn an_answer_counts_against_the_memory_for_bodies() {
    let alpha = simulator("alpha").await;
    let target = titan("alpha", &alpha.url(), "", "");
    let options = Options { max_body: 64 << 10, max_buffered: 256 << 10, ..Options::default() };
    let rig = Rig::start_with(&route_of("embed", &[target], ""), options).await;
    let answer = embed(&rig, json!({"input": texts(4)})).await;
    assert_eq!(vectors(&answer).len(), 4);
    let answer = embed(&rig, json!({"input": texts(60)})).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{:?}", answer.headers);
    rig.settled().await;
    rig.wait_for("nothing held", || rig.metrics.buffered_bytes.get() == 0).await;
}

#[tokio::test]
async fn an_answer_with_too_few_vectors_is_a_failure() {
    for body in [r#"{"embeddings":[]}"#, r#"{"embeddings":[{"values":[]},{"values":[1]}]}"#] {
        let upstream = Scripted::json(200, body).await;
        let target = target("alpha", "gemini", &format!("{}/v1beta", upstream.origin), "m", "");
        let rig = Rig::start(&route_of("embed", &[target], "")).await;
        let answer = embed(&rig, json!({"input": ["a", "b"]})).await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{answer:?}");
    }
}

#[tokio::test]
async fn a_provider_that_does_not_embed_is_the_callers_mistake() {
    let alpha = simulator("alpha").await;
    let target = target("alpha", "bedrock", &alpha.url(), "amazon.nova-pro-v1:0", "");
    let rig = Rig::start(&route_of("embed", &[target], "")).await;
    let answer = embed(&rig, json!({"input": "a"})).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    assert_eq!(answer.json()["error"]["param"], "model", "{answer:?}");
    assert_eq!(alpha.count(), 0);
}

#[tokio::test]
async fn googles_own_requests_pass_to_google() {
    let (alpha, rig) = before(PROVIDERS[1]).await;
    let one = json!({"content": {"parts": [{"text": "a"}]}, "outputDimensionality": 8});
    for version in ["v1", "v1beta"] {
        let path = format!("/{version}/models/embed:embedContent");
        let answer = rig.post(&path, one.to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.json()["embedding"]["values"].as_array().unwrap().len(), 8);
        let asked = alpha.requests().pop().unwrap();
        assert_eq!(asked.path(), "/v1beta/models/gemini-embedding-001:embedContent");
    }
    let mut named = one.clone();
    named["model"] = "models/embed".into();
    let batch = json!({"requests": [named, named]});
    let path = "/v1beta/models/embed:batchEmbedContents";
    let answer = rig.post(path, batch.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.json()["embeddings"].as_array().unwrap().len(), 2);
    let asked = alpha.requests().pop().unwrap().json();
    assert_eq!(asked["requests"][1]["model"], "models/gemini-embedding-001");
    let vertex = format!("{}/v1/projects/p/locations/l", alpha.url());
    for other in [
        titan("alpha", &alpha.url(), "", ""),
        target("alpha", "vertex", &vertex, "gemini-embedding-2", ""),
    ] {
        rig.publish(&route_of("embed", &[other], ""));
        let answer = rig.post(path, batch.to_string()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "to nobody else: {answer:?}");
    }
}
