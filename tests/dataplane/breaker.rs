//! A target that fails is left alone for a while, and found again.

use std::time::{Duration, Instant};

use http::StatusCode;
use pilothouse::simulate::Simulator;
use pilothouse::state::{BreakerPolicy, Phase};

use crate::routes::{Api, ONCE, fault, route, simulator};
use crate::support::Rig;

/// Two targets, the first with its breaker as told.
fn routes(name: &str, alpha: &Simulator, bravo: &Simulator, breaker: &str) -> String {
    let extra = format!("{ONCE}  circuitBreaker: {{{breaker}}}\n");
    route(name, &[("alpha", alpha, "sick"), ("bravo", bravo, "well")], &extra)
}

async fn pair() -> (Simulator, Simulator) {
    tokio::join!(simulator("alpha"), simulator("bravo"))
}

/// What the policy makes of the sick target now.
fn phase(rig: &Rig, threshold: u32, reset: Duration) -> Phase {
    let policy = BreakerPolicy {
        failure_threshold: threshold,
        reset_timeout: reset,
        ..BreakerPolicy::built_in()
    };
    rig.target("sick").breaker.status(&policy, Instant::now()).phase()
}

#[tokio::test]
async fn after_so_many_failures_the_target_is_spared_its_first_try() {
    let (alpha, bravo) = pair().await;
    alpha.set_fault(fault("status=500"));
    let rig = Rig::start(&routes("chat", &alpha, &bravo, "failureThreshold: 3")).await;
    for request in 1..=6_u64 {
        let answer = rig.ask(Api::Chat, "chat", request % 2 == 0).await;
        assert_eq!((answer.status, answer.target()), (StatusCode::OK, "bravo"));
        assert_eq!(alpha.count(), request.min(3));
        // Of the target that answered.
        assert_eq!(answer.header("x-circuit-breaker-state"), "closed");
        // Before, another had failed; now it is the first that may be asked.
        assert_eq!(answer.header("x-used-fallback"), "true", "the first choice did not answer");
        assert_eq!(answer.header("x-pilothouse-attempts"), if request <= 3 { "2" } else { "1" });
    }
    assert!(rig.scrape().contains("breaker_opened"), "{}", rig.scrape());
}

#[tokio::test]
async fn after_its_rest_one_probe_finds_out_and_a_success_closes_it() {
    let (alpha, bravo) = pair().await;
    alpha.set_fault(fault("status=500"));
    let breaker = "failureThreshold: 1, resetTimeout: 50ms";
    let rig = Rig::start(&routes("chat", &alpha, &bravo, breaker)).await;
    assert_eq!(rig.chat("chat").await.target(), "bravo");
    // Back, but slow to say so: until it has, nobody else is sent there.
    alpha.set_fault(fault("delay=300ms;times=1"));
    let half_open = || phase(&rig, 1, Duration::from_millis(50)) == Phase::HalfOpen;
    rig.wait_for("the rest to be over", half_open).await;
    let mut probe = Box::pin(rig.chat("chat"));
    tokio::select! {
        answer = &mut probe => panic!("too early: {answer:?}"),
        seen = alpha.wait_for(|now| now.requests == 2) => { seen.unwrap(); }
    }
    let beside = rig.chat("chat").await;
    assert_eq!((beside.status, beside.target()), (StatusCode::OK, "bravo"));
    assert_eq!(alpha.count(), 2);
    let answer = probe.await;
    assert_eq!((answer.status, answer.target()), (StatusCode::OK, "alpha"));
    assert_eq!(answer.header("x-circuit-breaker-state"), "half-open");
    let state = rig.target("sick");
    rig.wait_for("its whole share", || state.recovery.share(Instant::now()).is_none()).await;
    let answer = rig.chat("chat").await;
    assert_eq!((answer.target(), answer.header("x-circuit-breaker-state")), ("alpha", "closed"));
}

#[tokio::test]
async fn a_failed_probe_is_followed_by_another_rest() {
    let (alpha, bravo) = pair().await;
    alpha.set_fault(fault("status=500"));
    let breaker = "failureThreshold: 1, resetTimeout: 50ms";
    let rig = Rig::start(&routes("chat", &alpha, &bravo, breaker)).await;
    rig.chat("chat").await;
    let half_open = || phase(&rig, 1, Duration::from_millis(50)) == Phase::HalfOpen;
    rig.wait_for("the rest to be over", half_open).await;
    let probed = rig.chat("chat").await;
    assert_eq!((probed.target(), probed.header("x-pilothouse-attempts")), ("bravo", "2"));
    assert_eq!(alpha.count(), 2);
    assert_eq!(phase(&rig, 1, Duration::from_secs(60)), Phase::Open);
}

#[tokio::test]
async fn a_stream_proves_the_target_with_its_first_output() {
    let (alpha, bravo) = pair().await;
    alpha.set_fault(fault("status=500"));
    let breaker = "failureThreshold: 1, resetTimeout: 50ms";
    let rig = Rig::start(&routes("chat", &alpha, &bravo, breaker)).await;
    rig.chat("chat").await;
    alpha.set_fault(fault("stall=3"));
    let half_open = || phase(&rig, 1, Duration::from_millis(50)) == Phase::HalfOpen;
    rig.wait_for("the rest to be over", half_open).await;
    let mut probe = rig.open_chat("chat").await;
    probe.read_until("You").await;
    // The probe's stream goes on, and others are let in already.
    alpha.set_fault(fault(""));
    let state = rig.target("sick");
    rig.wait_for("its whole share", || state.recovery.share(Instant::now()).is_none()).await;
    assert_eq!(rig.chat("chat").await.target(), "alpha");
}

