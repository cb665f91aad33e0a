//! The structural part of a schema: types, sizes, patterns, lists without repetition.
//!
//! A structural schema is a small, closed part of OpenAPI v3, so checking it is one walk here and
//! says what the API server says. A keyword that this walk does not know is refused when the
//! schema is loaded, so nothing passes for want of a check. What strings hold is not repeated in a
//! message: a key pasted into the wrong field must not reach a log. Words of an enum are the exception.

use std::collections::HashSet;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::{Map, Number, Value};

use super::Problem;
use super::patterns::Patterns;
use super::shape::{item_schema, map_values};
use super::types::{fits_format, same, type_name, wrong_type};

/// Checks a value that has its defaults. `metadata` has rules of its own.
pub(super) fn check(
    schema: &JSONSchemaProps,
    patterns: &Patterns,
    value: &Value,
    problems: &mut Vec<Problem>,
) {
    let mut walk = Walk { patterns, path: String::new(), problems };
    walk.visit(schema, value);
}

struct Walk<'w> {
    patterns: &'w Patterns,
    path: String,
    problems: &'w mut Vec<Problem>,
}

impl Walk<'_> {
    fn report(&mut self, message: impl Into<String>) {
        self.problems.push(Problem::new(self.path.clone(), message));
    }

    fn at(&mut self, step: &str, schema: &JSONSchemaProps, value: &Value) {
        let length = self.path.len();
        if length == 0 {
            self.path.push_str(step.trim_start_matches('.'));
        } else {
            self.path.push_str(step);
        }
        self.visit(schema, value);
        self.path.truncate(length);
    }

    fn visit(&mut self, schema: &JSONSchemaProps, value: &Value) {
        if value.is_null() && schema.nullable == Some(true) {
            return;
        }
        if let Some(expected) = wrong_type(schema, value) {
            let found = type_name(value);
            return self.report(format!("Invalid value: must be of type {expected}, not {found}"));
        }
        if let Some(allowed) = &schema.enum_
            && !allowed.iter().any(|allowed| same(&allowed.0, value))
        {
            let allowed: Vec<_> = allowed.iter().map(|allowed| allowed.0.to_string()).collect();
            let shown = abbreviated(value);
            self.report(format!(
                "Unsupported value: {shown}: supported values: {}",
                allowed.join(", ")
            ));
        }
        match value {
            Value::String(text) => self.string(schema, text),
            Value::Number(number) => self.number(schema, number),
            Value::Array(items) => self.list(schema, items),
            Value::Object(fields) => self.object(schema, fields),
            Value::Null | Value::Bool(_) => {}
        }
        self.branches(schema, value);
    }

    fn string(&mut self, schema: &JSONSchemaProps, text: &str) {
        let length = size(text.chars().count());
        if schema.max_length.is_some_and(|max| length > max) {
            let max = schema.max_length.unwrap_or_default();
            self.report(format!("Too long: may not be more than {max} characters"));
        }
        if schema.min_length.is_some_and(|min| length < min) {
            let min = schema.min_length.unwrap_or_default();
            self.report(format!("Invalid value: should be at least {min} characters long"));
        }
        if let Some(pattern) = &schema.pattern
            && !self.patterns.matches(pattern, text)
        {
            self.report(format!("Invalid value: should match '{pattern}'"));
        }
    }

    fn number(&mut self, schema: &JSONSchemaProps, number: &Number) {
        // Bounds in a schema are floats too; whole numbers below 2^53 compare exactly.
        let value = number.as_f64().unwrap_or(f64::NAN);
        if let Some(min) = schema.minimum {
            match schema.exclusive_minimum {
                Some(true) if value <= min => {
                    self.report(format!("Invalid value: {number}: should be greater than {min}"));
                }
                _ if value < min => {
                    self.report(format!(
                        "Invalid value: {number}: should be greater than or equal to {min}"
                    ));
                }
                _ => {}
            }
        }
        if let Some(max) = schema.maximum {
            match schema.exclusive_maximum {
                Some(true) if value >= max => {
                    self.report(format!("Invalid value: {number}: should be less than {max}"));
                }
                _ if value > max => {
                    self.report(format!(
                        "Invalid value: {number}: should be less than or equal to {max}"
                    ));
                }
                _ => {}
            }
        }
        if let Some(step) = schema.multiple_of
            && (value / step).fract().abs() > f64::EPSILON
        {
            self.report(format!("Invalid value: {number}: should be a multiple of {step}"));
        }
        if let Some(format) = schema.format.as_deref()
            && !fits_format(number, format)
        {
            self.report(format!("Invalid value: {number}: is out of the range of {format}"));
        }
    }

    fn list(&mut self, schema: &JSONSchemaProps, items: &[Value]) {
        let count = size(items.len());
        if let Some(max) = schema.max_items
            && count > max
        {
            self.report(format!("Too many: {count}: must have at most {max} items"));
        }
        if let Some(min) = schema.min_items
            && count < min
        {
            self.report(format!("Invalid value: should have at least {min} items"));
        }
        self.repetition(schema, items);
        if let Some(every) = item_schema(schema) {
            for (index, item) in items.iter().enumerate() {
                self.at(&format!("[{index}]"), every, item);
            }
        }
    }

    /// `x-kubernetes-list-type`: items of a set, and keys of a map, may occur once.
    fn repetition(&mut self, schema: &JSONSchemaProps, items: &[Value]) {
        let keys = schema.x_kubernetes_list_map_keys.as_deref().unwrap_or_default();
        let identity: fn(&Value, &[String]) -> Value =
            match schema.x_kubernetes_list_type.as_deref() {
                Some("set") => |item, _| item.clone(),
                Some("map") => |item, keys| {
                    let key = |key: &String| Some((key.clone(), item.get(key)?.clone()));
                    Value::Object(keys.iter().filter_map(key).collect())
                },
                _ => return,
            };
        let mut seen = HashSet::new();
        for (index, item) in items.iter().enumerate() {
            let identity = identity(item, keys);
            if !seen.insert(identity.to_string()) {
                let place = format!("{}[{index}]", self.path);
                let message = format!("Duplicate value: {}", abbreviated(&identity));
                self.problems.push(Problem::new(place, message));
            }
        }
    }

    fn object(&mut self, schema: &JSONSchemaProps, fields: &Map<String, Value>) {
        let count = size(fields.len());
        if let Some(max) = schema.max_properties
            && count > max
        {
            self.report(format!("Too many: {count}: must have at most {max} items"));
        }
        if let Some(min) = schema.min_properties
            && count < min
        {
            self.report(format!("Invalid value: should have at least {min} properties"));
        }
        for name in schema.required.iter().flatten().filter(|name| !fields.contains_key(*name)) {
            let dot = if self.path.is_empty() { "" } else { "." };
            self.problems.push(Problem::new(format!("{}{dot}{name}", self.path), "Required value"));
        }
        let named = schema.properties.as_ref();
        for (name, value) in fields {
            if let Some(field) = named.and_then(|named| named.get(name)) {
                if !(self.path.is_empty() && name == "metadata") {
                    self.at(&format!(".{name}"), field, value);
                }
            } else if let Some(every) = map_values(schema) {
                self.at(&format!("[{name}]"), every, value);
            }
        }
    }

    fn branches(&mut self, schema: &JSONSchemaProps, value: &Value) {
        for branch in schema.all_of.iter().flatten() {
            self.visit(branch, value);
        }
        let fits = |branch: &&JSONSchemaProps| self.fits(branch, value);
        let any = schema.any_of.as_ref().is_none_or(|any| any.iter().any(|branch| fits(&branch)));
        let one = schema.one_of.as_ref().is_none_or(|one| one.iter().filter(fits).count() == 1);
        let not = schema.not.as_deref().is_none_or(|not| !fits(&not));
        if !any {
            self.report("Invalid value: must validate at least one schema (anyOf)");
        }
        if !one {
            self.report("Invalid value: must validate one and only one schema (oneOf)");
        }
        if !not {
            self.report("Invalid value: must not validate the schema (not)");
        }
    }

    fn fits(&self, schema: &JSONSchemaProps, value: &Value) -> bool {
        let mut problems = Vec::new();
        Walk { patterns: self.patterns, path: self.path.clone(), problems: &mut problems }
            .visit(schema, value);
        problems.is_empty()
    }
}

fn size(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A value for a message: a word of an enum or the name of a list item, not a whole document.
fn abbreviated(value: &Value) -> String {
    const LONGEST: usize = 80;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
