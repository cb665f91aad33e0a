//! Targets that may be asked for so much and no more.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use pilothouse::simulate::Simulator;
use pilothouse::state::BreakerPolicy;

use crate::answer::Open;
use crate::routes::{Api, chat_body, fault, route_of, simulator};
use crate::support::{KEY, Rig};

/// A target with those limits; `rest` are further fields.
fn limited(name: &str, simulator: &Simulator, limits: &str, rest: &str) -> String {
    let fields = format!("model: \"{name}-model\", limits: {{{limits}}}{rest}");
    Api::Chat.target(name, &simulator.url(), &fields)
}

fn one(simulator: &Simulator, limits: &str) -> String {
    route_of("chat", &[limited("alpha", simulator, limits, "")], "")
}

/// A stream at `alpha` that goes on until it is dropped.
async fn endless(rig: &Rig, alpha: &Simulator) -> Open {
    alpha.set_fault(fault("stall=4"));
    let mut stream = rig.open_chat("chat").await;
    stream.read_until("You").await;
    assert_eq!(stream.headers["x-used-provider"], "alpha");
    alpha.set_fault(fault(""));
    stream
}

fn waiting(rig: &Rig) -> u32 {
    rig.target("alpha-model").room.waiting()
}

#[tokio::test]
async fn a_full_target_hands_on_to_its_tier_and_then_to_the_next() {
    let (alpha, bravo, charlie) =
        tokio::join!(simulator("alpha"), simulator("bravo"), simulator("charlie"));
    let targets = [
        limited("alpha", &alpha, "maxConcurrent: 1", ", weight: 1000000"),
        limited("bravo", &bravo, "maxConcurrent: 1", ", weight: 1"),
        limited("charlie", &charlie, "maxConcurrent: 1", ", priority: 1"),
    ];
    let rig = Rig::start(&route_of("chat", &targets, "")).await;
    let first = endless(&rig, &alpha).await;
    let answer = rig.chat("chat").await;
    assert_eq!((answer.status, answer.target()), (StatusCode::OK, "bravo"));
    bravo.set_fault(fault("stall=4"));
    let mut second = rig.open_chat("chat").await;
    second.read_until("You").await;
    for _ in 0..3 {
        let answer = rig.chat("chat").await;
        assert_eq!((answer.target(), answer.header("x-used-fallback")), ("charlie", "true"));
        assert_eq!(answer.header("x-pilothouse-attempts"), "1", "nobody asked who was full");
    }
    // Back at once, whatever it was that ended.
    drop((first, second));
    rig.settled().await;
    assert_eq!(rig.chat("chat").await.target(), "alpha");
    let status =
        rig.target("alpha-model").breaker.status(&BreakerPolicy::built_in(), Instant::now());
    assert_eq!(status.phase().as_str(), "closed", "being full is no fault");
}

#[tokio::test]
async fn where_all_are_full_a_request_waits_for_room() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&one(&alpha, "maxConcurrent: 1, queueTimeout: 1m")).await;
    let stream = endless(&rig, &alpha).await;
    let (mut first, mut second) = (Box::pin(rig.chat("chat")), Box::pin(rig.chat_stream("chat")));
    tokio::select! {
        answer = &mut first => panic!("no room: {answer:?}"),
        answer = &mut second => panic!("no room: {answer:?}"),
        () = rig.wait_for("two that wait", || waiting(&rig) == 2) => {}
    }
    assert_eq!((alpha.count(), rig.metrics.queued.get()), (1, 2));
    drop(stream);
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.status, second.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(first.header("x-used-fallback"), "false");
    rig.settled().await;
    assert_eq!((waiting(&rig), rig.metrics.queued.get()), (0, 0));
}

#[tokio::test]
async fn a_request_waits_at_every_full_target_and_goes_to_the_first_with_room() {
    let (alpha, bravo) = tokio::join!(simulator("alpha"), simulator("bravo"));
    let limits = "maxConcurrent: 1, queueTimeout: 1m";
    let targets =
        [limited("alpha", &alpha, limits, ""), limited("bravo", &bravo, limits, ", priority: 1")];
    let rig = Rig::start(&route_of("chat", &targets, "")).await;
    let _first = endless(&rig, &alpha).await;
    bravo.set_fault(fault("stall=4"));
    let mut second = rig.open_chat("chat").await;
    second.read_until("You").await;
    bravo.set_fault(fault(""));
    let mut waits = Box::pin(rig.chat("chat"));
    tokio::select! {
        answer = &mut waits => panic!("no room: {answer:?}"),
        () = rig.wait_for("one that waits", || waiting(&rig) == 1) => {}
    }
    drop(second);
    assert_eq!(waits.await.target(), "bravo");
    assert_eq!(waiting(&rig), 0, "it left the other line");
}

