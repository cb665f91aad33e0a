//! The admin API: what it tells, whom it tells it, and what it forgets.

use http::{Method, StatusCode};
use pilothouse::simulate::Simulator;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::routes::{Api, fault, route_of, simulator};
use crate::support::{FIRST_KEY, KEY, Options, Rig, SECOND_KEY};

const LISTS: [&str; 3] = ["/admin/routes", "/admin/providers/status", "/admin/credentials"];

/// Two targets, the first with the pool of two keys and a breaker of one failure.
fn routes(alpha: &Simulator, bravo: &Simulator) -> String {
    let targets = [
        Api::Chat.target(
            "alpha",
            &alpha.url(),
            "model: sick, credentialRef: {name: pool}, timeouts: {connect: 1500ms}, \
             parameters: {defaults: {temperature: 0.25}, drop: [seed]}, \
             rawParameters: {private_tag: hidden-value}, healthCheck: {path: /health, interval: 1h}",
        ),
        Api::Chat.target("bravo", &bravo.url(), "model: well, priority: 1"),
    ];
    let extra = "  models: [chat, \"chat-*\"]\n  timeouts: {idle: 45s, response: 3m}\n  \
                 circuitBreaker: {failureThreshold: 1}\n  \
                 parameters: {overrides: {maxOutputTokens: 100}}\n";
    route_of("chat", &targets, extra)
}

async fn rig() -> (Rig, Simulator, Simulator) {
    let (alpha, bravo) = tokio::join!(simulator("alpha"), simulator("bravo"));
    let rig = Rig::start(&routes(&alpha, &bravo)).await;
    (rig, alpha, bravo)
}

fn reset_path(target: &str) -> String {
    format!("/admin/providers/ns/{target}/reset")
}

/// The target of that name among those that a status tells of.
fn find<'v>(status: &'v Value, target: &str) -> (&'v Value, &'v Value) {
    let providers = status["providers"].as_array().unwrap();
    let users = |one: &'v Value| one["usedBy"].as_array().unwrap().iter();
    let pairs = providers.iter().flat_map(|one| users(one).map(move |user| (one, user)));
    let found = pairs.into_iter().find(|(_, user)| user["target"] == target);
    found.unwrap_or_else(|| panic!("no `{target}` in {status:#}"))
}

#[tokio::test]
async fn routes_are_told_as_they_come_to() {
    let (rig, alpha, _bravo) = rig().await;
    let told = rig.admin("/admin/routes").await;
    let route = &told["routes"][0];
    assert_eq!((&told["generation"], &route["name"]), (&json!(1), &json!("chat")));
    assert_eq!(route["models"], json!(["chat", "chat-*"]));
    assert_eq!(route["allowedNamespaces"], json!(["ns"]));
    assert_eq!(
        (&route["strategy"], &route["targetSelection"]),
        (&json!("Weighted"), &json!("Denied"))
    );
    assert_eq!(
        route["tiers"],
        json!([{"priority": 0, "targets": ["alpha"]}, {"priority": 1, "targets": ["bravo"]}])
    );
    let first = &route["targets"][0];
    assert_eq!(first["baseURL"], format!("{}/v1", alpha.url()));
    assert_eq!((&first["model"], &first["credential"]), (&json!("sick"), &json!("ns/pool")));
    let timeouts = &first["timeouts"];
    // The target's, the route's, and what is built in.
    assert_eq!(
        (&timeouts["connect"], &timeouts["idle"], &timeouts["thinkingIdle"]),
        (&json!("1s500ms"), &json!("45s"), &json!("5m"))
    );
    assert_eq!(first["circuitBreaker"]["failureThreshold"], 1);
    assert_eq!(first["circuitBreaker"]["minRequests"], 10);
    assert_eq!(
        first["parameters"],
        json!({"defaults": ["temperature"], "overrides": ["maxOutputTokens"], "drop": ["seed"],
            "raw": ["private_tag"]})
    );
    assert_eq!(first["healthCheck"]["path"], "/health");
    assert_eq!(first["healthCheck"]["unhealthyThreshold"], 3);
    assert_eq!(route["targets"][1]["healthCheck"], Value::Null);
    assert!(!told.to_string().contains("hidden-value"), "{told}");
}

