//! What people are given to look at asks for metrics that there are, by labels that these have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use http::Method;
use regex::Regex;
use serde_json::Value;

use crate::endpoints;
use crate::routes::{Api, fault, route_of, simulator};
use crate::support::Rig;

type Series = BTreeMap<String, BTreeSet<String>>;

/// Labels that Prometheus adds to whatever it reads, and one of every histogram's buckets.
const ADDED: [&str; 5] = ["job", "instance", "pod", "namespace", "le"];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn dashboards() -> Vec<(String, Value)> {
    let folder = "charts/pilothouse/files/dashboards";
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    let names = entries.expect("the folder").map(|entry| entry.expect("an entry").file_name());
    let dashboards: Vec<_> = names
        .map(|name| name.into_string().expect("a name in ASCII"))
        .map(|name| (name.clone(), read(&format!("{folder}/{name}"))))
        .map(|(name, text)| (name, serde_json::from_str(&text).expect("JSON")))
        .collect();
    assert!(!dashboards.is_empty());
    dashboards
}

/// Everything that a gateway tells after requests that went well, broke off and failed.
async fn told() -> Series {
    let (alpha, bravo) = tokio::join!(simulator("alpha"), simulator("bravo"));
    let check =
        "model: sick, healthCheck: {path: /health, interval: 1h}, credentialRef: {name: pool}";
    let targets = [
        Api::Chat.target("alpha", &alpha.url(), check),
        Api::Chat.target("bravo", &bravo.url(), "model: well, priority: 1"),
    ];
    let policy = "  circuitBreaker: {failureThreshold: 1}\n";
    let rig = Rig::start(&route_of("chat", &targets, policy)).await;
    alpha.set_fault(fault("cut=4"));
    rig.chat_stream("chat").await;
    assert_eq!(rig.chat("chat").await.target(), "bravo", "alpha broke off, so it is spared");
    rig.settled().await;
    let mut series = Series::new();
    scrape(&rig, &mut series).await;
    // A Service, whose servers are asked for their queues.
    let rig = endpoints::rig().await;
    let limits = ", limits: {maxQueuedPerEndpoint: 1}";
    endpoints::publish(&rig, &endpoints::route(limits, &[], ""), &[("1", &bravo)]);
    scrape(&rig, &mut series).await;
    series
}

/// Adds what a gateway tells now.
async fn scrape(rig: &Rig, series: &mut Series) {
    let text = rig.ask_admin(Method::GET, "/metrics", &[]).await;
    let label = Regex::new(r#"(\w+)=""#).expect("a pattern");
    for line in text.text().lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_at(line.find(['{', ' ']).expect("a sample"));
        let labels = rest.rsplit_once(' ').expect("a value").0;
        let labels = label.captures_iter(labels).map(|found| found[1].to_owned());
        let labels: Vec<_> = labels.collect();
        // People call a histogram by the name that its series have in common.
        for name in [Some(name), name.strip_suffix("_bucket")].into_iter().flatten() {
            series.entry(name.to_owned()).or_default().extend(labels.iter().cloned());
        }
    }
}

/// What is wrong with the metrics and labels of an expression.
fn faults(expression: &str, told: &Series) -> Vec<String> {
    let metric = Regex::new(r"(pilothouse_\w+)(?:\{([^}]*)\})?").expect("a pattern");
    let matcher = Regex::new(r"(\w+)\s*[=!]").expect("a pattern");
    let grouping = Regex::new(r"\b(?:by|without) \(([^)]*)\)").expect("a pattern");
    let mut known: BTreeSet<&str> = ADDED.into();
    let mut faults = Vec::new();
    for found in metric.captures_iter(expression) {
        let Some(labels) = told.get(&found[1]) else {
            faults.push(format!("`{}` is no metric: {expression}", &found[1]));
            continue;
        };
        known.extend(labels.iter().map(String::as_str));
        for label in matcher.captures_iter(found.get(2).map_or("", |labels| labels.as_str())) {
            if !labels.contains(&label[1]) && !ADDED.contains(&&label[1]) {
                faults.push(format!("`{}` has no label `{}`: {expression}", &found[1], &label[1]));
            }
        }
    }
    for group in grouping.captures_iter(expression) {
        for label in group[1].split(',').map(str::trim) {
            if !known.contains(label) {
                faults.push(format!("no label `{label}` is left to group by: {expression}"));
            }
        }
    }
    faults
}

#[tokio::test]
async fn every_expression_asks_for_what_there_is() {
    let told = tokio::time::timeout(Duration::from_secs(60), told()).await.expect("in time");
    let mut wrong = Vec::new();
    let mut tried = 0;
    for (name, dashboard) in dashboards() {
        let panels = dashboard["panels"].as_array().expect("panels");
        for target in panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten() {
            let expression = target["expr"].as_str().expect("an expression");
            assert_eq!(expression.matches('(').count(), expression.matches(')').count());
            let found = faults(expression, &told);
            wrong.extend(found.into_iter().map(|fault| format!("{name}: {fault}")));
            tried += 1;
        }
        for variable in dashboard["templating"]["list"].as_array().expect("variables") {
            let query = variable["definition"].as_str().unwrap_or_default();
            wrong.extend(faults(query, &told));
        }
    }
    // The alerts and the list of metrics that the guide has.
    for line in read("deploy/guides/operating.md").lines().filter(|line| line.starts_with('|')) {
        let line = line.replace("\\|", "|");
        let found = faults(&line, &told);
        wrong.extend(found.into_iter().map(|fault| format!("operating.md: {fault}")));
    }
    assert!(tried > 20, "{tried}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn panels_are_explained_and_do_not_lie_on_each_other() {
    for (name, dashboard) in dashboards() {
        let mut taken = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for panel in dashboard["panels"].as_array().expect("panels") {
            let title = &panel["title"];
            assert!(ids.insert(panel["id"].as_u64()), "{name}: {title}: the id is another's");
            let place = |field: &str| panel["gridPos"][field].as_u64().expect("a number");
            let (left, top) = (place("x"), place("y"));
            assert!(left + place("w") <= 24, "{name}: {title}: Grafana has 24 columns");
            for column in left..left + place("w") {
                for row in top..top + place("h") {
                    assert!(taken.insert((column, row)), "{name}: {title}: lies on another");
                }
            }
            let explained = panel["description"].as_str().is_some_and(|text| text.ends_with('.'));
            assert!(panel["type"] == "row" || explained, "{name}: {title}: has no description");
        }
    }
}
