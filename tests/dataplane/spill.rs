//! What servers behind a Service say of their queues: overflow by it, and its way back.

use std::sync::Arc;
use std::time::Instant;

use futures::future::join_all;
use http::{Method, StatusCode};
use pilothouse::simulate::Simulator;
use pilothouse::state::{LoadAccount, LoadReport, ServerState, TargetLimits};
use serde_json::json;

use crate::answer::Open;
use crate::endpoints::{endless, publish, rig, route, server, used_by};
use crate::routes::{Api, fault, route_of, simulator};
use crate::support::{FIRST_KEY, Rig};

/// Asked as often as a route may have it.
const OFTEN: &str = "interval: 100ms, timeout: 200ms";
/// Asked once, as far as a test goes.
const ONCE: &str = "interval: 1m";

/// The target `pool` with these fields of `limits` and of `service.metrics`.
fn pool(limits: &str, metrics: &str) -> String {
    format!(
        "{{name: pool, provider: openai-compatible, model: sim, limits: {{{limits}}}, \
         service: {{name: pool, port: http, metrics: {{{metrics}}}}}}}"
    )
}

/// A route to the pool, and to a provider that is paid for what does not fit there.
fn overflowing(limits: &str, metrics: &str, paid: &Simulator) -> String {
    let paid = Api::Chat.target("paid", &paid.url(), "priority: 1, model: sim");
    route_of("chat", &[pool(limits, metrics), paid], "")
}

/// What is remembered of a server, as the table has it.
fn state_of(rig: &Rig, server: &Simulator) -> Arc<ServerState> {
    let table = rig.cell.current();
    let upstreams = table.routes.iter().flat_map(|route| &route.targets);
    let endpoints = upstreams.filter_map(|target| target.upstream()?.endpoints.as_ref());
    let mut members = endpoints.flat_map(|endpoints| &endpoints.members);
    let found = members.find(|one| one.address == server.addr()).expect("an endpoint");
    Arc::clone(&found.state.server)
}

fn account(rig: &Rig, server: &Simulator) -> LoadAccount {
    state_of(rig, server).load.account(Instant::now())
}

/// Waits until a server has said that so many requests wait there and so many run.
async fn says(rig: &Rig, server: &Simulator, waiting: u32, running: u32) {
    let expected = Some(LoadReport { waiting, running: Some(running) });
    rig.wait_for("a report", || account(rig, server).report == expected).await;
}

/// How often a server was asked for its metrics.
fn questions(server: &Simulator) -> usize {
    server.requests().iter().filter(|one| one.path() == "/metrics").count()
}

/// What a scrape of the admin port has of a metric of the target.
async fn gauge(rig: &Rig, name: &str) -> Option<String> {
    let answer = rig.ask_admin(Method::GET, "/metrics", &[]).await;
    let line = format!("{name}{{route=\"ns/chat\",target=\"pool\"}} ");
    answer.text().lines().find_map(|text| text.strip_prefix(&line)).map(str::to_owned)
}

#[tokio::test]
async fn a_reported_queue_spills_to_the_next_tier_and_takes_it_back_with_room() {
    let (a, b, paid) = tokio::join!(simulator("a"), simulator("b"), simulator("paid"));
    let rig = rig().await;
    a.set_waiting(3);
    b.set_waiting(4);
    let servers = [("1", &a), ("2", &b)];
    publish(&rig, &overflowing("maxQueuedPerEndpoint: 2", OFTEN, &paid), &servers);
    says(&rig, &a, 3, 0).await;
    says(&rig, &b, 4, 0).await;
    for _ in 0..3 {
        let answer = rig.chat("chat").await;
        assert_eq!((answer.target(), answer.header("x-used-fallback")), ("paid", "true"));
        assert_eq!(answer.header("x-pilothouse-attempts"), "1", "nobody asked who was full");
    }
    assert_eq!(gauge(&rig, "pilothouse_target_reported_queue").await.as_deref(), Some("7"));
    assert_eq!(gauge(&rig, "pilothouse_target_silent_endpoints").await.as_deref(), Some("0"));
    let endpoints = used_by(&rig).await["endpoints"].clone();
    let mut queued: Vec<_> = endpoints
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["reported"]["queued"].as_u64())
        .collect();
    queued.sort();
    assert_eq!(queued, [Some(3), Some(4)], "{endpoints}");
    assert!(endpoints[0]["reported"]["ageMs"].is_u64(), "{endpoints}");

    b.set_waiting(2);
    says(&rig, &b, 2, 0).await;
    assert_eq!(server(&rig.chat("chat").await), "b", "the other is full still");
    a.set_waiting(0);
    b.set_waiting(9);
    says(&rig, &a, 0, 0).await;
    says(&rig, &b, 9, 0).await;
    assert_eq!(server(&rig.chat("chat").await), "a");
}

