//! Two tenants of one gateway: A, who is served, and B, who is hostile.

use http::{HeaderValue, StatusCode};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use pilothouse::simulate::Simulator;
use serde_json::{Value, json};

use crate::support::gateway::Options;
use crate::support::objects::{KEY, consumer, ours, route, secret};
use crate::support::pods::{own_address, pod, ready, server, service, slice, target};
use crate::support::{Cluster, Gateway, Tenant, eventually, rights};

/// The key of A's provider.
pub(super) const A_SECRET: &str = "what-only-the-provider-of-a-may-see";
/// The key of a caller of A's.
pub(super) const A_KEY: &str = KEY;
/// The key of a caller of B's.
pub(super) const B_KEY: &str = "a-client-key-of-the-hostile-tenant";

/// A gateway and its two tenants.
pub(super) struct Scene<'c> {
    pub(super) gateway: Gateway,
    /// Has the route `chat`, the store `keys` and the Secret `provider`.
    pub(super) a: Tenant<'c>,
    /// Has a caller.
    pub(super) b: Tenant<'c>,
    /// A's provider, which is the Service `pool` there.
    pub(super) provider: Simulator,
}

impl<'c> Scene<'c> {
    /// A on a cluster that all tests share; `None` where there is none, or no address for pods.
    pub(super) async fn start(stem: &str) -> Option<Self> {
        Self::start_with(Cluster::shared().await?, stem, |_| Vec::new()).await
    }

    /// The same on that cluster, with further flags, which may name A's namespace.
    pub(super) async fn start_with(
        cluster: &'c Cluster,
        stem: &str,
        flags: impl FnOnce(&Tenant<'c>) -> Vec<String>,
    ) -> Option<Self> {
        let address = own_address()?;
        // Its own namespace is the release's, which tenants are kept out of.
        let release = Tenant::new(cluster, stem).await;
        let a = release.in_another_namespace("a").await;
        let b = release.in_another_namespace("b").await;
        let provider = server("provider-of-a", address).await;
        let token = Some(rights::installed(&release).await);
        let options = Options { token, flags: flags(&a), no_loopback: true };
        let gateway = Gateway::start_with(&release, options).await;

        service(&a).await;
        pod(&a, "pool-0", json!({"app": "pool"}), address).await;
        slice(&a, "pool-a", provider.addr(), ready()).await;
        a.apply(secret("provider", A_SECRET)).await;
        a.apply(store("keys", &format!("service/{}/pool", a.namespace))).await;
        let mut target = target();
        target["credentialRef"] = json!({"name": "keys"});
        a.apply(route("chat", &[target])).await;
        a.admit_caller().await;
        b.apply(secret("caller", B_KEY)).await;
        b.apply(consumer("caller", "caller")).await;

        let scene = Self { gateway, a, b, provider };
        scene.serves_a().await;
        Some(scene)
    }

    /// Waits until A's caller has an answer of A's provider, asked with A's secret.
    async fn serves_a(&self) {
        eventually("an answer for A", async || {
            let answer = self.gateway.chat(A_KEY, "chat").await;
            answer.status == StatusCode::OK && answer.text().contains("Served by provider-of-a.")
        })
        .await;
        let requests = self.provider.requests();
        let last = requests.last().and_then(|request| request.header("authorization"));
        assert_eq!(last, Some(format!("Bearer {A_SECRET}").as_str()));
    }

    /// A server of B's, which is the Service `pool` there.
    pub(super) async fn server_of_b(&self) -> Simulator {
        let address = own_address().expect("there was one at the start");
        let server = server("server-of-b", address).await;
        service(&self.b).await;
        pod(&self.b, "pool-0", json!({"app": "pool"}), address).await;
        slice(&self.b, "pool-b", server.addr(), ready()).await;
        server
    }

    /// Waits until B's route says why it is not resolved, and B's caller has been refused in these
    /// words. Gives the condition.
    pub(super) async fn b_is_refused(&self, route: &str, reason: &str, why: &str) -> Condition {
        self.gateway.has_no_target(B_KEY, route, why).await;
        let false_for = ("False", reason);
        let said = self.b.condition_is(("ModelRoute", route), "ResolvedRefs", false_for).await;
        assert!(said.message.contains(why), "{said:?}");
        said
    }

    /// A is served as before, and neither B's servers nor anything that people look at has seen what
    /// is secret.
    pub(super) async fn ends_well(&self, servers_of_b: &[&Simulator]) {
        let before = self.provider.count();
        let answer = self.gateway.chat(A_KEY, "chat").await;
        assert!(answer.text().contains("Served by provider-of-a."), "{}", answer.text());
        assert_eq!(self.provider.count(), before + 1, "A's traffic alone reaches A's provider");
        let mut seen = self.gateway.process.output() + &self.gateway.admin("/metrics").await.text();
        for tenant in [&self.a, &self.b] {
            let shown = ["get", "ai,events", "-o", "yaml", "-n", &tenant.namespace];
            seen += &tenant.cluster.kubectl_ok(&shown, "").await;
        }
        for request in servers_of_b.iter().flat_map(|server| server.requests()) {
            let values = request.headers.values().map(HeaderValue::as_bytes);
            for bytes in values.chain([&*request.body, request.uri.to_string().as_bytes()]) {
                seen += &String::from_utf8_lossy(bytes);
            }
        }
        for value in [A_SECRET, A_KEY, B_KEY] {
            assert!(!seen.contains(value), "`{value}` was told");
        }
    }
}

/// A store whose one key is in the Secret `provider` and may be sent to `host`.
fn store(name: &str, host: &str) -> Value {
    let mut store = pool(name, &json!({"secretKeyRef": {"name": "provider", "key": "key"}}));
    store["spec"]["allowedHosts"] = json!([host]);
    store
}

/// A store whose one key is from there.
pub(super) fn pool(name: &str, source: &Value) -> Value {
    let keys = json!([{"name": "default", "valueFrom": source}]);
    ours("CredentialStore", name, &json!({"type": "APIKey", "apiKey": {"keys": keys}}))
}

/// A route with one target at that URL.
pub(super) fn at(name: &str, url: &str) -> Value {
    let target = json!({
        "name": "t", "provider": "openai-compatible", "model": "sim", "baseURL": url,
    });
    route(name, &[target])
}
