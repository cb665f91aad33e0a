//! Only what is referred to is read, with no more rights than that takes.

use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::{Value, json};

use crate::support::gateway::Options;
use crate::support::objects::{
    KEY, consumer, provider, route, secret, store, target, target_with_store,
};
use crate::support::tenant::typed;
use crate::support::{Cluster, Gateway, Tenant, eventually};

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> PolicyRule {
    typed(json!({"apiGroups": [group], "resources": resources, "verbs": verbs}))
}

/// What a gateway needs everywhere, the reading of Secrets aside.
fn cluster_rules() -> Vec<PolicyRule> {
    let ours = ["modelroutes", "credentialstores", "consumers"];
    let statuses = ours.map(|resource| format!("{resource}/status"));
    vec![
        rule("pilothouse.dev", &ours, &["list", "watch"]),
        rule("pilothouse.dev", &statuses.each_ref().map(String::as_str), &["patch"]),
        rule("", &["namespaces"], &["list", "watch"]),
        rule("events.k8s.io", &["events"], &["create", "patch"]),
    ]
}

/// What it needs in the namespace of its release.
fn release_rules() -> Vec<PolicyRule> {
    let verbs = ["get", "create", "update", "list", "watch", "patch", "delete"];
    vec![rule("coordination.k8s.io", &["leases"], &verbs)]
}

/// Reading the Secrets of these names.
fn secrets_rule(names: &[&str]) -> PolicyRule {
    let verbs = ["list", "watch"];
    PolicyRule {
        resource_names: Some(names.iter().map(|&name| name.to_owned()).collect()),
        ..rule("", &["secrets"], &verbs)
    }
}

/// All requests about Secrets that `account` has sent.
async fn secret_requests_of(tenant: &Tenant<'_>, account: &str) -> Vec<Value> {
    let user = format!("system:serviceaccount:{}:{account}", tenant.namespace);
    let mut requests = tenant.cluster.secret_requests(&tenant.client).await;
    requests.retain(|event| event["user"]["username"] == *user);
    requests
}

/// The names in these requests; `None` for one that named none.
async fn secrets_read_by(tenant: &Tenant<'_>, account: &str) -> Vec<Option<String>> {
    let name = |event: &Value| event["objectRef"]["name"].as_str().map(str::to_owned);
    secret_requests_of(tenant, account).await.iter().map(name).collect()
}

/// A gateway that may read every Secret, by the service account `mighty`.
async fn mighty_gateway(tenant: &Tenant<'_>, flags: Vec<String>) -> Gateway {
    let every_secret = rule("", &["secrets"], &["get", "list", "watch"]);
    let rules = cluster_rules().into_iter().chain([every_secret]).collect();
    let own = vec![(&*tenant.namespace, release_rules())];
    let token = tenant.service_account("mighty", rules, own).await;
    Gateway::start_with(tenant, Options { token: Some(token), flags, ..Options::default() }).await
}

/// The same Secret with the label `for=gateway`.
fn labelled(mut secret: Value) -> Value {
    secret["metadata"]["labels"] = json!({"for": "gateway"});
    secret
}

#[tokio::test]
async fn the_secrets_that_nobody_refers_to_are_never_read() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "unread").await;
    let provider = provider("only").await;
    tenant.apply(secret("nobody-refers-to-it", "another-secret-value")).await;
    let gateway = mighty_gateway(&tenant, Vec::new()).await;

    tenant.admit_caller().await;
    tenant.apply(secret("upstream", "an-upstream-key")).await;
    tenant.apply(store("keys", &provider, "upstream")).await;
    tenant.apply(route("chat", &[target_with_store("only", &provider, "keys")])).await;
    gateway.serves(KEY, "chat", "only").await;

    let mut read = secrets_read_by(&tenant, "mighty").await;
    read.sort_unstable();
    read.dedup();
    assert_eq!(read, [Some("caller".to_owned()), Some("upstream".to_owned())]);
}

#[tokio::test]
async fn a_secret_is_used_while_it_has_the_labels_that_the_operator_demands() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "labels").await;
    let provider = provider("only").await;
    let flags = vec!["--secret-label-selector=for=gateway".to_owned()];
    let gateway = mighty_gateway(&tenant, flags).await;
    tenant.apply(labelled(secret("caller", KEY))).await;
    tenant.apply(consumer("caller", "caller")).await;
    let upstream = secret("upstream", "an-upstream-key");
    tenant.apply(upstream.clone()).await;
    tenant.apply(store("keys", &provider, "upstream")).await;
    tenant.apply(route("chat", &[target_with_store("only", &provider, "keys")])).await;

    let unusable = async || {
        gateway.has_no_target(KEY, "chat", "has no usable key").await;
        let missing = ("False", "SecretNotFound");
        let ready = tenant.condition_is(("CredentialStore", "keys"), "Ready", missing).await;
        let why = format!(
            "there is no Secret `{}/upstream` with the labels `for=gateway`, which this gateway's \
             operator demands",
            tenant.namespace
        );
        assert!(ready.message.contains(&why), "{}", ready.message);
        let without = ("False", "NoUsableKey");
        tenant.condition_is(("ModelRoute", "chat"), "ResolvedRefs", without).await;
    };
    unusable().await;
    assert_eq!(provider.count(), 0);
    tenant.apply(labelled(upstream.clone())).await;
    gateway.serves(KEY, "chat", "only").await;
    tenant.apply(upstream).await;
    unusable().await;

    for request in secret_requests_of(&tenant, "mighty").await {
        let asked = request["requestURI"].as_str().expect("a request has a URI");
        assert!(asked.contains("labelSelector=for%3Dgateway"), "{asked}");
    }
}

