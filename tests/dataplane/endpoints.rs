//! Targets that are Services: each of several endpoints is asked directly.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::{Method, StatusCode};
use pilothouse::compile::{
    Pod, Selected, Service, ServiceData, ServicePort, Slice, SliceEndpoint, SlicePort,
};
use pilothouse::simulate::Simulator;
use pilothouse::table::ObjectName;
use serde_json::{Value, json};

use crate::answer::{Answer, Open};
use crate::routes::{Api, fault, route_of, simulator};
use crate::support::{KEY, Options, Rig};

/// A Service `pool` whose pods are these servers, each with a UID.
pub fn pool(servers: &[(&str, &Simulator)]) -> ServiceData {
    let mut service = Service {
        ports: vec![ServicePort { name: "http".into(), number: 80 }],
        ..Service::default()
    };
    let mut pods = BTreeMap::new();
    for (uid, server) in servers {
        let address = server.addr();
        let endpoint = SliceEndpoint {
            address: address.ip(),
            pod: (*uid).into(),
            ready: true,
            serving: true,
            terminating: false,
        };
        let port = SlicePort { name: "http".into(), number: address.port() };
        let slice = Slice { ports: vec![port], endpoints: vec![endpoint] };
        service.slices.insert(format!("slice-of-{uid}").into(), slice);
        // All of them are at one address here; who is who is told by their ports.
        let pod = Pod { name: "server".into(), addresses: [address.ip()].into() };
        pods.insert(Arc::from(*uid), pod);
    }
    // One UID for one address: with several, the first would be all of them.
    service.pods = match servers {
        [_] => Selected::Pods(pods),
        _ => Selected::Nothing,
    };
    ServiceData::Present(Arc::new(service))
}

pub fn target(rest: &str) -> String {
    format!(
        "{{name: pool, provider: openai-compatible, model: sim, \
         service: {{name: pool, port: http}}{rest}}}"
    )
}

pub fn route(rest: &str, others: &[String], extra: &str) -> String {
    let targets: Vec<_> = std::iter::once(target(rest)).chain(others.iter().cloned()).collect();
    route_of("chat", &targets, extra)
}

pub async fn rig() -> Rig {
    Rig::start_with("", Options { in_cluster: true, ..Options::default() }).await
}

pub fn publish(rig: &Rig, route: &str, servers: &[(&str, &Simulator)]) {
    rig.publish_edited(route, |snapshot| {
        snapshot.services.insert(ObjectName::new("ns", "pool"), pool(servers));
    });
}

/// A stream that goes on until it is dropped, and who answers it.
pub async fn endless(rig: &Rig, servers: &[&Simulator]) -> Open {
    let all_suffer = |text: &str| {
        for server in servers {
            server.set_fault(fault(text));
        }
    };
    all_suffer("stall=4");
    let mut stream = rig.open_chat("chat").await;
    stream.read_until("You").await;
    all_suffer("");
    stream
}

/// What the admin API says of the route that uses the Service.
pub async fn used_by(rig: &Rig) -> Value {
    let status = rig.ask_admin(Method::GET, "/admin/providers/status", &[]).await.json();
    let users = status["providers"].as_array().unwrap().iter().map(|one| &one["usedBy"][0]);
    users.into_iter().find(|user| user["endpoints"].is_array()).expect("a Service").clone()
}

