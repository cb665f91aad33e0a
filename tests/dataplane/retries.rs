//! What a route decides about trying again, field by field.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use pilothouse::simulate::Simulator;

use crate::answer::Answer;
use crate::routes::{Api, chat_body, fault, route, route_of, simulator};
use crate::support::{KEY, Rig};

async fn pair() -> (Simulator, Simulator) {
    tokio::join!(simulator("alpha"), simulator("bravo"))
}

/// Two targets, the first of which does as told, and a route with these fields.
async fn rig(alpha_does: &str, extra: &str) -> (Simulator, Simulator, Rig) {
    let (alpha, bravo) = pair().await;
    alpha.set_fault(fault(alpha_does));
    let targets = [("alpha", &alpha, "sick"), ("bravo", &bravo, "well")];
    let rig = Rig::start(&route("chat", &targets, extra)).await;
    (alpha, bravo, rig)
}

fn attempts(answer: &Answer) -> &str {
    answer.header("x-pilothouse-attempts")
}

#[tokio::test]
async fn per_target_says_how_often_one_target_is_tried() {
    for (tries, stream) in [(1, false), (1, true), (4, false), (4, true)] {
        let extra = format!("  retry: {{perTarget: {tries}, backoff: {{base: 1ms, max: 1ms}}}}\n");
        let (alpha, bravo, rig) = rig("status=500", &extra).await;
        let answer = rig.ask(Api::Chat, "chat", stream).await;
        assert_eq!((answer.status, answer.target()), (StatusCode::OK, "bravo"), "{answer:?}");
        assert_eq!((alpha.count(), bravo.count()), (tries, 1));
        assert_eq!(attempts(&answer), (tries + 1).to_string());
    }
}

#[tokio::test]
async fn a_target_may_have_a_number_of_tries_of_its_own() {
    let (alpha, bravo) = pair().await;
    alpha.set_fault(fault("status=500"));
    bravo.set_fault(fault("status=500"));
    let targets = [
        Api::Chat.target("alpha", &alpha.url(), "model: m, retry: {perTarget: 3}"),
        Api::Chat.target("bravo", &bravo.url(), "model: m, priority: 1"),
    ];
    let extra = "  retry: {perTarget: 1, backoff: {base: 1ms}}\n";
    let rig = Rig::start(&route_of("chat", &targets, extra)).await;
    assert_eq!(rig.chat("chat").await.status, StatusCode::BAD_GATEWAY);
    assert_eq!((alpha.count(), bravo.count()), (3, 1), "and the back-off is the route's");
}

#[tokio::test]
async fn the_back_off_doubles_up_to_its_maximum() {
    let extra = "  retry: {perTarget: 4, backoff: {base: 100ms, max: 200ms}}\n";
    let (alpha, _bravo, rig) = rig("status=500", extra).await;
    let asked = Instant::now();
    rig.chat("chat").await;
    let least = Duration::from_millis(50 + 100 + 100);
    assert!(asked.elapsed() >= least, "half of 100, 200 and 200 ms: {:?}", asked.elapsed());
    assert_eq!(alpha.count(), 4);
}

#[tokio::test]
async fn max_attempts_bounds_all_tries_together() {
    for (most, expected) in [(1, (1, 0)), (2, (2, 0)), (3, (2, 1))] {
        let extra = format!("  retry: {{maxAttempts: {most}, backoff: {{base: 1ms, max: 1ms}}}}\n");
        let (alpha, bravo, rig) = rig("status=500", &extra).await;
        bravo.set_fault(fault("status=500"));
        let answer = rig.chat("chat").await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{answer:?}");
        assert_eq!((alpha.count(), bravo.count()), expected, "at most {most}");
        assert_eq!(attempts(&answer), most.to_string());
    }
}

