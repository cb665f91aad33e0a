//! What another target is asked after, and what it is not.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use pilothouse::simulate::Simulator;

use crate::answer::Answer;
use crate::routes::{Api, ONCE, chat_body, fault, route, route_of, simulator};
use crate::scripted::{Scripted, Then};
use crate::support::{KEY, Rig};

/// Answers that are none, whether a stream was asked for or not. Those that end the connection come
/// first, so that each meets a fresh one.
const NO_ANSWER: [&str; 13] = [
    "reset",
    "close",
    "cut=0",
    "cut=0:reset",
    "body=html",
    "body=empty",
    "status=500",
    "status=503",
    "status=529",
    "status=408",
    "status=429",
    "status=401",
    "status=403",
];

/// The second target answered, and says so.
fn assert_fallback(answer: &Answer, what: &str) {
    assert_eq!(answer.status, StatusCode::OK, "{what}: {answer:?}");
    assert_eq!(answer.target(), "bravo", "{what}");
    assert_eq!(answer.header("x-used-fallback"), "true", "{what}");
    assert_eq!(answer.header("x-pilothouse-attempts"), "2", "{what}");
    assert!(answer.text().contains("bravo"), "{what}: {}", answer.text());
    assert!(!answer.text().contains("alpha"), "{what}: {}", answer.text());
}

async fn pair() -> (Simulator, Simulator) {
    tokio::join!(simulator("alpha"), simulator("bravo"))
}

/// One route for each fault of the first target.
fn routes(api: Api, faults: &[&str], alpha: &Simulator, bravo: &Simulator) -> String {
    let route = |(at, fault): (usize, &&str)| {
        let model = format!("m;{fault}");
        api.route(&format!("r{at}"), &[("alpha", alpha, &model), ("bravo", bravo, "m")], ONCE)
    };
    faults.iter().enumerate().map(route).collect()
}

async fn every_fault_fails_over(api: Api, stream: bool, faults: &[&str]) {
    let (alpha, bravo) = pair().await;
    let rig = Rig::start(&routes(api, faults, &alpha, &bravo)).await;
    for (at, fault) in faults.iter().enumerate() {
        let answer = rig.ask(api, &format!("r{at}"), stream).await;
        assert_fallback(&answer, &format!("{api:?} stream={stream} {fault}"));
        assert_eq!(alpha.count(), at as u64 + 1, "one try each: {fault}");
    }
    rig.settled().await;
}

#[tokio::test]
async fn a_plain_request_fails_over_from_whatever_is_no_answer() {
    for api in Api::ALL {
        let faults = [&["cut=1", "cut=1:reset"][..], &NO_ANSWER].concat();
        every_fault_fails_over(api, false, &faults).await;
    }
}

#[tokio::test]
async fn a_stream_fails_over_from_whatever_comes_before_its_first_output() {
    for api in Api::ALL {
        let faults = [&["cut=1", "cut=1:end", "error=0", "error=1"][..], &NO_ANSWER].concat();
        every_fault_fails_over(api, true, &faults).await;
    }
}

#[tokio::test]
async fn nobody_listening_and_no_tls_fail_over() {
    let bravo = simulator("bravo").await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for origin in [format!("http://{nobody}"), bravo.url().replace("http:", "https:")] {
        let targets = [
            Api::Chat.target("alpha", &origin, "model: m"),
            Api::Chat.target("bravo", &bravo.url(), "priority: 1, model: m"),
        ];
        let rig = Rig::start(&route_of("chat", &targets, ONCE)).await;
        assert_fallback(&rig.chat("chat").await, &origin);
        assert_fallback(&rig.chat_stream("chat").await, &origin);
    }
}