/// Which server answered.
pub fn server(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let text = answer.text();
    let (_, rest) = text.split_once("Served by ").unwrap_or_else(|| panic!("{text}"));
    rest.split('.').next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn running_requests_are_spread_over_the_endpoints() {
    let (a, b, c) = tokio::join!(simulator("a"), simulator("b"), simulator("c"));
    let servers = [("1", &a), ("2", &b), ("3", &c)];
    let rig = rig().await;
    publish(&rig, &route("", &[], ""), &servers);
    let mut streams = Vec::new();
    for _ in 0..9 {
        streams.push(endless(&rig, &[&a, &b, &c]).await);
    }
    assert_eq!([&a, &b, &c].map(Simulator::count), [3, 3, 3]);
    drop(streams);
    rig.settled().await;
}

#[tokio::test]
async fn a_service_without_endpoints_is_told_by_name() {
    let rig = rig().await;
    publish(&rig, &route("", &[], ""), &[]);
    let answer = rig.chat("chat").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let text = answer.text();
    assert!(text.contains("no endpoint of Service `ns/pool` is ready"), "{text}");
    assert!(text.contains("spec.targets[0].service.name"), "{text}");
}

#[tokio::test]
async fn an_endpoint_that_refuses_connections_is_left_for_the_next_at_once() {
    let (a, b) = tokio::join!(simulator("a"), simulator("b"));
    let rig = rig().await;
    let gone = Simulator::builder().name("gone").start().await.unwrap();
    let servers = [("1", &a), ("2", &gone), ("3", &b)];
    publish(&rig, &route("", &[], "  retry: {perTarget: 1}\n"), &servers);
    drop(gone);
    for _ in 0..20 {
        let answer = rig.chat("chat").await;
        assert_ne!(server(&answer), "gone");
        assert_eq!(answer.header("x-pilothouse-attempts"), "1", "it is the same try");
        assert_eq!(answer.header("x-used-fallback"), "false");
    }
    assert_eq!(a.count() + b.count(), 20);
}

#[tokio::test]
async fn with_all_endpoints_busy_the_next_tier_takes_over_until_there_is_room() {
    let (a, b, paid) = tokio::join!(simulator("a"), simulator("b"), simulator("paid"));
    let servers = [("1", &a), ("2", &b)];
    let rig = rig().await;
    let other = Api::Chat.target("paid", &paid.url(), "priority: 1, model: sim");
    publish(&rig, &route(", limits: {maxConcurrentPerEndpoint: 2}", &[other], ""), &servers);
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(endless(&rig, &[&a, &b]).await);
    }
    assert_eq!([&a, &b].map(Simulator::count), [2, 2]);
    for _ in 0..3 {
        let answer = rig.chat("chat").await;
        assert_eq!((answer.target(), answer.header("x-used-fallback")), ("paid", "true"));
        assert_eq!(answer.header("x-pilothouse-attempts"), "1", "nobody asked who was full");
    }
    streams.pop();
    rig.wait_for("room", || rig.in_flight() == 3).await;
    assert_eq!(rig.chat("chat").await.target(), "pool");
}

#[tokio::test]
async fn who_finds_all_endpoints_busy_may_wait_for_room() {
    let (a, b) = tokio::join!(simulator("a"), simulator("b"));
    let rig = rig().await;
    let limits = ", limits: {maxConcurrentPerEndpoint: 1, queueTimeout: 1m}";
    publish(&rig, &route(limits, &[], ""), &[("1", &a), ("2", &b)]);
    let first = endless(&rig, &[&a, &b]).await;
    let second = endless(&rig, &[&a, &b]).await;
    let mut waiting = Box::pin(rig.chat("chat"));
    tokio::select! {
        answer = &mut waiting => panic!("no room: {answer:?}"),
        () = rig.wait_for("one that waits", || rig.metrics.queued.get() == 1) => {}
    }
    drop(first);
    assert_eq!(waiting.await.status, StatusCode::OK);

    publish(
        &rig,
        &route(", limits: {maxConcurrentPerEndpoint: 1, maxQueue: 0}", &[], ""),
        &[("1", &a), ("2", &b)],
    );
    let third = endless(&rig, &[&a, &b]).await;
    let answer = rig.chat("chat").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.text().contains("limits.maxConcurrentPerEndpoint"), "{}", answer.text());
    drop((second, third));
}

