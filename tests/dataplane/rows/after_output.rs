//! The first target fails in the middle of its answer.

use http::StatusCode;
use pilothouse::simulate::Simulator;
use serde_json::{Value, json};

use super::{Caller, Pair, SHORT, streaming, whole};
use crate::pairs::cases::HELLO;
use crate::pairs::client::{Ask, With, events};
use crate::routes::{Api, fault, route_of};
use crate::support::Rig;

/// Ways in which a stream ends in the middle of its text.
const BREAKS: [&str; 5] = ["cut=14", "cut=14:reset", "cut=14:end", "error=14", "stall=14"];

#[tokio::test]
async fn a_stream_that_breaks_is_resumed_by_another_target_in_the_same_stream() {
    for caller in streaming() {
        for how in BREAKS {
            let pair = Pair::of_equals(caller, how, SHORT).await;
            let answer = pair.ask().await;
            assert_eq!(pair.view(&answer).text, whole("sim"), "{how}: {answer:?}");
            assert_eq!(answer.target(), "alpha", "the head tells who began");
            assert_eq!(answer.header("x-pilothouse-attempts"), "1");
            assert_eq!(pair.tries(), (1, 1), "{how}");
            let log = pair.log().await;
            assert_eq!((&log["outcome"], &log["resumes"]), (&json!("success"), &json!(1)), "{log}");
            assert_eq!((&log["target"], &log["attempts"]), (&json!("bravo"), &json!(2)), "{log}");
            assert!(pair.rig.scrape().contains("outcome=\"resumed\""), "{}", pair.rig.scrape());
            pair.settled().await;
        }
    }
}

#[tokio::test]
async fn a_break_counts_against_the_target_that_broke() {
    for caller in streaming() {
        let pair = Pair::of_equals(caller, "cut=14", "").await;
        for _ in 0..5 {
            pair.ask().await;
        }
        assert_eq!(pair.alphas_breaker(), pilothouse::state::Phase::Open);
        let answer = pair.ask().await;
        assert_eq!((answer.target(), pair.alpha.count()), ("bravo", 5));
    }
}

/// The simulator behind `alpha` names its own ids; ids, model and time of creation are those of the
/// first target throughout.
#[tokio::test]
async fn a_resumed_stream_keeps_what_the_first_target_said_of_it() {
    for caller in streaming() {
        let pair = Pair::of_equals(caller, "cut=14", "").await;
        let answer = pair.ask().await;
        let events = events(&answer);
        let values = |pointer: &str| {
            let found = events.iter().filter_map(|event| event.data.pointer(pointer)).cloned();
            let mut found: Vec<Value> = found.collect();
            found.dedup();
            found
        };
        match caller.api {
            Api::Messages => {
                let starts = events.iter().filter(|event| event.name == "message_start").count();
                assert_eq!(starts, 1, "{answer:?}");
                assert_eq!(values("/message/model"), [json!("sick")]);
                assert_eq!(values("/index"), [json!(0)], "one block: {answer:?}");
            }
            _ => {
                assert_eq!(values("/model"), [json!("sick")]);
                assert_eq!(values("/id").len(), 1, "{answer:?}");
                assert_eq!(values("/created").len(), 1, "{answer:?}");
                let roles = answer.text().matches("\"role\"").count();
                assert_eq!(roles, 1, "the message begins once: {answer:?}");
            }
        }
        assert!(!answer.text().contains("well"), "{answer:?}");
    }
}

#[tokio::test]
async fn usage_is_one_prompt_and_all_output_and_the_log_has_the_sum_of_both_tries() {
    for caller in streaming() {
        let sound = Pair::of_equals(caller, "", "").await;
        let once = sound.view(&sound.ask().await);
        let pair = Pair::of_equals(caller, "cut=14", "").await;
        let resumed = pair.view(&pair.ask().await);
        // OpenAI's say how long a prompt was only at their end, so that the second's has to do.
        if caller.api == Api::Messages {
            assert_eq!(resumed.input, once.input, "{caller:?}: one prompt");
        }
        let off = resumed.output.abs_diff(once.output);
        assert!(off <= once.output / 4, "{caller:?}: {} of {}", resumed.output, once.output);
        let log = pair.log().await;
        let (input, output) = (log["input_tokens"].as_u64(), log["output_tokens"].as_u64());
        assert!(input.unwrap() > resumed.input, "{caller:?}: two prompts were paid for: {log}");
        assert!(output.unwrap() >= resumed.output, "{caller:?}: {log}");
        let metrics = pair.rig.scrape();
        assert!(metrics.contains("kind=\"output\""), "{metrics}");
    }
}

#[tokio::test]
async fn a_target_that_refuses_to_go_on_is_asked_from_the_start_and_trimmed() {
    for caller in streaming() {
        for how in BREAKS {
            let pair = Pair::of_equals(caller, how, SHORT).await;
            pair.bravo.set_fault(fault("goes-on=refuse"));
            let answer = pair.ask().await;
            assert_eq!(pair.view(&answer).text, whole("sim"), "{how}: {answer:?}");
            assert!(!answer.text().contains("begun elsewhere"), "its 400 stays here: {answer:?}");
            assert_eq!(pair.tries(), (1, 2), "{how}");
            pair.settled().await;
        }
    }
}

#[tokio::test]
async fn a_malformed_event_is_left_out_and_counted() {
    for caller in streaming() {
        let pair = Pair::new(caller, "garbage=9", "").await;
        let answer = pair.ask().await;
        pair.assert_answered(&answer, "alpha", 1);
        assert!(!answer.text().contains("garbage"), "{answer:?}");
        assert_eq!(pair.log().await["malformed_events"], 1);
        assert_eq!(pair.tries(), (1, 0));
        pair.settled().await;
    }
}

