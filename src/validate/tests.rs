use std::{fs, io};

use serde_json::json;

use super::*;
use crate::provider::registry::PROVIDERS;

const ROUTE: &str = "\
apiVersion: pilothouse.dev/v1alpha1
kind: ModelRoute
metadata: {name: gpt, namespace: ai}
spec:
  targets:
  - {name: one, provider: openai, credentialRef: {name: keys}}
";

const STORE: &str = "\
apiVersion: pilothouse.dev/v1alpha1
kind: CredentialStore
metadata: {name: keys, namespace: ai}
spec:
  type: APIKey
  apiKey:
    keys:
    - {name: a, valueFrom: {secretKeyRef: {name: secret, key: a}}}
    - {name: b, priority: 1, valueFrom: {secretKeyRef: {name: secret, key: b}}}
";

fn parse(words: &[&str]) -> ValidateArgs {
    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: ValidateArgs,
    }
    let words = std::iter::once("validate").chain(words.iter().copied());
    <Command as clap::Parser>::try_parse_from(words).expect("arguments").args
}

/// Validates a text given on standard input.
fn validate(words: &[&str], text: &str) -> Report {
    let words: Vec<_> = words.iter().copied().chain(["-"]).collect();
    run(&parse(&words), text.as_bytes()).expect("our definitions are understood")
}

fn printed(report: &Report, output: Output) -> String {
    let mut text = Vec::new();
    report.write(output, false, &mut text).expect("memory takes everything");
    String::from_utf8(text).expect("text")
}

fn findings(report: &Report) -> Vec<String> {
    report.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn good_manifests_have_no_findings() {
    for rules in ["cluster", "files"] {
        let args = parse(&["--rules", rules, "tests/manifests/good.yaml"]);
        let report = run(&args, io::empty()).expect("our definitions are understood");
        let text = printed(&report, Output::Text);
        assert_eq!(text, "5 objects in 1 file: nothing is wrong\n");
        assert!(report.is_valid(true));
    }
}

/// `UPDATE_GOLDEN=1` writes what is expected anew, to be looked at in the diff.
#[test]
fn each_mistake_is_told_by_file_line_object_and_field() {
    let report = run(&parse(&["tests/manifests/broken.yaml"]), io::empty()).expect("definitions");
    assert!(!report.is_valid(false));
    let providers: Vec<_> = PROVIDERS.iter().map(|provider| provider.name).collect();
    let text = printed(&report, Output::Text).replace(&providers.join(", "), "<providers>");
    let golden = "tests/manifests/broken.txt";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(golden, &text).expect("a file of this repository");
    }
    assert_eq!(text, fs::read_to_string(golden).expect("a file of this repository"));
}

#[test]
fn what_is_kept_elsewhere_is_a_warning_in_a_cluster_and_an_error_in_files() {
    let text = [ROUTE, STORE].join("---\n");
    let report = validate(&[], &text);
    assert_eq!(
        findings(&report),
        [
            "<stdin>:15: warning CredentialStore ai/keys: spec.apiKey.keys[0].valueFrom.secretKeyRef: Secret `ai/secret` is not among the files, so its key `a` was not checked",
            "<stdin>:16: warning CredentialStore ai/keys: spec.apiKey.keys[1].valueFrom.secretKeyRef: Secret `ai/secret` is not among the files, so its key `b` was not checked",
        ]
    );
    assert!(report.is_valid(false) && !report.is_valid(true));

    let report = validate(&["--rules", "files"], &text);
    assert!(!report.is_valid(false), "{:?}", findings(&report));
    assert!(
        findings(&report)[0]
            .starts_with("<stdin>:6: error ModelRoute ai/gpt: spec.targets[0].credentialRef")
    );
}

#[test]
fn a_store_that_is_kept_elsewhere_is_a_warning_in_a_cluster() {
    let report = validate(&[], ROUTE);
    assert_eq!(
        findings(&report),
        [
            "<stdin>:6: warning ModelRoute ai/gpt: spec.targets[0].credentialRef.name: CredentialStore `ai/keys` is not among the files, so whether it admits namespace `ai` was not checked"
        ]
    );
    assert!(!validate(&["--rules", "files"], ROUTE).is_valid(false));
}

#[test]
fn a_store_that_does_not_admit_the_route_is_an_error() {
    let text =
        [&ROUTE.replace("{name: keys}", "{name: keys, namespace: other}"), STORE].join("---\n");
    let report =
        validate(&[], &text.replace("name: keys, namespace: ai", "name: keys, namespace: other"));
    assert!(findings(&report)[0].starts_with(
        "<stdin>:6: error ModelRoute ai/gpt: spec.targets[0].credentialRef.name: there is no CredentialStore"
    ));
}

#[test]
fn a_secret_without_the_key_is_an_error() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: secret, namespace: ai}\nstringData: {a: long-enough-for-a-key}\n";
    let report = validate(&[], &[ROUTE, STORE, secret].join("---\n"));
    let found = findings(&report);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("<stdin>:16: error CredentialStore ai/keys: spec.apiKey.keys[1]"),
        "{found:?}"
    );
}

