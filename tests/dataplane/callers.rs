//! Who is answered, and how everybody else is told.

use http::{Method, StatusCode};
use serde_json::json;

use crate::answer::Answer;
use crate::routes::{Api, chat_body, route_of, simulator};
use crate::support::{KEY, Options, Rig};

/// Consumers beside the rig's own: one that may use few models, one of another namespace.
const OTHERS: &str = r#"
---
apiVersion: pilothouse.dev/v1alpha1
kind: Consumer
metadata: {name: narrow, namespace: ns}
spec:
  allowedModels: [chat, "small-*"]
  apiKeys: [{name: default, valueFrom: {secretKeyRef: {name: others, key: narrow}}}]
---
apiVersion: pilothouse.dev/v1alpha1
kind: Consumer
metadata: {name: foreign, namespace: elsewhere}
spec:
  allowedModels: ["*"]
  apiKeys: [{name: default, valueFrom: {secretKeyRef: {name: others, key: foreign}}}]
---
apiVersion: v1
kind: Secret
metadata: {name: others, namespace: ns}
stringData: {narrow: key-of-the-narrow-consumer}
---
apiVersion: v1
kind: Secret
metadata: {name: others, namespace: elsewhere}
stringData: {foreign: key-of-the-foreign-consumer}
"#;
const NARROW: [(&str, &str); 1] = [("x-api-key", "key-of-the-narrow-consumer")];
const FOREIGN: [(&str, &str); 1] = [("x-api-key", "key-of-the-foreign-consumer")];

/// Routes `chat`, `small-*`, `org/model` and, for everybody, `open`.
async fn world() -> (Rig, pilothouse::simulate::Simulator) {
    let alpha = simulator("alpha").await;
    let target = |api: Api| vec![api.target("alpha", &alpha.url(), "model: m")];
    let chat = target(Api::Chat);
    let routes = [
        route_of("chat", &chat, ""),
        route_of("small", &chat, "  models: [\"small-*\"]\n"),
        route_of("slashed", &chat, "  models: [org/model]\n"),
        route_of("open", &chat, "  allowedNamespaces: {from: All}\n"),
        route_of("claude", &target(Api::Messages), ""),
        OTHERS.to_owned(),
    ];
    // `open` is found from elsewhere because namespaces are shared where the operator owns all.
    (Rig::start(&routes.concat()).await, alpha)
}

async fn chat(rig: &Rig, headers: &[(&str, &str)], model: &str) -> Answer {
    rig.send(Method::POST, Api::Chat.path(), headers, chat_body(model, false)).await
}

#[tokio::test]
async fn a_key_is_taken_from_wherever_clients_put_it() {
    let (rig, _alpha) = world().await;
    let bearer = format!("Bearer {KEY}");
    let forms: [&[(&str, &str)]; 5] = [
        &[("authorization", &bearer)],
        &[("authorization", KEY)],
        &[("x-api-key", KEY)],
        &[("x-goog-api-key", KEY)],
        // The first that names a Consumer wins: SDKs send placeholders.
        &[("authorization", "Bearer placeholder"), ("x-api-key", KEY)],
    ];
    for headers in forms {
        assert_eq!(chat(&rig, headers, "chat").await.status, StatusCode::OK, "{headers:?}");
    }
    let path = format!("{}?key={KEY}", Api::Chat.path());
    let answer = rig.send(Method::POST, &path, &[], chat_body("chat", false)).await;
    assert_eq!(answer.status, StatusCode::OK);
    let log = rig.log_lines(6).await;
    assert!(log.iter().all(|line| line["consumer"] == "tester" && line["namespace"] == "ns"));
}

#[tokio::test]
async fn without_a_key_that_somebody_has_it_is_401_in_the_shape_of_the_protocol() {
    let (rig, alpha) = world().await;
    for headers in [&[][..], &[("authorization", "Bearer wrong")], &[("x-api-key", "")]] {
        let answer = chat(&rig, headers, "chat").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        let error = &answer.json()["error"];
        assert_eq!(
            (&error["type"], &error["code"]),
            (&json!("authentication_error"), &json!("invalid_api_key"))
        );
        let body = Api::Messages.body("claude", false);
        let answer = rig.send(Method::POST, "/v1/messages", headers, body).await;
        assert_eq!(
            (answer.status, &answer.json()["type"]),
            (StatusCode::UNAUTHORIZED, &json!("error"))
        );
        assert_eq!(answer.json()["error"]["type"], "authentication_error");
        assert_eq!(answer.json()["request_id"], answer.header("request-id"));
    }
    assert_eq!(alpha.count(), 0);
}

