//! What is the caller's affair: nobody else is asked, and nothing counts against a target.

use pilothouse::simulate::Simulator;
use pilothouse::state::Phase;

use super::{CALLERS, Caller, Pair, streaming};
use crate::answer::Answer;
use crate::routes::{Api, fault, route_of, simulator};
use crate::support::Rig;

/// The prompt is too long, as that API says it.
fn too_long(api: Api) -> &'static str {
    match api {
        Api::Messages => {
            "status=400;type=invalid_request_error;message=prompt is too long: 300000 tokens"
        }
        _ => "status=400;code=context_length_exceeded",
    }
}

#[tokio::test]
async fn a_content_refusal_is_passed_on_as_it_is() {
    for caller in CALLERS {
        let pair = Pair::new(caller, "status=400;code=content_filter;message=content_filter", "");
        let pair = pair.await;
        for request in 1..=7 {
            let answer = pair.ask().await;
            assert!(pair.assert_error(&answer, 400).contains("content_filter"), "{answer:?}");
            assert_eq!((answer.target(), pair.tries()), ("alpha", (request, 0)));
        }
        assert_eq!(pair.alphas_breaker(), Phase::Closed);
        assert_eq!(pair.rig.log_lines(7).await[0]["outcome"], "refused");
    }
}

#[tokio::test]
async fn a_callers_mistake_is_passed_on_and_not_repeated() {
    for caller in CALLERS {
        for status in [400, 422] {
            let pair = Pair::new(caller, &format!("status={status};message=odd"), "").await;
            for request in 1..=6 {
                assert_eq!(pair.assert_error(&pair.ask().await, status), "odd");
                assert_eq!(pair.tries(), (request, 0));
            }
            assert_eq!(pair.alphas_breaker(), Phase::Closed);
        }
    }
}

async fn ask(rig: &Rig, caller: Caller) -> Answer {
    rig.ask(caller.api, "chat", caller.stream).await
}