#[tokio::test]
async fn routes_share_what_happened_and_judge_it_by_their_own_thresholds() {
    let (alpha, bravo) = pair().await;
    alpha.set_fault(fault("status=500"));
    let both = [
        routes("strict", &alpha, &bravo, "failureThreshold: 1"),
        routes("patient", &alpha, &bravo, "failureThreshold: 3"),
    ];
    let rig = Rig::start(&both.concat()).await;
    rig.chat("patient").await;
    assert_eq!(alpha.count(), 1);
    rig.chat("strict").await;
    assert_eq!(alpha.count(), 1, "one failure, seen by another route, is enough for this one");
    rig.chat("patient").await;
    assert_eq!(alpha.count(), 2, "and not for that one");
}

#[tokio::test]
async fn memory_survives_publication_and_an_edited_threshold_acts_at_once() {
    let (alpha, bravo) = pair().await;
    alpha.set_fault(fault("status=500"));
    let rig = Rig::start(&routes("chat", &alpha, &bravo, "failureThreshold: 5")).await;
    rig.chat("chat").await;
    rig.chat("chat").await;
    assert_eq!(alpha.count(), 2);
    rig.publish(&routes("chat", &alpha, &bravo, "failureThreshold: 2"));
    rig.chat("chat").await;
    assert_eq!(alpha.count(), 2, "two failures are remembered, and two are enough now");
    rig.publish(&routes("chat", &alpha, &bravo, "failureThreshold: 4"));
    rig.chat("chat").await;
    assert_eq!(alpha.count(), 3, "and now they are not");
    rig.publish(&routes("other-name", &alpha, &bravo, "failureThreshold: 3"));
    rig.chat("other-name").await;
    assert_eq!(alpha.count(), 3, "a route is not what is remembered");
}

#[tokio::test]
async fn a_callers_faults_never_open_it() {
    let (alpha, bravo) = pair().await;
    let rig = Rig::start(&routes("chat", &alpha, &bravo, "failureThreshold: 1")).await;
    for (text, status) in [
        ("status=400", 400),
        ("status=400;code=content_filter", 400),
        ("status=422", 422),
        ("status=413", 413),
    ] {
        alpha.set_fault(fault(text));
        for stream in [false, true] {
            let answer = rig.ask(Api::Chat, "chat", stream).await;
            assert_eq!((answer.status.as_u16(), answer.target()), (status, "alpha"), "{text}");
        }
    }
    assert_eq!(phase(&rig, 1, Duration::from_secs(60)), Phase::Closed);
}

#[tokio::test]
async fn throttling_lets_a_target_rest_without_opening_its_breaker() {
    let (alpha, bravo) = pair().await;
    alpha.set_fault(fault("status=429;retry-after=600"));
    let rig = Rig::start(&routes("chat", &alpha, &bravo, "failureThreshold: 1")).await;
    for _ in 0..3 {
        assert_eq!(rig.chat("chat").await.target(), "bravo");
    }
    assert_eq!(alpha.count(), 1);
    assert_eq!(phase(&rig, 1, Duration::from_secs(60)), Phase::Closed);
}

#[tokio::test]
async fn a_missing_model_opens_it_at_once_and_for_long() {
    let (alpha, bravo) = pair().await;
    alpha.set_fault(fault("status=404;code=model_not_found"));
    let breaker = "failureThreshold: 1000, resetTimeout: 10ms";
    let rig = Rig::start(&routes("chat", &alpha, &bravo, breaker)).await;
    assert_eq!(rig.chat("chat").await.target(), "bravo");
    let policy = BreakerPolicy { failure_threshold: 1000, ..BreakerPolicy::built_in() };
    let status =
        rig.target("sick").breaker.status(&policy, Instant::now() + Duration::from_secs(200));
    assert_eq!(status.phase(), Phase::Open, "minutes later still");
    assert_eq!(rig.chat("chat").await.target(), "bravo");
    assert_eq!(alpha.count(), 1);
}

#[tokio::test]
async fn while_the_only_target_is_probed_others_are_told_so() {
    let alpha = simulator("alpha").await;
    alpha.set_fault(fault("status=500"));
    let extra = "  circuitBreaker: {failureThreshold: 1, resetTimeout: 50ms}\n";
    let rig = Rig::start(&route("chat", &[("alpha", &alpha, "sick")], extra)).await;
    rig.chat("chat").await;
    alpha.set_fault(fault("silent"));
    let half_open = || phase(&rig, 1, Duration::from_millis(50)) == Phase::HalfOpen;
    rig.wait_for("the rest to be over", half_open).await;
    let mut probe = Box::pin(rig.chat("chat"));
    tokio::select! {
        answer = &mut probe => panic!("nobody answers: {answer:?}"),
        seen = alpha.wait_for(|now| now.requests == 2) => { seen.unwrap(); }
    }
    let answer = rig.chat("chat").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text().contains("alpha: another request finds out"), "{answer:?}");
    assert_eq!(answer.header("x-should-retry"), "");
}
