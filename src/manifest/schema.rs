//! What an API server checks before it stores an object, done without one.
//!
//! The rules are not written again here: they are read from the very CustomResourceDefinitions
//! that are installed in a cluster, so that what passes here can be applied there and what is
//! refused there is refused here. In the API server's order: unknown fields, removal of `null`s,
//! defaults, structure, list types, and CEL rules over an object that passed all of these.

mod cel;
mod defaults;
mod metadata;
mod patterns;
mod shape;
mod structure;
mod types;
mod unknown;

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use serde_json::Value;

use super::{Finding, Kind, Manifest, secret};

/// Something wrong with a field.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    field: String,
    message: String,
}

impl Problem {
    fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// Why a CustomResourceDefinition cannot be checked against.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {field}: {reason}")]
pub struct SchemaError {
    /// The kind it defines.
    pub kind: &'static str,
    /// The field whose schema it is about.
    pub field: String,
    /// What is wrong or not understood.
    pub reason: String,
}

/// Checks objects as an API server with our CustomResourceDefinitions would.
#[derive(Debug)]
pub struct Checker {
    schemas: BTreeMap<Kind, Schema>,
}

#[derive(Debug)]
struct Schema {
    props: JSONSchemaProps,
    patterns: patterns::Patterns,
    rules: cel::Rules,
}

impl Checker {
    /// Prepares the schemas. An error means that a definition uses what is not understood here:
    /// objects would pass without having been checked.
    pub fn new(crds: &[CustomResourceDefinition]) -> Result<Self, SchemaError> {
        let mut schemas = BTreeMap::new();
        for kind in Kind::ALL {
            if let Some(props) = crds.iter().find_map(|crd| schema_of(crd, kind)) {
                schemas.insert(kind, Schema::new(kind, props)?);
            }
        }
        Ok(Self { schemas })
    }

    /// Checks an object and puts the defaults of its schema into it. Any finding of
    /// [`Severity::Error`](super::Severity::Error) means that the API server would refuse it.
    pub fn check(&self, manifest: &mut Manifest) -> Vec<Finding> {
        let mut problems = Vec::new();
        metadata::check(manifest.kind, &manifest.value, &mut problems);
        let mut unchecked = false;
        if let Some(schema) = self.schemas.get(&manifest.kind) {
            unchecked = schema.check(&mut manifest.value, &mut problems);
        } else if let Some(fields) = metadata::fields_of(manifest.kind) {
            unknown::check_top(fields, &manifest.value, &mut problems);
        }
        problems.sort();
        problems.dedup();
        let found =
            problems.into_iter().map(|problem| manifest.error(problem.field, problem.message));
        let mut findings: Vec<_> = found.collect();
        if manifest.kind == Kind::Secret {
            findings.extend(secret::data(manifest).1);
        }
        if unchecked {
            let note = manifest.note("", "some rules were not checked; mend its errors first");
            findings.push(note);
        }
        findings
    }
}

fn schema_of(crd: &CustomResourceDefinition, kind: Kind) -> Option<JSONSchemaProps> {
    let (group, version) = kind.api_version().split_once('/')?;
    if crd.spec.group != group || crd.spec.names.kind != kind.name() {
        return None;
    }
    let served = crd.spec.versions.iter().find(|served| served.name == version)?;
    served.schema.as_ref()?.open_api_v3_schema.clone()
}

impl Schema {
    fn new(kind: Kind, props: JSONSchemaProps) -> Result<Self, SchemaError> {
        let at_kind = |problem: Problem| SchemaError {
            kind: kind.name(),
            field: problem.field,
            reason: problem.message,
        };
        let mut checked = props.clone();
        if let Some(fields) = &mut checked.properties {
            // Only the names of its fields are looked at; see `check`.
            fields.remove("status");
        }
        let patterns = patterns::Patterns::new(&checked).map_err(at_kind)?;
        let rules = cel::Rules::new(&checked).map_err(at_kind)?;
        Ok(Self { props, patterns, rules })
    }

    /// Checks and completes an object; says whether rules were left out because of other problems.
    fn check(&self, value: &mut Value, problems: &mut Vec<Problem>) -> bool {
        unknown::check(&self.props, value, problems);
        if let Value::Object(fields) = value {
            // Written by the controller alone: the API server drops it from what users apply.
            fields.remove("status");
        }
        defaults::apply(&self.props, value);
        let before = problems.len();
        structure::check(&self.props, &self.patterns, value, problems);
        if problems.len() > before {
            return self.rules.any();
        }
        self.rules.check(value, problems);
        false
    }
}

#[cfg(test)]
mod tests;
