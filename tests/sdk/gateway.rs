//! The real binary, serving manifests that lead to a simulated provider.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::target::Api;

/// What the gateway sends, and the provider wants.
pub(crate) const PROVIDER_KEY: &str = "sk-provider-0123456789abcdef";

/// A running gateway; dropping it ends it.
pub(crate) struct Gateway {
    url: String,
    _process: Child,
    _manifests: TempDir,
}

impl Gateway {
    /// Serves a route for every case, each with simulated targets that speak `target`, and lets `key`
    /// ask for all but `forbidden`.
    pub(crate) async fn start(simulator: &str, target: Api, key: &str) -> Self {
        Self::of(&for_cases(simulator, target, key)).await
    }

    /// Serves every model by a simulated target that speaks `target`, those that embed by one that
    /// does, and lets `key` ask for all.
    pub(crate) async fn for_any_model(simulator: &str, target: Api, key: &str) -> Self {
        let mut any = route(simulator, target, &[target.model().to_owned()]);
        any["models"] = json!(["*"]);
        let mut embed = route(simulator, target, &[target.embedding_model().to_owned()]);
        embed["models"] = json!(["text-embedding-*"]);
        let routes = [("any".to_owned(), any), ("embed".to_owned(), embed)];
        Self::of(&manifests(key, &["*".to_owned()], &routes)).await
    }

    async fn of(text: &str) -> Self {
        let manifests = tempfile::tempdir().expect("a folder for the manifests");
        fs::write(manifests.path().join("all.yaml"), text).expect("a file in a new folder");
        let (process, url) = serve(manifests.path()).await;
        Self { url, _process: process, _manifests: manifests }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// The model that a script asks for when it wants to see `case`; no vendor's name, which nothing may
/// depend on.
pub(crate) fn model(case: &str) -> String {
    format!("any-{case}")
}

fn for_cases(simulator: &str, target: Api, key: &str) -> String {
    let healthy = target.model();
    let faulty = |fault: &str| format!("{healthy};{fault}");
    let routes = [
        ("chat", vec![healthy.to_owned()]),
        ("forbidden", vec![healthy.to_owned()]),
        ("throttled", vec![faulty("status=429;retry-after=2")]),
        ("broken", vec![faulty("status=500")]),
        ("refused", vec![faulty("status=400")]),
        ("error-midway", vec![faulty("error=4")]),
        ("cut", vec![faulty("cut=4")]),
        ("failover", vec![faulty("status=503"), healthy.to_owned()]),
        ("embed", vec![target.embedding_model().to_owned()]),
    ];
    let allowed: Vec<String> = routes
        .iter()
        .map(|(case, _)| *case)
        .chain(["missing"])
        .filter(|case| *case != "forbidden")
        .map(model)
        .collect();
    let routes: Vec<_> = routes
        .iter()
        .map(|(case, models)| (model(case), route(simulator, target, models)))
        .collect();
    manifests(key, &allowed, &routes)
}

/// As the text of a YAML file: JSON is YAML too.
fn manifests(key: &str, allowed: &[String], routes: &[(String, Value)]) -> String {
    let from_secret = |key| json!({ "secretKeyRef": { "name": "keys", "key": key } });
    let mut objects = vec![
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "keys" },
            "stringData": { "provider": PROVIDER_KEY, "caller": key },
        }),
        object(
            "CredentialStore",
            "simulator",
            &json!({
                "type": "APIKey",
                "apiKey": { "keys": [{ "name": "only", "valueFrom": from_secret("provider") }] },
            }),
        ),
        object(
            "Consumer",
            "scripts",
            &json!({
                "apiKeys": [{ "name": "only", "valueFrom": from_secret("caller") }],
                "allowedModels": allowed,
            }),
        ),
    ];
    for (name, route) in routes {
        objects.push(object("ModelRoute", name, route));
    }
    let documents: Vec<String> = objects.iter().map(Value::to_string).collect();
    documents.join("\n---\n")
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "pilothouse.dev/v1alpha1", "kind": kind,
        "metadata": { "name": name }, "spec": spec,
    })
}

/// Targets `first`, `second`, ... in order of priority.
fn route(simulator: &str, target: Api, models: &[String]) -> Value {
    let (provider, base_url) = (target.provider(), target.base_url(simulator));
    let targets: Vec<Value> = models
        .iter()
        .zip(["first", "second"])
        .enumerate()
        .map(|(priority, (model, name))| {
            json!({
                "name": name, "provider": provider, "baseURL": base_url, "model": model,
                "credentialRef": { "name": "simulator" }, "priority": priority,
            })
        })
        .collect();
    // The scripts ask failing models again and again, and want the same answer each time.
    let never = json!({ "failureThreshold": 1000, "minRequests": 100_000 });
    json!({ "targets": targets, "circuitBreaker": never })
}

/// Starts the binary and waits until it serves what the folder holds.
async fn serve(manifests: &Path) -> (Child, String) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_pilothouse"))
        .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .args(["--log-format", "json", "--log-level", "info", "--no-access-log", "--manifests"])
        .arg(manifests)
        // Settings of the person who runs the tests are not the gateway's.
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the binary starts");
    let mut log = BufReader::new(process.stderr.take().expect("piped above")).lines();
    let (mut address, mut published) = (None, false);
    let mut said = String::new();
    while address.is_none() || !published {
        let Some(line) = log.next_line().await.expect("UTF-8") else {
            panic!("the gateway ended before it served:\n{said}");
        };
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        match event["message"].as_str() {
            Some("serving") => address = event["listen"].as_str().map(str::to_owned),
            Some("published a table") => published = true,
            _ => {}
        }
        said.push_str(&line);
        said.push('\n');
    }
    // Read on, or the process would stop when the pipe is full.
    tokio::spawn(async move {
        while let Ok(Some(line)) = log.next_line().await {
            println!("{line}");
        }
    });
    (process, format!("http://{}", address.expect("found above")))
}
