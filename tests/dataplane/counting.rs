//! Counts of tokens: exact where the target counts, else an estimate that says so.

use http::StatusCode;
use pilothouse::simulate::Simulator;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::routes::{ONCE, fault, route_of, simulator};
use crate::scripted::{Scripted, Then};
use crate::support::Rig;

/// How clients of each API ask for a count of the same prompt, and where they find it.
fn clients() -> [(&'static str, Value, &'static str); 5] {
    let said = json!([{"role": "user", "content": "How many tokens is this?"}]);
    let contents = json!([{"role": "user", "parts": [{"text": "How many tokens is this?"}]}]);
    let blocks = json!([{"role": "user", "content": [{"text": "How many tokens is this?"}]}]);
    let wrapped = json!({"model": "models/chat", "contents": contents});
    [
        ("/v1/messages/count_tokens", json!({"model": "chat", "messages": said}), "/input_tokens"),
        ("/v1/responses/input_tokens", json!({"model": "chat", "input": said}), "/input_tokens"),
        ("/v1beta/models/chat:countTokens", json!({"contents": contents}), "/totalTokens"),
        ("/v1/models/chat:countTokens", json!({"generateContentRequest": wrapped}), "/totalTokens"),
        (
            "/model/chat/count-tokens",
            json!({"input": {"converse": {"messages": blocks}}}),
            "/inputTokens",
        ),
    ]
}

/// Providers that count, each with a model.
const COUNTING: [(&str, &str, &str); 9] = [
    ("anthropic-compatible", "", "claude-sonnet-4-6"),
    ("openai", "/v1", "gpt-sim"),
    ("gemini", "/v1beta", "gemini-3.1-pro"),
    ("bedrock", "", "us.anthropic.claude-sonnet-4-6-v1:0"),
    ("azure-openai", "/openai/v1", "gpt-sim"),
    ("azure-anthropic", "/anthropic", "claude-sonnet-4-6"),
    ("bedrock-anthropic", "", "us.anthropic.claude-sonnet-4-6-v1:0"),
    ("vertex", "/v1/projects/p/locations/l", "gemini-3.1-pro"),
    ("vertex-anthropic", "/v1/projects/p/locations/l", "claude-sonnet-4-6"),
];

fn target(name: &str, provider: (&str, &str, &str), origin: &str, rest: &str) -> String {
    let (provider, path, model) = provider;
    format!(
        "{{name: {name}, provider: {provider}, baseURL: \"{origin}{path}\", model: \"{model}\", \
         {rest}}}"
    )
}

