//! Requests as clients send them, head and body: everything up to the choice of a target.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use parking_lot::Mutex;
use pilothouse::api;
use pilothouse::balance::registry;
use pilothouse::compile::{LastGood, Tenancy, compile};
use pilothouse::manifest::schema::Checker;
use pilothouse::manifest::{Admission, Loader};
use pilothouse::proxy::{BodyLimits, Gateway, handle};
use pilothouse::state::StateStore;
use pilothouse::table::{RouteTable, TableCell};
use pilothouse::telemetry::{AccessLog, Metrics};
use pilothouse::upstream::{AddressPolicy, Client, Connector, PoolLimits};
use rustls::RootCertStore;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use super::shown;

/// A route for every model whose targets have no credential: nothing is sent anywhere.
const ROUTES: &str = r#"
apiVersion: pilothouse.dev/v1alpha1
kind: ModelRoute
metadata: {name: every-model, namespace: ns}
spec:
  models: ["*"]
  targetSelection: Allowed
  targets:
  - {name: one, provider: openai, credentialRef: {name: missing}}
  - {name: two, provider: bedrock, credentialRef: {name: missing}, baseURL: "https://bedrock-runtime.eu-west-1.amazonaws.com"}
---
apiVersion: pilothouse.dev/v1alpha1
kind: Consumer
metadata: {name: known, namespace: ns}
spec:
  allowedModels: ["*"]
  apiKeys: [{name: main, valueFrom: {secretKeyRef: {name: known, key: token}}}]
---
apiVersion: v1
kind: Secret
metadata: {name: known, namespace: ns}
stringData: {token: a-long-random-key-of-a-consumer}
"#;

struct Rig {
    runtime: Runtime,
    gateway: Arc<Gateway>,
}

static RIG: LazyLock<Mutex<Rig>> = LazyLock::new(|| {
    // Another test of this process may have done it before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let entered = runtime.enter();
    let cell = Arc::new(TableCell::new());
    cell.publish(table());
    let connector = Connector::with_roots(AddressPolicy::Any, RootCertStore::empty());
    let gateway = Arc::new(Gateway::new(
        cell,
        Client::new(connector, PoolLimits::default()),
        Arc::new(Metrics::new().expect("metrics")),
        Arc::new(AccessLog::off()),
        BodyLimits { max_body: 1 << 20, max_buffered: 64 << 20 },
        CancellationToken::new(),
    ));
    drop(entered);
    Mutex::new(Rig { runtime, gateway })
});

fn table() -> RouteTable {
    let strategies: Vec<&str> = registry::names().collect();
    let checker = Checker::new(&api::crds(&strategies)).expect("our own schemas are understood");
    let mut loader = Loader::default();
    loader.add("routes.yaml", ROUTES);
    let admitted = Admission::new(checker).admit(loader.finish());
    assert_eq!(admitted.manifests.len(), 3, "{:?}", admitted.findings);
    let tenancy = Tenancy {
        gateway_name: api::DEFAULT_GATEWAY.into(),
        operator_owned: true,
        shared_namespaces: Vec::new(),
        anonymous: true,
        anonymous_namespace: None,
        ambient_namespace: None,
        private_upstreams: Vec::new(),
    };
    let state = StateStore::new();
    let mut table = compile(&admitted.snapshot, &tenancy, &LastGood::default(), &state).table;
    // One that was never published answers nobody.
    table.generation = 1;
    table
}

/// Sends a request written as `METHOD TARGET`, lines of headers, an empty line and a body.
pub fn run(input: &[u8]) {
    let Some(request) = read(input) else { return };
    let rig = RIG.lock();
    let (status, body) = rig.runtime.block_on(async {
        let response = handle(Arc::clone(&rig.gateway), request).await;
        let status = response.status();
        (status, response.into_body().collect().await.expect("a whole answer").to_bytes())
    });
    // No target can be asked: whatever is answered is our own.
    assert!(body.is_empty() || body.starts_with(b"{"), "{status}: {}", shown(&body));
    assert_ne!(status, http::StatusCode::INTERNAL_SERVER_ERROR, "{}", shown(&body));
}

fn read(input: &[u8]) -> Option<Request<Full<Bytes>>> {
    let mut lines = input.splitn(64, |byte| *byte == b'\n');
    let (method, target) = std::str::from_utf8(lines.next()?).ok()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target);
    let mut read = input.iter().position(|byte| *byte == b'\n')? + 1;
    for line in lines {
        read += line.len() + 1;
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { break };
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        request = request.header(name, value);
    }
    let body = input.get(read..).unwrap_or_default();
    request.body(Full::new(Bytes::copy_from_slice(body))).ok()
}
