//! What is measured, and how it is started: the gateway, the bare proxy, or nothing in between.

use std::fs;
use std::io::{Error, Result};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::load::{Connection, request::CLIENT_KEY};
use crate::process::Role;

/// The proxy's core. The upstream and the load have the other one.
pub(crate) const PROXY_CORE: usize = 0;
/// The core of everything that is not measured.
pub(crate) const LOAD_CORE: usize = 1;

/// A start that takes longer has failed: reading three manifests is a matter of milliseconds.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// What stands between the load and the upstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Subject {
    /// Nothing: what latency the machine itself has.
    Direct,
    /// The bare proxy.
    Baseline,
    /// The gateway, or in a self-check a second bare proxy.
    Gateway,
}

/// A started subject; stopped when dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) pid: u32,
    _role: Option<Role>,
    _folder: Option<TempDir>,
}

impl Running {
    /// The upstream itself.
    pub(crate) fn direct(upstream: &Role) -> Self {
        Self { address: upstream.addresses[0], pid: upstream.pid(), _role: None, _folder: None }
    }

    /// A bare proxy on the proxy's core.
    pub(crate) fn baseline(upstream: SocketAddr) -> Result<Self> {
        let role = Role::start(Some(PROXY_CORE), &["baseline".into(), upstream.to_string()])?;
        Ok(Self { address: role.addresses[0], pid: role.pid(), _role: Some(role), _folder: None })
    }

    /// The gateway on the proxy's core, ready, with everything on that a production
    /// installation has on: see [`manifests`]. Its access log goes to a file.
    pub(crate) async fn gateway(program: &Path, upstream: SocketAddr) -> Result<Self> {
        let folder = TempDir::new()?;
        let directory = folder.path().join("manifests");
        fs::create_dir(&directory)?;
        fs::write(directory.join("bench.yaml"), manifests(upstream))?;
        let (address, admin) = (free_address()?, free_address()?);
        let arguments = [
            "serve".to_owned(),
            format!("--manifests={}", directory.display()),
            format!("--listen={address}"),
            format!("--admin-listen={admin}"),
        ];
        let log = fs::File::create(folder.path().join("access.log"))?;
        let role = Role::start_program(PROXY_CORE, program, &arguments, log)?;
        ready(admin).await?;
        Ok(Self { address, pid: role.pid(), _role: Some(role), _folder: Some(folder) })
    }
}

/// One route with two targets of one tier, each with a credential, and one consumer. Breaker,
/// metrics, usage accounting and the access log are on by default.
fn manifests(upstream: SocketAddr) -> String {
    format!(
        r#"
apiVersion: v1
kind: Secret
metadata: {{name: bench, namespace: bench}}
stringData: {{client: {CLIENT_KEY}, upstream: sk-upstream-0123456789abcdef}}
---
apiVersion: pilothouse.dev/v1alpha1
kind: Consumer
metadata: {{name: bench, namespace: bench}}
spec:
  apiKeys:
  - {{name: default, valueFrom: {{secretKeyRef: {{name: bench, key: client}}}}}}
  allowedModels: ["*"]
---
apiVersion: pilothouse.dev/v1alpha1
kind: CredentialStore
metadata: {{name: bench, namespace: bench}}
spec:
  type: APIKey
  apiKey:
    keys:
    - {{name: default, valueFrom: {{secretKeyRef: {{name: bench, key: upstream}}}}}}
---
apiVersion: pilothouse.dev/v1alpha1
kind: ModelRoute
metadata: {{name: bench, namespace: bench}}
spec:
  targets:
  - name: first
    provider: openai-compatible
    model: upstream-model
    credentialRef: {{name: bench}}
    baseURL: http://{upstream}/first/v1
  - name: second
    provider: openai-compatible
    model: upstream-model
    credentialRef: {{name: bench}}
    baseURL: http://{upstream}/second/v1
"#
    )
}

/// A port that was free a moment ago. The gateway cannot be told to choose one and say which.
fn free_address() -> Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

async fn ready(admin: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        let asked = Connection::new(admin)
            .exchange(b"GET /readyz HTTP/1.1\r\nhost: admin\r\n\r\n", |_| ())
            .await;
        match asked {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > deadline => {
                return Err(Error::other(format!("the gateway is not ready: {error}")));
            }
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}
