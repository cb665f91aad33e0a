//! What a schema asks for, looked through once when it is loaded.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use regex::Regex;

use super::Problem;
use super::shape::{item_schema, map_values};

/// Formats of strings that are checked, those of numbers aside. The API server ignores any it does
/// not know, so only what it knows has to be here.
const UNCHECKED_FORMATS: [&str; 20] = [
    "bsonobjectid",
    "byte",
    "cidr",
    "creditcard",
    "date",
    "date-time",
    "duration",
    "email",
    "hexcolor",
    "hostname",
    "ipv4",
    "ipv6",
    "isbn",
    "mac",
    "password",
    "rgbcolor",
    "ssn",
    "uri",
    "uuid",
    "datetime",
];

/// Classes that Go reads as ASCII and this crate as Unicode: the API server would let in what is
/// refused here. A pattern has to spell out what it means.
const ASCII_CLASSES: [&str; 8] = ["\\s", "\\S", "\\d", "\\D", "\\w", "\\W", "\\b", "\\B"];

/// The compiled patterns of a schema.
#[derive(Debug, Default)]
pub(super) struct Patterns(BTreeMap<String, Regex>);

impl Patterns {
    /// Whether a text matches a pattern of the schema.
    pub(super) fn matches(&self, pattern: &str, text: &str) -> bool {
        self.0.get(pattern).is_some_and(|compiled| compiled.is_match(text))
    }

    /// Compiles the patterns; an error names the field that uses what is not checked here.
    pub(super) fn new(schema: &JSONSchemaProps) -> Result<Self, Problem> {
        let mut patterns = Self::default();
        patterns.survey(schema, "")?;
        Ok(patterns)
    }

    fn survey(&mut self, schema: &JSONSchemaProps, path: &str) -> Result<(), Problem> {
        if let Some(keyword) = unchecked_keyword(schema) {
            return Err(Problem::new(
                path,
                format!("`{keyword}` is not checked outside a cluster"),
            ));
        }
        if let Some(pattern) = &schema.pattern {
            if let Some(class) = ASCII_CLASSES.iter().find(|class| pattern.contains(**class)) {
                let message = format!("`{class}` in a pattern is ASCII to the API server only");
                return Err(Problem::new(path, message));
            }
            let compiled =
                Regex::new(pattern).map_err(|error| Problem::new(path, error.to_string()))?;
            self.0.insert(pattern.clone(), compiled);
        }
        for (name, field) in schema.properties.iter().flatten() {
            self.survey(field, &format!("{path}.{name}"))?;
        }
        let inner = item_schema(schema).into_iter().chain(map_values(schema));
        let branches = [&schema.all_of, &schema.any_of, &schema.one_of];
        let branches = branches.into_iter().flatten().flatten().chain(schema.not.as_deref());
        for schema in inner.chain(branches) {
            self.survey(schema, &format!("{path}[*]"))?;
        }
        Ok(())
    }
}

fn unchecked_keyword(schema: &JSONSchemaProps) -> Option<&str> {
    let format = schema.format.as_deref().filter(|format| UNCHECKED_FORMATS.contains(format));
    format
        .or(schema.ref_path.as_ref().map(|_| "$ref"))
        .or(schema.pattern_properties.as_ref().map(|_| "patternProperties"))
        .or(schema.dependencies.as_ref().map(|_| "dependencies"))
        .or(schema.additional_items.as_ref().map(|_| "additionalItems"))
        .or(schema.unique_items.filter(|unique| *unique).map(|_| "uniqueItems"))
        .or(schema.x_kubernetes_embedded_resource.map(|_| "x-kubernetes-embedded-resource"))
}
