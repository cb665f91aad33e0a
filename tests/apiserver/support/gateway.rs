//! The real gateway, as a process of its own.

use std::net::SocketAddr;
use std::path::Path;

use http::{Method, StatusCode};
use serde_json::Value;

use super::caller::{Answer, Question, ask, chat};
use super::middlebox::Middlebox;
use super::process::Process;
use super::{Tenant, eventually, eventually_some};

/// How one is started.
#[derive(Default)]
pub(crate) struct Options {
    /// The bearer token it shows to the API server; the administrator's by default.
    pub(crate) token: Option<String>,
    /// What follows the usual flags.
    pub(crate) flags: Vec<String>,
    /// Whether it reaches public addresses and pods alone, as one does whose operator has allowed no
    /// range: then not the simulated providers on loopback.
    pub(crate) no_loopback: bool,
}

/// A running gateway that watches one tenant's objects. It ends when it is dropped.
pub(crate) struct Gateway {
    pub(crate) process: Process,
    /// Its name among the replicas of one installation.
    pub(crate) replica: String,
    address: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Gateway {
    /// Starts one and waits until it is ready.
    pub(crate) async fn start(tenant: &Tenant<'_>) -> Self {
        Self::start_with(tenant, Options::default()).await
    }

    /// The same with other options.
    pub(crate) async fn start_with(tenant: &Tenant<'_>, options: Options) -> Self {
        let gateway = Self::spawn(tenant, options).await;
        eventually("a ready gateway", async || gateway.is_ready().await).await;
        gateway
    }

    /// Starts one and waits only until its ports are open.
    pub(crate) async fn spawn(tenant: &Tenant<'_>, options: Options) -> Self {
        let kubeconfig = match &options.token {
            Some(token) => tenant.cluster.kubeconfig_with(token),
            None => tenant.cluster.admin_kubeconfig(),
        };
        Self::spawn_with(tenant, &kubeconfig, options).await
    }

    /// The same where something stands between it and the API server.
    pub(crate) async fn spawn_behind(tenant: &Tenant<'_>, middlebox: &Middlebox) -> Self {
        let kubeconfig = middlebox.kubeconfig(tenant.cluster);
        Self::spawn_with(tenant, &kubeconfig, Options::default()).await
    }

    async fn spawn_with(tenant: &Tenant<'_>, kubeconfig: &Value, options: Options) -> Self {
        let cluster = tenant.cluster;
        let replica = format!("{}-{:04x}", tenant.name, fastrand::u16(..));
        let kubeconfig_file = cluster.path(&format!("{replica}.kubeconfig"));
        std::fs::write(&kubeconfig_file, kubeconfig.to_string()).expect("a file can be written");

        let mut flags: Vec<String> =
            ["serve", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--drain-delay=0s"]
                .map(str::to_owned)
                .into();
        if !options.no_loopback {
            // The simulated providers are on loopback.
            flags.push("--allow-upstream-cidr=127.0.0.0/8".to_owned());
        }
        flags.push(format!("--gateway-name={}", tenant.name));
        flags.push(format!("--namespace={}", tenant.namespace));
        flags.extend(options.flags);
        let environment =
            [("KUBECONFIG", kubeconfig_file.display().to_string()), ("HOSTNAME", replica.clone())];
        let program = Path::new(env!("CARGO_BIN_EXE_pilothouse"));
        let log = cluster.path(&format!("{replica}.log"));
        let mut process = Process::spawn(program, flags, &environment, &log)
            .expect("the gateway can be executed");

        let (address, admin) = eventually_some("the gateway's ports", async || {
            assert!(process.exited().is_none(), "the gateway ended\n{}", process.tail());
            ports(&process.output())
        })
        .await;
        Self { process, replica, address, admin }
    }

    /// Whether it says that it is ready.
    pub(crate) async fn is_ready(&self) -> bool {
        self.admin("/readyz").await.status == StatusCode::OK
    }

    /// What the admin port says.
    pub(crate) async fn admin(&self, path: &str) -> Answer {
        let answer = ask(self.admin, Question { path, ..Question::default() }).await;
        answer.unwrap_or_else(|error| panic!("{error}\n{}", self.process.tail()))
    }

    /// A chat completion. The gateway itself must always answer.
    pub(crate) async fn chat(&self, key: &str, model: &str) -> Answer {
        self.chat_with(key, model, &[]).await
    }

    /// The same with further headers.
    pub(crate) async fn chat_with(
        &self,
        key: &str,
        model: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let (path, body) = ("/v1/chat/completions", Some(chat(model)));
        let question = Question { method: Method::POST, path, key: Some(key), headers, body };
        let answer = ask(self.address, question).await;
        answer.unwrap_or_else(|error| panic!("{error}\n{}", self.process.tail()))
    }

    /// The names that a caller is told it may ask for.
    pub(crate) async fn models(&self, key: &str) -> String {
        let question = Question { path: "/v1/models", key: Some(key), ..Question::default() };
        let answer = ask(self.address, question).await;
        answer.unwrap_or_else(|error| panic!("{error}\n{}", self.process.tail())).text()
    }

    /// Waits until `model` is answered by `target`.
    pub(crate) async fn serves(&self, key: &str, model: &str, target: &str) {
        eventually(&format!("`{model}` from `{target}`"), async || {
            self.chat(key, model).await.target() == Some(target)
        })
        .await;
    }

    /// Waits until a request for `model` is answered with `status`, and gives that answer.
    pub(crate) async fn refuses(&self, key: &str, model: &str, status: StatusCode) -> Answer {
        eventually_some(&format!("{status} for `{model}`"), async || {
            let answer = self.chat(key, model).await;
            (answer.status == status).then_some(answer)
        })
        .await
    }

    /// Waits until a request for `model` is turned away for want of a target, in these words: what a
    /// gateway has not read yet is another reason, and passes.
    pub(crate) async fn has_no_target(&self, key: &str, model: &str, why: &str) -> Answer {
        let what = format!("`{model}` to have no target, because \"{why}\"");
        eventually_some(&what, async || {
            let answer = self.chat(key, model).await;
            let unavailable = answer.status == StatusCode::SERVICE_UNAVAILABLE;
            (unavailable && answer.text().contains(why)).then_some(answer)
        })
        .await
    }
}

/// The ports, once the log says them.
fn ports(log: &str) -> Option<(SocketAddr, SocketAddr)> {
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.find(|line| line["message"] == "serving")?;
    let address = |field: &str| line[field].as_str()?.parse().ok();
    Some((address("listen")?, address("admin")?))
}
