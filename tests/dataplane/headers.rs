//! What the heads of answers say, and what crosses from one side to the other.

use http::{Method, StatusCode};

use crate::routes::{Api, fault, route, route_of, simulator};
use crate::support::{KEY, Rig};

#[tokio::test]
async fn an_answer_says_who_gave_it() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&route("chat", &[("alpha", &alpha, "m;delay=20ms")], "")).await;
    for stream in [false, true] {
        let answer = rig.ask(Api::Chat, "chat", stream).await;
        for (name, value) in [
            ("x-used-provider", "alpha"),
            ("x-used-fallback", "false"),
            ("x-circuit-breaker-state", "closed"),
            ("x-pilothouse-route", "ns/chat"),
            ("x-pilothouse-attempts", "1"),
        ] {
            assert_eq!(answer.header(name), value, "{name}");
        }
        assert!(answer.header("x-provider-response-time").parse::<u64>().unwrap() >= 20);
        assert!(answer.header("x-upstream-request-id").starts_with("req_alpha_"), "{answer:?}");
        assert!(answer.header("x-simulator").is_empty(), "whatever is not known stays there");
    }
}

#[tokio::test]
async fn the_clients_request_id_is_kept_and_a_missing_one_made() {
    let alpha = simulator("alpha").await;
    let routes = [
        route("chat", &[("alpha", &alpha, "m")], ""),
        Api::Messages.route("claude", &[("alpha", &alpha, "m")], ""),
    ];
    let rig = Rig::start(&routes.concat()).await;
    let headers = [("x-api-key", KEY), ("x-request-id", "mine-1")];
    let answer =
        rig.send(Method::POST, Api::Chat.path(), &headers, Api::Chat.body("chat", false)).await;
    assert_eq!(answer.header("x-request-id"), "mine-1");
    let made = rig.chat("chat").await.header("x-request-id").to_owned();
    assert!(made.starts_with("req_") && made.len() == 36, "{made}");
    let claude = rig.ask(Api::Messages, "claude", false).await;
    assert!(claude.header("request-id").starts_with("req_alpha_"), "Anthropic's own id stays");
    let log = rig.log_lines(3).await;
    assert_eq!((&log[0]["request_id"], &log[1]["request_id"]), (&"mine-1".into(), &made.into()));
}

#[tokio::test]
async fn what_is_meant_for_a_target_reaches_it_and_nothing_else_does() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&Api::Messages.route("claude", &[("alpha", &alpha, "m")], "")).await;
    let forwarded = [
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "one,two"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("user-agent", "test/1"),
    ];
    let kept = [
        // It goes out under a name of the caller's own.
        ("idempotency-key", "i-1"),
        ("x-backend-secret", "s"),
        ("cookie", "c=1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-session-id", "session"),
        ("accept-encoding", "gzip"),
        ("x-simulate", "status=500"),
    ];
    let headers = [&[("x-api-key", KEY)][..], &forwarded, &kept].concat();
    let path = "/v1/messages?beta=true&x=%20y";
    let answer = rig.send(Method::POST, path, &headers, Api::Messages.body("claude", false)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let got = alpha.requests().remove(0);
    assert_eq!(got.uri.query(), Some("beta=true&x=%20y"));
    for (name, value) in forwarded {
        assert_eq!(got.header(name), Some(value), "{name}");
    }
    for (name, value) in kept {
        assert_ne!(got.header(name), Some(value), "{name}");
    }
    assert_eq!(got.header("accept-encoding"), Some("identity"));
    assert_eq!(got.header("idempotency-key").map(str::len), Some(64));
    assert_eq!(got.header("host"), Some(&*alpha.addr().to_string()));
}

#[tokio::test]
async fn limits_are_told_only_by_the_target_whose_answer_is_shown() {
    let (alpha, bravo) = tokio::join!(simulator("alpha"), simulator("bravo"));
    let limits = "header=x-ratelimit-remaining-requests:";
    let first = format!("m;status=429;retry-after=77;{limits}0");
    let second = format!("m;{limits}9;header=set-cookie:a=b;header=openai-organization:org");
    let targets = [("alpha", &alpha, &*first), ("bravo", &bravo, &*second)];
    let rig = Rig::start(&route("chat", &targets, "")).await;
    let answer = rig.chat("chat").await;
    assert_eq!((answer.target(), answer.header("x-ratelimit-remaining-requests")), ("bravo", "9"));
    for name in ["retry-after", "set-cookie", "openai-organization"] {
        assert!(answer.header(name).is_empty(), "{name}");
    }
    // A refusal that is passed on brings its own.
    bravo.set_fault(fault("status=400;retry-after=5;should-retry=false"));
    let target = Api::Chat.target("bravo", &bravo.url(), "model: m");
    rig.publish(&route_of("chat", &[target], ""));
    let answer = rig.chat("chat").await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::BAD_REQUEST, "5"));
    assert_eq!(answer.header("x-should-retry"), "false");
}
