//! The definitions on a real API server: they install, explain themselves, show what a person
//! wants to see, and keep what is stored when they are applied again.

use std::process::Command;

use kube::ResourceExt as _;
use kube::api::{Api, Patch, PatchParams};
use pilothouse::api::{Consumer, ModelRoute};
use serde_json::{Value, json};

use crate::support::{Cluster, Tenant, crds, eventually_some};

fn route(name: &str) -> Value {
    json!({
        "apiVersion": "pilothouse.dev/v1alpha1",
        "kind": "ModelRoute",
        "metadata": {"name": name},
        "spec": {"models": ["gpt-4o"], "targets": [{"name": "a", "provider": "openai"}]},
    })
}

fn consumer(name: &str) -> Value {
    json!({
        "apiVersion": "pilothouse.dev/v1alpha1",
        "kind": "Consumer",
        "metadata": {"name": name},
        "spec": {
            "apiKeys": [{"name": "default", "sha256": "0".repeat(64)}],
            "allowedModels": ["*"],
        },
    })
}

/// `kubectl explain FIELD`. The API server publishes new schemas a moment after it serves them.
async fn explain(cluster: &Cluster, field: &str) -> String {
    eventually_some(&format!("kubectl explain {field}"), async || {
        let output = cluster.kubectl(["explain", field], "").await;
        output.status.success().then(|| String::from_utf8(output.stdout).expect("UTF-8"))
    })
    .await
}

/// The words of a text, for texts that are wrapped to the width of a terminal.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn what_the_command_prints_is_what_kubectl_takes() {
    let Some(cluster) = Cluster::shared().await else { return };
    let printed = Command::new(env!("CARGO_BIN_EXE_pilothouse")).arg("crds").output().unwrap();
    assert!(printed.status.success(), "{printed:?}");
    let printed = String::from_utf8(printed.stdout).expect("UTF-8");

    // The same fields with the same values as the tests have applied: nobody else's are in conflict.
    let applied = cluster.kubectl_ok(&["apply", "--server-side", "-f", "-"], &printed).await;
    assert_eq!(applied.matches("serverside-applied").count(), 3, "{applied}");
}

#[tokio::test]
async fn the_definitions_are_found_by_short_name_and_category() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "names").await;
    tenant.apply(route("by-short-name")).await;
    tenant.apply(consumer("by-category")).await;

    let in_namespace = |what: &'static str| ["get", what, "-o", "name", "-n"];
    let get = async |what| {
        let arguments = [&in_namespace(what)[..], &[&tenant.namespace]].concat();
        cluster.kubectl_ok(&arguments, "").await
    };
    assert_eq!(get("mr").await, "modelroute.pilothouse.dev/by-short-name\n");
    assert_eq!(get("con").await, "consumer.pilothouse.dev/by-category\n");
    assert_eq!(get("creds").await, "");
    let all = get("ai").await;
    assert!(all.contains("by-short-name") && all.contains("by-category"), "{all}");
}

#[tokio::test]
async fn explain_reads_like_the_reference() {
    let Some(cluster) = Cluster::shared().await else { return };
    for definition in crds::definitions() {
        let kind = &definition.spec.names.singular.clone().expect("a singular name");
        let schema = serde_json::to_value(&definition.spec.versions[0].schema).expect("plain data");
        let schema = &schema["openAPIV3Schema"];

        let text = unwrapped(&explain(cluster, kind).await);
        let description = schema["description"].as_str().expect("every kind is described");
        assert!(text.contains(&unwrapped(description)), "{kind}: {text}");

        let spec = &schema["properties"]["spec"];
        let text = unwrapped(&explain(cluster, &format!("{kind}.spec")).await);
        for (name, field) in spec["properties"].as_object().expect("fields") {
            let description = field["description"].as_str().expect("every field is described");
            assert!(text.contains(&unwrapped(description)), "{kind}.spec.{name}: {text}");
        }
    }

    let targets = explain(cluster, "modelroute.spec.targets").await;
    for line in ["FIELD: targets <[]Object>", "provider\t<string> -required-", "weight\t<integer>"]
    {
        assert!(targets.contains(line), "`{line}` is not in:\n{targets}");
    }
}

#[tokio::test]
async fn get_shows_the_columns_that_a_person_wants() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "columns").await;
    tenant.apply(route("shown")).await;
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({"type": kind, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z"})
    };
    let status = json!({
        "apiVersion": "pilothouse.dev/v1alpha1",
        "kind": "ModelRoute",
        "status": {
            "usableTargets": "0/1",
            "servedModels": "shown,gpt-*",
            "message": "no such store",
            "conditions": [
                condition("Accepted", "True", "Accepted", ""),
                condition("ResolvedRefs", "False", "RefNotPermitted", "not for a table"),
                condition("Programmed", "Unknown", "Pending", ""),
            ],
        },
    });
    let routes: Api<ModelRoute> = tenant.api();
    let parameters = PatchParams::apply("test").force();
    routes.patch_status("shown", &parameters, &Patch::Apply(&status)).await.expect("a status");

    let in_namespace = ["-n", tenant.namespace.as_str()];
    let short = cluster.kubectl_ok(&[&["get", "mr"][..], &in_namespace].concat(), "").await;
    let lines: Vec<Vec<&str>> =
        short.lines().map(|line| line.split_whitespace().collect()).collect();
    let header = ["NAME", "MODELS", "ACCEPTED", "RESOLVED", "PROGRAMMED", "TARGETS", "AGE"];
    assert_eq!(lines[0], header, "{short}");
    assert_eq!(lines[1][..6], ["shown", "shown,gpt-*", "True", "False", "Unknown", "0/1"]);

    let wide = ["get", "mr", "-o", "wide"];
    let wide = cluster.kubectl_ok(&[&wide[..], &in_namespace].concat(), "").await;
    assert!(wide.contains("MESSAGE") && wide.contains("no such store"), "{wide}");
    assert!(!wide.contains("not for a table"), "one column shows one thing: {wide}");
}

#[tokio::test]
async fn applying_the_definitions_again_keeps_what_is_stored() {
    let Some(cluster) = Cluster::shared().await else { return };
    let tenant = Tenant::new(cluster, "again").await;
    tenant.apply(route("kept")).await;
    tenant.apply(consumer("kept")).await;
    let routes: Api<ModelRoute> = tenant.api();
    let consumers: Api<Consumer> = tenant.api();
    let before = (routes.get("kept").await.unwrap(), consumers.get("kept").await.unwrap());

    crds::install(&tenant.client).await;

    let after = (routes.get("kept").await.unwrap(), consumers.get("kept").await.unwrap());
    assert_eq!((before.0.uid(), before.0.spec), (after.0.uid(), after.0.spec));
    assert_eq!((before.1.uid(), before.1.spec), (after.1.uid(), after.1.spec));
}
