//! A real control plane without nodes: etcd and kube-apiserver on free ports of loopback.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{Mutex, OnceCell};

use super::process::Process;
use super::scratch::Scratch;
use super::{assets, eventually, keys};

/// A start takes about four seconds; a machine that compiles beside it needs several times that.
const START: Duration = Duration::from_secs(90);

/// Another program may take a port between the moment it was found free and its use.
const TRIES: usize = 3;

/// The administrator's token. It opens nothing but a server on loopback that lives for one run.
const ADMIN: &str = "admin-of-a-test-cluster";

/// Every request about Secrets is written down, with its sender, and nothing else is: that is what
/// shows which Secrets a gateway has read.
const AUDIT_POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, resources: [{group: "", resources: [secrets]}]}
- {level: None}
"#;

/// A running API server and what lies behind it.
pub(crate) struct Cluster {
    assets: PathBuf,
    ports: Ports,
    // Dropped in this order: the servers are gone before their folder is.
    api_server: Mutex<Option<Process>>,
    _etcd: Process,
    scratch: Scratch,
}

#[derive(Clone, Copy)]
struct Ports {
    etcd: u16,
    peer: u16,
    api: u16,
}

impl Cluster {
    /// The cluster that all tests share, started by the first of them and stopped with the process.
    /// A test keeps to namespaces and a gateway name of its own ([`super::Tenant`]).
    ///
    /// `None`: there are no binaries to start, and a person has been told so.
    pub(crate) async fn shared() -> Option<&'static Self> {
        static SHARED: OnceCell<Option<Cluster>> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await.as_ref()
    }

    /// A cluster for one test, which may stop it.
    pub(crate) async fn start() -> Option<Self> {
        let cluster = Self::start_without_definitions().await?;
        super::crds::install(&cluster.client().await).await;
        Some(cluster)
    }

    /// The same before anybody has installed anything.
    pub(crate) async fn start_without_definitions() -> Option<Self> {
        let assets = assets::folder()?;
        let mut problems = String::new();
        for _ in 0..TRIES {
            match Self::try_start(&assets).await {
                Ok(cluster) => return Some(cluster),
                Err(problem) => writeln!(problems, "{problem}").expect("a string takes all"),
            }
        }
        panic!("the test cluster did not start:\n{problems}");
    }

    async fn try_start(assets: &Path) -> Result<Self, String> {
        let scratch = Scratch::new().expect("a temporary folder can be made");
        let ports = Ports::free().expect("loopback has free ports");
        let cluster = Self {
            api_server: Mutex::default(),
            _etcd: etcd(assets, scratch.path(), ports).expect("etcd can be executed"),
            assets: assets.to_owned(),
            ports,
            scratch,
        };
        cluster.write_files().expect("the temporary folder can be written");
        cluster.start_api_server().await?;
        Ok(cluster)
    }

    fn write_files(&self) -> io::Result<()> {
        let write = |name: &str, text: &str| std::fs::write(self.path(name), text);
        let (private, public) = keys::signing();
        write("service-account.key", &private)?;
        write("service-account.pub", &public)?;
        write("tokens.csv", &format!("{ADMIN},admin,admin,system:masters\n"))?;
        write("admin.kubeconfig", &self.admin_kubeconfig().to_string())?;
        write("audit.yaml", AUDIT_POLICY)
    }

    /// A file of this cluster.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Starts the API server, on the same port and data as before, and waits until it is ready.
    pub(crate) async fn start_api_server(&self) -> Result<(), String> {
        let mut process =
            self.spawn_api_server().map_err(|error| format!("kube-apiserver: {error}"))?;
        let deadline = Instant::now() + START;
        while !self.is_ready().await {
            if let Some(status) = process.exited() {
                return Err(format!("kube-apiserver ended with {status}\n{}", process.tail()));
            }
            if Instant::now() > deadline {
                return Err(format!("not ready within {START:?}\n{}", process.tail()));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        *self.api_server.lock().await = Some(process);
        Ok(())
    }

    /// Takes the API server away at once, as a crash does. Its data stays.
    pub(crate) async fn stop_api_server(&self) {
        *self.api_server.lock().await = None;
    }

    fn spawn_api_server(&self) -> io::Result<Process> {
        let file = |name: &str| self.path(name).display().to_string();
        let arguments = [
            format!("--etcd-servers=http://127.0.0.1:{}", self.ports.etcd),
            format!("--secure-port={}", self.ports.api),
            "--bind-address=127.0.0.1".into(),
            "--advertise-address=127.0.0.1".into(),
            format!("--cert-dir={}", file("certs")),
            format!("--service-account-key-file={}", file("service-account.pub")),
            format!("--service-account-signing-key-file={}", file("service-account.key")),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            format!("--token-auth-file={}", file("tokens.csv")),
            "--authorization-mode=RBAC".into(),
            "--service-cluster-ip-range=10.96.0.0/24".into(),
            "--endpoint-reconciler-type=none".into(),
            format!("--audit-policy-file={}", file("audit.yaml")),
            format!("--audit-log-path={}", file("audit.log")),
        ];
        let program = self.assets.join("kube-apiserver");
        Process::spawn(&program, arguments, &[], &self.path("kube-apiserver.log"))
    }

    async fn is_ready(&self) -> bool {
        // The certificate is made during the first start.
        if !self.path("certs/apiserver.crt").exists() {
            return false;
        }
        let ready = http::Request::get("/readyz").body(Vec::new()).expect("a constant request");
        self.client().await.request_text(ready).await.is_ok()
    }

    /// A client that may do everything. It belongs to the runtime it was made in.
    pub(crate) async fn client(&self) -> Client {
        self.client_with(ADMIN).await
    }

    /// A client that presents `token`.
    pub(crate) async fn client_with(&self, token: &str) -> Client {
        let kubeconfig: Kubeconfig = serde_json::from_value(self.kubeconfig_with(token))
            .expect("what is written here can be read");
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let config = config.expect("the kubeconfig names a cluster and a user");
        Client::try_from(config).expect("the kubeconfig makes a client")
    }

    /// A kubeconfig for the administrator.
    pub(crate) fn admin_kubeconfig(&self) -> Value {
        self.kubeconfig_with(ADMIN)
    }

    /// A kubeconfig for the bearer of `token`.
    pub(crate) fn kubeconfig_with(&self, token: &str) -> Value {
        let server = format!("https://127.0.0.1:{}", self.ports.api);
        let authority = self.path("certs/apiserver.crt");
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{
                "name": "test",
                "cluster": {"server": server, "certificate-authority": authority},
            }],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        })
    }

    /// Runs kubectl as the administrator, with `input` for `-f -`.
    pub(crate) async fn kubectl<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        input: &str,
    ) -> Output {
        let mut kubectl = tokio::process::Command::new(self.assets.join("kubectl"))
            .arg("--kubeconfig")
            .arg(self.path("admin.kubeconfig"))
            .arg("--cache-dir")
            .arg(self.path("kubectl-cache"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("kubectl can be executed");
        let mut stdin = kubectl.stdin.take().expect("it was asked for");
        // A command that reads no input may have closed it by now.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        kubectl.wait_with_output().await.expect("kubectl can be waited for")
    }

    /// What kubectl prints; it must succeed.
    pub(crate) async fn kubectl_ok(&self, arguments: &[&str], input: &str) -> String {
        let output = self.kubectl(arguments, input).await;
        assert!(output.status.success(), "kubectl {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("kubectl prints UTF-8")
    }

    /// All requests about Secrets so far, as audit events.
    ///
    /// The log is written in order and beside the answers, so one request of our own, once it is
    /// seen there, shows that all before it have been written.
    pub(crate) async fn secret_requests(&self, client: &Client) -> Vec<Value> {
        let marker = format!("audit-marker-{}", fastrand::u64(..));
        let path = format!("/api/v1/namespaces/default/secrets/{marker}");
        let request = http::Request::get(path).body(Vec::new()).expect("a valid path");
        let _ = client.request_text(request).await;
        let log = self.path("audit.log");
        let read = || std::fs::read_to_string(&log).unwrap_or_default();
        eventually("the audit log up to now", async || read().contains(&marker)).await;
        let events = read();
        // The last line may still be under way.
        events.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

impl Ports {
    /// Three that are free now. They are held together so that no two are the same.
    fn free() -> io::Result<Self> {
        let held = [0; 3].map(|any| TcpListener::bind(("127.0.0.1", any)));
        let [etcd, peer, api] = held.map(|held| Ok::<_, io::Error>(held?.local_addr()?.port()));
        Ok(Self { etcd: etcd?, peer: peer?, api: api? })
    }
}

fn etcd(assets: &Path, folder: &Path, ports: Ports) -> io::Result<Process> {
    let client = format!("http://127.0.0.1:{}", ports.etcd);
    let peer = format!("http://127.0.0.1:{}", ports.peer);
    let arguments = [
        format!("--data-dir={}", folder.join("etcd").display()),
        // The data lives as long as the process: nothing is lost by leaving it to the page cache.
        "--unsafe-no-fsync".into(),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
    ];
    Process::spawn(&assets.join("etcd"), arguments, &[], &folder.join("etcd.log"))
}