#[tokio::test]
async fn a_target_that_failed_is_told_with_its_reason_and_reset() {
    let (rig, alpha, _bravo) = rig().await;
    alpha.set_fault(fault("status=500;code=engine_dead"));
    assert_eq!(rig.chat("chat").await.target(), "bravo");
    rig.settled().await;
    let status = rig.admin("/admin/providers/status").await;
    let (shared, user) = find(&status, "alpha");
    assert_eq!((&user["state"], &user["reason"]), (&json!("open"), &json!("CircuitBreaker")));
    let detail = user["detail"].as_str().unwrap();
    assert!(detail.contains("failure: status 500") && detail.contains("engine_dead"), "{detail}");
    assert!(user["since"].as_str() < user["nextProbeAt"].as_str(), "{user:#}");
    let breaker = &user["circuitBreaker"];
    assert_eq!((&breaker["opened"], &breaker["consecutiveFailures"]), (&json!(1), &json!(1)));
    assert_eq!(breaker["window"], json!({"length": "1m", "failures": 1, "requests": 1}));
    assert_eq!((&shared["model"], &shared["inFlight"]), (&json!("sick"), &json!(0)));
    assert_eq!(shared["lastFailure"]["class"], "failure");
    let (well, user) = find(&status, "bravo");
    assert_eq!((&user["state"], &user["reason"]), (&json!("closed"), &Value::Null));
    assert!(well["usualReplyMs"].is_u64(), "{well:#}");

    alpha.set_fault(fault(""));
    let answer = rig.ask_admin(Method::POST, &reset_path("chat/alpha"), &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let told = answer.json();
    assert_eq!(told["usedBy"][0]["state"], "closed");
    assert_eq!(told["lastFailure"]["class"], "failure", "it did happen");
    assert_eq!(rig.chat("chat").await.target(), "alpha");
}

#[tokio::test]
async fn a_broken_stream_is_a_reason_too() {
    let (rig, alpha, _bravo) = rig().await;
    alpha.set_fault(fault("cut=4"));
    rig.chat_stream("chat").await;
    rig.settled().await;
    let status = rig.admin("/admin/providers/status").await;
    let failure = &find(&status, "alpha").0["lastFailure"];
    assert_eq!(failure["class"], "failure");
    assert!(failure["detail"].as_str().unwrap().contains("stream"), "{failure}");
}

#[tokio::test]
async fn keys_are_told_by_name_and_their_rests_end_with_a_reset() {
    let (rig, alpha, _bravo) = rig().await;
    alpha.set_fault(fault("status=429;retry-after=600;times=1"));
    assert_eq!(rig.chat("chat").await.target(), "alpha", "by the other key");
    alpha.set_fault(fault("status=401;times=1"));
    assert_eq!(rig.chat("chat").await.target(), "bravo", "no key is left");
    let told = rig.admin("/admin/credentials?route=chat").await;
    let store = &told["stores"][0];
    assert_eq!((&store["name"], &store["inUse"]), (&json!("pool"), &json!(true)));
    assert_eq!(told["stores"].as_array().unwrap().len(), 1, "the route uses one");
    let [first, second] = [&store["keys"][0], &store["keys"][1]];
    assert_eq!((&first["name"], &first["state"]), (&json!("first"), &json!("throttled")));
    assert_eq!(first["throttledModels"][0]["model"], "sick");
    assert_eq!(
        (&second["state"], &second["reason"]),
        (&json!("refused"), &json!("CredentialFault"))
    );
    assert!(second["until"].is_string());
    let status = rig.admin("/admin/providers/status").await;
    let (shared, user) = find(&status, "alpha");
    assert_eq!((&user["state"], &user["reason"]), (&json!("resting"), &json!("KeysResting")));
    assert_eq!(shared["credential"]["keys"], store["keys"]);
    let all = rig.admin("/admin/credentials").await;
    let unused = all["stores"].as_array().unwrap().iter().find(|one| one["name"] == "one").unwrap();
    assert_eq!(
        (&unused["inUse"], &unused["keys"][0]["state"]),
        (&json!(false), &json!("available"))
    );

    let metrics = rig.ask_admin(Method::GET, "/metrics", &[]).await;
    for line in [
        r#"pilothouse_key_state{key="first",state="throttled",store="ns/pool"} 1"#,
        r#"pilothouse_key_state{key="second",state="refused",store="ns/pool"} 1"#,
        r#"pilothouse_key_state{key="second",state="available",store="ns/pool"} 0"#,
        r#"pilothouse_target_state{route="ns/chat",state="resting",target="alpha"} 1"#,
        r#"pilothouse_target_state{route="ns/chat",state="closed",target="bravo"} 1"#,
        r#"pilothouse_target_in_flight{route="ns/chat",target="bravo"} 0"#,
        r#"pilothouse_breaker_state{route="ns/chat",target="alpha"} 0"#,
    ] {
        assert!(metrics.text().contains(line), "{line} in\n{}", metrics.text());
    }

    let answer = rig.ask_admin(Method::POST, &reset_path("chat/alpha"), &[]).await.json();
    assert_eq!(answer["credential"]["keys"][0]["state"], "available");
    assert_eq!(rig.chat("chat").await.target(), "alpha");
    // With its route a target leaves no series behind.
    rig.publish("");
    let metrics = rig.ask_admin(Method::GET, "/metrics", &[]).await;
    for name in ["pilothouse_target_state{", "pilothouse_target_in_flight{"] {
        assert!(!metrics.text().contains(name), "{}", metrics.text());
    }
}

#[tokio::test]
async fn no_page_holds_a_secret() {
    let (rig, alpha, _bravo) = rig().await;
    for sick in ["status=401", "status=429;retry-after=600", "status=500"] {
        alpha.set_fault(fault(sick));
        rig.chat("chat").await;
    }
    let mut seen = String::new();
    for path in LISTS {
        seen.push_str(&rig.admin(path).await.to_string());
    }
    seen.push_str(rig.ask_admin(Method::GET, "/metrics", &[]).await.text());
    seen.push_str(rig.ask_admin(Method::POST, &reset_path("chat/alpha"), &[]).await.text());
    for secret in [KEY, FIRST_KEY, SECOND_KEY] {
        assert!(!seen.contains(secret), "{seen}");
    }
}

#[tokio::test]
async fn what_checks_found_is_told() {
    let alpha = simulator("alpha").await;
    alpha.set_health_fault(fault("status=503"));
    let check = "healthCheck: {path: /health, interval: 100ms, unhealthyThreshold: 1}";
    let target = Api::Chat.target("alpha", &alpha.url(), &format!("model: m, {check}"));
    let rig = Rig::start(&route_of("chat", &[target], "")).await;
    let state = rig.target("m");
    rig.wait_for("its checks to fail", || state.health.is_failing()).await;
    let status = rig.admin("/admin/providers/status").await;
    let (shared, user) = find(&status, "alpha");
    assert_eq!((&user["state"], &user["reason"]), (&json!("unhealthy"), &json!("HealthCheck")));
    assert_eq!(user["detail"], "GET /health was answered with status 503");
    assert!(user["since"].is_string(), "{user}");
    assert_eq!(shared["health"]["state"], "failing");
    let detailed = rig.get("/health/detailed").await.json();
    assert_eq!(detailed["routes"][0]["targets"][0]["state"], "unhealthy");
    let metrics = rig.ask_admin(Method::GET, "/metrics", &[]).await;
    let counted =
        r#"pilothouse_health_checks_total{outcome="failed",route="ns/chat",target="alpha"}"#;
    assert!(metrics.text().contains(counted), "{}", metrics.text());
    // An operator who knows better is believed, until so many checks fail again.
    alpha.set_health_fault(fault(""));
    let answer = rig.ask_admin(Method::POST, &reset_path("chat/alpha"), &[]).await;
    assert_eq!(answer.json()["usedBy"][0]["state"], "closed");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let alpha = simulator("alpha").await;
    let lost = Api::Chat.target("lost", &alpha.url(), "credentialRef: {name: none-of-that-name}");
    let found = Api::Chat.target("found", &alpha.url(), "model: m");
    let two = route_of("two", &[found], "");
    let rig = Rig::start(&(route_of("one", &[lost], "") + &two)).await;
    let told = async |method: Method, path: &str| {
        let answer: Answer = rig.ask_admin(method, path, &[]).await;
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        (answer.status, message)
    };
    for (path, status, words) in [
        (reset_path("three/found"), 404, "no route `ns/three`"),
        (reset_path("two/lost"), 404, "route `ns/two` has no target `lost`; it has found"),
        (reset_path("one/lost"), 409, "none-of-that-name"),
        ("/admin/providers".to_owned(), 404, "/admin/providers/status"),
    ] {
        let (got, message) = told(Method::POST, &path).await;
        assert!(got == status && message.contains(words), "{path}: {got} {message}");
    }
    assert_eq!(
        told(Method::POST, "/admin/routes").await,
        (StatusCode::METHOD_NOT_ALLOWED, "use GET, HEAD".into())
    );
    assert_eq!(told(Method::GET, &reset_path("two/found")).await.0, StatusCode::METHOD_NOT_ALLOWED);
    let (status, message) = told(Method::GET, "/admin/routes?model=x").await;
    assert!(status == StatusCode::BAD_REQUEST && message.contains("`model`"), "{message}");

    let names = async |query: &str| {
        let told = rig.admin(&format!("/admin/routes{query}")).await;
        let routes = told["routes"].as_array().unwrap().iter();
        routes.map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["one", "two"]);
    assert_eq!(names("?route=two&namespace=ns").await, ["two"]);
    assert!(names("?namespace=other").await.is_empty());
    let unresolved = rig.admin("/admin/providers/status?route=one").await["unresolved"].clone();
    assert_eq!(
        (&unresolved[0]["target"], &unresolved[0]["reason"]),
        (&json!("lost"), &json!("RefNotPermitted"))
    );
    let one = rig.admin("/admin/routes?route=one").await;
    assert_eq!(one["routes"][0]["targets"][0]["unresolved"]["reason"], "RefNotPermitted");
}

#[tokio::test]
async fn it_is_never_open_to_everybody() {
    let (alpha, bravo) = tokio::join!(simulator("alpha"), simulator("bravo"));
    let routes = routes(&alpha, &bravo);
    let rig = Rig::start(&routes).await;
    let ask = async |rig: &Rig, path: &str, headers: &[(&str, &str)]| {
        rig.ask_admin(Method::GET, path, headers).await
    };
    // From this machine, but for a page that a browser shows, or through a proxy.
    for headers in [("origin", "https://example.com"), ("x-forwarded-for", "10.0.0.7")] {
        for path in LISTS {
            let answer = ask(&rig, path, &[headers]).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN);
            assert!(answer.text().contains("--admin-token-file"), "{answer:?}");
        }
        assert_eq!(ask(&rig, "/metrics", &[headers]).await.status, StatusCode::OK);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "a-token-of-sixteen-and-more\n").unwrap();
    let options = Options { admin_token: Some(path), ..Options::default() };
    let rig = Rig::start_with(&routes, options).await;
    for path in LISTS {
        for headers in [&[][..], &[("authorization", "Bearer wrong")], &[("x-api-key", KEY)]] {
            let answer = ask(&rig, path, headers).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer:?}");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
        let shown = [("authorization", "Bearer a-token-of-sixteen-and-more")];
        let answer = ask(&rig, path, &shown).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let reset = rig.ask_admin(Method::POST, &reset_path("chat/alpha"), &[]).await;
    assert_eq!(reset.status, StatusCode::UNAUTHORIZED);
    for path in ["/healthz", "/metrics"] {
        assert_eq!(ask(&rig, path, &[]).await.status, StatusCode::OK);
    }
}
