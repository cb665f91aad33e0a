//! A small world to compile: objects by namespace and name, and questions about the outcome.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::{ConditionType, Kind, Reason};
use crate::compile::{
    self, AmbientSource, Compiled, ConditionReport, LastGood, ObjectReport, Raw, SecretData,
    Severity, Snapshot, Tenancy,
};
use crate::state::StateStore;
use crate::table::{Caller, KeyDigest, ModelPattern, ModelSet, ObjectName, Resolution, SecretText};
use crate::table::{Route, Target};

/// Long enough for a Consumer.
pub(super) const KEY: &str = "k3y-of-sixteen-and-more";

pub(super) struct World {
    pub(super) snapshot: Snapshot,
    pub(super) tenancy: Tenancy,
    pub(super) last_good: LastGood,
    pub(super) state: StateStore,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            snapshot: Snapshot::default(),
            tenancy: Tenancy {
                shared_namespaces: vec!["shared".into()],
                ..Tenancy::new("default")
            },
            last_good: LastGood::default(),
            state: StateStore::new(),
        }
    }

    /// Puts an object in place of what had its name, or beside the others. `name` is
    /// `namespace/name`; its age is that of the calls: first come, oldest.
    pub(super) fn put(&mut self, kind: Kind, name: &str, spec: Value) -> &mut Raw {
        let list = match kind {
            Kind::ModelRoute => &mut self.snapshot.routes,
            Kind::CredentialStore => &mut self.snapshot.stores,
            Kind::Consumer => &mut self.snapshot.consumers,
        };
        let name = object(name);
        if let Some(at) = list.iter().position(|raw| raw.name == name) {
            let raw = &mut list[at];
            raw.spec = Arc::new(spec);
            raw.generation += 1;
            return raw;
        }
        list.push(Raw {
            uid: format!("uid-of-{name}").into(),
            name,
            created: Some(i64::try_from(list.len()).expect("few")),
            generation: 1,
            spec: Arc::new(spec),
        });
        list.last_mut().expect("just pushed")
    }

    pub(super) fn route(&mut self, name: &str, spec: Value) -> &mut Raw {
        self.put(Kind::ModelRoute, name, spec)
    }

    pub(super) fn store(&mut self, name: &str, spec: Value) -> &mut Raw {
        self.put(Kind::CredentialStore, name, spec)
    }

    pub(super) fn consumer(&mut self, name: &str, spec: Value) -> &mut Raw {
        self.put(Kind::Consumer, name, spec)
    }

    pub(super) fn secret(&mut self, name: &str, key: &str, value: &str) {
        self.secrets(name, &[(key, value)]);
    }

    /// A Secret of several entries.
    pub(super) fn secrets(&mut self, name: &str, entries: &[(&str, &str)]) {
        let entry = |(key, value): &(&str, &str)| ((*key).to_owned(), SecretText::new(value));
        let data = SecretData::Present(entries.iter().map(entry).collect());
        self.snapshot.secrets.insert(object(name), data);
    }

    pub(super) fn no_secret(&mut self, name: &str) {
        self.snapshot.secrets.insert(object(name), SecretData::Absent);
    }

    pub(super) fn env(&mut self, name: &str, value: &str) {
        let source = AmbientSource::Env(name.into());
        self.snapshot.ambient.insert(source, Ok(SecretText::new(value)));
    }

    pub(super) fn labels(&mut self, namespace: &str, labels: &[(&str, &str)]) {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        self.snapshot.namespaces.insert(namespace.into(), labels.collect());
    }

    /// Compiles and remembers what was good, as the publisher does.
    pub(super) fn compile(&mut self) -> Outcome {
        let compiled =
            compile::compile(&self.snapshot, &self.tenancy, &self.last_good, &self.state);
        self.last_good = compiled.last_good.clone();
        Outcome(compiled)
    }
}

pub(super) struct Outcome(pub(super) Compiled);

impl Outcome {
    pub(super) fn route(&self, name: &str) -> Option<&Arc<Route>> {
        let name = object(name);
        self.0.table.routes.iter().find(|route| route.name == name)
    }

    pub(super) fn target(&self, route: &str, target: &str) -> &Arc<Target> {
        self.route(route).expect("served").target(target).expect("a target of that name")
    }

    /// Why a target cannot be asked; empty if it can.
    pub(super) fn fault(&self, route: &str, target: &str) -> &'static str {
        match &self.target(route, target).resolution {
            Resolution::Ready(_) => "",
            Resolution::Unresolved { reason, .. } => reason,
        }
    }

    /// The route that answers `model` for a caller from `namespace`.
    pub(super) fn asks(&self, namespace: &str, model: &str) -> Option<String> {
        let caller = caller(namespace);
        self.0.table.resolve(&caller, model).map(|(route, _)| route.label.to_string())
    }

    /// The Consumer that a key speaks for.
    pub(super) fn who(&self, key: &str) -> Option<String> {
        let caller = self.0.table.callers.get(&KeyDigest::of(key.as_bytes()))?;
        Some(format!("{}/{}", caller.namespace, caller.consumer.as_deref().unwrap_or_default()))
    }

    pub(super) fn report(&self, kind: Kind, name: &str) -> &ObjectReport {
        let name = object(name);
        let mut reports = self.0.reports.iter();
        reports
            .find(|report| report.object.kind == kind && report.object.name == name)
            .expect("a report of that object")
    }

    pub(super) fn condition(
        &self,
        kind: Kind,
        name: &str,
        condition: ConditionType,
    ) -> &ConditionReport {
        let mut conditions = self.report(kind, name).conditions.iter();
        conditions.find(|report| report.condition == condition).expect("that condition")
    }

    /// Asserts that the object has a finding with that field, reason and part of a message.
    pub(super) fn tells(&self, name: &str, path: &str, reason: Reason, message: &str) {
        let name = object(name);
        assert!(
            self.0.findings.iter().any(|finding| finding.object.name == name
                && finding.path == path
                && finding.reason == reason
                && finding.message.contains(message)),
            "no finding {name} {path} {reason} `{message}` in {:#?}",
            self.0.findings
        );
    }

    pub(super) fn errors(&self) -> Vec<String> {
        let errors = self.0.findings.iter().filter(|found| found.severity == Severity::Error);
        errors.map(ToString::to_string).collect()
    }
}

pub(super) fn object(name: &str) -> ObjectName {
    let (namespace, name) = name.split_once('/').expect("namespace/name");
    ObjectName::new(namespace, name)
}

pub(super) fn caller(namespace: &str) -> Caller {
    Caller {
        namespace: namespace.into(),
        consumer: Some("somebody".into()),
        models: ModelSet::new(vec![ModelPattern::Prefix("".into())]),
        admitted_everywhere: false,
    }
}

/// A route with one self-hosted target that needs no key.
pub(super) fn route(models: &[&str]) -> Value {
    json!({ "models": models, "targets": [
        { "name": "t", "provider": "vllm", "baseURL": "https://vllm.example/v1" }
    ] })
}

/// A store with one key from the Secret `keys`, entry `key`.
pub(super) fn key_store() -> Value {
    json!({ "type": "APIKey", "apiKey": { "keys": [
        { "name": "a", "valueFrom": { "secretKeyRef": { "name": "keys", "key": "key" } } }
    ] } })
}

/// A Consumer with one key from the Secret `token`, entry `key`.
pub(super) fn consumer() -> Value {
    json!({ "allowedModels": ["*"], "apiKeys": [
        { "name": "a", "valueFrom": { "secretKeyRef": { "name": "token", "key": "key" } } }
    ] })
}