#[tokio::test]
async fn a_retry_after_up_to_the_limit_is_waited_for() {
    for (limit, by) in [("1s", "alpha"), ("100ms", "bravo"), ("0s", "bravo")] {
        let extra = format!("  retry: {{maxRetryAfter: {limit}}}\n");
        let (alpha, _bravo, rig) = rig("status=429;retry-after-ms=300;times=1", &extra).await;
        let asked = Instant::now();
        let answer = rig.chat("chat").await;
        assert_eq!((answer.status, answer.target()), (StatusCode::OK, by), "{limit}");
        assert_eq!(attempts(&answer), "2");
        assert_eq!(alpha.count(), if by == "alpha" { 2 } else { 1 });
        if by == "alpha" {
            assert!(asked.elapsed() >= Duration::from_millis(300));
        }
    }
}

const NEVER: &str = "  retry: {repeatable: Never}\n";

#[tokio::test]
async fn what_is_not_repeatable_is_not_sent_again_once_a_target_may_have_begun() {
    for stream in [false, true] {
        for what in ["status=500", "status=503", "close", "body=html", "cut=0"] {
            let (alpha, bravo, rig) = rig(what, NEVER).await;
            let answer = rig.ask(Api::Chat, "chat", stream).await;
            assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{what}: {answer:?}");
            assert_eq!((alpha.count(), bravo.count()), (1, 0), "{what}");
        }
        let extra =
            format!("{NEVER}  timeouts: {{response: 100ms, firstToken: 100ms, request: 300ms}}\n");
        let (alpha, bravo, rig) = rig("silent", &extra).await;
        let answer = rig.ask(Api::Chat, "chat", stream).await;
        assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT, "{answer:?}");
        assert_eq!((alpha.count(), bravo.count()), (1, 0));
    }
}

/// A connection that was kept open and breaks may have been stale, and then nothing has begun; but it
/// may as well have broken because of the request.
#[tokio::test]
async fn what_is_not_repeatable_is_not_sent_again_when_a_kept_connection_breaks() {
    for what in ["reset", "close"] {
        let (alpha, bravo, rig) = rig("", NEVER).await;
        assert_eq!(rig.chat("chat").await.target(), "alpha");
        alpha.set_fault(fault(what));
        let answer = rig.chat("chat").await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{what}: {answer:?}");
        assert_eq!((alpha.count(), bravo.count()), (2, 0), "{what}: once each");
    }
}

#[tokio::test]
async fn what_is_not_repeatable_goes_elsewhere_if_no_target_has_begun() {
    for what in ["status=429;retry-after=600", "status=401", "status=404;code=model_not_found"] {
        let (alpha, bravo, rig) = rig(what, NEVER).await;
        assert_eq!(rig.chat("chat").await.target(), "bravo", "{what}");
        assert_eq!((alpha.count(), bravo.count()), (1, 1), "{what}");
    }
    let bravo = simulator("bravo").await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let targets = [
        Api::Chat.target("alpha", &format!("http://{nobody}"), "model: m"),
        Api::Chat.target("bravo", &bravo.url(), "model: m, priority: 1"),
    ];
    let rig = Rig::start(&route_of("chat", &targets, NEVER)).await;
    assert_eq!(rig.chat("chat").await.target(), "bravo");
}

#[tokio::test]
async fn what_is_not_repeatable_is_neither_resumed_nor_hedged() {
    let extra = format!("{NEVER}  hedging: {{delay: 20ms}}\n");
    let (_alpha, bravo, rig) = rig("cut=14;first=200ms", &extra).await;
    let answer = rig.chat_stream("chat").await;
    assert!(!answer.text().contains("[DONE]"), "{answer:?}");
    assert!(answer.events().last().unwrap().contains("\"error\""), "{answer:?}");
    assert_eq!(bravo.count(), 0);
}

