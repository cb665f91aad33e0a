//! The guides say what is: their tables are written from what they are about, and their examples are
//! right.
//!
//! `UPDATE_DOCS=1` (`make guides`) writes the tables anew.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use pilothouse::api::Reason;
use pilothouse::protocol::registry::ProtocolId;
use pilothouse::provider::registry::PROVIDERS;
use pilothouse::provider::{Auth, Provider};

const PROVIDERS_GUIDE: &str = "deploy/guides/providers.md";
const CREDENTIALS_GUIDE: &str = "deploy/guides/credentials.md";
const IN_CLUSTER_GUIDE: &str = "deploy/guides/in-cluster-models.md";
/// Between these stands the table of providers.
const BEGIN: &str = "<!-- providers: begin; written by `make guides` -->\n";
const END: &str = "<!-- providers: end -->\n";

fn read(guide: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(guide);
    fs::read_to_string(path).expect("the guide is there")
}

fn api(provider: &Provider) -> &'static str {
    match provider.protocol {
        ProtocolId::Anthropic => "Anthropic Messages",
        ProtocolId::Bedrock => "Bedrock Converse",
        ProtocolId::Gemini => "Gemini generateContent",
        ProtocolId::OpenAi => "OpenAI",
    }
}

/// The fields of a target that stand in a template.
fn address(provider: &Provider) -> String {
    let fields = [
        ("{region}", "{aws.region}"),
        ("{resource}", "{azure.resource}"),
        ("{project}", "{google.project}"),
        ("{location}", "{google.location}"),
        ("{host}", "{host of google.location}"),
    ];
    match (provider.base_url, provider.template) {
        (Some(url), _) => format!("`{url}`"),
        (None, Some(template)) => {
            let named = |url: String, (part, field): (&str, &str)| url.replace(part, field);
            format!("`{}`", fields.into_iter().fold(template.to_owned(), named))
        }
        (None, None) => "give a `baseURL`".to_owned(),
    }
}

fn key(provider: &Provider) -> String {
    let header = match provider.auth {
        Auth::Bearer => "`authorization: Bearer`",
        Auth::XApiKey => "`x-api-key`",
        Auth::AzureApiKey => "`api-key`",
        Auth::GoogleApiKey => "`x-goog-api-key`",
    };
    let optional = if provider.key_optional { ", optional" } else { "" };
    let cloud = provider.cloud.map(|cloud| format!(", or an identity of {}", cloud.title()));
    format!("{header}{optional}{}", cloud.unwrap_or_default())
}

fn table() -> String {
    let mut table = "| `provider` | | API | address | key | to its own hosts |\n\
                     |---|---|---|---|---|---|\n"
        .to_owned();
    for provider in PROVIDERS {
        let own = provider.base_url.and_then(|url| url.split('/').nth(2));
        let hosts: Vec<String> = own
            .into_iter()
            .chain(provider.hosts.iter().copied())
            .map(|host| format!("`{host}`"))
            .collect();
        let hosts = if hosts.is_empty() { "none".to_owned() } else { hosts.join(", ") };
        let Provider { name, title, .. } = provider;
        let (api, address, key) = (api(provider), address(provider), key(provider));
        writeln!(table, "| `{name}` | {title} | {api} | {address} | {key} | {hosts} |")
            .expect("writing to a text does not fail");
    }
    table
}

#[test]
fn the_table_of_providers_is_that_of_the_registry() {
    let guide = read(PROVIDERS_GUIDE);
    let (before, rest) = guide.split_once(BEGIN).expect("the guide has a place for the table");
    let (committed, after) = rest.split_once(END).expect("the place has an end");
    let table = table();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PROVIDERS_GUIDE);
        fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).expect("it may be written");
        return;
    }
    assert!(
        committed == table,
        "{PROVIDERS_GUIDE} is out of date: `make guides`. Wanted:\n{table}"
    );
}

/// What the targets of the guide refer to.
const SURROUNDINGS: &str = r"
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: ai}
stringData: {key: a-key-of-some-provider}
---
apiVersion: pilothouse.dev/v1alpha1
kind: CredentialStore
metadata: {name: key, namespace: ai}
spec:
  type: APIKey
  apiKey: {keys: [{name: only, valueFrom: {secretKeyRef: {name: keys, key: key}}}]}
---
apiVersion: pilothouse.dev/v1alpha1
kind: ModelRoute
metadata: {name: assistant, namespace: ai}
spec:
  targets:
";

/// The examples, each as it stands in the guide.
fn examples(guide: &str) -> Vec<String> {
    let fenced = guide.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    fenced.map(str::to_owned).collect()
}

#[test]
fn every_target_that_is_shown_is_valid() {
    let shown = examples(&read(PROVIDERS_GUIDE));
    // One route of all of them: `validate` names the target of each finding.
    let lines = shown.iter().flat_map(|target| target.lines());
    let indented: Vec<String> = lines.map(|line| format!("  {line}")).collect();
    let indented = indented.join("\n");
    assert_valid(&format!("{SURROUNDINGS}{indented}\n"), &["--deny-warnings"]);
}

/// What a guide shows is what `validate` calls right.
#[track_caller]
fn assert_valid(manifests: &str, flags: &[&str]) {
    let mut validate = Command::new(env!("CARGO_BIN_EXE_pilothouse"))
        .arg("validate")
        .args(flags)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = validate.stdin.take().expect("piped above");
    stdin.write_all(manifests.as_bytes()).expect("it reads what it is given");
    drop(stdin);
    let output = validate.wait_with_output().expect("it ends");
    let findings = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{findings}\nin\n{manifests}");
}

#[test]
fn every_store_that_is_shown_is_valid() {
    let shown = examples(&read(CREDENTIALS_GUIDE));
    assert!(shown.len() >= 5, "a key, an identity of each cloud, the gateway's own");
    for store in shown {
        // Without --deny-warnings: the Secrets are not shown, since they are not kept in files.
        assert_valid(&store, &["--ambient-credentials-namespace", "ai"]);
    }
}

#[test]
fn the_pool_that_is_shown_is_valid() {
    for shown in examples(&read(IN_CLUSTER_GUIDE)) {
        assert_valid(&shown, &[]);
    }
}

#[test]
fn every_provider_on_a_cloud_has_a_target_to_copy() {
    let shown = examples(&read(PROVIDERS_GUIDE)).concat();
    for provider in PROVIDERS.iter().filter(|provider| provider.template.is_some()) {
        let line = format!("provider: {}\n", provider.name);
        assert!(shown.contains(&line), "{PROVIDERS_GUIDE} shows no target of `{}`", provider.name);
    }
}

#[test]
fn the_guide_of_status_knows_every_reason() {
    let guide = read("deploy/guides/status.md");
    for reason in Reason::ALL {
        assert!(guide.contains(&format!("`{reason}`")), "{reason} is not explained");
    }
}
