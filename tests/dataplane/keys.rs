//! Keys: which one is used, what makes it rest, and that none is ever seen.

use std::fmt::Write;

use http::{Method, StatusCode};
use pilothouse::simulate::Simulator;

use crate::answer::Answer;
use crate::routes::{Api, fault, route_of, simulator};
use crate::support::{FIRST_KEY, KEY, Rig, SECOND_KEY};

async fn simulator_with_keys(name: &str, keys: &[&str]) -> Simulator {
    Simulator::builder().name(name).keys(keys.iter().copied()).start().await.unwrap()
}

/// A rig whose only target uses the store of that name.
async fn rig(simulator: &Simulator, store: &str) -> Rig {
    let rest = format!("model: m, credentialRef: {{name: {store}}}");
    let target = Api::Chat.target("alpha", &simulator.url(), &rest);
    Rig::start(&route_of("chat", &[target], "")).await
}

/// The keys that the simulator was asked with, in order.
fn keys_seen(simulator: &Simulator) -> Vec<String> {
    let bearer = |value: &str| value.strip_prefix("Bearer ").unwrap().to_owned();
    simulator.requests().iter().map(|one| bearer(one.header("authorization").unwrap())).collect()
}

/// Nothing of the switch shows.
fn assert_unnoticed(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.header("x-used-fallback"), "false");
    assert_eq!(answer.header("x-pilothouse-attempts"), "1", "key switches do not count");
}

#[tokio::test]
async fn a_refused_key_rests_and_the_next_is_used_at_once() {
    for stream in [false, true] {
        let alpha = simulator_with_keys("alpha", &[SECOND_KEY]).await;
        let rig = rig(&alpha, "pool").await;
        assert_unnoticed(&rig.ask(Api::Chat, "chat", stream).await);
        assert_unnoticed(&rig.ask(Api::Chat, "chat", stream).await);
        assert_eq!(keys_seen(&alpha), [FIRST_KEY, SECOND_KEY, SECOND_KEY]);
    }
}

#[tokio::test]
async fn a_throttled_key_rests_and_the_next_is_used_at_once() {
    for stream in [false, true] {
        let alpha = simulator("alpha").await;
        alpha.set_fault(fault("status=429;retry-after=600;times=1"));
        let rig = rig(&alpha, "pool").await;
        assert_unnoticed(&rig.ask(Api::Chat, "chat", stream).await);
        assert_unnoticed(&rig.ask(Api::Chat, "chat", stream).await);
        assert_eq!(keys_seen(&alpha), [FIRST_KEY, SECOND_KEY, SECOND_KEY]);
    }
}

#[tokio::test]
async fn an_empty_account_is_the_keys_fault() {
    let alpha = simulator("alpha").await;
    alpha.set_fault(fault("status=429;code=insufficient_quota;times=1"));
    let rig = rig(&alpha, "pool").await;
    assert_unnoticed(&rig.chat("chat").await);
    let resting: Vec<_> = rig.state.keys().iter().map(|key| key.faults()).collect();
    assert_eq!(resting.iter().sum::<u32>(), 1);
}

