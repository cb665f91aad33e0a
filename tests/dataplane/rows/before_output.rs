//! The first target fails before it has generated anything.

use std::time::{Duration, Instant};

use pilothouse::state::Phase;

use super::{CALLERS, Pair, SHORT, streaming, whole};
use crate::routes::{Api, fault, route_of, simulator};
use crate::support::Rig;

/// Far less than any limit that applies by default, and far more than a loaded machine needs.
const AT_ONCE: Duration = Duration::from_secs(8);

#[tokio::test]
async fn a_short_retry_after_is_waited_for_at_the_same_target() {
    for caller in CALLERS {
        let pair = Pair::new(caller, "status=429;retry-after-ms=400;times=1", "").await;
        let asked = Instant::now();
        pair.assert_answered(&pair.ask().await, "alpha", 2);
        assert!(asked.elapsed() >= Duration::from_millis(400), "no sooner than it asked for");
        assert_eq!(pair.tries(), (2, 0));
        assert_eq!(pair.alphas_breaker(), Phase::Closed);
        pair.settled().await;
    }
}

#[tokio::test]
async fn a_long_retry_after_sends_on_to_another_target_at_once() {
    for caller in CALLERS {
        let pair = Pair::new(caller, "status=429;retry-after=600", "").await;
        pair.assert_answered(&pair.ask().await, "bravo", 2);
        for _ in 0..5 {
            pair.assert_answered(&pair.ask().await, "bravo", 1);
        }
        assert_eq!(pair.tries(), (1, 6), "it is left alone as it asked");
        assert_eq!(pair.alphas_breaker(), Phase::Closed, "it only asks for patience");
        pair.settled().await;
    }
}

#[tokio::test]
async fn a_target_that_throttles_for_good_is_asked_a_few_times_only() {
    for caller in CALLERS {
        let pair = Pair::new(caller, "status=429", "").await;
        for _ in 0..10 {
            assert_eq!(pair.view(&pair.ask().await).text, whole("bravo"));
        }
        assert!(pair.alpha.count() <= 3, "{:?}", pair.tries());
        assert_eq!(pair.alphas_breaker(), Phase::Closed);
        pair.settled().await;
    }
}

#[tokio::test]
async fn one_failure_is_retried_at_the_same_target_after_a_back_off() {
    for caller in CALLERS {
        for status in ["500", "502", "503", "529"] {
            let pair = Pair::new(caller, &format!("status={status};times=1"), "").await;
            let asked = Instant::now();
            pair.assert_answered(&pair.ask().await, "alpha", 2);
            if status != "529" {
                let least = Duration::from_millis(125);
                assert!(asked.elapsed() >= least, "{status}: half of 250ms at least");
            }
            assert_eq!(pair.tries(), (2, 0), "{status}");
            assert_eq!(pair.alphas_breaker(), Phase::Closed, "{status}");
            pair.settled().await;
        }
    }
}

#[tokio::test]
async fn a_target_that_fails_for_good_is_replaced_and_then_spared() {
    for caller in CALLERS {
        let pair = Pair::new(caller, "status=500", "").await;
        pair.assert_answered(&pair.ask().await, "bravo", 3);
        assert_eq!(pair.tries(), (2, 1), "a try, a retry, and another target");
        pair.assert_answered(&pair.ask().await, "bravo", 3);
        pair.assert_answered(&pair.ask().await, "bravo", 2);
        assert_eq!(pair.alpha.count(), 5, "the fifth failure opened the breaker");
        assert_eq!(pair.alphas_breaker(), Phase::Open);
        for _ in 0..3 {
            pair.assert_answered(&pair.ask().await, "bravo", 1);
        }
        assert_eq!(pair.alpha.count(), 5, "nobody waits for it any more");
        pair.settled().await;
    }
}

#[tokio::test]
async fn every_target_and_then_every_fallback_route_gets_a_try() {
    for caller in CALLERS {
        let Pair { alpha, bravo, .. } = Pair::new(caller, "status=500", "").await;
        bravo.set_fault(fault("status=503"));
        let (charlie, delta) = tokio::join!(simulator("charlie"), simulator("delta"));
        charlie.set_fault(fault("status=502"));
        let target = |name, simulator: &pilothouse::simulate::Simulator, priority: u8| {
            let rest = format!("model: {name}-model, priority: {priority}");
            caller.api.target(name, &simulator.url(), &rest)
        };
        let routes = [
            route_of(
                "chat",
                &[target("alpha", &alpha, 0), target("bravo", &bravo, 1)],
                "  fallback: {routes: [{name: second}, {name: third}]}\n",
            ),
            route_of("second", &[target("charlie", &charlie, 0)], ""),
            route_of("third", &[target("delta", &delta, 0)], ""),
        ];
        let rig = Rig::start(&routes.concat()).await;
        let body = caller.client.body(&crate::pairs::cases::HELLO.streamed(caller.stream), "chat");
        let answer = rig.post(caller.api.path(), body.to_string()).await;
        assert_eq!((answer.status.as_u16(), answer.target()), (200, "delta"), "{answer:?}");
        assert_eq!(answer.header("x-pilothouse-route"), "ns/third");
        assert_eq!(answer.header("x-pilothouse-attempts"), "7");
        assert!(answer.text().contains("delta."), "{answer:?}");
        let tries = [&alpha, &bravo, &charlie, &delta].map(pilothouse::simulate::Simulator::count);
        assert_eq!(tries, [2, 2, 2, 1], "{caller:?}");
    }
}

