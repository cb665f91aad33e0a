//! How endpoints of a Service are let go of, and what is told of that.

use http::StatusCode;
use pilothouse::simulate::Simulator;
use serde_json::{Value, json};

use crate::endpoints::{publish, rig, route, server, used_by};
use crate::routes::{fault, simulator};

#[tokio::test]
async fn a_breaker_that_opens_on_the_way_to_another_endpoint_is_counted_and_told() {
    let a = simulator("a").await;
    let rig = rig().await;
    let gone = Simulator::builder().name("gone").start().await.unwrap();
    let extra = "  circuitBreaker: {failureThreshold: 1, resetTimeout: 1h}\n";
    publish(&rig, &route("", &[], extra), &[("1", &a), ("2", &gone)]);
    drop(gone);
    let opened = || rig.metrics.breaker_opened.with_label_values(&["ns/chat", "pool"]).get();
    let mut asked = 0;
    // Of equals either is asked first.
    while opened() == 0 {
        assert!(asked < 50, "nobody was asked who cannot be reached, or nobody counted it");
        assert_eq!(server(&rig.chat("chat").await), "a");
        asked += 1;
    }
    let lines = rig.log_lines(asked).await;
    let told = lines[asked - 1]["failures"][0].as_str().unwrap_or_default();
    assert!(told.starts_with("pool: left an endpoint for another: cannot connect"), "{lines:?}");
    assert_eq!((opened(), lines[asked - 1]["attempts"].as_u64()), (1, Some(1)));
}

/// A breaker that never has enough.
const PATIENT: &str = "  retry: {perTarget: 4, backoff: {base: 1ms, max: 1ms}}\n  \
                       circuitBreaker: {failureThreshold: 1000, minRequests: 1000}\n";

#[tokio::test]
async fn who_moves_on_does_not_go_where_the_request_has_failed_while_another_has_room() {
    let (bad, good) = tokio::join!(simulator("bad"), simulator("good"));
    bad.set_fault(fault("status=500"));
    let rig = rig().await;
    let gone = Simulator::builder().name("gone").start().await.unwrap();
    publish(&rig, &route("", &[], PATIENT), &[("1", &bad), ("2", &gone), ("3", &good)]);
    drop(gone);
    // Which one comes first is a matter of luck: one round in twelve is the one that is meant.
    for _ in 0..60 {
        let table = rig.cell.current();
        let upstream = table.routes[0].targets[0].upstream().unwrap();
        // Who could not be reached rests for a second.
        upstream.endpoints.iter().flat_map(|all| &all.members).for_each(|one| one.state.reset());
        let before = bad.count();
        assert_eq!(server(&rig.chat("chat").await), "good");
        assert!(bad.count() <= before + 1);
    }
}

#[tokio::test]
async fn who_resumes_a_stream_is_none_that_failed_it_at_its_beginning() {
    let (bad, cut, good) = tokio::join!(simulator("bad"), simulator("cut"), simulator("good"));
    bad.set_fault(fault("status=500"));
    cut.set_fault(fault("cut=16"));
    let rig = rig().await;
    publish(&rig, &route("", &[], PATIENT), &[("1", &bad), ("2", &cut), ("3", &good)]);
    for _ in 0..40 {
        let before = [&bad, &cut].map(Simulator::count);
        let answer = rig.chat_stream("chat").await;
        let text = answer.text();
        assert!(text.contains("[DONE]") && !text.contains("\"error\""), "{text}");
        let after = [&bad, &cut].map(Simulator::count);
        assert!(after[0] <= before[0] + 1 && after[1] <= before[1] + 1, "{before:?} {after:?}");
    }
    assert!(bad.count() > 0 && cut.count() > 0);
}

#[tokio::test]
async fn the_admin_api_says_of_a_services_breaker_what_those_of_its_endpoints_come_to() {
    let (a, b) = tokio::join!(simulator("a"), simulator("b"));
    let rig = rig().await;
    let extra = "  retry: {perTarget: 2, backoff: {base: 1ms, max: 1ms}}\n  \
                 circuitBreaker: {failureThreshold: 1, resetTimeout: 1h}\n";
    publish(&rig, &route("", &[], extra), &[("1", &a), ("2", &b)]);
    for server in [&a, &b] {
        server.set_fault(fault("status=500"));
    }
    assert_eq!(rig.chat("chat").await.status, StatusCode::BAD_GATEWAY);
    let user = used_by(&rig).await;
    assert_eq!((&user["state"], &user["reason"]), (&json!("open"), &json!("CircuitBreaker")));
    let breaker = &user["circuitBreaker"];
    assert_eq!((&breaker["state"], &breaker["opened"]), (&json!("open"), &json!(2)));
    assert!(user["since"].is_string(), "{user}");

    let c = simulator("c").await;
    publish(&rig, &route("", &[], extra), &[("1", &a), ("2", &b), ("3", &c)]);
    let user = used_by(&rig).await;
    assert_eq!(
        (&user["state"], &user["circuitBreaker"]["state"]),
        (&json!("closed"), &json!("closed"))
    );
    let open = |one: &&Value| one["circuitBreaker"]["state"] == "open";
    assert_eq!(user["endpoints"].as_array().unwrap().iter().filter(open).count(), 2);
}