#[tokio::test]
async fn a_failure_of_the_target_is_not_its_keys_fault() {
    let alpha = simulator("alpha").await;
    alpha.set_fault(fault("status=500"));
    let rig = rig(&alpha, "pool").await;
    assert_eq!(rig.chat("chat").await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(keys_seen(&alpha), [FIRST_KEY; 2], "the second key would fare no better");
}

#[tokio::test]
async fn a_target_whose_keys_all_rest_is_not_asked() {
    let (alpha, bravo) =
        tokio::join!(simulator_with_keys("alpha", &["no-key-of-ours"]), simulator("bravo"));
    let targets = [
        Api::Chat.target("alpha", &alpha.url(), "model: m, credentialRef: {name: pool}"),
        Api::Chat.target("bravo", &bravo.url(), "model: m, priority: 1"),
    ];
    let rig = Rig::start(&route_of("chat", &targets, "")).await;
    for _ in 0..3 {
        let answer = rig.chat("chat").await;
        assert_eq!((answer.status, answer.target()), (StatusCode::OK, "bravo"));
        assert_eq!(keys_seen(&alpha), [FIRST_KEY, SECOND_KEY]);
    }
    assert_eq!(
        rig.target("m")
            .breaker
            .status(&pilothouse::state::BreakerPolicy::built_in(), std::time::Instant::now(),),
        pilothouse::state::BreakerStatus::Closed
    );
}

#[tokio::test]
async fn a_new_value_of_a_key_starts_afresh_at_once() {
    let alpha = simulator_with_keys("alpha", &[SECOND_KEY]).await;
    let target = |store: &str| {
        let rest = format!("model: m, credentialRef: {{name: {store}}}");
        route_of("chat", &[Api::Chat.target("alpha", &alpha.url(), &rest)], "")
    };
    let rotated = |key: &str| {
        format!(
            "{}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: rotating, namespace: ns}}\n\
             stringData: {{key: {key}}}\n---\napiVersion: pilothouse.dev/v1alpha1\n\
             kind: CredentialStore\nmetadata: {{name: rotating, namespace: ns}}\nspec:\n  type: APIKey\n  \
             apiKey: {{keys: [{{name: only, valueFrom: {{secretKeyRef: {{name: rotating, key: key}}}}}}]}}\n",
            target("rotating")
        )
    };
    let rig = Rig::start(&rotated(FIRST_KEY)).await;
    assert_eq!(rig.chat("chat").await.json()["error"]["code"], "provider_credential");
    assert!(!rig.chat("chat").await.status.is_success(), "it rests");
    assert_eq!(alpha.count(), 1);
    rig.publish(&rotated(SECOND_KEY));
    assert_eq!(rig.chat("chat").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_the_client_authenticates_with_never_reaches_a_target() {
    let alpha = simulator("alpha").await;
    let routes: String = [("chat", Api::Chat), ("messages", Api::Messages)]
        .iter()
        .map(|(name, api)| {
            let rest = "model: m, credentialRef: {name: one}";
            route_of(name, &[api.target("alpha", &alpha.url(), rest)], "")
        })
        .collect();
    let rig = Rig::start(&routes).await;
    let bearer = format!("Bearer {KEY}");
    let forms: [&[(&str, &str)]; 4] = [
        &[("authorization", &bearer), ("cookie", KEY), ("proxy-authorization", KEY)],
        &[("authorization", KEY), ("x-simulate", "status=500")],
        &[("x-api-key", KEY), ("x-forwarded-for", KEY)],
        &[("x-goog-api-key", KEY)],
    ];
    for (api, model) in [(Api::Chat, "chat"), (Api::Messages, "messages")] {
        let path = format!("{}?beta=true&key={KEY}", api.path());
        for headers in forms {
            let answer = rig.send(Method::POST, &path, headers, api.body(model, false)).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        }
    }
    for request in alpha.requests() {
        let sent = format!("{} {:?}", request.uri, String::from_utf8_lossy(&request.body));
        assert!(!sent.contains(KEY), "{sent}");
        assert!(request.uri.query() == Some("beta=true"), "the rest of the query passes: {sent}");
        for (name, value) in &request.headers {
            assert!(!value.to_str().unwrap().contains(KEY), "{name}");
        }
        let (own, other) = match request.path() {
            "/v1/messages" => (request.header("x-api-key"), request.header("authorization")),
            _ => (request.header("authorization"), request.header("x-api-key")),
        };
        assert!(own.unwrap().ends_with(FIRST_KEY) && other.is_none());
    }
}

#[tokio::test]
async fn no_key_is_in_any_answer_log_line_or_metric() {
    let alpha = simulator("alpha").await;
    let rig = rig(&alpha, "one").await;
    // Providers quote keys in their errors, under several statuses.
    let faults = [
        "",
        "status=401",
        "status=403",
        "status=500",
        "status=429;retry-after=0",
        "status=400;code=invalid_api_key",
        "error=0",
        "error=9",
    ];
    let quoted = format!(";message=Incorrect API key provided: {FIRST_KEY} {KEY}");
    let mut seen = String::new();
    for text in faults {
        let text = if text.is_empty() { String::new() } else { format!("{text}{quoted}") };
        for stream in [false, true] {
            alpha.set_fault(fault(&text));
            let answer = rig.ask(Api::Chat, "chat", stream).await;
            writeln!(seen, "{:?} {}", answer.headers, answer.text()).unwrap();
            // A key that rests would keep the next fault from being met.
            rig.state.keys().iter().for_each(|key| key.succeeded());
            rig.state.targets().iter().for_each(|target| target.reset());
        }
    }
    seen.push_str(rig.get("/health/detailed").await.text());
    write!(seen, "{:?}", rig.log_lines(2 * faults.len() + 1).await).unwrap();
    seen.push_str(&rig.scrape());
    write!(seen, "{:?} {:?}", rig.cell.current(), rig.state).unwrap();
    assert!(alpha.count() >= 14, "the faults were met: {}", alpha.count());
    for key in [KEY, FIRST_KEY, SECOND_KEY] {
        assert!(!seen.contains(key), "{key}: {seen}");
    }
}