#[tokio::test]
async fn repeats_at_one_target_are_a_share_of_what_runs_there() {
    // The first failure opens no breaker here: the budget alone bounds the tries.
    let extra = "  retry: {perTarget: 10, backoff: {base: 300ms, max: 300ms}}\n  \
                 circuitBreaker: {failureThreshold: 1000, errorThresholdPercentage: 100, \
                 minRequests: 100000}\n";
    let (alpha, bravo, rig) = rig("status=500;delay=100ms", extra).await;
    let answers = futures::future::join_all((0..30).map(|_| rig.chat("chat"))).await;
    assert!(answers.iter().all(|answer| answer.target() == "bravo"));
    let repeats = alpha.count() - 30;
    assert!((1..=90).contains(&repeats), "30 would repeat 270 times without it: {repeats}");
    assert_eq!(bravo.count(), 30);
    rig.settled().await;
    assert_eq!(rig.target("sick").retry_budget.drawn(), 0);
}

/// Routes of a namespace whose callers are elsewhere.
fn elsewhere(routes: &str) -> String {
    routes.replace("namespace: ns}", "namespace: other}")
}

async fn ask_other(rig: &Rig, model: &str) -> Answer {
    let headers = [("x-api-key", KEY), ("x-pilothouse-route", "other/chat")];
    rig.send(Method::POST, "/v1/chat/completions", &headers, chat_body(model, false)).await
}

#[tokio::test]
async fn a_fallback_route_answers_only_callers_whom_it_admits() {
    let (alpha, bravo) = pair().await;
    let charlie = simulator("charlie").await;
    alpha.set_fault(fault("status=500"));
    let all = "  allowedNamespaces: {from: All}\n";
    let fallback = format!("{all}  fallback: {{routes: [{{name: closed}}, {{name: open}}]}}\n");
    let routes = [
        route("chat", &[("alpha", &alpha, "a")], &fallback),
        route("closed", &[("bravo", &bravo, "b")], ""),
        route("open", &[("charlie", &charlie, "c")], all),
    ];
    let rig = Rig::start(&elsewhere(&routes.concat())).await;
    let answer = ask_other(&rig, "chat").await;
    assert_eq!((answer.status, answer.target()), (StatusCode::OK, "charlie"), "{answer:?}");
    assert_eq!(answer.header("x-pilothouse-route"), "other/open");
    assert_eq!(answer.header("x-used-fallback"), "true");
    assert_eq!(bravo.count(), 0, "the route that admits nobody from elsewhere");
}

#[tokio::test]
async fn a_fallbacks_own_fallback_is_not_followed() {
    let (alpha, bravo) = pair().await;
    let charlie = simulator("charlie").await;
    alpha.set_fault(fault("status=500"));
    bravo.set_fault(fault("status=500"));
    let routes = [
        route("chat", &[("alpha", &alpha, "a")], "  fallback: {routes: [{name: second}]}\n"),
        route("second", &[("bravo", &bravo, "b")], "  fallback: {routes: [{name: third}]}\n"),
        route("third", &[("charlie", &charlie, "c")], ""),
    ];
    let rig = Rig::start(&routes.concat()).await;
    let answer = rig.chat("chat").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{answer:?}");
    assert_eq!((alpha.count(), bravo.count(), charlie.count()), (2, 2, 0));
    let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("alpha") && message.contains("bravo"), "{message}");
    assert_eq!(rig.chat("second").await.target(), "charlie", "of its own callers it is");
}

#[tokio::test]
async fn a_fallbacks_target_without_a_model_is_asked_for_its_routes_first_exact_name() {
    let (alpha, bravo) = pair().await;
    alpha.set_fault(fault("status=500"));
    let second = route_of(
        "second",
        &[Api::Chat.target("bravo", &bravo.url(), "priority: 0")],
        "  models: [\"mini-*\", mini, other]\n",
    );
    let routes = [
        route("chat", &[("alpha", &alpha, "a")], "  fallback: {routes: [{name: second}]}\n"),
        second,
    ];
    let rig = Rig::start(&routes.concat()).await;
    for stream in [false, true] {
        let answer = rig.ask(Api::Chat, "chat", stream).await;
        assert_eq!((answer.status, answer.target()), (StatusCode::OK, "bravo"), "{answer:?}");
        assert_eq!(bravo.requests().last().unwrap().json()["model"], "mini");
        assert!(answer.text().contains("\"model\":\"mini\""), "{answer:?}");
    }
    assert_eq!(rig.chat("mini-7").await.target(), "bravo");
    assert_eq!(bravo.requests().last().unwrap().json()["model"], "mini-7");
}