#[tokio::test]
async fn without_room_in_time_the_answer_is_429_and_says_what_is_full() {
    let alpha = simulator("alpha").await;
    for (limits, at_once) in [
        ("maxConcurrent: 1, maxQueue: 0", true),
        ("maxConcurrent: 1, maxQueue: 1, queueTimeout: 50ms", false),
    ] {
        let rig = Rig::start(&one(&alpha, limits)).await;
        let stream = endless(&rig, &alpha).await;
        let asked = alpha.count();
        let started = Instant::now();
        let answer = rig.chat("chat").await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer:?}");
        assert!(at_once || started.elapsed() >= Duration::from_millis(50));
        assert_eq!(answer.json()["error"]["code"], "rate_limit_exceeded");
        assert!(answer.text().contains("alpha: is full (limits.maxConcurrent)"), "{answer:?}");
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(alpha.count(), asked);
        drop(stream);
        rig.settled().await;
        assert_eq!(rig.chat("chat").await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_line_has_an_end() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&one(&alpha, "maxConcurrent: 1, maxQueue: 1, queueTimeout: 1m")).await;
    let stream = endless(&rig, &alpha).await;
    let mut waits = Box::pin(rig.chat("chat"));
    tokio::select! {
        answer = &mut waits => panic!("no room: {answer:?}"),
        () = rig.wait_for("one that waits", || waiting(&rig) == 1) => {}
    }
    let answer = rig.chat("chat").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer:?}");
    assert!(answer.text().contains("limits.maxConcurrent"), "{answer:?}");
    drop(stream);
    assert_eq!(waits.await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_goes_away_while_waiting_leaves_nothing_behind() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&one(&alpha, "maxConcurrent: 1, queueTimeout: 1m")).await;
    let stream = endless(&rig, &alpha).await;
    for _ in 0..3 {
        let mut gone = Box::pin(rig.chat("chat"));
        tokio::select! {
            answer = &mut gone => panic!("no room: {answer:?}"),
            () = rig.wait_for("one that waits", || waiting(&rig) == 1) => {}
        }
        drop(gone);
        rig.wait_for("nobody who waits", || waiting(&rig) == 0).await;
    }
    drop(stream);
    rig.settled().await;
    assert_eq!(rig.chat("chat").await.status, StatusCode::OK);
    assert_eq!(alpha.count(), 2, "who went away was never sent on");
}

#[tokio::test]
async fn never_more_run_than_may_and_all_are_answered() {
    let alpha = simulator("alpha").await;
    alpha.set_fault(fault("delay=5ms"));
    let rig = Rig::start(&one(&alpha, "maxConcurrent: 3, queueTimeout: 1m")).await;
    let most = std::cell::Cell::new(0);
    let all = async {
        let requests = (0..40).map(|number| rig.ask(Api::Chat, "chat", number % 2 == 0));
        futures::future::join_all(requests).await
    };
    let mut all = Box::pin(all);
    let answers = loop {
        tokio::select! {
            answers = &mut all => break answers,
            () = tokio::time::sleep(Duration::from_millis(1)) => {
                most.set(most.get().max(alpha.in_flight()));
            }
        }
    };
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK));
    assert!(most.get() <= 3, "{} at a time", most.get());
    rig.settled().await;
    assert_eq!(waiting(&rig), 0);
}

#[tokio::test]
async fn requests_per_minute_go_on_to_the_next_target_and_then_wait_for_the_minute() {
    let (alpha, bravo) = tokio::join!(simulator("alpha"), simulator("bravo"));
    let limits = "requestsPerMinute: 2, queueTimeout: 50ms";
    let started = Instant::now();
    let targets =
        [limited("alpha", &alpha, limits, ""), limited("bravo", &bravo, limits, ", priority: 1")];
    let rig = Rig::start(&route_of("chat", &targets, "  targetSelection: Allowed\n")).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(rig.chat("chat").await.target().to_owned());
    }
    assert_eq!(seen, ["alpha", "alpha", "bravo", "bravo"]);
    let refused = async |headers: &[(&str, &str)]| {
        let headers = [&[("x-api-key", KEY)], headers].concat();
        // The time of the queue is shorter than what is left of the minute.
        let path = Api::Chat.path();
        let answer = rig.send(Method::POST, path, &headers, chat_body("chat", false)).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer:?}");
        assert!(answer.text().contains("limits.requestsPerMinute"), "{answer:?}");
        let after: u64 = answer.header("retry-after").parse().unwrap();
        let passed = started.elapsed().as_secs();
        assert!(after <= 61 && after + passed >= 59, "{after} s, {passed} s have passed");
    };
    if started.elapsed() > Duration::from_secs(45) {
        return println!("skipped the rest: this machine took most of the minute");
    }
    tokio::join!(refused(&[]), refused(&[("x-backend", "alpha")]));
    assert!(started.elapsed() < Duration::from_secs(60), "nobody waits for the minute");
    assert_eq!((alpha.count(), bravo.count()), (2, 2));

    // An edited limit holds at once, and what was counted stays counted.
    let targets = [limited("alpha", &alpha, "requestsPerMinute: 3, maxQueue: 0", "")];
    rig.publish(&route_of("chat", &targets, ""));
    assert_eq!(rig.chat("chat").await.status, StatusCode::OK);
    assert_eq!(rig.chat("chat").await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn tokens_per_minute_are_reserved_and_then_counted_as_they_were_used() {
    let (alpha, bravo) = tokio::join!(simulator("alpha"), simulator("bravo"));
    let targets = [
        limited("alpha", &alpha, "tokensPerMinute: 1500", ""),
        limited("bravo", &bravo, "", ", priority: 1"),
    ];
    let rig = Rig::start(&route_of("chat", &targets, "")).await;
    // A thousand tokens of output are reserved for each, and few are used.
    for stream in [false, true, false] {
        assert_eq!(rig.ask(Api::Chat, "chat", stream).await.target(), "alpha");
        rig.settled().await;
    }
    let stream = endless(&rig, &alpha).await;
    assert_eq!(rig.chat("chat").await.target(), "bravo", "it may come to a thousand");
    drop(stream);
    let large = r#"{"model":"chat","max_tokens":1600,"messages":[{"role":"user","content":"hi"}]}"#;
    let answer = rig.post(Api::Chat.path(), large).await;
    assert_eq!(answer.target(), "bravo", "it asks for more than is left");
}
