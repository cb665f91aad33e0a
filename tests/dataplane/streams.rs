//! A stream that has begun is never shown as more, or as less, than it was.

use http::StatusCode;
use pilothouse::state::{BreakerPolicy, BreakerStatus};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::routes::{Api, route, route_of, simulator};
use crate::scripted::{Scripted, Then};
use crate::support::Rig;

/// A chunk of a chat stream.
fn chunk(index: u32, delta: &Value, finish: &Value) -> String {
    let choice = json!({"index": index, "delta": delta, "finish_reason": finish});
    format!("data: {}\n\n", json!({"id": "c", "choices": [choice]}))
}

fn text(index: u32, content: &str) -> String {
    chunk(index, &json!({"content": content}), &Value::Null)
}

/// A gateway before one scripted upstream.
async fn before(upstream: &Scripted, extra: &str) -> Rig {
    let target = Api::Chat.target("alpha", &upstream.origin, "model: m");
    Rig::start(&route_of("chat", &[target], extra)).await
}

/// The stream ended with an error of the gateway's in the protocol's shape, and with no end marker.
fn assert_broken(api: Api, answer: &Answer, code: &str) {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert!(!answer.cut);
    let (text, events) = (answer.text(), answer.events());
    let last: Value = serde_json::from_str(events[events.len() - 1]).unwrap();
    match api {
        Api::Chat => {
            assert!(!text.contains("[DONE]"), "{text}");
            assert_eq!(last["error"]["code"], code, "{last}");
        }
        Api::Messages => {
            assert!(text.contains("\nevent: error\n") && !text.contains("message_stop"), "{text}");
            assert_eq!(last["type"], "error");
            assert!(last["error"]["message"].as_str().unwrap().contains("alpha"), "{last}");
        }
        Api::Responses => {
            assert!(text.contains("\nevent: error\n"), "{text}");
            assert!(!text.contains("response.completed"), "{text}");
            assert_eq!((&last["type"], &last["code"]), (&json!("error"), &json!(code)));
        }
    }
    assert!(text.contains("hello"), "what had come before stands: {text}");
}

#[tokio::test]
async fn a_cut_stream_ends_with_an_error_and_without_end_marker() {
    let alpha = simulator("alpha").await;
    for api in Api::ALL {
        for fault in ["cut=9", "cut=9:reset", "cut=9:end", "error=9"] {
            let model = format!("m;{fault}");
            let rig = Rig::start(&api.route("chat", &[("alpha", &alpha, &model)], "")).await;
            let answer = rig.ask(api, "chat", true).await;
            assert_broken(api, &answer, "provider_failed");
            assert!(
                !answer.text().contains("Simulated error"),
                "the provider's own words stay here"
            );
            let log = rig.log_lines(1).await;
            assert_eq!(
                (&log[0]["outcome"], &log[0]["code"]),
                (&json!("broken"), &json!("provider_failed"))
            );
            assert_eq!(log[0]["status"], 200);
        }
    }
}

#[tokio::test]
async fn a_stalled_stream_ends_with_an_error_after_its_idle_time() {
    let alpha = simulator("alpha").await;
    let extra = "  timeouts: {idle: 100ms, thinkingIdle: 1h}\n";
    for api in Api::ALL {
        let rig = Rig::start(&api.route("chat", &[("alpha", &alpha, "m;stall=9")], extra)).await;
        assert_broken(api, &rig.ask(api, "chat", true).await, "provider_timeout");
        alpha.wait_for(|now| now.in_flight == 0).await.unwrap();
    }
}

#[tokio::test]
async fn reasoning_has_an_idle_time_of_its_own() {
    let alpha = simulator("alpha").await;
    let extra = "  timeouts: {idle: 20ms, thinkingIdle: 1h}\n";
    let model = "m;reasoning=4;pace=60ms;cut=4";
    let rig = Rig::start(&route("chat", &[("alpha", &alpha, model)], extra)).await;
    let answer = rig.chat_stream("chat").await;
    assert!(answer.text().contains("reasoning_content"), "{answer:?}");
    let last: Value = serde_json::from_str(answer.events().last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], "provider_failed", "cut, and not timed out: {last}");
}