#[test]
fn a_service_account_whose_key_is_kept_elsewhere_is_a_warning_alone() {
    let text = "\
apiVersion: pilothouse.dev/v1alpha1
kind: ModelRoute
metadata: {name: gemini, namespace: ai}
spec:
  targets:
  - name: vertex
    provider: vertex
    google: {project: p, location: global}
    credentialRef: {name: vertex}
---
apiVersion: pilothouse.dev/v1alpha1
kind: CredentialStore
metadata: {name: vertex, namespace: ai}
spec:
  type: Google
  google: {serviceAccountKey: {secretKeyRef: {name: elsewhere, key: key.json}}}
";
    let found = findings(&validate(&[], text));
    let told = "<stdin>:16: warning CredentialStore ai/vertex: \
                spec.google.serviceAccountKey.secretKeyRef: Secret `ai/elsewhere` is not among";
    assert!(found.len() == 1 && found[0].starts_with(told), "{found:?}");
}

#[test]
fn the_environment_is_taken_to_be_as_referred_to() {
    let store = STORE.replace("secretKeyRef: {name: secret, key: a}", "env: {name: NOT_SET}");
    let store = store.replace("secretKeyRef: {name: secret, key: b}", "file: {path: not/there}");
    let text = [ROUTE, &store].join("---\n");
    assert_eq!(findings(&validate(&["--rules", "files"], &text)), Vec::<String>::new());
    let allowed = ["--ambient-credentials-namespace", "ai"];
    assert_eq!(findings(&validate(&allowed, &text)), Vec::<String>::new());
    assert!(!validate(&[], &text).is_valid(false), "refused elsewhere, as in the cluster");
}

#[test]
fn objects_of_another_gateway_are_noted() {
    let text = ROUTE.replace("spec:\n", "spec:\n  gateway: edge\n");
    let report = validate(&[], &text);
    assert_eq!(
        findings(&report),
        [
            "<stdin>:5: note ModelRoute ai/gpt: spec.gateway: is for gateway `edge`, so what it refers to was not checked; use `--gateway-name edge`"
        ]
    );
    assert_eq!(findings(&validate(&["--gateway-name", "edge"], &text)).len(), 1);
}

#[test]
fn private_addresses_are_permitted_on_demand() {
    let text = ROUTE.replace("credentialRef: {name: keys}", "baseURL: \"http://10.0.0.1/v1\"");
    assert!(!validate(&[], &text).is_valid(false));
    assert!(validate(&["--allow-private-upstreams"], &text).is_valid(false));
    assert!(validate(&["--rules", "files"], &text).is_valid(false));
}

#[test]
fn a_check_of_nothing_fails() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().to_string_lossy();
    let report = run(&parse(&[&path]), io::empty()).expect("definitions");
    assert!(findings(&report)[0].ends_with("Secret or Namespace to check"));
    assert!(!report.is_valid(false));
    assert!(!validate(&[], "").is_valid(false));
}

#[test]
fn json_has_the_shape_that_help_tells() {
    let report = validate(&[], &format!("{ROUTE}---\nspec: [\n"));
    let found: Value = serde_json::from_str(&printed(&report, Output::Json)).expect("JSON");
    assert_eq!(
        found,
        json!({
            "valid": false,
            "summary": {"files": 1, "objects": 1, "errors": 1, "warnings": 1},
            "findings": [
                {
                    "severity": "warning", "file": "<stdin>", "line": 6, "kind": "ModelRoute",
                    "namespace": "ai", "name": "gpt", "field": "spec.targets[0].credentialRef.name",
                    "message": "CredentialStore `ai/keys` is not among the files, so whether it admits namespace `ai` was not checked",
                },
                {
                    "severity": "error", "file": "<stdin>", "line": 8, "kind": null,
                    "namespace": null, "name": null, "field": null,
                    "message": "unclosed bracket '['",
                },
            ],
        })
    );
}

#[test]
fn who_serves_a_service_is_left_to_the_cluster() {
    let own = "{name: own, provider: vllm, service: {name: vllm, port: http}";
    let route = |rest: &str| {
        let other = "{name: one, provider: openai, credentialRef: {name: keys}}";
        ROUTE.replace(other, &format!("{own}{rest}}}"))
    };
    assert!(findings(&validate(&["--deny-warnings"], &route(""))).is_empty());
    let with_key = format!("{}---\n{STORE}", route(", credentialRef: {name: keys}"));
    let found = findings(&validate(&[], &with_key));
    assert!(found.iter().any(|one| one.contains("`service/ai/vllm`: list it")), "{found:?}");
    let found = findings(&validate(&["--rules", "files"], &route("")));
    assert!(found.iter().any(|one| one.contains("must be the port's number")), "{found:?}");
}