#[tokio::test]
async fn an_endpoint_that_goes_takes_no_new_request_and_ends_what_it_has() {
    let (a, b) = tokio::join!(simulator("a"), simulator("b"));
    let rig = rig().await;
    publish(&rig, &route("", &[], ""), &[("1", &a)]);
    a.set_fault(fault("pace=20ms"));
    let mut stream = rig.open_chat("chat").await;
    stream.read_until("You").await;
    a.set_fault(fault(""));
    publish(&rig, &route("", &[], ""), &[("2", &b)]);
    for _ in 0..5 {
        assert_eq!(server(&rig.chat("chat").await), "b");
    }
    let rest = stream.finish().await;
    assert!(rest.text().contains("[DONE]"), "{rest:?}");
}

#[tokio::test]
async fn a_failure_is_one_endpoints_own_and_the_request_goes_to_another() {
    let (a, b) = tokio::join!(simulator("a"), simulator("b"));
    let rig = rig().await;
    let extra = "  retry: {backoff: {base: 1ms, max: 1ms}}\n  circuitBreaker: {failureThreshold: 3, resetTimeout: 1h}\n";
    let servers = [("1", &a), ("2", &b)];
    publish(&rig, &route("", &[], extra), &servers);
    a.set_fault(fault("status=500"));
    for _ in 0..30 {
        assert_eq!(server(&rig.chat("chat").await), "b");
    }
    assert_eq!(a.count(), 3, "its breaker is open, the other's is not");

    // What is known of an endpoint outlives the table, and dies with the pod.
    a.set_fault(fault(""));
    publish(&rig, &route("", &[], extra), &servers);
    for _ in 0..10 {
        assert_eq!(server(&rig.chat("chat").await), "b");
    }
    publish(&rig, &route("", &[], extra), &[("1-made-anew", &a)]);
    assert_eq!(server(&rig.chat("chat").await), "a");
}

#[tokio::test]
async fn an_endpoint_that_throttles_rests_alone() {
    let (a, b) = tokio::join!(simulator("a"), simulator("b"));
    let rig = rig().await;
    publish(&rig, &route("", &[], ""), &[("1", &a), ("2", &b)]);
    a.set_fault(fault("status=429;retry-after=60"));
    // Of equals either is asked first.
    while a.count() == 0 {
        assert_eq!(server(&rig.chat("chat").await), "b");
    }
    for _ in 0..10 {
        assert_eq!(server(&rig.chat("chat").await), "b");
    }
    assert_eq!(a.count(), 1);
}