/// A route whose first target calls a function and fails on the way.
async fn in_a_call(caller: Caller, how: &str) -> Pair {
    let pair = Pair::of_equals(caller, how, SHORT).await;
    let ask = Ask::of("what says get_weather?", With::Tools).streamed(true);
    let body = caller.client.body(&ask, "chat").to_string();
    let answer = pair.rig.post(caller.api.path(), body).await;
    let (so_far, message) = pair.assert_broken(&answer);
    assert_eq!(so_far, "", "{answer:?}");
    assert!(message.contains("alpha"), "{message}");
    pair
}

#[tokio::test]
async fn a_malformed_event_inside_tool_arguments_is_a_break() {
    for caller in streaming() {
        let at = if caller.api == Api::Messages { 5 } else { 4 };
        let pair = in_a_call(caller, &format!("garbage={at}")).await;
        assert_eq!(pair.tries(), (1, 0), "half a call is not called again");
    }
}

#[tokio::test]
async fn a_break_inside_a_tool_call_ends_in_an_honest_error_and_nobody_is_asked() {
    for caller in streaming() {
        let at = if caller.api == Api::Messages { 5 } else { 4 };
        for how in ["cut", "stall", "error"] {
            let pair = in_a_call(caller, &format!("{how}={at}")).await;
            assert_eq!(pair.tries(), (1, 0), "{how}");
            assert_eq!(pair.log().await["outcome"], "broken");
            pair.settled().await;
        }
    }
}

/// The form is wrong only where a byte is missing, and a server that is asked to go on begins anew.
#[tokio::test]
async fn structured_output_is_whole_or_an_honest_error() {
    for caller in streaming() {
        for how in ["cut", "garbage", "error"] {
            let at = if caller.api == Api::Messages { 4 } else { 3 };
            let pair = Pair::of_equals(caller, &format!("{how}={at}"), SHORT).await;
            let ask = Ask::of("hello", With::Form).streamed(true);
            let body = caller.client.body(&ask, "chat").to_string();
            let answer = pair.rig.post(caller.api.path(), body).await;
            let ended = answer.text().contains("[DONE]") || answer.text().contains("message_stop");
            if ended {
                let text = pair.view(&answer).text;
                let value: Value = serde_json::from_str(&text).expect(&text);
                assert_eq!(value, json!({"city": "example", "degrees": 1}));
            } else {
                pair.assert_broken(&answer);
            }
        }
    }
}

#[tokio::test]
async fn a_stream_without_its_end_marker_is_ended_properly_after_its_finish_reason() {
    for caller in streaming() {
        for how in ["no-end", "no-end;stall=1000"] {
            let pair = Pair::new(caller, how, SHORT).await;
            pair.assert_answered(&pair.ask().await, "alpha", 1);
            assert_eq!(pair.tries(), (1, 0), "{how}: nobody need go on with what is whole");
            pair.settled().await;
        }
    }
}

#[tokio::test]
async fn when_nobody_goes_on_the_stream_ends_in_an_error_of_the_callers_protocol() {
    for caller in streaming() {
        let pair = Pair::of_equals(caller, "cut=14;goes-on=refuse", "").await;
        pair.bravo.set_fault(fault("status=500"));
        let answer = pair.ask().await;
        let (so_far, message) = pair.assert_broken(&answer);
        assert!(so_far.len() > 20 && whole("sim").starts_with(&so_far), "{so_far}");
        for part in ["alpha", "bravo", "status 500"] {
            assert!(message.contains(part), "what was tried: {message}");
        }
        pair.settled().await;
    }
}

#[tokio::test]
async fn with_error_on_interruption_nobody_is_asked_to_go_on() {
    for caller in streaming() {
        let pair =
            Pair::of_equals(caller, "cut=14", "  streaming: {onInterruption: Error}\n").await;
        let (so_far, _) = pair.assert_broken(&pair.ask().await);
        assert!(whole("sim").starts_with(&so_far), "{so_far}");
        assert_eq!(pair.tries(), (1, 0));
    }
}

#[tokio::test]
async fn a_target_of_the_other_protocol_resumes_as_well() {
    for caller in streaming() {
        let other = if caller.api == Api::Chat { Api::Messages } else { Api::Chat };
        for how in BREAKS {
            for [first, second] in [[caller.api, other], [other, caller.api], [other, other]] {
                let start = || async { Simulator::builder().name("sim").start().await.unwrap() };
                let (alpha, bravo) = tokio::join!(start(), start());
                alpha.set_fault(fault(how));
                let targets = [
                    first.target("alpha", &alpha.url(), "model: sick"),
                    second.target("bravo", &bravo.url(), "model: well, priority: 1"),
                ];
                let rig = Rig::start(&route_of("chat", &targets, SHORT)).await;
                let body = caller.client.body(&HELLO.streamed(true), "chat").to_string();
                let answer = rig.post(caller.api.path(), body).await;
                let what = format!("{caller:?} {how} {first:?} {second:?}: {answer:?}");
                assert_eq!(answer.status, StatusCode::OK, "{what}");
                let view = caller.client.read(&caller.client.assemble(&events(&answer)));
                assert_eq!(view.text, whole("sim"), "{what}");
                assert_eq!((alpha.count(), bravo.count()), (1, 1), "{what}");
            }
        }
    }
}