#[tokio::test]
async fn a_fallback_route_answers_when_the_first_is_spared_altogether() {
    let (alpha, bravo) = pair().await;
    alpha.set_fault(fault("status=500"));
    let extra = "  fallback: {routes: [{name: second}]}\n  \
                 circuitBreaker: {failureThreshold: 1}\n";
    let routes = [
        route("chat", &[("alpha", &alpha, "a")], extra),
        route("second", &[("bravo", &bravo, "b")], ""),
    ];
    let rig = Rig::start(&routes.concat()).await;
    for tries in ["2", "1", "1"] {
        let answer = rig.chat("chat").await;
        assert_eq!((answer.target(), attempts(&answer)), ("bravo", tries));
        assert_eq!(answer.header("x-used-fallback"), "true");
    }
    assert_eq!(alpha.count(), 1);
    let log = rig.log_lines(3).await;
    assert_eq!(
        (&log[2]["route"], &log[2]["fallback_route"]),
        (&"ns/chat".into(), &"ns/second".into())
    );
}

#[tokio::test]
async fn a_stream_that_breaks_is_gone_on_with_by_a_fallback_route() {
    let start = || async { Simulator::builder().name("sim").start().await.unwrap() };
    let (alpha, bravo) = tokio::join!(start(), start());
    alpha.set_fault(fault("cut=14;goes-on=refuse"));
    let routes = [
        route("chat", &[("alpha", &alpha, "a")], "  fallback: {routes: [{name: second}]}\n"),
        route("second", &[("bravo", &bravo, "b")], ""),
    ];
    let rig = Rig::start(&routes.concat()).await;
    let answer = rig.chat_stream("chat").await;
    assert_eq!(answer.streamed_text(), super::rows::whole("sim"), "{answer:?}");
    assert_eq!(answer.events().last(), Some(&"[DONE]"));
    assert_eq!(bravo.count(), 1);
}

const HEDGED: &str = "  hedging: {delay: 50ms}\n";

#[tokio::test]
async fn nobody_is_asked_as_well_unless_the_route_says_so() {
    for stream in [false, true] {
        let (alpha, bravo, rig) = rig("delay=400ms", "").await;
        assert_eq!(rig.ask(Api::Chat, "chat", stream).await.target(), "alpha");
        assert_eq!((alpha.count(), bravo.count()), (1, 0));
    }
}

#[tokio::test]
async fn after_the_delay_the_next_is_asked_as_well_and_the_first_answer_wins() {
    for stream in [false, true] {
        let (alpha, _bravo, rig) = rig("delay=1m", HEDGED).await;
        let answer = rig.ask(Api::Chat, "chat", stream).await;
        assert_eq!((answer.status, answer.target()), (StatusCode::OK, "bravo"), "{answer:?}");
        assert_eq!((attempts(&answer), answer.header("x-used-fallback")), ("2", "true"));
        assert!(!answer.text().contains("alpha"), "{answer:?}");
        alpha.wait_for(|now| now.cancelled == 1).await.unwrap();
        rig.settled().await;
        assert_eq!(rig.target("well").retry_budget.drawn(), 0);

        // The other way round.
        let (alpha, bravo, rig) = self::rig("delay=400ms", HEDGED).await;
        bravo.set_fault(fault("delay=1m"));
        let answer = rig.ask(Api::Chat, "chat", stream).await;
        assert_eq!((answer.status, answer.target()), (StatusCode::OK, "alpha"), "{answer:?}");
        assert_eq!((attempts(&answer), answer.header("x-used-fallback")), ("2", "false"));
        bravo.wait_for(|now| now.cancelled == 1).await.unwrap();
        assert_eq!((alpha.count(), bravo.count()), (1, 1));
    }
}

