//! The two who judge an object: the API server, and the checks that files go through.

use std::collections::BTreeSet;

use pilothouse::manifest::schema::Checker;
use pilothouse::manifest::{Loader, Severity};
use serde_json::Value;

use crate::support::{Tenant, crds};

/// An objection to one field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Refusal {
    pub(super) field: String,
    pub(super) message: String,
}

impl Refusal {
    fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// The fields that are objected to.
pub(super) fn fields(refusals: &[Refusal]) -> BTreeSet<&str> {
    refusals.iter().map(|refusal| refusal.field.as_str()).collect()
}

/// Every object of a YAML text.
pub(super) fn objects(file: &str, text: &str) -> Vec<Value> {
    let mut loader = Loader::default();
    loader.add(file, text);
    let loaded = loader.finish();
    assert!(loaded.findings.is_empty(), "{file}: {:?}", loaded.findings);
    loaded.manifests.into_iter().map(|manifest| manifest.value).collect()
}

/// A word for messages: what the object is and what it is called.
pub(super) fn title(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

/// Both judges.
pub(super) struct Judges<'t> {
    tenant: Tenant<'t>,
    checker: Checker,
}

impl<'t> Judges<'t> {
    pub(super) fn new(tenant: Tenant<'t>) -> Self {
        let checker = Checker::new(&crds::definitions()).expect("every keyword is understood");
        Self { tenant, checker }
    }

    /// What the API server objects to, with fields it does not know refused as kubectl has them
    /// refused. Nothing is stored.
    pub(super) async fn api_server(&self, object: &Value) -> Vec<Refusal> {
        let plural = match object["kind"].as_str() {
            Some("ModelRoute") => "modelroutes",
            Some("CredentialStore") => "credentialstores",
            Some("Consumer") => "consumers",
            other => panic!("no such kind: {other:?}"),
        };
        let api_version = object["apiVersion"].as_str().expect("a version");
        let namespace = &self.tenant.namespace;
        let path = format!(
            "/apis/{api_version}/namespaces/{namespace}/{plural}?dryRun=All&fieldValidation=Strict"
        );
        let request = http::Request::post(path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(object.to_string().into_bytes())
            .expect("a valid request");
        match self.tenant.client.request::<Value>(request).await {
            Ok(_) => Vec::new(),
            Err(kube::Error::Api(status)) => refusals(&status),
            Err(error) => panic!("{}: {error}", title(object)),
        }
    }

    /// What `pilothouse validate` objects to.
    pub(super) fn validate(&self, object: &Value) -> Vec<Refusal> {
        let mut loader = Loader::default();
        loader.add("object.json", &object.to_string());
        let mut loaded = loader.finish();
        let mut found = loaded.findings;
        for manifest in &mut loaded.manifests {
            found.extend(self.checker.check(manifest));
        }
        found
            .into_iter()
            .filter(|finding| finding.severity == Severity::Error)
            .map(|finding| Refusal::new(as_api_server(&finding.field), finding.message))
            .collect()
    }
}

/// `validate` writes the key of a map in brackets, because it may hold dots; the API server does not.
fn as_api_server(field: &str) -> String {
    let mut text = String::new();
    let mut rest = field;
    while let Some((before, bracket)) = rest.split_once('[') {
        let (key, after) = bracket.split_once(']').unwrap_or((bracket, ""));
        let is_index = key.bytes().all(|byte| byte.is_ascii_digit());
        let pieces = if is_index { [before, "[", key, "]"] } else { [before, ".", key, ""] };
        text.extend(pieces);
        rest = after;
    }
    text + rest
}

/// From 1.36 on the API server names the format of a number where it named its type.
fn without_formats(message: &str) -> String {
    message
        .replace("of type int32", "of type integer")
        .replace("of type int64", "of type integer")
        .replace("of type double", "of type number")
}

fn refusals(status: &kube::core::Status) -> Vec<Refusal> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let found: Vec<Refusal> = causes
        // Says only that CEL rules were left out because of the others.
        .filter(|cause| cause.field != "<nil>")
        .map(|cause| Refusal::new(&cause.field, without_formats(&cause.message)))
        .collect();
    if !found.is_empty() {
        return found;
    }
    // Unknown fields are found by the decoder, which has no causes: only a text that quotes them.
    let quoted: Vec<Refusal> = status
        .message
        .split("unknown field \"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .map(|(field, _)| Refusal::new(field, "unknown field"))
        .collect();
    if !quoted.is_empty() {
        return quoted;
    }
    // What cannot even be decoded names its field in Go's words, or not at all.
    assert!(matches!(status.code, 400 | 422), "a refusal of another kind: {status:?}");
    vec![Refusal::new("", &status.message)]
}