async fn count(rig: &Rig, client: &(&'static str, Value, &'static str)) -> (Answer, u64) {
    let (path, body, pointer) = client;
    let answer = rig.post(path, body.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
    let counted = answer.json().pointer(pointer).and_then(Value::as_u64);
    let counted = counted.unwrap_or_else(|| panic!("{path}: {answer:?}"));
    (answer, counted)
}

fn is_estimated(answer: &Answer) -> bool {
    match answer.header("x-pilothouse-estimated") {
        "true" => true,
        other => {
            assert_eq!(other, "");
            false
        }
    }
}

async fn before(provider: (&str, &str, &str), fault: &str) -> (Simulator, Rig) {
    let alpha = simulator("alpha").await;
    let (name, path, model) = provider;
    let model = format!("{model}{fault}");
    let target = target("alpha", (name, path, &model), &alpha.url(), "");
    let rig = Rig::start(&route_of("chat", &[target], ONCE)).await;
    (alpha, rig)
}

#[tokio::test]
async fn every_client_gets_an_exact_count_of_every_target_that_counts() {
    for provider in COUNTING {
        let (alpha, rig) = before(provider, "").await;
        for (number, client) in (1_u64..).zip(&clients()) {
            let (answer, counted) = count(&rig, client).await;
            assert!(!is_estimated(&answer), "{provider:?}, {}: {answer:?}", client.0);
            // The simulated providers count a word as a token, and some more for a message.
            assert_eq!(counted, 5 + 4, "{provider:?}, {}", client.0);
            assert_eq!(answer.target(), "alpha");
            assert_eq!(alpha.count(), number, "asked once");
        }
        let lines = rig.log_lines(5).await;
        assert!(lines.iter().all(|line| line["outcome"] == "success"), "{lines:?}");
    }
}

#[tokio::test]
async fn every_client_gets_an_estimate_where_the_target_does_not_count() {
    let (alpha, rig) = before(("openai-compatible", "/v1", "m"), "").await;
    for client in &clients() {
        let (answer, counted) = count(&rig, client).await;
        assert!(is_estimated(&answer) && (6..20).contains(&counted), "{answer:?}");
    }
    assert_eq!(alpha.count(), 0);
}

#[tokio::test]
async fn a_count_that_fails_is_estimated_and_says_nothing_of_the_target() {
    let faults =
        [";status=404", ";status=500", ";status=429", ";status=401", ";body=html", ";close"];
    for provider in COUNTING {
        for fault in faults {
            let (alpha, rig) = before(provider, fault).await;
            let client = &clients()[0];
            for _ in 0..8 {
                let (answer, _) = count(&rig, client).await;
                assert!(is_estimated(&answer), "{provider:?}, {fault}: {answer:?}");
            }
            assert_eq!(alpha.count(), 1, "{provider:?}, {fault}: it rests from counting");
            let state = rig.state.targets().pop().unwrap();
            let now = std::time::Instant::now();
            assert_eq!(state.resting_until(now), None, "{provider:?}, {fault}");
            let policy = pilothouse::state::BreakerPolicy {
                failure_threshold: 1,
                ..pilothouse::state::BreakerPolicy::built_in()
            };
            let phase = state.breaker.status(&policy, now).phase();
            assert_eq!(phase, pilothouse::state::Phase::Closed, "{provider:?}, {fault}");
            // It is still asked what it is there for.
            rig.chat("chat").await;
            assert_eq!(alpha.count(), 2, "{provider:?}, {fault}");
        }
    }
}

#[tokio::test]
async fn an_operator_lets_it_be_asked_again() {
    let (alpha, rig) = before(COUNTING[0], "").await;
    alpha.set_fault(fault("status=500"));
    assert!(is_estimated(&count(&rig, &clients()[0]).await.0));
    alpha.set_fault(fault(""));
    assert!(is_estimated(&count(&rig, &clients()[0]).await.0));
    rig.target(COUNTING[0].2).reset();
    assert!(!is_estimated(&count(&rig, &clients()[0]).await.0));
}

#[tokio::test]
async fn a_slow_count_is_not_waited_for() {
    let silent = Scripted::start("", usize::MAX, Then::Hang).await;
    let rest = "timeouts: {response: 50ms}";
    let target = target("alpha", COUNTING[0], &silent.origin, rest);
    let rig = Rig::start(&route_of("chat", &[target], "")).await;
    assert!(is_estimated(&count(&rig, &clients()[0]).await.0));
    assert_eq!(silent.requests(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_prompt_is_told_by_whoever_knows() {
    // By the target, where it speaks the client's API ...
    let (alpha, rig) = before(COUNTING[0], "").await;
    let path = "/v1/messages/count_tokens";
    let answer = rig.post(path, r#"{"model":"chat","messages":[]}"#).await;
    assert_eq!((answer.status, alpha.count()), (StatusCode::BAD_REQUEST, 1), "{answer:?}");
    assert!(!is_estimated(&count(&rig, &clients()[0]).await.0), "others may ask on");
    // ... and here, where nobody else can.
    let (alpha, rig) = before(("openai-compatible", "/v1", "m"), "").await;
    let answer = rig.post(path, r#"{"model":"chat","messages":7}"#).await;
    assert_eq!((answer.status, alpha.count()), (StatusCode::BAD_REQUEST, 0), "{answer:?}");
    assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
}

#[tokio::test]
async fn the_target_that_would_answer_counts_and_no_turn_is_used_up() {
    let (alpha, bravo) = (simulator("alpha").await, simulator("bravo").await);
    let targets = [
        target("alpha", ("anthropic-compatible", "", "a"), &alpha.url(), ""),
        target("bravo", ("anthropic-compatible", "", "b"), &bravo.url(), ""),
    ];
    let extra = "  loadBalancing: {strategy: RoundRobin}\n";
    let rig = Rig::start(&route_of("chat", &targets, extra)).await;
    let mut answered = Vec::new();
    for _ in 0..4 {
        count(&rig, &clients()[0]).await;
        answered.push(rig.chat("chat").await.target().to_owned());
    }
    assert_ne!(answered[0], answered[1], "{answered:?}");
    assert_eq!((&answered[0], &answered[1]), (&answered[2], &answered[3]), "{answered:?}");
    // A target of a later tier counts with a tokenizer that nobody will use.
    let targets = [
        target("alpha", ("openai-compatible", "/v1", "m"), &alpha.url(), "priority: 0"),
        target("bravo", ("anthropic-compatible", "", "b"), &bravo.url(), "priority: 1"),
    ];
    rig.publish(&route_of("chat", &targets, ""));
    assert!(is_estimated(&count(&rig, &clients()[0]).await.0));
}
