//! Where requests and keys may go.

use serde_json::{Value, json};

use super::world::Outcome;
use super::{World, key_store, route};
use crate::api::Reason;

fn fault(url: Option<&str>, hosts: &[&str], change: impl Fn(&mut World)) -> &'static str {
    let mut world = World::new();
    world.secret("a/keys", "key", "sk-test");
    let mut store = key_store();
    store["allowedHosts"] = json!(hosts);
    world.store("a/s", store);
    let mut target = json!({
        "name": "t", "provider": "openai", "model": "gpt", "credentialRef": { "name": "s" }
    });
    if let Some(url) = url {
        target["baseURL"] = json!(url);
    }
    world.route("a/r", json!({ "targets": [target] }));
    change(&mut world);
    world.compile().fault("a/r", "t")
}

fn nothing(_: &mut World) {}

#[test]
fn a_key_goes_to_its_own_provider_without_being_told() {
    assert_eq!(fault(None, &[], nothing), "");
    assert_eq!(fault(Some("https://eu.api.openai.com/v1"), &[], nothing), "");
}

#[test]
fn a_key_goes_nowhere_else_without_being_told() {
    for url in [
        "https://evil.example/v1",
        "https://api.openai.com.evil.example/v1",
        "https://evilapi.openai.com/v1",
        "https://api.openai.com:8443/v1",
        "https://api.anthropic.com",
    ] {
        assert_eq!(fault(Some(url), &[], nothing), "DestinationNotAllowed", "{url}");
    }
}

#[test]
fn a_list_of_hosts_is_the_whole_list() {
    assert_eq!(fault(None, &["proxy.example"], nothing), "DestinationNotAllowed");
    assert_eq!(fault(Some("https://proxy.example/v1"), &["proxy.example"], nothing), "");
    assert_eq!(fault(Some("https://PROXY.example/v1"), &["*.example"], nothing), "");
    let other_port = Some("https://proxy.example:8443/v1");
    assert_eq!(fault(other_port, &["proxy.example"], nothing), "DestinationNotAllowed");
    assert_eq!(fault(other_port, &["proxy.example:8443"], nothing), "");
}

#[test]
fn a_host_that_cannot_be_read_refuses_the_store() {
    // Left out, it would leave an empty list, which means the provider's own hosts.
    assert_eq!(fault(None, &["https://proxy.example"], nothing), "NoUsableKey");
}

#[test]
fn the_operators_own_files_may_send_a_key_anywhere() {
    let owned = |world: &mut World| world.tenancy.operator_owned = true;
    assert_eq!(fault(Some("http://127.0.0.1:9999/v1"), &[], owned), "");
    assert_eq!(fault(None, &["proxy.example"], owned), "DestinationNotAllowed", "but for a list");
}

#[test]
fn plain_http_and_local_addresses_need_the_operator() {
    let hosts = &["vllm.ai.svc:8000", "10.0.0.1", "localhost"];
    for url in ["http://vllm.ai.svc:8000/v1", "https://10.0.0.1/v1", "https://localhost/v1"] {
        assert_eq!(fault(Some(url), hosts, nothing), "AddressNotPermitted", "{url}");
        let private = |world: &mut World| {
            let ranges = ["10.0.0.0/8", "127.0.0.0/8"];
            world.tenancy.private_upstreams = ranges.map(|range| range.parse().unwrap()).into();
        };
        assert_eq!(fault(Some(url), hosts, private), "", "{url}");
    }
}