#[tokio::test]
async fn a_server_that_fills_up_hands_on_and_takes_back_by_itself() {
    let a = Simulator::builder().name("a").slots(2).start().await.unwrap();
    let paid = simulator("paid").await;
    let rig = rig().await;
    publish(&rig, &overflowing("maxQueuedPerEndpoint: 0", OFTEN, &paid), &[("1", &a)]);
    let mut streams: Vec<Open> = Vec::new();
    let limits = TargetLimits { max_queued_per_endpoint: Some(0), ..TargetLimits::NONE };
    for (waiting, running) in [(0, 0), (0, 1), (0, 2)] {
        says(&rig, &a, waiting, running).await;
        // A question that was under way when the last stream came leaves room with the next answer.
        let server = state_of(&rig, &a);
        rig.wait_for("room", || server.check(&limits, Instant::now()).is_ok()).await;
        streams.push(endless(&rig, &[&a]).await);
    }
    says(&rig, &a, 1, 2).await;
    assert_eq!(rig.chat("chat").await.target(), "paid");
    drop(streams.pop());
    says(&rig, &a, 0, 2).await;
    assert_eq!(rig.chat("chat").await.target(), "pool");
}

#[tokio::test]
async fn with_every_queue_too_long_and_no_other_target_it_is_said_by_name() {
    let a = simulator("a").await;
    a.set_waiting(1);
    let rig = rig().await;
    let limits = "maxQueuedPerEndpoint: 0, maxQueue: 0";
    publish(&rig, &route_of("chat", &[pool(limits, OFTEN)], ""), &[("1", &a)]);
    says(&rig, &a, 1, 0).await;
    let answer = rig.chat("chat").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    let text = answer.text();
    assert!(text.contains("pool: is full (limits.maxQueuedPerEndpoint)"), "{text}");
    assert_eq!(answer.header("retry-after"), "1");

    // Who may wait is answered when the server says that there is room.
    let limits = "maxQueuedPerEndpoint: 0, queueTimeout: 1m";
    publish(&rig, &route_of("chat", &[pool(limits, OFTEN)], ""), &[("1", &a)]);
    let mut waits = Box::pin(rig.chat("chat"));
    tokio::select! {
        answer = &mut waits => panic!("no room: {answer:?}"),
        () = rig.wait_for("one that waits", || rig.metrics.queued.get() == 1) => {}
    }
    a.set_waiting(0);
    assert_eq!(waits.await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_burst_between_two_questions_does_not_overrun_a_queue() {
    let (a, paid) = tokio::join!(simulator("a"), simulator("paid"));
    let rig = rig().await;
    publish(&rig, &overflowing("maxQueuedPerEndpoint: 3", ONCE, &paid), &[("1", &a)]);
    says(&rig, &a, 0, 0).await;
    for server in [&a, &paid] {
        server.set_fault(fault("stall=4"));
    }
    let opened: Vec<Open> = join_all((0..12).map(|_| rig.open_chat("chat"))).await;
    let at_pool = |one: &&Open| one.headers["x-used-provider"] == "pool";
    assert_eq!(opened.iter().filter(at_pool).count(), 4, "the limit, and the one that exceeds it");
    // Who ends makes room without a question.
    drop(opened);
    rig.settled().await;
    a.set_fault(fault(""));
    assert_eq!(rig.chat("chat").await.target(), "pool");
    assert_eq!(questions(&a), 1);
}

#[tokio::test]
async fn a_server_without_metrics_counts_by_what_runs_there() {
    let (a, paid) = tokio::join!(simulator("a"), simulator("paid"));
    let rig = rig().await;
    let limits = "maxQueuedPerEndpoint: 0, maxConcurrentPerEndpoint: 2";
    for (spoilt, told) in [
        ("status=404", "GET /metrics was answered with status 404"),
        // Redirects are never followed.
        ("status=302;header=location:/health", "GET /metrics was answered with status 302"),
        ("body=html", "GET /metrics was answered without the queue of any server that is known"),
        ("close", "GET /metrics failed: "),
    ] {
        a.set_metrics_fault(fault(spoilt));
        publish(&rig, &overflowing(limits, OFTEN, &paid), &[("1", &a)]);
        let said = || account(&rig, &a).last_failure.unwrap_or_default();
        rig.wait_for(told, || said().starts_with(told)).await;
    }
    let streams = [endless(&rig, &[&a]).await, endless(&rig, &[&a]).await];
    assert_eq!(rig.chat("chat").await.target(), "paid");
    drop(streams);
    rig.settled().await;
    assert_eq!(rig.chat("chat").await.target(), "pool");
    let reported = used_by(&rig).await["endpoints"][0]["reported"].clone();
    assert_eq!((&reported["queued"], &reported["ageMs"]), (&json!(null), &json!(null)));
    assert!(reported["failedInARow"].as_u64() > Some(0), "{reported}");
    assert_eq!(gauge(&rig, "pilothouse_target_silent_endpoints").await.as_deref(), Some("1"));
    assert!(a.requests().iter().all(|one| one.path() != "/health"));
}

#[tokio::test]
async fn a_page_that_hangs_stops_no_request_and_what_it_said_before_is_dropped() {
    let (a, paid) = tokio::join!(simulator("a"), simulator("paid"));
    let rig = rig().await;
    a.set_waiting(5);
    publish(&rig, &overflowing("maxQueuedPerEndpoint: 0", OFTEN, &paid), &[("1", &a)]);
    says(&rig, &a, 5, 0).await;
    assert_eq!(rig.chat("chat").await.target(), "paid");
    a.set_metrics_fault(fault("silent"));
    rig.wait_for("an old report", || account(&rig, &a).report.is_none()).await;
    assert_eq!(rig.chat("chat").await.target(), "pool");
    let told = account(&rig, &a).last_failure;
    assert_eq!(told.as_deref(), Some("GET /metrics was not answered within 200 ms"));
    a.set_metrics_fault(fault(""));
    says(&rig, &a, 5, 0).await;
    assert_eq!(rig.chat("chat").await.target(), "paid", "it speaks again");
}

#[tokio::test]
async fn what_others_have_at_a_server_counts_in_the_choice() {
    let (a, b) = tokio::join!(simulator("a"), simulator("b"));
    let rig = rig().await;
    a.set_waiting(1);
    publish(&rig, &route_of("chat", &[pool("", OFTEN)], ""), &[("1", &a), ("2", &b)]);
    says(&rig, &a, 1, 0).await;
    says(&rig, &b, 0, 0).await;
    for _ in 0..20 {
        assert_eq!(server(&rig.chat("chat").await), "b");
    }
}

#[tokio::test]
async fn a_server_is_asked_once_for_all_routes_and_no_more_when_none_wants_it() {
    let a = simulator("a").await;
    let rig = rig().await;
    let other = pool("maxQueuedPerEndpoint: 9", "").replace("model: sim", "model: another");
    let both = [route_of("chat", &[pool("", ONCE)], ""), route_of("talk", &[other], "")];
    publish(&rig, &both.join("---\n"), &[("1", &a)]);
    says(&rig, &a, 0, 0).await;
    publish(&rig, &both.join("---\n"), &[("1", &a)]);
    assert_eq!(rig.chat("talk").await.status, StatusCode::OK);
    assert_eq!(questions(&a), 1, "a new table asks nothing anew");
    publish(&rig, &route("", &[], ""), &[("1", &a)]);
    rig.wait_for("nothing known", || account(&rig, &a) == LoadAccount::default()).await;
    assert_eq!(gauge(&rig, "pilothouse_target_silent_endpoints").await, None);
    assert_eq!(used_by(&rig).await["endpoints"][0]["reported"], json!(null));
}

#[tokio::test]
async fn a_page_may_be_elsewhere_and_behind_the_targets_key() {
    let a = simulator("a").await;
    let rig = rig().await;
    let store = "apiVersion: pilothouse.dev/v1alpha1\nkind: CredentialStore\n\
                 metadata: {name: own, namespace: ns}\nspec:\n  type: APIKey\n  \
                 allowedHosts: [service/ns/pool]\n  apiKey: {keys: [{name: a, valueFrom: \
                 {secretKeyRef: {name: provider-keys, key: first}}}]}\n";
    let told = "path: \"/metrics?format=text\", authentication: Target, interval: 1m";
    let target = pool("", told).replacen('{', "{credentialRef: {name: own}, ", 1);
    let routes = [route_of("chat", &[target], ""), store.to_owned()].join("---\n");
    publish(&rig, &routes, &[("1", &a)]);
    says(&rig, &a, 0, 0).await;
    let asked = a.requests();
    assert_eq!(asked[0].uri.query(), Some("format=text"));
    assert_eq!(asked[0].header("authorization"), Some(&*format!("Bearer {FIRST_KEY}")));
}
