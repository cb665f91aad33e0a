//! What is lost between protocols, and who is told.

use http::StatusCode;
use pilothouse::simulate::Simulator;

use crate::answer::Answer;
use crate::routes::{Api, route_of, simulator};
use crate::support::Rig;

async fn ask(compatibility: &str, member: &str) -> (Answer, Simulator) {
    let alpha = simulator("alpha").await;
    let rest = format!("compatibility: {compatibility}");
    let target = Api::Messages.target("alpha", &alpha.url(), &rest);
    let rig = Rig::start(&route_of("chat", &[target], "")).await;
    (rig.post("/v1/chat/completions", chat(member)).await, alpha)
}

fn chat(member: &str) -> String {
    format!(r#"{{"model":"chat",{member},"messages":[{{"role":"user","content":"hi"}}]}}"#)
}

fn warnings(answer: &Answer) -> &str {
    answer.headers.get("x-pilothouse-warnings").map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_harmless_loss_is_told_in_a_header() {
    let (answer, _alpha) = ask("Standard", r#""seed":7"#).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(warnings(&answer), "code=dropped;param=seed");
}

#[tokio::test]
async fn a_loss_that_changes_the_answer_is_refused_by_field_and_nobody_is_asked() {
    let (answer, alpha) = ask("Standard", r#""n":2"#).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    assert_eq!(answer.json()["error"]["param"], "n", "{answer:?}");
    assert_eq!(answer.headers["x-should-retry"], "false");
    assert_eq!(alpha.count(), 0);
}

#[tokio::test]
async fn an_answer_names_the_model_that_gave_it_translated_or_not() {
    let alpha = simulator("alpha").await;
    for api in [Api::Chat, Api::Messages] {
        let target = api.target("alpha", &alpha.url(), "model: the-real-one");
        let rig = Rig::start(&route_of("chat", &[target], "")).await;
        let answer = rig.post("/v1/chat/completions", chat(r#""n":1"#)).await;
        assert_eq!(answer.json()["model"], "the-real-one", "{answer:?}");
        let stream = rig.post("/v1/chat/completions", chat(r#""stream":true"#)).await;
        let models = stream.text().matches(r#""model":"the-real-one""#).count();
        assert!(models > 0, "{stream:?}");
        assert!(!stream.text().contains(r#""model":"chat""#), "{stream:?}");
    }
}

#[tokio::test]
async fn a_strict_target_refuses_every_loss() {
    let (answer, alpha) = ask("Strict", r#""seed":7"#).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    assert_eq!(answer.json()["error"]["param"], "seed", "{answer:?}");
    assert_eq!(alpha.count(), 0);
}

#[tokio::test]
async fn a_lenient_target_tells_of_what_others_refuse() {
    let (answer, _alpha) = ask("Lenient", r#""n":2"#).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(warnings(&answer), "code=dropped;param=n");
}

#[tokio::test]
async fn a_target_that_can_say_it_is_asked_instead() {
    let (alpha, bravo) = (simulator("alpha").await, simulator("bravo").await);
    let targets = [
        Api::Messages.target("alpha", &alpha.url(), "priority: 0"),
        Api::Chat.target("bravo", &bravo.url(), "priority: 1"),
    ];
    let rig = Rig::start(&route_of("chat", &targets, "")).await;
    let answer = rig.post("/v1/chat/completions", chat(r#""n":2"#)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.headers["x-used-provider"], "bravo");
    assert_eq!(answer.headers["x-pilothouse-attempts"], "1", "only asking is an attempt");
    assert_eq!((alpha.count(), bravo.count()), (0, 1));
}

#[tokio::test]
async fn a_target_of_another_protocol_takes_over_a_failed_one_even_in_a_stream() {
    let (alpha, bravo) = (simulator("alpha").await, simulator("bravo").await);
    alpha.set_fault("cut=0".parse().unwrap());
    let targets = [
        Api::Chat.target("alpha", &alpha.url(), "priority: 0"),
        Api::Messages.target("bravo", &bravo.url(), "priority: 1"),
    ];
    let rig = Rig::start(&route_of("chat", &targets, "")).await;
    let answer = rig.chat_stream("chat").await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.headers["x-used-provider"], "bravo");
    assert!(answer.streamed_text().ends_with("Served by bravo."), "{}", answer.text());
    assert_eq!(answer.events().last(), Some(&"[DONE]"));
}

#[tokio::test]
async fn a_count_that_nobody_can_give_is_an_estimate_and_says_so() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&Api::Chat.route("chat", &[("alpha", &alpha, "m")], "")).await;
    let body =
        r#"{"model":"chat","messages":[{"role":"user","content":"How many tokens is this?"}]}"#;
    let answer = rig.post("/v1/messages/count_tokens", body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.headers["x-pilothouse-estimated"], "true");
    assert!((6..20).contains(&answer.json()["input_tokens"].as_u64().unwrap()), "{answer:?}");
    assert_eq!(alpha.count(), 0);
}

#[tokio::test]
async fn googles_streams_are_events_or_a_clear_refusal() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&Api::Chat.route("chat", &[("alpha", &alpha, "m")], "")).await;
    let body = r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#;
    let path = "/v1beta/models/chat:streamGenerateContent";
    let refused = rig.post(path, body).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
    assert!(refused.text().contains("?alt=sse"), "{refused:?}");
    let answer = rig.post(&format!("{path}?alt=sse"), body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert!(answer.text().contains("alpha."), "{answer:?}");
    assert!(answer.text().contains("\"finishReason\":\"STOP\""), "{answer:?}");
}