/// What a connection would be refused for is told beforehand, as far as the URL shows it.
#[test]
fn an_address_in_a_url_is_judged_as_a_connection_would_be() {
    let private =
        |world: &mut World| world.tenancy.private_upstreams = vec!["10.0.0.0/8".parse().unwrap()];
    for host in [
        "127.0.0.1",
        "LOCALHOST",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "198.18.0.1",
        "224.0.0.1",
        "[::1]",
        "[fd00::1]",
        "[fe80::1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
    ] {
        let url = format!("https://{host}/v1");
        assert_eq!(fault(Some(&url), &[host], nothing), "AddressNotPermitted", "{url}");
        assert_eq!(fault(Some(&url), &[host], private), "AddressNotPermitted", "{url}");
    }
    for (url, entry) in
        [("https://1.1.1.1/v1", "1.1.1.1"), ("https://[2606:4700::1]/v1", "[2606:4700::1]")]
    {
        assert_eq!(fault(Some(url), &[entry], nothing), "", "{url}");
        assert_eq!(fault(Some(url), &[entry], private), "", "{url}");
    }
    let plain = "http://1.1.1.1/v1";
    assert_eq!(fault(Some(plain), &["1.1.1.1:80"], private), "AddressNotPermitted");
    assert_eq!(fault(Some("http://10.0.0.1/v1"), &["10.0.0.1:80"], private), "");
}

#[test]
fn plain_http_never_takes_a_key_that_is_not_meant_for_it() {
    let private = |world: &mut World| {
        world.tenancy.private_upstreams = vec!["10.0.0.0/8".parse().unwrap()];
    };
    assert_eq!(fault(Some("http://api.openai.com/v1"), &[], private), "DestinationNotAllowed");
}

#[test]
fn the_finding_says_which_host_to_list() {
    let mut world = World::new();
    world.secret("a/keys", "key", "sk-test");
    world.store("a/s", key_store());
    let mut spec = route(&["gpt"]);
    spec["targets"][0]["credentialRef"] = json!({ "name": "s" });
    world.route("a/r", spec);
    let path = "spec.targets[0].credentialRef";
    let message = "may not be sent to `vllm.example`: list it in the store's `spec.allowedHosts`";
    world.compile().tells("a/r", path, Reason::DestinationNotAllowed, message);
}

/// A host without a port means https, so that listing what the message says must be enough.
#[test]
fn what_the_finding_says_to_list_is_enough() {
    let private =
        |world: &mut World| world.tenancy.private_upstreams = vec!["10.0.0.0/8".parse().unwrap()];
    let mut world = World::new();
    private(&mut world);
    world.secret("a/keys", "key", "sk-test");
    world.store("a/s", key_store());
    let mut spec = route(&["gpt"]);
    spec["targets"][0]["credentialRef"] = json!({ "name": "s" });
    spec["targets"][0]["baseURL"] = json!("http://vllm.ai.svc/v1");
    world.route("a/r", spec);
    let path = "spec.targets[0].credentialRef";
    let message = "may not be sent to `vllm.ai.svc:80`: list it";
    world.compile().tells("a/r", path, Reason::DestinationNotAllowed, message);
    assert_eq!(fault(Some("http://vllm.ai.svc/v1"), &["vllm.ai.svc:80"], private), "");
}

#[test]
fn a_provider_without_an_address_needs_one() {
    let mut world = World::new();
    world.route("a/r", json!({ "targets": [{ "name": "t", "provider": "vllm" }] }));
    let outcome = world.compile();
    let path = "spec.targets[0].baseURL";
    outcome.tells("a/r", path, Reason::BaseUrlRequired, "provider `vllm` has no public address");
}

#[test]
fn a_base_url_that_is_none_stays_with_its_target() {
    for (bad, message) in [
        (json!("vllm.example"), "must begin with"),
        (json!("https://"), "not a URL"),
        (json!("https://x/?a=b"), "must not hold a query"),
    ] {
        let mut world = World::new();
        let mut spec: Value = route(&["gpt"]);
        spec["targets"][0]["baseURL"] = bad;
        world.route("a/r", spec);
        world.compile().tells("a/r", "spec.targets[0].baseURL", Reason::Invalid, message);
    }
}

/// What becomes of a route of one target with these fields beside its name; its base URL and query
/// if it has one.
fn address(fields: &Value) -> (Outcome, Option<(String, Option<String>)>) {
    let mut world = World::new();
    let mut target = json!({"name": "t"});
    for (name, value) in fields.as_object().expect("fields") {
        target[name] = value.clone();
    }
    world.route("a/r", json!({ "targets": [target] }));
    let outcome = world.compile();
    let found = outcome.target("a/r", "t").upstream().map(|upstream| {
        (upstream.base_url.to_string(), upstream.query.as_deref().map(str::to_owned))
    });
    (outcome, found)
}

