//! Targets that are asked how they are, beside the requests that they answer.

use std::time::{Duration, Instant};

use http::StatusCode;
use pilothouse::simulate::Simulator;
use pilothouse::state::{BreakerPolicy, Phase};
use pilothouse::upstream::AddressPolicy;

use crate::routes::{Api, ONCE, fault, route_of, simulator};
use crate::scripted::{Scripted, Then};
use crate::support::{FIRST_KEY, Options, Rig, connector};

/// As often as a route may ask for.
const QUICK: &str = "path: /health, interval: 100ms, unhealthyThreshold: 2";

/// A target whose health is checked as told; the simulator's name is its model too.
fn target(simulator: &Simulator, name: &str, priority: u32, check: &str) -> String {
    let rest = format!("priority: {priority}, model: {name}, healthCheck: {{{check}}}");
    Api::Chat.target(name, &simulator.url(), &rest)
}

/// A target that nobody asks how it is.
fn unchecked(simulator: &Simulator, name: &str, priority: u32) -> String {
    let rest = format!("priority: {priority}, model: {name}");
    Api::Chat.target(name, &simulator.url(), &rest)
}

fn checks(simulator: &Simulator) -> usize {
    simulator.requests().iter().filter(|one| one.path() == "/health").count()
}

fn asked(simulator: &Simulator) -> usize {
    simulator.requests().len() - checks(simulator)
}

async fn failing(rig: &Rig, model: &str) {
    let state = rig.target(model);
    rig.wait_for("its checks to fail", || state.health.is_failing()).await;
}

async fn passing(rig: &Rig, model: &str) {
    let state = rig.target(model);
    rig.wait_for("its checks to pass", || !state.health.is_failing()).await;
    rig.wait_for("its whole share", || state.recovery.share(Instant::now()).is_none()).await;
}

async fn pair() -> (Simulator, Simulator) {
    tokio::join!(simulator("alpha"), simulator("bravo"))
}

#[tokio::test]
async fn a_target_whose_checks_fail_is_left_out_and_back_at_once_when_they_pass() {
    let (alpha, bravo) = pair().await;
    let targets = [target(&alpha, "alpha", 0, QUICK), unchecked(&bravo, "bravo", 1)];
    let rig = Rig::start(&route_of("chat", &targets, "")).await;
    alpha.wait_for(|now| now.requests >= 1).await.unwrap();
    assert_eq!(rig.chat("chat").await.target(), "alpha");

    for sick in ["status=503", "reset", "body=empty;status=302"] {
        alpha.set_health_fault(fault(sick));
        failing(&rig, "alpha").await;
        let before = asked(&alpha);
        for stream in [false, true] {
            let answer = rig.ask(Api::Chat, "chat", stream).await;
            assert_eq!((answer.status, answer.target()), (StatusCode::OK, "bravo"), "{sick}");
            assert_eq!(answer.header("x-used-fallback"), "true");
            assert_eq!(answer.header("x-pilothouse-attempts"), "1", "no try is lost on it");
        }
        assert_eq!(asked(&alpha), before);
        alpha.set_health_fault(fault(""));
        passing(&rig, "alpha").await;
        assert_eq!(rig.chat("chat").await.target(), "alpha");
    }
    assert_eq!(checks(&bravo), 0, "nobody asked for that");
}

#[tokio::test]
async fn a_page_that_does_not_come_in_time_is_a_failed_check() {
    let (alpha, bravo) = pair().await;
    alpha.set_health_fault(fault("silent"));
    let check = format!("{QUICK}, timeout: 50ms");
    let targets = [target(&alpha, "alpha", 0, &check), unchecked(&bravo, "bravo", 1)];
    let rig = Rig::start(&route_of("chat", &targets, "")).await;
    failing(&rig, "alpha").await;
    let why = rig.target("alpha").health.account().last_failure.unwrap();
    assert_eq!(why, "GET /health was not answered within 50 ms");
    assert_eq!(rig.chat("chat").await.target(), "bravo");
}

