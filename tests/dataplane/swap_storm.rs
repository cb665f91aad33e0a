//! Thousands of new tables under traffic: nobody notices.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use pilothouse::simulate::Simulator;
use pilothouse::state::TargetState;
use pilothouse::table::RouteTable;

use crate::routes::{Api, fault, route_of, simulator};
use crate::support::{KEY, Rig};

/// Fewest publications; more if the traffic takes longer.
const PUBLICATIONS: usize = 3000;
const CLIENTS: usize = 8;
const REQUESTS_PER_CLIENT: usize = 50;

/// The targets: two that answer, one that never does.
struct World {
    alpha: Simulator,
    bravo: Simulator,
    sick: Simulator,
}

impl World {
    async fn start() -> Self {
        let (alpha, bravo, sick) =
            tokio::join!(simulator("alpha"), simulator("bravo"), simulator("sick"));
        // Streams that outlive many tables.
        alpha.set_fault(fault("pace=2ms"));
        bravo.set_fault(fault("pace=2ms"));
        sick.set_fault(fault("status=500"));
        Self { alpha, bravo, sick }
    }

    /// Routes `chat` and `claude` in one of many forms; others come and go beside them.
    fn variant(&self, number: usize) -> String {
        let mut text = String::new();
        for (name, api) in [("chat", Api::Chat), ("claude", Api::Messages)] {
            let well = |name: &str, simulator: &Simulator, weight: usize, priority: usize| {
                let rest = format!("model: {name}-model, weight: {weight}, priority: {priority}");
                api.target(name, &simulator.url(), &rest)
            };
            let mut targets = vec![well("alpha", &self.alpha, 1 + number % 7, number % 2)];
            if !number.is_multiple_of(3) {
                targets.push(well("bravo", &self.bravo, 1 + number % 5, number / 2 % 2));
            }
            if !number.is_multiple_of(4) {
                let sick = api.target("sick", &self.sick.url(), "model: sick-model, weight: 50");
                targets.insert(number % 2, sick);
            }
            let strategy =
                ["Weighted", "RoundRobin", "LeastConnections", "FastestResponse"][number / 3 % 4];
            let extra = format!(
                "  loadBalancing: {{strategy: {strategy}}}\n  circuitBreaker: {{failureThreshold: {}, \
                 errorThresholdPercentage: 100, minRequests: 1000, resetTimeout: 1h}}\n",
                2 + number % 3
            );
            text.push_str(&route_of(name, &targets, &extra));
        }
        for other in 0..number % 4 {
            let target = Api::Chat.target("alpha", &self.alpha.url(), "model: other-model");
            write!(text, "{}", route_of(&format!("other-{other}"), &[target], "")).unwrap();
        }
        text
    }
}

/// Asks without end and expects every answer to be whole.
async fn client(rig: Arc<Rig>, number: usize) {
    for request in 0..REQUESTS_PER_CLIENT {
        let stream = (number + request).is_multiple_of(2);
        let (api, model) = match number % 3 {
            0 => (Api::Messages, "claude"),
            _ => (Api::Chat, "chat"),
        };
        let headers = [("x-api-key", KEY)];
        let answer = rig.send(Method::POST, api.path(), &headers, api.body(model, stream)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert!(!answer.cut && !answer.text().contains("\"error\""), "{}", answer.text());
        // The last words, and of a stream its end.
        assert!(["alpha.", "bravo."].iter().any(|name| answer.text().contains(name)));
        let end = match (stream, api) {
            (true, Api::Chat) => "data: [DONE]\n\n",
            (true, _) => "data: {\"type\":\"message_stop\"}\n\n",
            (false, _) => "}",
        };
        assert!(answer.text().ends_with(end), "{}", answer.text());
    }
}

/// Publishes one form after another until the clients are done. Gives the tables.
fn storm(rig: &Rig, variants: &[String], done: &AtomicBool) -> Vec<Weak<RouteTable>> {
    let snapshots: Vec<_> = variants.iter().map(|text| rig.admit(text)).collect();
    let mut tables = Vec::new();
    let mut generation = rig.cell.current().generation;
    while tables.len() < PUBLICATIONS || !done.load(Ordering::Relaxed) {
        rig.publish_snapshot(&snapshots[tables.len() % snapshots.len()]);
        let table = rig.cell.current();
        assert!(table.generation > generation, "generations rise");
        generation = table.generation;
        tables.push(Arc::downgrade(&table));
        std::thread::yield_now();
    }
    tables
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thousands_of_new_tables_under_traffic_lose_no_request() {
    let world = World::start().await;
    let variants: Vec<String> = (0..24).map(|number| world.variant(number)).collect();
    let rig = Arc::new(Rig::start(&variants[0]).await);
    let done = Arc::new(AtomicBool::new(false));
    let storm = {
        let (rig, done) = (Arc::clone(&rig), Arc::clone(&done));
        tokio::task::spawn_blocking(move || storm(&rig, &variants, &done))
    };
    let clients: Vec<_> =
        (0..CLIENTS).map(|number| tokio::spawn(client(Arc::clone(&rig), number))).collect();
    let mut lost = Vec::new();
    for client in clients {
        lost.extend(client.await.err());
    }
    done.store(true, Ordering::Relaxed);
    let mut tables = storm.await.unwrap();
    assert!(lost.is_empty(), "{lost:?}");

    rig.settled().await;
    let log = rig.log_lines(CLIENTS * REQUESTS_PER_CLIENT).await;
    assert_eq!(log.len(), CLIENTS * REQUESTS_PER_CLIENT);
    let unwell: Vec<_> = log.iter().filter(|line| line["outcome"] != "success").collect();
    assert!(unwell.is_empty(), "{unwell:?}");
    let answered: HashSet<&str> = log.iter().filter_map(|line| line["target"].as_str()).collect();
    assert_eq!(answered, HashSet::from(["alpha", "bravo"]), "both were in use");

    // What was learned of the sick target outlived every table: only the requests that were on
    // their way together met it, of each protocol.
    let met = world.sick.count();
    assert!((2..=2 * (4 + CLIENTS as u64)).contains(&met), "{met}");

    // Nothing holds on to a table that is served no more.
    let current = tables.pop().unwrap();
    assert!(current.upgrade().is_some());
    rig.wait_for("the tables to go", || tables.iter().all(|table| table.upgrade().is_none())).await;
    rig.state.retain_referenced(Instant::now(), Duration::ZERO);
    let served = rig.cell.current();
    let named = |target: &Arc<TargetState>| {
        let targets = served.routes.iter().flat_map(|route| &route.targets);
        targets.filter_map(|one| one.upstream()).any(|one| Arc::ptr_eq(&one.state, target))
    };
    assert!(rig.state.targets().iter().all(named), "what no table names is forgotten");
    assert!(rig.state.targets().iter().all(|target| target.in_flight.count() == 0));
}