#[test]
fn a_place_at_a_cloud_is_an_address() {
    let vertex = json!({"project": "my-project", "location": "europe-west1"});
    let in_project = "https://europe-west1-aiplatform.googleapis.com/v1/projects/my-project\
                      /locations/europe-west1";
    let openapi = format!("{in_project}/endpoints/openapi");
    let cases = [
        (
            json!({"provider": "bedrock", "aws": {"region": "eu-central-1"}}),
            "https://bedrock-runtime.eu-central-1.amazonaws.com",
        ),
        (
            json!({"provider": "bedrock-openai", "aws": {"region": "us-east-1"}}),
            "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1",
        ),
        (json!({"provider": "vertex", "google": vertex}), in_project),
        (json!({"provider": "vertex-anthropic", "google": vertex}), in_project),
        (json!({"provider": "vertex-openai", "google": vertex}), &openapi),
        (
            json!({"provider": "azure-openai", "azure": {"resource": "res"}}),
            "https://res.openai.azure.com/openai/v1",
        ),
        (
            json!({"provider": "azure-anthropic", "azure": {"resource": "res"}}),
            "https://res.services.ai.azure.com/anthropic",
        ),
    ];
    for (fields, url) in cases {
        let (_, found) = address(&fields);
        assert_eq!(found, Some((url.to_owned(), None)), "{fields}");
    }
}

#[test]
fn a_version_of_azure_is_sent_and_a_date_chooses_the_form() {
    let of = |fields: Value| address(&fields).1.expect("an address");
    let query = |version: &str| Some(format!("api-version={version}"));
    let dated = json!({"provider": "azure-openai",
        "azure": {"resource": "res", "apiVersion": "2024-10-21"}});
    let endpoint = "https://res.openai.azure.com".to_owned();
    assert_eq!(of(dated), (endpoint.clone(), query("2024-10-21")));
    let dated = json!({"provider": "azure-openai", "baseURL": endpoint,
        "azure": {"apiVersion": "2025-04-01-preview"}});
    assert_eq!(of(dated), (endpoint, query("2025-04-01-preview")));
    let preview = json!({"provider": "azure-openai",
        "azure": {"resource": "res", "apiVersion": "preview"}});
    let v1 = "https://res.openai.azure.com/openai/v1".to_owned();
    assert_eq!(of(preview), (v1, query("preview")));
}

#[test]
fn an_address_that_does_not_fit_the_provider_is_told() {
    let version = json!({"apiVersion": "2024-10-21"});
    let cases = [
        (
            json!({"provider": "openai", "aws": {"region": "us-east-1"}}),
            ("aws", Reason::UnsupportedValue, "provider `openai` is not at this cloud"),
        ),
        (
            json!({"provider": "azure-openai", "google": {"project": "p", "location": "us"}}),
            ("google", Reason::UnsupportedValue, "provider `azure-openai` is not at this cloud"),
        ),
        (
            json!({"provider": "azure-anthropic", "azure": version}),
            ("azure.apiVersion", Reason::UnsupportedValue, "has no such versions"),
        ),
        (
            json!({"provider": "azure-openai", "azure": version,
                "baseURL": "https://res.openai.azure.com/openai/v1"}),
            ("baseURL", Reason::Invalid, "must be the resource's endpoint"),
        ),
        (
            json!({"provider": "azure-openai", "baseURL": "https://res.openai.azure.com"}),
            ("baseURL", Reason::Invalid, "must end in `/openai/v1`"),
        ),
        (
            json!({"provider": "vertex"}),
            ("baseURL", Reason::BaseUrlRequired, "or `google.project` and `google.location`"),
        ),
    ];
    for (fields, (path, reason, message)) in cases {
        let (outcome, found) = address(&fields);
        assert_eq!(found, None, "{fields}");
        outcome.tells("a/r", &format!("spec.targets[0].{path}"), reason, message);
    }
}