#[tokio::test]
async fn with_nobody_else_left_targets_whose_checks_fail_are_asked_all_the_same() {
    let (alpha, bravo) = pair().await;
    alpha.set_health_fault(fault("status=404"));
    bravo.set_health_fault(fault("status=404"));
    let targets = [target(&alpha, "alpha", 0, QUICK), target(&bravo, "bravo", 1, QUICK)];
    let rig = Rig::start(&route_of("chat", &targets, "  targetSelection: Allowed\n")).await;
    failing(&rig, "alpha").await;
    failing(&rig, "bravo").await;
    let answer = rig.chat("chat").await;
    assert_eq!((answer.status, answer.target()), (StatusCode::OK, "alpha"));
    // One that answers requests badly as well is followed by the next.
    alpha.set_fault(fault("status=500"));
    assert_eq!(rig.chat("chat").await.target(), "bravo");
    // A caller who picks one has no other.
    let headers = [("x-api-key", crate::support::KEY), ("x-backend", "bravo")];
    let body = Api::Chat.body("chat", false);
    let picked = rig.send(http::Method::POST, Api::Chat.path(), &headers, body).await;
    assert_eq!((picked.status, picked.target()), (StatusCode::OK, "bravo"));
    // Where a healthy one fails, the others are better than an error.
    let charlie = simulator("charlie").await;
    charlie.set_fault(fault("status=500"));
    let mut targets = targets.to_vec();
    targets.push(unchecked(&charlie, "charlie", 2));
    rig.publish(&route_of("chat", &targets, ONCE));
    let answer = rig.chat("chat").await;
    assert_eq!((answer.status, answer.target()), (StatusCode::OK, "bravo"));
    assert_eq!(answer.header("x-pilothouse-attempts"), "3", "the healthy one, then in order");
}

/// What the usual policy makes of a target, with a rest that never ends here.
fn phase(rig: &Rig, model: &str) -> Phase {
    let policy = BreakerPolicy {
        failure_threshold: 1,
        reset_timeout: Duration::from_secs(3600),
        ..BreakerPolicy::built_in()
    };
    rig.target(model).breaker.status(&policy, Instant::now()).phase()
}

const RESTS_LONG: &str = "  circuitBreaker: {failureThreshold: 1, resetTimeout: 1h}\n";

#[tokio::test]
async fn an_outage_that_checks_saw_is_forgotten_by_the_breaker_too() {
    let (alpha, bravo) = pair().await;
    alpha.set_fault(fault("reset"));
    alpha.set_health_fault(fault("reset"));
    // The breaker opens before checks have a say.
    let targets = [unchecked(&alpha, "alpha", 0), unchecked(&bravo, "bravo", 1)];
    let rig = Rig::start(&route_of("chat", &targets, RESTS_LONG)).await;
    assert_eq!(rig.chat("chat").await.target(), "bravo");
    assert_eq!(phase(&rig, "alpha"), Phase::Open);
    let targets = [target(&alpha, "alpha", 0, QUICK), unchecked(&bravo, "bravo", 1)];
    rig.publish(&route_of("chat", &targets, RESTS_LONG));
    failing(&rig, "alpha").await;
    alpha.set_fault(fault(""));
    alpha.set_health_fault(fault(""));
    passing(&rig, "alpha").await;
    assert_eq!(phase(&rig, "alpha"), Phase::Closed);
    assert_eq!(rig.chat("chat").await.target(), "alpha");
}

#[tokio::test]
async fn a_check_that_passes_ends_a_breakers_rest_once_and_no_more() {
    let (alpha, bravo) = pair().await;
    let targets = [target(&alpha, "alpha", 0, QUICK), unchecked(&bravo, "bravo", 1)];
    let rig = Rig::start(&route_of("chat", &targets, RESTS_LONG)).await;
    // An outage too short for checks to see.
    alpha.set_fault(fault("status=500;times=1"));
    assert_eq!(rig.chat("chat").await.target(), "bravo");
    rig.wait_for("the rest to end", || phase(&rig, "alpha") == Phase::HalfOpen).await;
    assert_eq!(rig.chat("chat").await.target(), "alpha");
    assert_eq!(phase(&rig, "alpha"), Phase::Closed);
    rig.target("alpha").recovery.end();
    // A server that says it is well and answers nothing.
    alpha.set_fault(fault("status=500"));
    assert_eq!(rig.chat("chat").await.target(), "bravo");
    rig.wait_for("the rest to end", || phase(&rig, "alpha") == Phase::HalfOpen).await;
    assert_eq!(rig.chat("chat").await.target(), "bravo", "the probe fails");
    let seen = checks(&alpha);
    rig.wait_for("further checks", || checks(&alpha) > seen + 2).await;
    assert_eq!(phase(&rig, "alpha"), Phase::Open, "the page lies");
}