#[tokio::test]
async fn a_silent_endpoint_is_left_for_another_of_its_target() {
    let (a, b) = tokio::join!(simulator("a"), simulator("b"));
    let rig = rig().await;
    let limits = "  timeouts: {firstToken: 500ms, response: 500ms}\n";
    publish(&rig, &route("", &[], limits), &[("1", &a), ("2", &b)]);
    a.set_fault(fault("silent"));
    // Of equals either is asked first.
    while a.count() == 0 {
        assert_eq!(server(&rig.chat("chat").await), "b");
    }
    while a.count() == 1 {
        let answer = rig.chat_stream("chat").await;
        assert!(answer.text().contains("[DONE]"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_goes_on_at_another_endpoint() {
    let (a, b) = tokio::join!(simulator("a"), simulator("b"));
    let rig = rig().await;
    publish(&rig, &route("", &[], ""), &[("1", &a)]);
    a.set_fault(fault("cut=16"));
    publish(&rig, &route("", &[], ""), &[("1", &a), ("2", &b)]);
    // Of equals either is asked first.
    while a.count() == 0 {
        let answer = rig.chat_stream("chat").await;
        let text = answer.text();
        assert!(text.contains("[DONE]") && !text.contains("\"error\""), "{text}");
    }
}

/// A chat whose instructions are long, and whose question differs.
fn ask(instructions: &str, question: &str) -> String {
    let messages = json!([
        {"role": "system", "content": instructions.repeat(300)},
        {"role": "user", "content": question},
    ]);
    json!({"model": "chat", "messages": messages}).to_string()
}

#[tokio::test]
async fn prompts_that_begin_alike_go_to_the_same_endpoint_unless_a_session_says_otherwise() {
    let (a, b, c) = tokio::join!(simulator("a"), simulator("b"), simulator("c"));
    let servers = [("1", &a), ("2", &b), ("3", &c)];
    let rig = rig().await;
    publish(&rig, &route("", &[], ""), &servers);
    let post = async |body: String, session: &str| {
        let mut headers = vec![("x-api-key", KEY)];
        if !session.is_empty() {
            headers.push(("x-session-id", session));
        }
        server(&rig.send(Method::POST, Api::Chat.path(), &headers, body).await)
    };
    let mut homes = BTreeSet::new();
    // Where a topic goes depends on the servers' ports: forty miss one of three in 3 of 10 million runs.
    for topic in 0..40 {
        let instructions = format!("You know all of topic {topic}. ");
        let home = post(ask(&instructions, "What is it?"), "").await;
        for question in ["Why is it?", "Who says so?"] {
            assert_eq!(post(ask(&instructions, question), "").await, home);
        }
        homes.insert(home);
    }
    assert_eq!(homes.len(), 3, "different prompts are spread");

    let body = || ask("You know everything. ", "What is it?");
    let mut by_session = BTreeSet::new();
    for session in 0..40 {
        by_session.insert(post(body(), &format!("session-{session}")).await);
    }
    assert_eq!(by_session.len(), 3, "sessions count first");
}

#[tokio::test]
async fn an_endpoint_without_room_hands_its_prompts_on_and_gets_them_back() {
    let (a, b) = tokio::join!(simulator("a"), simulator("b"));
    let rig = rig().await;
    let limits = ", limits: {maxConcurrentPerEndpoint: 1}";
    publish(&rig, &route(limits, &[], ""), &[("1", &a), ("2", &b)]);
    let body = || ask("You know everything. ", "What is it?");
    let home = server(&rig.post(Api::Chat.path(), body()).await);
    let (own, other) = if home == "a" { (&a, "b") } else { (&b, "a") };
    own.set_fault(fault("stall=4"));
    let streamed = body().replacen('{', "{\"stream\":true,", 1);
    let headers = [("x-api-key", KEY)];
    let mut stream = rig.open(Method::POST, Api::Chat.path(), &headers, streamed).await;
    stream.read_until("You").await;
    own.set_fault(fault(""));
    assert_eq!(server(&rig.post(Api::Chat.path(), body()).await), other);
    drop(stream);
    rig.settled().await;
    assert_eq!(server(&rig.post(Api::Chat.path(), body()).await), home);
}

#[tokio::test]
async fn prefix_affinity_can_be_turned_off() {
    let (a, b) = tokio::join!(simulator("a"), simulator("b"));
    let rig = rig().await;
    let extra = "  loadBalancing: {endpoints: {prefixAffinity: None}}\n";
    publish(&rig, &route("", &[], extra), &[("1", &a), ("2", &b)]);
    for _ in 0..40 {
        rig.post(Api::Chat.path(), ask("You know everything. ", "What is it?")).await;
    }
    assert!(a.count() > 0 && b.count() > 0);
}

#[tokio::test]
async fn the_admin_api_shows_each_endpoint() {
    let (a, b) = tokio::join!(simulator("a"), simulator("b"));
    let rig = rig().await;
    publish(&rig, &route("", &[], ""), &[("1", &a), ("2", &b)]);
    let stream = endless(&rig, &[&a, &b]).await;
    let user = used_by(&rig).await;
    let endpoints = user["endpoints"].as_array().unwrap();
    let addresses: Vec<_> = endpoints.iter().filter_map(|one| one["address"].as_str()).collect();
    let mut expected = [&a, &b].map(|one| one.addr().to_string());
    expected.sort();
    assert_eq!(addresses, expected);
    let running: u64 = endpoints.iter().filter_map(|one| one["inFlight"].as_u64()).sum();
    assert_eq!(running, 1);
    drop(stream);
}