#[tokio::test]
async fn a_fast_answer_is_not_hedged() {
    let (alpha, bravo, rig) = rig("", "  hedging: {delay: 10s}\n").await;
    for stream in [false, true] {
        assert_eq!(rig.ask(Api::Chat, "chat", stream).await.target(), "alpha");
    }
    assert_eq!((alpha.count(), bravo.count()), (2, 0));
}

#[tokio::test]
async fn one_that_fails_while_the_other_is_asked_leaves_the_other_to_answer() {
    for stream in [false, true] {
        let (alpha, bravo, rig) = rig("delay=200ms;status=500", HEDGED).await;
        bravo.set_fault(fault("delay=600ms"));
        let answer = rig.ask(Api::Chat, "chat", stream).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.target(), "bravo", "{answer:?}");
        assert!((1..=2).contains(&alpha.count()), "{}", alpha.count());
        assert_eq!(bravo.count(), 1);
        rig.settled().await;
    }
}

#[tokio::test]
async fn a_percentile_hedges_what_takes_longer_than_usual() {
    for stream in [false, true] {
        let (alpha, bravo, rig) = rig("delay=1m", "  hedging: {percentile: 90}\n").await;
        alpha.set_fault(fault(""));
        for _ in 0..30 {
            rig.ask(Api::Chat, "chat", stream).await;
        }
        let before = bravo.count();
        alpha.set_fault(fault("delay=1m"));
        let answer = rig.ask(Api::Chat, "chat", stream).await;
        assert_eq!((answer.status, answer.target()), (StatusCode::OK, "bravo"), "{answer:?}");
        assert_eq!(bravo.count(), before + 1);
        alpha.wait_for(|now| now.in_flight == 0).await.unwrap();
    }
}

#[tokio::test]
async fn a_percentile_hedges_nothing_while_nothing_is_known() {
    let (_alpha, bravo, rig) = rig("delay=300ms", "  hedging: {percentile: 50}\n").await;
    assert_eq!(rig.chat("chat").await.target(), "alpha");
    assert_eq!(bravo.count(), 0);
}

#[tokio::test]
async fn hedges_are_a_share_of_traffic_and_without_one_the_first_is_waited_for() {
    for stream in [false, true] {
        let (alpha, bravo, rig) = rig("delay=700ms", HEDGED).await;
        bravo.set_fault(fault("delay=1m"));
        let asks = (0..20).map(|_| rig.ask(Api::Chat, "chat", stream));
        let answers = futures::future::join_all(asks).await;
        for answer in &answers {
            assert_eq!((answer.status, answer.target()), (StatusCode::OK, "alpha"), "{answer:?}");
        }
        assert_eq!(alpha.count(), 20);
        assert!((1..=4).contains(&bravo.count()), "hedges of 20: {}", bravo.count());
        rig.settled().await;
    }
}

#[tokio::test]
async fn a_first_token_that_takes_too_long_draws_from_the_budget_as_well() {
    let (alpha, bravo, rig) = rig("first=1m", "  timeouts: {firstToken: 100ms}\n").await;
    let asks = (0..20).map(|_| rig.chat_stream("chat"));
    let answers = futures::future::join_all(asks).await;
    for answer in &answers {
        assert_eq!((answer.status, answer.target()), (StatusCode::OK, "bravo"), "{answer:?}");
    }
    assert_eq!(bravo.count(), 20, "each is answered, with or without company");
    alpha.wait_for(|now| now.in_flight == 0).await.unwrap();
    rig.settled().await;
}