#[tokio::test]
async fn a_reply_that_is_not_of_the_protocol_fails_over() {
    let bravo = simulator("bravo").await;
    for body in
        ["{\"choices\":[", "[]", "nothing", "{\"error\":{\"message\":\"busy\",\"code\":502}}"]
    {
        let alpha = Scripted::json(200, body).await;
        let targets = [
            Api::Chat.target("alpha", &alpha.origin, "model: m"),
            Api::Chat.target("bravo", &bravo.url(), "priority: 1, model: m"),
        ];
        let rig = Rig::start(&route_of("chat", &targets, ONCE)).await;
        assert_fallback(&rig.chat("chat").await, body);
        assert_eq!(alpha.requests(), 1);
    }
}

#[tokio::test]
async fn a_stream_that_ends_without_having_begun_fails_over() {
    let bravo = simulator("bravo").await;
    for events in ["", ": busy\n\n", "data: [DONE]\n\n"] {
        let alpha = Scripted::events(events, usize::MAX, Then::Close).await;
        let targets = [
            Api::Chat.target("alpha", &alpha.origin, "model: m"),
            Api::Chat.target("bravo", &bravo.url(), "priority: 1, model: m"),
        ];
        let rig = Rig::start(&route_of("chat", &targets, ONCE)).await;
        assert_fallback(&rig.chat_stream("chat").await, events);
    }
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_never_followed() {
    let (alpha, bravo) = pair().await;
    let elsewhere = simulator("elsewhere").await;
    let model = format!("m;status=307;header=location:{}/v1/chat/completions", elsewhere.url());
    let rig =
        Rig::start(&route("chat", &[("alpha", &alpha, &model), ("bravo", &bravo, "m")], ONCE))
            .await;
    assert_fallback(&rig.chat("chat").await, "redirect");
    assert_eq!(elsewhere.count(), 0);
}

#[tokio::test]
async fn a_target_that_is_too_slow_fails_over() {
    let (alpha, bravo) = pair().await;
    let timeouts = "timeouts: {response: 100ms, firstToken: 100ms}";
    // The last one sends its role at once and then nothing.
    for fault in ["silent", "delay=1m", "first=1m", "stall=1"] {
        let targets = [
            Api::Chat.target("alpha", &alpha.url(), &format!("model: \"m;{fault}\", {timeouts}")),
            Api::Chat.target("bravo", &bravo.url(), "priority: 1, model: m"),
        ];
        let rig = Rig::start(&route_of("chat", &targets, "")).await;
        assert_fallback(&rig.chat_stream("chat").await, fault);
        if fault != "stall=1" {
            assert_fallback(&rig.chat("chat").await, fault);
        }
        alpha.wait_for(|now| now.in_flight == 0).await.unwrap();
    }
}

#[tokio::test]
async fn a_slow_first_token_is_waited_for_when_there_is_nobody_else() {
    let alpha = simulator("alpha").await;
    let extra = "  timeouts: {firstToken: 20ms}\n";
    let rig = Rig::start(&route("chat", &[("alpha", &alpha, "m;first=200ms")], extra)).await;
    let answer = rig.chat_stream("chat").await;
    assert_eq!((answer.status, answer.target()), (StatusCode::OK, "alpha"));
    assert_eq!(answer.events().last(), Some(&"[DONE]"));
    assert_eq!(answer.header("x-used-fallback"), "false");
}

#[tokio::test]
async fn every_eligible_target_gets_a_try() {
    let (alpha, bravo) = pair().await;
    let charlie = simulator("charlie").await;
    let all = [&alpha, &bravo, &charlie];
    for simulator in all {
        simulator.set_fault(fault("status=500"));
    }
    let targets = [("alpha", &alpha, "m"), ("bravo", &bravo, "m"), ("charlie", &charlie, "m")];
    let rig = Rig::start(&route("chat", &targets, ONCE)).await;
    let answer = rig.chat("chat").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(answer.json()["error"]["code"], "provider_failed");
    let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("ns/chat"), "{message}");
    for (name, simulator) in ["alpha", "bravo", "charlie"].iter().zip(all) {
        assert!(message.contains(&format!("{name}: status 500")), "{message}");
        assert_eq!(simulator.count(), 1, "{name}");
    }
    assert_eq!(answer.header("x-pilothouse-attempts"), "3");
}