/// Targets that are asked for these models, in order of priority.
fn targets(caller: Caller, targets: &[(&str, &Simulator, &str)]) -> Vec<String> {
    let target = |(at, (name, simulator, model)): (usize, &(&str, &Simulator, &str))| {
        let rest = format!("model: {model}, priority: {at}");
        caller.api.target(name, &simulator.url(), &rest)
    };
    targets.iter().enumerate().map(target).collect()
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_not_tried_again_on_the_same_model() {
    for caller in CALLERS {
        let (alpha, bravo) = tokio::join!(simulator("alpha"), simulator("bravo"));
        alpha.set_fault(fault(too_long(caller.api)));
        let same = [("alpha", &alpha, "short"), ("bravo", &bravo, "short")];
        let rig = Rig::start(&route_of("chat", &targets(caller, &same), "")).await;
        let answer = ask(&rig, caller).await;
        assert_eq!((answer.status.as_u16(), answer.target()), (400, "alpha"), "{answer:?}");
        assert_eq!((alpha.count(), bravo.count()), (1, 0), "{caller:?}");
    }
}

#[tokio::test]
async fn a_prompt_that_is_too_long_goes_to_another_model() {
    for caller in CALLERS {
        let (alpha, bravo) = tokio::join!(simulator("alpha"), simulator("bravo"));
        alpha.set_fault(fault(too_long(caller.api)));
        let other = [("alpha", &alpha, "short"), ("bravo", &bravo, "longer")];
        let rig = Rig::start(&route_of("chat", &targets(caller, &other), "")).await;
        let answer = ask(&rig, caller).await;
        assert_eq!((answer.status.as_u16(), answer.target()), (200, "bravo"), "{answer:?}");
        assert_eq!((alpha.count(), bravo.count()), (1, 1), "{caller:?}");

        // And if that cannot take it either, the caller sees what a provider said.
        bravo.set_fault(fault(too_long(caller.api)));
        let answer = ask(&rig, caller).await;
        assert_eq!(answer.status.as_u16(), 400, "{answer:?}");
        assert!(["alpha", "bravo"].contains(&answer.target()), "{answer:?}");
        assert_eq!((alpha.count(), bravo.count()), (2, 2), "{caller:?}");
    }
}

#[tokio::test]
async fn a_model_whose_window_is_known_to_be_no_larger_is_not_asked() {
    for caller in CALLERS {
        let (alpha, bravo) = tokio::join!(simulator("alpha"), simulator("bravo"));
        alpha.set_fault(fault(too_long(caller.api)));
        let window = |name: &str, simulator: &Simulator, model: &str, tokens: u32| {
            let rest = format!("model: {model}, capabilities: {{contextTokens: {tokens}}}");
            caller.api.target(name, &simulator.url(), &rest)
        };
        let both = [window("alpha", &alpha, "a", 9000), window("bravo", &bravo, "b", 9000)];
        let extra = "  loadBalancing: {strategy: RoundRobin}\n";
        let rig = Rig::start(&route_of("chat", &both, extra)).await;
        bravo.set_fault(fault(too_long(caller.api)));
        assert_eq!(ask(&rig, caller).await.status.as_u16(), 400);
        assert_eq!(alpha.count() + bravo.count(), 1, "{caller:?}");
    }
}

#[tokio::test]
async fn context_window_routes_take_what_is_too_long_and_nothing_else() {
    for caller in CALLERS {
        let (alpha, bravo) = tokio::join!(simulator("alpha"), simulator("bravo"));
        let long = simulator("long").await;
        alpha.set_fault(fault(too_long(caller.api)));
        let routes = [
            route_of(
                "chat",
                &targets(caller, &[("alpha", &alpha, "short"), ("bravo", &bravo, "other")]),
                "  fallback: {contextWindow: [{name: long}]}\n",
            ),
            route_of("long", &targets(caller, &[("long", &long, "long")]), ""),
        ];
        let rig = Rig::start(&routes.concat()).await;
        let answer = ask(&rig, caller).await;
        assert_eq!((answer.status.as_u16(), answer.target()), (200, "long"), "{answer:?}");
        assert_eq!(answer.header("x-pilothouse-route"), "ns/long");
        assert_eq!((alpha.count(), bravo.count(), long.count()), (1, 0, 1), "{caller:?}");

        alpha.set_fault(fault("status=500"));
        bravo.set_fault(fault("status=500"));
        assert_eq!(ask(&rig, caller).await.status.as_u16(), 502);
        assert_eq!(long.count(), 1, "a failure is no long prompt");
    }
}

#[tokio::test]
async fn a_caller_that_leaves_ends_the_request_and_counts_against_nobody() {
    for caller in CALLERS {
        let does = if caller.stream { "stall=9" } else { "silent" };
        let pair = Pair::new(caller, does, "").await;
        for left in 1..=6 {
            let mut waiting = Box::pin(pair.ask());
            tokio::select! {
                answer = &mut waiting => panic!("nobody answers: {answer:?}"),
                seen = pair.alpha.wait_for(|now| now.requests == left) => { seen.unwrap(); }
            }
            drop(waiting);
            pair.alpha.wait_for(|now| now.cancelled == left).await.unwrap();
        }
        pair.settled().await;
        assert_eq!(pair.tries(), (6, 0), "nobody else is asked for a caller that is gone");
        assert_eq!(pair.alphas_breaker(), Phase::Closed);
        let log = pair.rig.log_lines(6).await;
        assert!(log.iter().all(|line| line["outcome"] == "cancelled"), "{log:?}");
    }
}

#[tokio::test]
async fn a_caller_that_leaves_while_another_target_goes_on_ends_that_too() {
    for caller in streaming() {
        let pair = Pair::of_equals(caller, "cut=14", "").await;
        pair.bravo.set_fault(fault("silent"));
        let mut waiting = Box::pin(pair.ask());
        tokio::select! {
            answer = &mut waiting => panic!("nobody goes on: {answer:?}"),
            seen = pair.bravo.wait_for(|now| now.requests == 1) => { seen.unwrap(); }
        }
        drop(waiting);
        pair.bravo.wait_for(|now| now.cancelled == 1).await.unwrap();
        pair.settled().await;
    }
}
