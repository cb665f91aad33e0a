//! Clients that say how long they wait.

use http::{Method, StatusCode};

use crate::answer::Answer;
use crate::routes::{ONCE, chat_body, route, simulator};
use crate::support::{KEY, Rig};

async fn ask(rig: &Rig, model: &str, stream: bool, patience: (&str, &str)) -> Answer {
    let headers = [("x-api-key", KEY), patience];
    rig.send(Method::POST, "/v1/chat/completions", &headers, chat_body(model, stream)).await
}

#[tokio::test]
async fn nobody_is_waited_for_longer_than_the_client_waits() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&route("slow", &[("alpha", &alpha, "m;delay=60s")], "")).await;
    for header in ["x-stainless-read-timeout", "x-stainless-timeout"] {
        for stream in [false, true] {
            let answer = ask(&rig, "slow", stream, (header, "0.1")).await;
            assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT, "{answer:?}");
            assert!(answer.text().contains(header), "{answer:?}");
            assert_eq!(answer.json()["error"]["code"], "provider_timeout");
        }
    }
}

#[tokio::test]
async fn a_client_in_a_hurry_opens_no_breaker_and_slows_no_target_down() {
    let alpha = simulator("alpha").await;
    let extra = "  circuitBreaker: {failureThreshold: 1}\n";
    let rig = Rig::start(&route("slow", &[("alpha", &alpha, "m;delay=200ms")], extra)).await;
    for _ in 0..3 {
        let answer = ask(&rig, "slow", false, ("x-stainless-read-timeout", "0.02")).await;
        assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT, "{answer:?}");
    }
    let answer = ask(&rig, "slow", false, ("x-stainless-read-timeout", "600")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.headers["x-circuit-breaker-state"], "closed");
}

#[tokio::test]
async fn a_header_without_sense_or_longer_than_the_routes_limit_changes_nothing() {
    let alpha = simulator("alpha").await;
    let extra = "  timeouts: {request: 100ms}\n";
    let routes = [
        route("chat", &[("alpha", &alpha, "m;delay=20ms")], ""),
        route("slow", &[("alpha", &alpha, "m;delay=60s")], extra),
    ];
    let rig = Rig::start(&routes.concat()).await;
    for nonsense in ["0", "-1", "NaN", "soon", "NOT_GIVEN"] {
        let answer = ask(&rig, "chat", false, ("x-stainless-read-timeout", nonsense)).await;
        assert_eq!(answer.status, StatusCode::OK, "{nonsense}: {answer:?}");
    }
    let answer = ask(&rig, "slow", false, ("x-stainless-read-timeout", "600")).await;
    assert!(answer.text().contains("timeouts.request"), "{answer:?}");
}

#[tokio::test]
async fn the_next_target_gets_what_is_left_of_the_clients_time() {
    let (alpha, bravo) = (simulator("alpha").await, simulator("bravo").await);
    alpha.set_fault("status=500".parse().unwrap());
    let targets = [("alpha", &alpha, "m"), ("bravo", &bravo, "m;delay=60s")];
    let rig = Rig::start(&route("chat", &targets, ONCE)).await;
    let answer = ask(&rig, "chat", false, ("x-stainless-read-timeout", "0.2")).await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT, "{answer:?}");
    assert!(answer.text().contains("alpha") && answer.text().contains("bravo"), "{answer:?}");
}

#[tokio::test]
async fn who_was_asked_as_well_and_had_no_time_is_not_to_blame() {
    let (alpha, bravo) = tokio::join!(simulator("alpha"), simulator("bravo"));
    let targets = [("alpha", &alpha, "a;delay=100ms"), ("bravo", &bravo, "b;delay=60s")];
    let rig = Rig::start(&route("chat", &targets, "  hedging: {delay: 20ms}\n")).await;
    for stream in [false, true] {
        assert_eq!(rig.ask(crate::routes::Api::Chat, "chat", stream).await.target(), "alpha");
    }
    bravo.wait_for(|now| now.in_flight == 0).await.unwrap();
    let policy = pilothouse::state::BreakerPolicy {
        failure_threshold: 1,
        ..pilothouse::state::BreakerPolicy::built_in()
    };
    let breaker = &rig.target("b;delay=60s").breaker;
    let phase = breaker.status(&policy, std::time::Instant::now()).phase();
    assert_eq!((bravo.count(), phase), (2, pilothouse::state::Phase::Closed));
}