#[tokio::test]
async fn one_prober_for_each_target_and_a_new_table_forgets_nothing() {
    let alpha = simulator("alpha").await;
    let bravo = simulator("bravo").await;
    alpha.set_health_fault(fault("status=503"));
    let slow = "path: /health, interval: 1h, unhealthyThreshold: 1";
    let targets = [target(&alpha, "alpha", 0, slow), unchecked(&bravo, "bravo", 1)];
    // Five routes that share the target; the second asks for other checks, and comes later by name.
    let routes =
        |names: &[&str]| names.iter().map(|name| route_of(name, &targets, "")).collect::<String>();
    let other = [target(&alpha, "alpha", 0, "path: /health?by=other, interval: 100ms")];
    let rig = Rig::start(&(routes(&["a", "b", "c", "d"]) + &route_of("z", &other, ""))).await;
    failing(&rig, "alpha").await;
    assert_eq!(checks(&alpha), 1);
    for name in ["a", "d"] {
        assert_eq!(rig.chat(name).await.target(), "bravo");
    }
    // Other tables, with and without an edit that concerns the target.
    for names in [&["a", "b"][..], &["b", "c", "e"]] {
        rig.publish(&routes(names));
        assert!(rig.target("alpha").health.is_failing());
    }
    // With the field its checks and what they found go.
    rig.publish(&route_of("b", &[unchecked(&alpha, "alpha", 0)], ""));
    passing(&rig, "alpha").await;
    assert_eq!(rig.chat("b").await.target(), "alpha");
    assert_eq!(checks(&alpha), 1, "no table made one come early");
    // And an edit counts at once.
    rig.publish(&route_of("b", &[target(&alpha, "alpha", 0, QUICK)], ""));
    failing(&rig, "alpha").await;
}

#[tokio::test]
async fn a_route_without_the_field_goes_by_what_its_own_requests_meet() {
    let (alpha, bravo) = pair().await;
    alpha.set_health_fault(fault("status=503"));
    let checked = [target(&alpha, "alpha", 0, QUICK), unchecked(&bravo, "bravo", 1)];
    let plain = [unchecked(&alpha, "alpha", 0), unchecked(&bravo, "bravo", 1)];
    let rig =
        Rig::start(&(route_of("checked", &checked, "") + &route_of("plain", &plain, ""))).await;
    failing(&rig, "alpha").await;
    assert_eq!(rig.chat("checked").await.target(), "bravo");
    assert_eq!(rig.chat("plain").await.target(), "alpha");
}

#[tokio::test]
async fn a_check_shows_a_key_only_if_it_is_told_to() {
    for (authentication, shown) in [("None", None), ("Target", Some(format!("Bearer {FIRST_KEY}")))]
    {
        let alpha = simulator("alpha").await;
        let check = format!("{QUICK}, authentication: {authentication}");
        let rest = format!("model: m, credentialRef: {{name: one}}, healthCheck: {{{check}}}");
        let target = Api::Chat.target("alpha", &alpha.url(), &rest);
        let rig = Rig::start(&route_of("chat", &[target], "")).await;
        alpha.wait_for(|now| now.requests >= 2).await.unwrap();
        for check in alpha.requests() {
            assert_eq!((check.method.as_str(), check.path()), ("GET", "/health"));
            assert_eq!(check.header("authorization").map(str::to_owned), shown);
            assert!(check.header("user-agent").unwrap().starts_with("pilothouse/"));
        }
        assert!(!rig.target("m").health.is_failing());
    }
}

#[tokio::test]
async fn a_server_that_answers_checks_badly_is_no_danger() {
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(1 << 20));
    for answer in
        ["", "garbage\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", &endless]
    {
        let server = Scripted::start(answer, usize::MAX, Then::Close).await;
        let rest = format!("model: m, healthCheck: {{{QUICK}, timeout: 1s}}");
        let target = Api::Chat.target("alpha", &server.origin, &rest);
        let rig = Rig::start(&route_of("chat", &[target], "")).await;
        let state = rig.target("m");
        rig.wait_for("some checks", || {
            let account = state.health.account();
            account.passed + account.failed >= 2
        })
        .await;
    }
}

#[tokio::test]
async fn checks_reach_no_address_that_requests_may_not() {
    let alpha = simulator("alpha").await;
    let targets = [target(&alpha, "alpha", 0, QUICK)];
    let public = connector(AddressPolicy::PublicAnd(Vec::new()));
    let options = Options { connector: public, ..Options::default() };
    let rig = Rig::start_with(&route_of("chat", &targets, ""), options).await;
    failing(&rig, "alpha").await;
    let why = rig.target("alpha").health.account().last_failure.unwrap();
    assert!(why.contains("may not have") && why.contains("--allow-upstream-cidr"), "{why}");
    assert_eq!(checks(&alpha), 0);
}