#[tokio::test]
async fn a_model_that_the_consumer_may_not_use_is_403_and_one_that_nobody_serves_404() {
    let (rig, alpha) = world().await;
    let denied = chat(&rig, &NARROW, "org/model").await;
    assert_eq!(
        (denied.status, &denied.json()["error"]["code"]),
        (StatusCode::FORBIDDEN, &json!("model_not_allowed"))
    );
    assert_eq!(chat(&rig, &NARROW, "small-one").await.status, StatusCode::OK);
    // `allowedModels` is looked at before routes are: a name tells nothing about what exists.
    assert_eq!(chat(&rig, &NARROW, "nothing").await.status, StatusCode::FORBIDDEN);
    let unknown = chat(&rig, &[("x-api-key", KEY)], "nothing").await;
    assert_eq!(
        (unknown.status, &unknown.json()["error"]["code"]),
        (StatusCode::NOT_FOUND, &json!("model_not_found"))
    );
    assert_eq!(unknown.header("x-should-retry"), "false");
    let body = Api::Messages.body("nothing", false);
    let unknown = rig.post("/v1/messages", body).await;
    assert_eq!(unknown.json()["error"]["type"], "not_found_error");
    assert_eq!(alpha.count(), 1);
}

#[tokio::test]
async fn a_route_that_does_not_admit_the_caller_does_not_exist_for_it() {
    let (rig, _alpha) = world().await;
    for model in ["chat", "ns/chat", "org/model"] {
        assert_eq!(chat(&rig, &FOREIGN, model).await.status, StatusCode::NOT_FOUND, "{model}");
    }
    assert_eq!(chat(&rig, &FOREIGN, "open").await.status, StatusCode::OK);
    assert_eq!(chat(&rig, &FOREIGN, "ns/open").await.status, StatusCode::OK);
    let addressed = [FOREIGN[0], ("x-pilothouse-route", "ns/chat")];
    assert_eq!(chat(&rig, &addressed, "chat").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn models_are_listed_for_the_caller_alone_and_in_its_shape() {
    let (rig, _alpha) = world().await;
    let list = async |headers: &[(&str, &str)]| {
        let answer = rig.send(Method::GET, "/v1/models", headers, "").await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    };
    let ids = |list: &serde_json::Value| -> Vec<String> {
        let data = list["data"].as_array().unwrap().iter();
        data.map(|model| model["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = list(&[("x-api-key", KEY)]).await;
    assert_eq!(ids(&all), ["chat", "claude", "open", "org/model"], "patterns are not listed");
    assert_eq!((&all["object"], &all["data"][0]["object"]), (&json!("list"), &json!("model")));
    assert_eq!(ids(&list(&NARROW).await), ["chat"]);
    let foreign = list(&FOREIGN).await;
    assert_eq!(foreign["data"].as_array().unwrap().len(), 1, "{foreign}");
    assert!(ids(&foreign)[0].ends_with("open"));
    let shaped = list(&[("x-api-key", KEY), ("anthropic-version", "2023-06-01")]).await;
    assert_eq!((&shaped["data"][0]["type"], &shaped["has_more"]), (&json!("model"), &json!(false)));
    assert_eq!(rig.send(Method::GET, "/v1/models", &[], "").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_model_is_retrieved_by_an_id_that_may_hold_slashes() {
    let (rig, _alpha) = world().await;
    for id in ["chat", "org/model", "org%2Fmodel", "small-anything"] {
        let answer = rig.get(&format!("/v1/models/{id}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{id}");
        assert_eq!(answer.json()["id"], id.replace("%2F", "/"));
    }
    assert_eq!(rig.get("/v1/models/nothing").await.status, StatusCode::NOT_FOUND);
    let foreign = rig.send(Method::GET, "/v1/models/chat", &FOREIGN, "").await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    let denied = rig.send(Method::GET, "/v1/models/org/model", &NARROW, "").await;
    assert_eq!(denied.status, StatusCode::NOT_FOUND, "what one may not use is not shown");
}

#[tokio::test]
async fn health_is_for_everybody_and_its_details_for_callers() {
    let (rig, _alpha) = world().await;
    for (method, path) in [(Method::GET, "/health"), (Method::GET, "/"), (Method::HEAD, "/")] {
        let answer = rig.send(method.clone(), path, &[], "").await;
        assert_eq!(answer.status, StatusCode::OK, "{method} {path}");
        assert_eq!(answer.body.is_empty(), method == Method::HEAD);
    }
    let anybody = rig.send(Method::GET, "/health/detailed", &[], "").await;
    assert_eq!(anybody.status, StatusCode::UNAUTHORIZED);
    let foreign = rig.send(Method::GET, "/health/detailed", &FOREIGN, "").await.json();
    assert_eq!(foreign["routes"].as_array().unwrap().len(), 1, "{foreign}");
    let own = rig.get("/health/detailed").await.json();
    assert_eq!((&own["status"], own["routes"].as_array().unwrap().len()), (&json!("ok"), 5));
    assert_eq!(own["routes"][0]["targets"][0], json!({"name": "alpha", "state": "available"}));
}

#[tokio::test]
async fn wrong_paths_methods_and_upgrades_are_named() {
    let (rig, _alpha) = world().await;
    let key = ("x-api-key", KEY);
    assert_eq!(rig.get("/v1/chat/completions").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(rig.post("/v1/models", "").await.status, StatusCode::METHOD_NOT_ALLOWED);
    let lost = rig.post("/v1/nothing", "{}").await;
    assert_eq!(
        (lost.status, &lost.json()["error"]["code"]),
        (StatusCode::NOT_FOUND, &json!("not_found"))
    );
    let upgrade = [key, ("connection", "upgrade"), ("upgrade", "websocket")];
    let answer = rig.send(Method::GET, "/v1/responses", &upgrade, "").await;
    assert_eq!(answer.status, StatusCode::UPGRADE_REQUIRED);
}

#[tokio::test]
async fn bodies_that_are_no_requests_are_refused_with_the_reason() {
    let (rig, alpha) = world().await;
    let key = ("x-api-key", KEY);
    for (body, part) in [
        ("{\"model\":", "not valid"),
        ("[]", "object"),
        ("{}", "`model` is missing"),
        (r#"{"model":"chat","model":"open"}"#, "`model`"),
        (r#"{"model":"chat","stream":"yes"}"#, "`stream`"),
    ] {
        let answer = rig.post(Api::Chat.path(), body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer.text().contains(part), "{body}: {}", answer.text());
    }
    for header in [("content-encoding", "compress"), ("content-type", "text/plain")] {
        let answer = chat(&rig, &[key, header], "chat").await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{header:?}");
    }
    assert_eq!(alpha.count(), 0);
}

#[tokio::test]
async fn an_operation_that_no_target_offers_is_the_callers_mistake() {
    let alpha = simulator("alpha").await;
    let rig = Rig::start(&Api::Messages.route("chat", &[("alpha", &alpha, "m")], "")).await;
    let answer = rig.post("/v1/embeddings", r#"{"model":"chat","input":"hello"}"#).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    assert!(answer.text().contains("/v1/embeddings"), "{answer:?}");
    assert_eq!(alpha.count(), 0);
}

#[tokio::test]
async fn every_operation_passes() {
    let (rig, alpha) = world().await;
    for (path, body) in [
        ("/v1/completions", r#"{"model":"chat","prompt":"hello"}"#),
        ("/v1/embeddings", r#"{"model":"chat","input":"hello"}"#),
        ("/v1/responses", r#"{"model":"chat","input":"hello"}"#),
        (
            "/v1/messages/count_tokens",
            r#"{"model":"claude","messages":[{"role":"user","content":"hello"}]}"#,
        ),
    ] {
        let answer = rig.post(path, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
        assert_eq!(alpha.requests().last().unwrap().path(), path);
    }
    let counted = rig.log_lines(4).await;
    assert!(counted.iter().all(|line| line["outcome"] == "success" && line["attempts"] == 1));
}

#[tokio::test]
async fn the_stream_aliases_ask_for_a_stream() {
    let (rig, alpha) = world().await;
    for (api, model) in [(Api::Chat, "chat"), (Api::Messages, "claude")] {
        let answer = rig.post(&format!("{}-stream", api.path()), api.body(model, false)).await;
        assert!(answer.header("content-type").starts_with("text/event-stream"), "{answer:?}");
        let got = alpha.requests().pop().unwrap();
        assert_eq!((got.path(), &got.json()["stream"]), (api.path(), &json!(true)));
    }
}

#[tokio::test]
async fn anonymous_callers_are_served_where_the_operator_says_so() {
    let alpha = simulator("alpha").await;
    let route = route_of("chat", &[Api::Chat.target("alpha", &alpha.url(), "model: m")], "");
    let options = Options { anonymous: true, ..Options::default() };
    let rig = Rig::start_with(&route, options).await;
    for headers in [&[][..], &[("authorization", "Bearer sk-placeholder")]] {
        assert_eq!(chat(&rig, headers, "chat").await.status, StatusCode::OK, "{headers:?}");
    }
    assert_eq!(chat(&rig, &[("x-api-key", KEY)], "chat").await.status, StatusCode::OK);
    let log = rig.log_lines(3).await;
    assert!(log[0].get("consumer").is_none());
    assert_eq!(log[2]["consumer"], "tester");
}