#[tokio::test]
async fn no_connection_is_retried_and_failed_over_within_a_second_or_so() {
    for caller in CALLERS {
        for what in ["reset", "close"] {
            let pair = Pair::new(caller, what, "").await;
            let asked = Instant::now();
            pair.assert_answered(&pair.ask().await, "bravo", 3);
            assert!(asked.elapsed() < AT_ONCE, "{what}: {:?}", asked.elapsed());
            assert_eq!(pair.tries(), (2, 1), "{what}");
            pair.settled().await;

            let pair = Pair::new(caller, &format!("{what};times=1"), "").await;
            pair.assert_answered(&pair.ask().await, "alpha", 2);
            assert_eq!(pair.tries(), (2, 0), "{what}");
        }
    }
}

#[tokio::test]
async fn nobody_there_no_tls_and_no_such_name_are_failed_over() {
    let bravo = simulator("bravo").await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // Too long for a name: it is not even looked up.
    let nowhere = format!("http://{}.localhost", "a".repeat(64));
    let origins = [format!("http://{nobody}"), bravo.url().replace("http:", "https:"), nowhere];
    for caller in CALLERS {
        for origin in &origins {
            let targets = [
                caller.api.target("alpha", origin, "model: sick"),
                caller.api.target("bravo", &bravo.url(), "model: well, priority: 1"),
            ];
            let rig = Rig::start(&route_of("chat", &targets, "")).await;
            let asked = Instant::now();
            let answer = rig.ask(caller.api, "chat", caller.stream).await;
            assert_eq!((answer.status.as_u16(), answer.target()), (200, "bravo"), "{origin}");
            assert!(answer.text().contains("bravo."), "{answer:?}");
            assert_eq!(answer.header("x-pilothouse-attempts"), "3", "{origin}");
            assert!(asked.elapsed() < AT_ONCE, "{origin}: {:?}", asked.elapsed());
        }
    }
}

#[tokio::test]
async fn a_silent_target_is_left_for_another_and_not_asked_twice() {
    for caller in CALLERS {
        let pair = Pair::new(caller, "silent", SHORT).await;
        pair.assert_answered(&pair.ask().await, "bravo", 2);
        assert_eq!(pair.tries(), (1, 1));
        pair.settled().await;
        assert_eq!(pair.alpha.cancelled(), 1, "nobody waits for it any more");
    }
}

#[tokio::test]
async fn a_slow_first_token_is_overtaken_by_another_target() {
    for caller in streaming() {
        // Headers at once, or the role as well, and then nothing for long.
        for slow in ["first=1m", "delay=1m", "stall=1"] {
            let pair = Pair::new(caller, slow, SHORT).await;
            pair.assert_answered(&pair.ask().await, "bravo", 2);
            assert_eq!(pair.tries(), (1, 1), "{slow}");
            pair.settled().await;
            assert_eq!(pair.alpha.cancelled(), 1, "{slow}");
        }
    }
}

#[tokio::test]
async fn the_slow_one_may_still_win_if_it_comes_first() {
    for caller in streaming() {
        let pair = Pair::new(caller, "first=600ms", SHORT).await;
        pair.bravo.set_fault(fault("silent"));
        pair.assert_answered(&pair.ask().await, "alpha", 2);
        assert_eq!(pair.tries(), (1, 1));
        pair.settled().await;
        assert_eq!((pair.alpha.cancelled(), pair.bravo.cancelled()), (0, 1), "the loser is ended");
        assert_eq!(pair.log().await["target"], "alpha");
    }
}

#[tokio::test]
async fn a_plain_reply_is_not_held_to_a_streams_first_token() {
    for caller in CALLERS.into_iter().filter(|caller| !caller.stream) {
        let pair = Pair::new(caller, "delay=400ms", "  timeouts: {firstToken: 50ms}\n").await;
        pair.assert_answered(&pair.ask().await, "alpha", 1);
        assert_eq!(pair.tries(), (1, 0));
    }
}

#[tokio::test]
async fn an_error_event_before_content_is_failed_over_like_a_status() {
    for caller in streaming() {
        for at in ["error=0", "error=1"] {
            let pair = Pair::new(caller, at, "").await;
            pair.assert_answered(&pair.ask().await, "bravo", 3);
            assert_eq!(pair.tries(), (2, 1), "{at}");
            assert!(!pair.ask().await.text().contains("Simulated error"), "{at}");

            let pair = Pair::new(caller, &format!("{at};times=1"), "").await;
            pair.assert_answered(&pair.ask().await, "alpha", 2);
            pair.settled().await;
        }
    }
}

