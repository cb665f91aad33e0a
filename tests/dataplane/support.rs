//! A gateway in this process, the simulated providers behind it, and a client in front of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use parking_lot::Mutex;
use pilothouse::compile::{LastGood, Snapshot, Tenancy, compile};
use pilothouse::control::Report;
use pilothouse::manifest::{Admission, Loader, Severity, schema::Checker};
use pilothouse::proxy::server::{self, Drain};
use pilothouse::proxy::tls::CertificateFiles;
use pilothouse::proxy::{BodyLimits, Gateway};
use pilothouse::state::{StateStore, TargetState};
use pilothouse::table::{BaseUrl, TableCell};
use pilothouse::telemetry::{AccessLog, Metrics};
use pilothouse::upstream::{AddressPolicy, Client, Connector, PoolLimits};
use pilothouse::{balance, health, load};
use rustls::RootCertStore;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::answer::{Answer, Open};
use crate::inside;
use crate::routes::{Api, chat_body};

/// The key of the Consumer that every rig has, in namespace `ns`; it may use every model.
pub const KEY: &str = "key-of-the-test-consumer";
/// The keys that stand in the Secret `provider-keys` under `first` and `second`.
pub const FIRST_KEY: &str = "first-provider-key-0001";
pub const SECOND_KEY: &str = "second-provider-key-0002";

/// What every rig has beside its routes: a Consumer, and the CredentialStores `one` (a single key)
/// and `pool` (two keys in order).
const BASE: &str = r#"
apiVersion: pilothouse.dev/v1alpha1
kind: Consumer
metadata: {name: tester, namespace: ns}
spec:
  allowedModels: ["*"]
  apiKeys: [{name: default, valueFrom: {secretKeyRef: {name: tester, key: token}}}]
---
apiVersion: v1
kind: Secret
metadata: {name: tester, namespace: ns}
stringData: {token: key-of-the-test-consumer}
---
apiVersion: v1
kind: Secret
metadata: {name: provider-keys, namespace: ns}
stringData: {first: first-provider-key-0001, second: second-provider-key-0002}
---
apiVersion: pilothouse.dev/v1alpha1
kind: CredentialStore
metadata: {name: one, namespace: ns}
spec:
  type: APIKey
  apiKey:
    keys: [{name: first, valueFrom: {secretKeyRef: {name: provider-keys, key: first}}}]
---
apiVersion: pilothouse.dev/v1alpha1
kind: CredentialStore
metadata: {name: pool, namespace: ns}
spec:
  type: APIKey
  apiKey:
    keys:
    - {name: first, priority: 0, valueFrom: {secretKeyRef: {name: provider-keys, key: first}}}
    - {name: second, priority: 1, valueFrom: {secretKeyRef: {name: provider-keys, key: second}}}
"#;

/// How a rig differs from the usual one.
#[derive(Debug, Clone)]
pub struct Options {
    pub max_body: usize,
    pub max_buffered: usize,
    pub max_connections: usize,
    pub drain_timeout: Duration,
    pub anonymous: bool,
    /// Whether resources come from tenants of a cluster, who may reach loopback all the same.
    pub in_cluster: bool,
    /// How the gateway connects to its upstreams.
    pub connector: Connector,
    /// Whether it fetches what clients name by URL, and how it connects for that.
    pub fetches: bool,
    pub fetcher: Connector,
    /// The gateway's own certificate.
    pub tls: Option<CertificateFiles>,
    /// The file with the admin token, if it takes one.
    pub admin_token: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_body: 1 << 20,
            max_buffered: 64 << 20,
            max_connections: 1024,
            drain_timeout: Duration::from_secs(5),
            anonymous: false,
            in_cluster: false,
            connector: connector(AddressPolicy::Any),
            fetches: false,
            fetcher: connector(AddressPolicy::Any),
            tls: None,
            admin_token: None,
        }
    }
}