#[tokio::test]
async fn a_finished_stream_without_its_end_marker_is_ended_properly() {
    let alpha = simulator("alpha").await;
    // Closed by the provider, and left open by it: then after two seconds.
    for fault in ["no-end", "no-end;stall=1000"] {
        for (api, marker) in [(Api::Chat, "[DONE]"), (Api::Messages, r#"{"type":"message_stop"}"#)]
        {
            let model = format!("m;{fault}");
            let rig = Rig::start(&api.route("chat", &[("alpha", &alpha, &model)], "")).await;
            let answer = rig.ask(api, "chat", true).await;
            assert_eq!(answer.events().last(), Some(&marker), "{fault}");
            assert_eq!(answer.text().matches(marker).count(), 1);
            assert_eq!(rig.log_lines(1).await[0]["outcome"], "success");
        }
    }
}

#[tokio::test]
async fn the_last_text_may_come_with_the_finish_reason() {
    let events = [text(0, "hel"), chunk(0, &json!({"content": "lo"}), &json!("stop"))].concat();
    let upstream = Scripted::events(&events, usize::MAX, Then::Hang).await;
    // The connection stays open: as a stream that goes on, it would be idle for an hour.
    let rig = before(&upstream, "  timeouts: {idle: 1h}\n").await;
    let answer = rig.chat_stream("chat").await;
    assert_eq!((&*answer.streamed_text(), answer.events().last()), ("hello", Some(&"[DONE]")));
}

#[tokio::test]
async fn an_end_marker_without_a_finish_reason_ends_nothing() {
    let events = [&text(0, "hello"), "data: [DONE]\n\n"].concat();
    let upstream = Scripted::events(&events, usize::MAX, Then::Close).await;
    let answer = before(&upstream, "").await.chat_stream("chat").await;
    assert_broken(Api::Chat, &answer, "provider_failed");
}

#[tokio::test]
async fn every_choice_has_to_finish() {
    let body =
        r#"{"model":"chat","stream":true,"n":2,"messages":[{"role":"user","content":"hello"}]}"#;
    let finish = |index| chunk(index, &json!({}), &json!("stop"));
    let cut = [text(0, "hello"), text(1, "hello"), finish(0)].concat();
    let whole = [&*cut, &finish(1)].concat();

    let upstream = Scripted::events(&cut, usize::MAX, Then::Close).await;
    let answer = before(&upstream, "").await.post(Api::Chat.path(), body).await;
    assert_broken(Api::Chat, &answer, "provider_failed");

    let upstream = Scripted::events(&whole, usize::MAX, Then::Close).await;
    let answer = before(&upstream, "").await.post(Api::Chat.path(), body).await;
    assert_eq!(answer.events().last(), Some(&"[DONE]"));
}

#[tokio::test]
async fn a_garbled_event_of_plain_text_is_left_out_and_counted() {
    let alpha = simulator("alpha").await;
    for api in Api::ALL {
        let rig = Rig::start(&api.route("chat", &[("alpha", &alpha, "m;garbage=9")], "")).await;
        let answer = rig.ask(api, "chat", true).await;
        assert!(!answer.text().contains("garbage"), "{api:?}: {}", answer.text());
        assert!(answer.text().contains("alpha."), "the text goes on to its end: {}", answer.text());
        let log = rig.log_lines(1).await;
        assert_eq!(
            (&log[0]["outcome"], &log[0]["malformed_events"]),
            (&json!("success"), &json!(1))
        );
        assert_eq!(rig.metrics.malformed_events.get(), 1);
    }
}

#[tokio::test]
async fn a_garbled_event_is_a_break_where_leaving_it_out_would_change_the_answer() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&route("chat", &[("alpha", &alpha, "m;garbage=4")], "")).await;
    let tools = json!([{"type": "function", "function": {"name": "find_things", "parameters": {
        "type": "object", "properties": {"query": {"type": "string"}, "other": {"type": "string"}},
        "required": ["query", "other"]}}}]);
    let messages = json!([{"role": "user", "content": "hello"}]);
    for (field, value) in [("tools", tools), ("response_format", json!({"type": "json_object"}))] {
        let mut body = json!({"model": "chat", "stream": true, "messages": messages});
        body[field] = value;
        if field == "tools" {
            body["tool_choice"] = json!("required");
        }
        let answer = rig.post(Api::Chat.path(), body.to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{field}: {answer:?}");
        let last: Value = serde_json::from_str(answer.events().last().unwrap()).unwrap();
        assert_eq!(last["error"]["code"], "provider_failed", "{field}: {}", answer.text());
        assert!(!answer.text().contains("garbage"));
    }
}

#[tokio::test]
async fn output_does_not_depend_on_how_the_bytes_arrive() {
    // With a comment, a name, an id, several data lines, line ends of CR and text beyond ASCII.
    let events = [
        ": hello\n\n",
        "event: x\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n",
        "data: {\"choices\":\ndata: [{\"index\":0,\"delta\":{\"content\":\"é😀\"}}]}\n\n",
        "id: 3\rdata:{\"usage\":null,\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"}}]}\r\r",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n",
        "data: [DONE]\n\n",
    ]
    .concat();
    let asked =
        r#"{"model":"chat","stream":true,"stream_options":{"include_usage":true},"messages":[]}"#;
    let mut without_usage = Vec::new();
    for piece in [usize::MAX, 1, 7] {
        let upstream = Scripted::events(&events, piece, Then::Close).await;
        let rig = before(&upstream, "").await;
        let answer = rig.post(Api::Chat.path(), asked).await;
        assert_eq!(answer.text(), events, "in pieces of {piece}");
        without_usage.push(rig.chat_stream("chat").await.body);
        let log = rig.log_lines(2).await;
        assert!(log.iter().all(|line| line["output_tokens"] == 2), "{log:?}");
    }
    assert!(without_usage.iter().all(|body| *body == without_usage[0]));
    assert!(!without_usage[0].windows(5).any(|window| window == b"usage"));
}