#[tokio::test]
async fn a_target_of_weight_0_is_no_fallback() {
    let (alpha, bravo) = pair().await;
    let targets = [
        Api::Chat.target("alpha", &alpha.url(), "model: \"m;status=500\""),
        Api::Chat.target("bravo", &bravo.url(), "model: m, weight: 0, priority: 1"),
    ];
    let rig = Rig::start(&route_of("chat", &targets, "")).await;
    assert_eq!(rig.chat("chat").await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(bravo.count(), 0);
}

#[tokio::test]
async fn what_every_target_would_refuse_is_passed_on_byte_for_byte() {
    let bravo = simulator("bravo").await;
    let cases = [
        (400, "unsupported_value", "client_fault"),
        (422, "unprocessable", "client_fault"),
        (400, "context_length_exceeded", "too_long"),
        (413, "prompt is too long", "too_long"),
        (400, "content_filter", "refused"),
    ];
    for (status, code, outcome) in cases {
        let body = format!(
            "{{ \"error\" : {{\"code\":\"{code}\",  \"message\":\"é {code}\"}} ,\"x\":1.0}}"
        );
        let alpha = Scripted::json(status, &body).await;
        let targets = [
            Api::Chat.target("alpha", &alpha.origin, "model: m"),
            Api::Chat.target("bravo", &bravo.url(), "priority: 1, model: m"),
        ];
        let rig = Rig::start(&route_of("chat", &targets, ONCE)).await;
        for stream in [false, true] {
            let answer = rig.ask(Api::Chat, "chat", stream).await;
            assert_eq!((answer.status.as_u16(), answer.text()), (status, &*body));
            assert_eq!(answer.target(), "alpha");
        }
        let log = rig.log_lines(2).await;
        assert_eq!(log[0]["outcome"], outcome, "{status} {code}");
        assert_eq!((bravo.count(), alpha.requests()), (0, 2));
    }
}

#[tokio::test]
async fn after_the_request_timeout_comes_504() {
    let alpha = simulator("alpha").await;
    let extra = "  timeouts: {request: 100ms}\n";
    for model in ["m;silent", "m;first=1m"] {
        let rig = Rig::start(&route("chat", &[("alpha", &alpha, model)], extra)).await;
        for stream in [false, true] {
            let answer = rig.ask(Api::Chat, "chat", stream).await;
            assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT, "{model} {stream}: {answer:?}");
            assert_eq!(answer.json()["error"]["code"], "provider_timeout");
            assert!(answer.text().contains("timeouts.request"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn when_all_are_throttled_the_answer_is_429_with_the_soonest_retry_after() {
    let (alpha, bravo) = pair().await;
    let targets = [
        ("alpha", &alpha, "m;status=429;retry-after=600"),
        ("bravo", &bravo, "m;status=429;retry-after=300"),
    ];
    let rig = Rig::start(&route("chat", &targets, "")).await;
    // The second time nobody is asked, and the answer is the same.
    for _ in 0..2 {
        let answer = rig.chat("chat").await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer:?}");
        assert_eq!(answer.json()["error"]["type"], "rate_limit_error");
        let after: u64 = answer.header("retry-after").parse().unwrap();
        assert!((240..=300).contains(&after), "{after}");
        let millis: u64 = answer.header("retry-after-ms").parse().unwrap();
        assert!((240_000..=300_000).contains(&millis), "{millis}");
        assert_eq!((alpha.count(), bravo.count()), (1, 1));
    }
}

#[tokio::test]
async fn one_throttled_target_does_not_make_a_failure_of_another_a_429() {
    let (alpha, bravo) = pair().await;
    for (first, second) in [("status=429", "status=500"), ("status=500", "status=429")] {
        let (first, second) = (format!("m;{first}"), format!("m;{second}"));
        let rig = Rig::start(&route(
            "chat",
            &[("alpha", &alpha, &first), ("bravo", &bravo, &second)],
            "",
        ))
        .await;
        assert_eq!(rig.chat("chat").await.status, StatusCode::BAD_GATEWAY, "{first} {second}");
    }
}

#[tokio::test]
async fn when_all_breakers_are_open_the_answer_is_503() {
    let (alpha, bravo) = pair().await;
    let targets = [("alpha", &alpha, "m;status=500"), ("bravo", &bravo, "m;status=500")];
    let extra = "  circuitBreaker: {failureThreshold: 1}\n";
    let rig = Rig::start(&route("chat", &targets, extra)).await;
    assert_eq!(rig.chat("chat").await.status, StatusCode::BAD_GATEWAY);
    let answer = rig.chat("chat").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["error"]["code"], "no_target_available");
    assert!(answer.text().contains("circuit breaker is open"), "{answer:?}");
    let after: u64 = answer.header("retry-after").parse().unwrap();
    assert!(after <= Duration::from_secs(18).as_secs(), "resetTimeout and its jitter: {after}");
    assert_eq!((alpha.count(), bravo.count()), (1, 1));
}

#[tokio::test]
async fn a_route_that_cannot_be_read_keeps_its_names_and_says_what_is_wrong() {
    let alpha = simulator("alpha").await;
    // Files have no age, so the name makes this one the younger.
    let younger = route("y-any", &[("alpha", &alpha, "m")], "  models: [chat, \"*\"]\n");
    let rig = Rig::start(&younger).await;
    let both = route("chat", &[("alpha", &alpha, "m")], "") + &younger;
    rig.publish_edited(&both, |snapshot| {
        let raw = snapshot.routes.iter_mut().find(|raw| &*raw.name.name == "chat").unwrap();
        Arc::make_mut(&mut raw.spec)["targets"] = serde_json::json!([]);
    });
    let picks = [("x-api-key", KEY), ("x-backend", "alpha")];
    for headers in [&picks[..1], &picks[..]] {
        let body = chat_body("chat", false);
        let answer = rig.send(Method::POST, "/v1/chat/completions", headers, body).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
        assert_eq!(answer.json()["error"]["code"], "no_target_available");
        let fault = "ModelRoute ns/chat: spec.targets: must hold at least one target";
        assert!(answer.text().contains(fault), "{}", answer.text());
        assert_eq!(answer.header("x-should-retry"), "false");
    }
    assert_eq!(rig.chat("other").await.status, StatusCode::OK);
    assert_eq!(alpha.count(), 1);
}

#[tokio::test]
async fn a_route_without_a_resolved_target_names_the_object_and_the_field() {
    let alpha = simulator("alpha").await;
    let target = Api::Chat.target("alpha", &alpha.url(), "credentialRef: {name: nowhere}");
    let rig = Rig::start(&route_of("chat", &[target], "")).await;
    let answer = rig.chat("chat").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    for part in ["ns/chat", "alpha", "nowhere", "credentialRef"] {
        assert!(answer.text().contains(part), "{part}: {}", answer.text());
    }
    assert_eq!(answer.header("x-should-retry"), "false");
    assert_eq!(alpha.count(), 0);
}

#[tokio::test]
async fn what_will_not_pass_tells_clients_not_to_retry() {
    let (alpha, bravo) = pair().await;
    let cases = [
        ("status=401", "status=403", "false"),
        ("status=404;code=model_not_found", "status=401", "false"),
        ("status=500", "status=401", ""),
        ("status=401", "status=429", ""),
        ("status=500", "status=500", ""),
    ];
    for (first, second, expected) in cases {
        let (first, second) = (format!("m;{first}"), format!("m;{second}"));
        let rig = Rig::start(&route(
            "chat",
            &[("alpha", &alpha, &first), ("bravo", &bravo, &second)],
            "",
        ))
        .await;
        let answer = rig.chat("chat").await;
        assert!(answer.status.is_server_error() || answer.status == 429, "{answer:?}");
        assert_eq!(answer.header("x-should-retry"), expected, "{first} {second}");
    }
}