/// A gateway with its memory and its one cell.
pub struct Rig {
    pub address: SocketAddr,
    /// Where health, metrics and the admin API are.
    pub admin: SocketAddr,
    pub cell: Arc<TableCell>,
    pub state: Arc<StateStore>,
    pub metrics: Arc<Metrics>,
    pub stop_accepting: CancellationToken,
    pub serving: tokio::task::JoinHandle<()>,
    tenancy: Tenancy,
    publishing: Mutex<(Admission, LastGood, u64)>,
    client: Client,
    report: tokio::sync::watch::Sender<Arc<Report>>,
    /// The lines of the access log so far.
    pub log: SharedLog,
    access_log: Arc<AccessLog>,
}

/// Where the access log goes.
#[derive(Clone, Default)]
pub struct SharedLog(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for SharedLog {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Rig {
    /// A gateway that serves `routes` (YAML documents) in namespace `ns`.
    pub async fn start(routes: &str) -> Self {
        Self::start_with(routes, Options::default()).await
    }

    #[allow(clippy::unused_async, reason = "it has to be called on a runtime")]
    pub async fn start_with(routes: &str, options: Options) -> Self {
        let cell = Arc::new(TableCell::new());
        let metrics = Arc::new(Metrics::new().unwrap());
        let log = SharedLog::default();
        let access_log =
            Arc::new(AccessLog::start(pilothouse::telemetry::log::LogFormat::Json, log.clone()));
        let (stop_accepting, cut) = (CancellationToken::new(), CancellationToken::new());
        let fetcher = Client::new(options.fetcher, PoolLimits::OCCASIONAL);
        let client = Client::new(options.connector, PoolLimits::default());
        tokio::spawn(health::run(Arc::clone(&cell), client.clone(), stop_accepting.clone()));
        tokio::spawn(load::run(Arc::clone(&cell), client.clone(), stop_accepting.clone()));
        let mut gateway = Gateway::new(
            Arc::clone(&cell),
            client,
            Arc::clone(&metrics),
            Arc::clone(&access_log),
            BodyLimits { max_body: options.max_body, max_buffered: options.max_buffered },
            cut.clone(),
        );
        if options.fetches {
            gateway = gateway.fetching(fetcher);
        }
        let gateway = Arc::new(gateway);
        let listener = server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let drain = Drain {
            draining: stop_accepting.clone(),
            stop_accepting: stop_accepting.clone(),
            timeout: options.drain_timeout,
            cut,
        };
        let tls = options.tls.map(|files| files.acceptor(stop_accepting.clone()).unwrap());
        let serving =
            tokio::spawn(server::serve(gateway, listener, tls, options.max_connections, drain));
        let token = options.admin_token.as_deref();
        let (admin, report) = inside::open(&cell, &metrics, &access_log, token, &stop_accepting);
        let strategies: Vec<&str> = balance::registry::names().collect();
        let checker = Checker::new(&pilothouse::api::crds(&strategies)).unwrap();
        let tenancy = Tenancy {
            gateway_name: "default".into(),
            operator_owned: !options.in_cluster,
            shared_namespaces: Vec::new(),
            anonymous: options.anonymous,
            anonymous_namespace: None,
            ambient_namespace: None,
            private_upstreams: vec!["127.0.0.0/8".parse().unwrap()],
        };
        let rig = Self {
            address,
            admin,
            cell,
            state: Arc::new(StateStore::new()),
            metrics,
            stop_accepting,
            serving,
            tenancy,
            publishing: Mutex::new((Admission::new(checker), LastGood::default(), 0)),
            client: Client::new(connector(AddressPolicy::Any), PoolLimits::default()),
            report,
            log,
            access_log,
        };
        rig.publish(routes);
        rig
    }

    /// Compiles and publishes other routes.
    pub fn publish(&self, routes: &str) {
        self.publish_snapshot(&self.admit(routes));
    }

    /// The same, with an edit that no API server of this version would let through.
    pub fn publish_edited(&self, routes: &str, edit: impl FnOnce(&mut Snapshot)) {
        let mut snapshot = self.admit(routes);
        edit(&mut snapshot);
        self.publish_snapshot(&snapshot);
    }

    /// Reads and checks routes as they are read from files.
    pub fn admit(&self, routes: &str) -> Snapshot {
        let mut loader = Loader::default();
        loader.add("base.yaml", BASE);
        loader.add("routes.yaml", routes);
        let admitted = self.publishing.lock().0.admit(loader.finish());
        let wrong: Vec<String> = admitted
            .findings
            .iter()
            .filter(|found| found.severity == Severity::Error)
            .map(ToString::to_string)
            .collect();
        assert!(wrong.is_empty(), "the test's own manifests: {wrong:#?}");
        admitted.snapshot
    }

    /// Compiles and publishes what was read before.
    pub fn publish_snapshot(&self, snapshot: &Snapshot) {
        let mut publishing = self.publishing.lock();
        let (_, last_good, generation) = &mut *publishing;
        let compiled = compile(snapshot, &self.tenancy, last_good, &self.state);
        *last_good = compiled.last_good;
        self.report.send_modify(|report| {
            Arc::make_mut(report).objects = compiled.reports.into();
        });
        *generation += 1;
        let mut table = compiled.table;
        table.generation = *generation;
        self.cell.publish(table);
    }

    /// Sends a request with the test Consumer's key.
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, path, &[("x-api-key", KEY)], body).await
    }

    /// A chat completion of `model` that says hello.
    pub async fn chat(&self, model: &str) -> Answer {
        self.post("/v1/chat/completions", chat_body(model, false)).await
    }

    /// The same, streamed and read to its end.
    pub async fn chat_stream(&self, model: &str) -> Answer {
        self.post("/v1/chat/completions", chat_body(model, true)).await
    }

    /// Says hello by that API and reads the whole answer.
    pub async fn ask(&self, api: Api, model: &str, stream: bool) -> Answer {
        self.post(api.path(), api.body(model, stream)).await
    }

    /// Opens a streamed chat.
    pub async fn open_chat(&self, model: &str) -> Open {
        let headers = [("x-api-key", KEY)];
        self.open(Method::POST, Api::Chat.path(), &headers, chat_body(model, true)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[("x-api-key", KEY)], "").await
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.open(method, path, headers, body).await.finish().await
    }

    /// Sends a request and returns with the head of its answer.
    pub async fn open(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Open {
        self.open_at(self.address, method, path, headers, body).await
    }

    /// The same, at another of the gateway's addresses.
    pub async fn open_at(
        &self,
        address: SocketAddr,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Open {
        let mut request = Request::new(body.into());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse::<Uri>().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let base: BaseUrl = format!("http://{address}").parse().unwrap();
        let response = self.client.send(&base, request, Duration::from_secs(5)).await.unwrap();
        let (head, body) = response.into_parts();
        Open { status: head.status, headers: head.headers, body }
    }

    /// Requests that have not been settled yet.
    pub fn in_flight(&self) -> i64 {
        self.metrics.in_flight.get()
    }

    /// What is remembered of the target that asks for this upstream model.
    pub fn target(&self, model: &str) -> Arc<TargetState> {
        let found = self.state.targets().into_iter().find(|t| *t.identity().model == *model);
        found.unwrap_or_else(|| panic!("no target asks for `{model}`"))
    }

    /// The metrics as they are scraped.
    pub fn scrape(&self) -> String {
        String::from_utf8(self.metrics.render()).unwrap()
    }

    /// Waits until no request and no try is running any more.
    pub async fn settled(&self) {
        self.wait_for("nothing in flight", || {
            self.in_flight() == 0
                && self.state.targets().iter().all(|target| target.in_flight.count() == 0)
        })
        .await;
    }

    /// Waits for a state that nothing announces, for at most 20 s.
    pub async fn wait_for(&self, what: &str, met: impl Fn() -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while !met() {
            assert!(tokio::time::Instant::now() < deadline, "in vain: {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The access log's lines once there are `count` of them.
    pub async fn log_lines(&self, count: usize) -> Vec<Value> {
        let lines = || {
            String::from_utf8(self.log.0.lock().clone())
                .unwrap()
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect::<Vec<Value>>()
        };
        self.wait_for("lines in the access log", || lines().len() >= count).await;
        lines()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop_accepting.cancel();
        self.serving.abort();
        self.access_log.close();
    }
}

/// A connector that knows no certificate authority.
pub fn connector(addresses: AddressPolicy) -> Connector {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Connector::with_roots(addresses, RootCertStore::empty())
}