#[tokio::test]
async fn every_protocol_survives_a_drip_of_single_bytes() {
    let alpha = simulator("alpha").await;
    for api in Api::ALL {
        let rig = Rig::start(&api.route("chat", &[("alpha", &alpha, "m;drip")], "")).await;
        let answer = rig.ask(api, "chat", true).await;
        assert!(answer.text().contains("alpha."), "{api:?}: {}", answer.text());
        let log = rig.log_lines(1).await;
        assert_eq!(log[0]["outcome"], "success", "{api:?}");
        assert!(log[0]["output_tokens"].as_u64().unwrap() > 0);
    }
}

#[tokio::test]
async fn a_huge_event_passes() {
    let alpha = simulator("alpha").await;
    for api in Api::ALL {
        let rig = Rig::start(&api.route("chat", &[("alpha", &alpha, "m;huge=3000000")], "")).await;
        let answer = rig.ask(api, "chat", true).await;
        assert!(answer.body.len() > 3_000_000, "{api:?}: {}", answer.body.len());
        assert_eq!(rig.log_lines(1).await[0]["outcome"], "success", "{api:?}");
    }
}

#[tokio::test]
async fn the_preamble_of_a_target_that_does_not_answer_is_never_seen() {
    let (alpha, bravo) = tokio::join!(simulator("alpha"), simulator("bravo"));
    for api in Api::ALL {
        // Role, `message_start`, `response.created` and the like, then nothing more.
        for fault in ["stall=1", "cut=1", "error=1"] {
            let rest = format!("model: \"m;{fault}\", timeouts: {{firstToken: 100ms}}");
            let targets = [
                api.target("alpha", &alpha.url(), &rest),
                api.target("bravo", &bravo.url(), "model: m, priority: 1"),
            ];
            let rig = Rig::start(&route_of("chat", &targets, "")).await;
            let answer = rig.ask(api, "chat", true).await;
            assert_eq!(answer.target(), "bravo", "{api:?} {fault}");
            assert!(!answer.text().contains("alpha"), "{api:?} {fault}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn a_stream_without_output_is_answered_after_commit_after() {
    let alpha = simulator("alpha").await;
    let extra = "  streaming: {commitAfter: 50ms}\n  timeouts: {thinkingIdle: 200ms}\n";
    let rig = Rig::start(&route("chat", &[("alpha", &alpha, "m;stall=1")], extra)).await;
    let answer = rig.chat_stream("chat").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!answer.text().contains("assistant"), "somebody else might answer: {}", answer.text());
    let last: Value = serde_json::from_str(answer.events().last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], "provider_timeout", "what fails later fails in the stream");
}

#[tokio::test]
async fn the_first_output_counts_even_if_it_is_the_only_one() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&route("chat", &[("alpha", &alpha, "m;words=1;first=50ms")], "")).await;
    rig.chat_stream("chat").await;
    let log = rig.log_lines(1).await;
    assert!(log[0]["first_token_ms"].as_f64().unwrap() >= 50.0, "{log:?}");
    assert!(
        rig.target("m;words=1;first=50ms").latency.estimate(std::time::Instant::now()).is_some()
    );
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_request_at_once() {
    let alpha = simulator("alpha").await;
    let model = "m;pace=20ms;words=10000";
    let extra = "  circuitBreaker: {failureThreshold: 1}\n";
    let routes = [
        route("chat", &[("alpha", &alpha, model)], extra),
        route("plain", &[("alpha", &alpha, "m;silent")], extra),
    ];
    let rig = Rig::start(&routes.concat()).await;
    let mut stream = rig.open_chat("chat").await;
    stream.read_until("hello").await;
    assert_eq!(rig.target(model).in_flight.count(), 1);
    drop(stream);
    alpha.wait_for(|now| now.cancelled == 1).await.unwrap();

    let mut plain = Box::pin(rig.chat("plain"));
    tokio::select! {
        _ = &mut plain => panic!("nobody answers"),
        seen = alpha.wait_for(|now| now.requests == 2) => { seen.unwrap(); }
    }
    drop(plain);
    alpha.wait_for(|now| now.cancelled == 2).await.unwrap();

    rig.settled().await;
    for line in rig.log_lines(2).await {
        assert_eq!((&line["status"], &line["outcome"]), (&json!(499), &json!("cancelled")));
    }
    for model in [model, "m;silent"] {
        let upstream = rig.target(model);
        let policy = BreakerPolicy { failure_threshold: 1, ..BreakerPolicy::built_in() };
        let status = upstream.breaker.status(&policy, std::time::Instant::now());
        assert_eq!(
            status,
            BreakerStatus::Closed,
            "a client that leaves says nothing of the target"
        );
    }
}