#[tokio::test]
async fn labelled_secrets_take_one_watch_for_a_namespace() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "labelled").await;
    let provider = provider("only").await;
    let flags = ["--secret-watch=Labelled", "--secret-label-selector=for=gateway"];
    let gateway = mighty_gateway(&tenant, flags.map(str::to_owned).into()).await;
    tenant.apply(labelled(secret("caller", KEY))).await;
    tenant.apply(consumer("caller", "caller")).await;
    tenant.apply(labelled(secret("upstream", "an-upstream-key"))).await;
    tenant.apply(store("keys", &provider, "upstream")).await;
    tenant.apply(route("chat", &[target_with_store("only", &provider, "keys")])).await;
    gateway.serves(KEY, "chat", "only").await;
    tenant.apply(labelled(secret("upstream", "an-upstream-key-made-anew"))).await;
    eventually("the new key to be used", async || {
        gateway.chat(KEY, "chat").await;
        let requests = provider.requests();
        let last = requests.last().and_then(|request| request.header("authorization"));
        last == Some("Bearer an-upstream-key-made-anew")
    })
    .await;
    let without = secret("upstream", "an-upstream-key-made-anew");
    tenant.apply(without).await;
    gateway.has_no_target(KEY, "chat", "has no usable key").await;

    let requests = secret_requests_of(&tenant, "mighty").await;
    assert!(!requests.is_empty());
    for request in requests {
        let asked = request["requestURI"].as_str().expect("a request has a URI");
        assert!(asked.contains("labelSelector=for%3Dgateway"), "{asked}");
        assert!(!asked.contains("fieldSelector"), "{asked}");
    }
}

#[tokio::test]
async fn roles_are_enough_for_a_gateway_of_some_namespaces() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "roles").await;
    let team = tenant.another_namespace("team").await;
    let provider = provider("only").await;
    // As a RoleBinding, `get` on namespaces is `get` on the namespace that it is in.
    let everything = |secrets: &[&str]| {
        cluster_rules().into_iter().chain(release_rules()).chain([secrets_rule(secrets)]).collect()
    };
    let roles = vec![(&*tenant.namespace, everything(&["caller"])), (&*team, everything(&[]))];
    let token = tenant.service_account("local", Vec::new(), roles).await;
    let flags = [&tenant.namespace, &team].map(|watched| format!("--watch-namespace={watched}"));
    let options = Options { token: Some(token), flags: flags.into(), ..Options::default() };
    let gateway = Gateway::start_with(&tenant, options).await;

    tenant.admit_caller().await;
    tenant.apply(route("chat", &[target("only", &provider)])).await;
    let mut theirs = route("theirs", &[target("only", &provider)]);
    theirs["metadata"]["namespace"] = json!(team);
    theirs["spec"]["allowedNamespaces"] = json!({"from": "All"});
    tenant.apply(theirs).await;

    gateway.serves(KEY, "chat", "only").await;
    gateway.serves(KEY, &format!("{team}/theirs"), "only").await;
    let programmed = ("True", "Programmed");
    tenant.condition_is(("ModelRoute", "chat"), "Programmed", programmed).await;
}

#[tokio::test]
async fn a_role_that_names_its_secrets_is_enough() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "least-rights").await;
    let provider = provider("only").await;
    let own = release_rules().into_iter().chain([secrets_rule(&["caller", "allowed"])]).collect();
    let own = vec![(&*tenant.namespace, own)];
    let token = tenant.service_account("modest", cluster_rules(), own).await;
    let options = Options { token: Some(token), ..Options::default() };
    let gateway = Gateway::start_with(&tenant, options).await;

    tenant.admit_caller().await;
    tenant.apply(secret("allowed", "an-upstream-key")).await;
    tenant.apply(secret("forbidden", "another-upstream-key")).await;
    tenant.apply(store("allowed", &provider, "allowed")).await;
    tenant.apply(store("forbidden", &provider, "forbidden")).await;
    tenant.apply(route("chat", &[target_with_store("only", &provider, "allowed")])).await;
    let mut second = target("second", &provider);
    second["priority"] = json!(1);
    let first = target_with_store("first", &provider, "forbidden");
    tenant.apply(route("half", &[first, second])).await;

    gateway.serves(KEY, "chat", "only").await;
    gateway.serves(KEY, "half", "second").await;
    let missing = ("False", "SecretNotFound");
    tenant.condition_is(("CredentialStore", "forbidden"), "Ready", missing).await;
    let programmed = ("True", "Programmed");
    tenant.condition_is(("ModelRoute", "chat"), "Programmed", programmed).await;
    assert!(gateway.process.output().contains("may not read the Secret"));

    // No value of a Secret is where people look.
    let shown = ["get", "ai", "-o", "json", "--show-managed-fields", "-n", &tenant.namespace];
    let everywhere = gateway.process.output()
        + &gateway.admin("/metrics").await.text()
        + &cluster.kubectl_ok(&shown, "").await;
    for value in [KEY, "an-upstream-key", "another-upstream-key"] {
        assert!(!everywhere.contains(value), "`{value}` was told");
    }
}
