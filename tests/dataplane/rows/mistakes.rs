//! Mistakes that other gateways make under these very faults.

use std::time::Duration;

use pilothouse::state::Phase;
use serde_json::Value;

use super::{CALLERS, Pair, SHORT, streaming, whole};
use crate::routes::{Api, fault};

#[tokio::test]
async fn a_connection_whose_answer_was_abandoned_poisons_no_later_request() {
    for caller in streaming() {
        // Its head came and its body is given up: overtaken, cut off by its idle time, or left.
        for how in ["first=1m", "stall=14"] {
            let pair = Pair::of_equals(caller, &format!("{how};times=1"), SHORT).await;
            assert_eq!(pair.view(&pair.ask().await).text, whole("sim"), "{how}");
            pair.settled().await;
            let before = pair.alpha.snapshot().connections;
            for _ in 0..3 {
                let answer = pair.ask().await;
                assert_eq!(pair.view(&answer).text, whole("sim"), "{how}");
                assert_eq!(answer.target(), "alpha", "{how}");
            }
            assert_eq!(pair.alpha.snapshot().connections, before + 1, "{how}: a fresh one");
        }
    }
}

#[tokio::test]
async fn a_request_deadline_does_not_cut_a_healthy_long_stream() {
    for caller in streaming() {
        let extra = "  timeouts: {request: 200ms, response: 100ms, firstToken: 150ms}\n";
        let pair = Pair::new(caller, "pace=15ms", extra).await;
        pair.assert_answered(&pair.ask().await, "alpha", 1);
        assert_eq!(pair.tries(), (1, 0));
    }
}

/// A request for a chat stream, with or without usage.
async fn chunks(pair: &Pair, usage: bool) -> Vec<Value> {
    let options = if usage { r#""stream_options":{"include_usage":true},"# } else { "" };
    let body = format!(
        r#"{{"model":"chat","stream":true,{options}"messages":[{{"role":"user","content":"hello"}}]}}"#
    );
    let answer = pair.rig.post(Api::Chat.path(), body).await;
    let events = answer.events();
    let (end, chunks) = events.split_last().unwrap();
    assert_eq!(*end, "[DONE]");
    assert_eq!(answer.streamed_text(), whole("sim"));
    chunks.iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect()
}

#[tokio::test]
async fn the_callers_wish_for_usage_holds_on_the_second_hop() {
    let caller = CALLERS[1];
    for how in ["status=500", "silent", "error=1", "cut=14", "stall=14", "cut=14:end"] {
        for translated in [false, true] {
            let pair = Pair::of_equals(caller, how, SHORT).await;
            if translated {
                let targets = [
                    Api::Chat.target("alpha", &pair.alpha.url(), "model: sick"),
                    Api::Messages.target("bravo", &pair.bravo.url(), "model: well, priority: 1"),
                ];
                pair.rig.publish(&crate::routes::route_of("chat", &targets, SHORT));
            }
            let what = format!("{how}, translated: {translated}");
            let with = chunks(&pair, true).await;
            let told: Vec<_> = with.iter().filter(|chunk| chunk["usage"].is_object()).collect();
            assert_eq!(told.len(), 1, "{what}: {told:?}");
            assert_eq!(with.last().unwrap()["choices"].as_array().unwrap().len(), 0, "{what}");
            assert!(with.last().unwrap()["usage"]["prompt_tokens"].as_u64().unwrap() > 0, "{what}");
            let without = chunks(&pair, false).await;
            let told = without.iter().any(|chunk| chunk["usage"].is_object());
            assert!(!told, "{what}: nobody asked for it");
            let empty = |chunk: &Value| chunk["choices"].as_array().unwrap().is_empty();
            assert!(!without.iter().any(empty), "{what}");
        }
    }
}

#[tokio::test]
async fn a_rest_that_is_shorter_than_the_back_off_does_not_lead_back_to_the_dead_target() {
    for caller in CALLERS {
        let extra = "  retry: {perTarget: 5, backoff: {base: 300ms, max: 300ms}}\n  \
                     circuitBreaker: {failureThreshold: 1, resetTimeout: 10ms}\n";
        let pair = Pair::new(caller, "status=500", extra).await;
        pair.assert_answered(&pair.ask().await, "bravo", 2);
        assert_eq!(pair.tries(), (1, 1), "who was given up is not come back to");
    }
}

#[tokio::test]
async fn a_limit_for_one_try_covers_the_first_token_and_not_only_the_head() {
    for caller in streaming() {
        let pair = Pair::new(caller, "first=1m", SHORT).await;
        pair.assert_answered(&pair.ask().await, "bravo", 2);
    }
}

#[tokio::test]
async fn a_limit_for_one_plain_try_covers_its_body_and_not_only_the_head() {
    for caller in CALLERS.into_iter().filter(|caller| !caller.stream) {
        let pair = Pair::new(caller, "stall=1", SHORT).await;
        pair.assert_answered(&pair.ask().await, "bravo", 2);
    }
}

#[tokio::test]
async fn priorities_fail_over_with_nothing_else_set() {
    for caller in CALLERS {
        let pair = Pair::new(caller, "status=503", "").await;
        pair.assert_answered(&pair.ask().await, "bravo", 3);
    }
}

#[tokio::test]
async fn a_content_refusal_is_not_routed_around() {
    for caller in CALLERS {
        for how in [
            "status=400;code=content_filter",
            "status=403;code=content_filter;message=content_filter",
        ] {
            let pair = Pair::new(caller, how, "").await;
            let answer = pair.ask().await;
            assert!(answer.status.is_client_error(), "{answer:?}");
            assert_eq!((answer.target(), pair.tries()), ("alpha", (1, 0)), "{how}");
            assert_eq!(pair.alphas_breaker(), Phase::Closed);
        }
    }
}

#[tokio::test]
async fn a_stream_without_its_end_marker_is_not_held_until_the_total_deadline() {
    for caller in streaming() {
        let pair = Pair::new(caller, "no-end;stall=1000", "").await;
        let answer = tokio::time::timeout(Duration::from_secs(20), pair.ask()).await;
        pair.assert_answered(&answer.expect("two seconds after its end"), "alpha", 1);
    }
}

#[tokio::test]
async fn a_cut_stream_is_never_shown_as_a_finished_one() {
    for caller in streaming() {
        for how in ["cut=14", "cut=14:end", "cut=14:reset", "error=14"] {
            let pair = Pair::new(caller, how, "  streaming: {onInterruption: Error}\n").await;
            let (so_far, _) = pair.assert_broken(&pair.ask().await);
            assert!(whole("alpha").starts_with(&so_far), "{so_far}");
        }
    }
}

#[tokio::test]
async fn a_dead_target_is_not_hammered_by_many_callers() {
    for caller in CALLERS {
        let pair = Pair::new(caller, "status=500", "").await;
        let answers = futures::future::join_all((0..40).map(|_| pair.ask())).await;
        for answer in &answers {
            assert_eq!((answer.status.as_u16(), answer.target()), (200, "bravo"), "{answer:?}");
        }
        // All 40 came before the first had failed; repeats are a fifth of those, and none comes after
        // the breaker has opened.
        assert!(pair.alpha.count() <= 48, "{:?}", pair.tries());
        pair.alpha.set_fault(fault("status=500"));
        let before = pair.alpha.count();
        futures::future::join_all((0..40).map(|_| pair.ask())).await;
        assert_eq!(pair.alpha.count(), before);
        pair.settled().await;
    }
}