#[tokio::test]
async fn an_abandoned_connection_is_never_used_again() {
    let alpha = simulator("alpha").await;
    let routes = [
        route("long", &[("alpha", &alpha, "m;pace=1ms;words=10000")], ""),
        route("chat", &[("alpha", &alpha, "m")], ""),
    ];
    let rig = Rig::start(&routes.concat()).await;
    let mut stream = rig.open_chat("long").await;
    stream.read_until("hello").await;
    drop(stream);
    rig.settled().await;
    let answer = rig.chat("chat").await;
    assert!(answer.text().contains("Served by alpha."), "{answer:?}");
    assert_eq!(alpha.snapshot().connections, 2);
    alpha.wait_for(|now| now.open_connections == 1).await.unwrap();
}

#[tokio::test]
async fn a_finish_that_lacks_its_blank_line_reaches_the_client() {
    let chunk = |delta: &str, finish: &str| {
        format!(
            r#"data: {{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]}}"#
        )
    };
    let first = chunk(r#"{"role":"assistant","content":"Hi"}"#, "null");
    let events = format!("{first}\n\n{}\n", chunk("{}", "\"stop\""));
    let alpha = Scripted::events(&events, usize::MAX, Then::Close).await;
    let target = Api::Chat.target("alpha", &alpha.origin, "model: m");
    let rig = Rig::start(&route_of("chat", &[target], "")).await;
    let answer = rig.chat_stream("chat").await;
    assert!(answer.text().contains(r#""finish_reason":"stop""#), "{}", answer.text());
    assert_eq!((answer.streamed_text().as_str(), answer.events().last()), ("Hi", Some(&"[DONE]")));
}