#[tokio::test]
async fn garbage_and_empty_bodies_are_failed_over() {
    for caller in CALLERS {
        for what in ["body=html", "body=empty", "cut=0", "cut=1", "cut=1:end"] {
            if what == "cut=1:end" && !caller.stream {
                continue;
            }
            let pair = Pair::new(caller, what, "").await;
            pair.assert_answered(&pair.ask().await, "bravo", 3);
            assert_eq!(pair.tries(), (2, 1), "{what}");
        }
    }
}

#[tokio::test]
async fn a_flapping_target_is_spared_while_bad_and_found_again_by_single_probes() {
    for caller in CALLERS {
        let extra = "  circuitBreaker: {resetTimeout: 100ms}\n";
        let pair = Pair::new(caller, "status=500", extra).await;
        for _ in 0..3 {
            pair.ask().await;
        }
        assert_eq!(pair.alpha.count(), 5);
        let policy = pilothouse::state::BreakerPolicy {
            reset_timeout: Duration::from_millis(100),
            ..pilothouse::state::BreakerPolicy::built_in()
        };
        let phase = || pair.rig.target("sick").breaker.status(&policy, Instant::now()).phase();
        pair.rig.wait_for("its rest to be over", || phase() == Phase::HalfOpen).await;
        // Still bad: one probe, and it is spared again.
        let answer = pair.ask().await;
        assert_eq!((answer.target(), answer.header("x-pilothouse-attempts")), ("bravo", "2"));
        assert_eq!(pair.alpha.count(), 6, "a probe is not repeated");
        pair.alpha.set_fault(fault(""));
        pair.rig.wait_for("its rest to be over", || phase() == Phase::HalfOpen).await;
        let probed = pair.ask().await;
        assert_eq!((probed.status.as_u16(), probed.target()), (200, "alpha"), "{probed:?}");
        assert_eq!(probed.header("x-circuit-breaker-state"), "half-open");
        pair.settled().await;
        // It is eased in: its share grows from one answer to the next.
        let mut asked = 0;
        while pair.ask().await.target() != "alpha" {
            asked += 1;
            assert!(asked < 200, "{caller:?}: it is not back");
        }
        assert_eq!(pair.alphas_breaker(), Phase::Closed);
    }
}

#[tokio::test]
async fn a_refused_key_is_replaced_by_the_next_and_the_target_rests_without_keys() {
    for caller in CALLERS {
        let bravo = simulator("bravo").await;
        let second = [crate::support::SECOND_KEY];
        for (keys, by) in [(&second[..], "alpha"), (&["none-of-these-keys"][..], "bravo")] {
            let alpha = pilothouse::simulate::Simulator::builder().name("alpha");
            let alpha = alpha.keys(keys.iter().copied()).start().await.unwrap();
            let rest = "model: sick, credentialRef: {name: pool}";
            let targets = [
                caller.api.target("alpha", &alpha.url(), rest),
                caller.api.target("bravo", &bravo.url(), "model: well, priority: 1"),
            ];
            let rig = Rig::start(&route_of("chat", &targets, "")).await;
            for round in 0..3 {
                let answer = rig.ask(caller.api, "chat", caller.stream).await;
                assert_eq!((answer.status.as_u16(), answer.target()), (200, by), "{answer:?}");
                let tries = if by == "bravo" && round == 0 { "2" } else { "1" };
                assert_eq!(answer.header("x-pilothouse-attempts"), tries, "keys do not count");
            }
            let asked = if by == "alpha" { 4 } else { 2 };
            assert_eq!(alpha.count(), asked, "each bad key once");
        }
    }
}

#[tokio::test]
async fn callers_that_come_after_a_refused_key_are_told_of_it_as_the_first_was() {
    for caller in CALLERS {
        let alpha = pilothouse::simulate::Simulator::builder().name("alpha");
        let alpha = alpha.keys(["none-of-these-keys"]).start().await.unwrap();
        let target = caller.api.target("alpha", &alpha.url(), "credentialRef: {name: pool}");
        let rig = Rig::start(&route_of("chat", &[target], "")).await;
        for round in 1..=3 {
            let answer = rig.ask(caller.api, "chat", caller.stream).await;
            assert_eq!(answer.status.as_u16(), 502, "{answer:?}");
            assert_eq!(answer.header("x-should-retry"), "false", "{answer:?}");
            let lines = rig.log_lines(round).await;
            assert_eq!(lines[round - 1]["code"], "provider_credential", "{answer:?}");
        }
        assert_eq!(alpha.count(), 2, "each bad key once");
    }
}

#[tokio::test]
async fn a_model_that_does_not_exist_is_a_permanent_failure_of_its_target() {
    for caller in CALLERS {
        let missing = match caller.api {
            Api::Messages => "status=404;type=not_found_error;message=model: sick",
            _ => "status=404;code=model_not_found",
        };
        let pair = Pair::new(caller, missing, "  circuitBreaker: {resetTimeout: 10ms}\n").await;
        pair.assert_answered(&pair.ask().await, "bravo", 2);
        assert_eq!(pair.alphas_breaker(), Phase::Open);
        for _ in 0..5 {
            pair.assert_answered(&pair.ask().await, "bravo", 1);
        }
        assert_eq!(pair.tries(), (1, 6), "its rest is not that of other failures");
    }
}
