//! From an object as it was written to its spec: whose it is, whether it can be read, and which
//! fields nobody here knows.

use std::collections::BTreeMap;
use std::fmt::Write;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::finding::{Fault, Notes};
use super::{Raw, Tenancy};
use crate::api::{AllowedNamespaces, ConditionType, DEFAULT_GATEWAY, Kind, Reason};
use crate::table::ObjectName;

/// The objects of this gateway by name, each with the notes that are taken on it.
pub(super) fn ours<'s>(
    kind: Kind,
    raws: &'s [Raw],
    tenancy: &Tenancy,
) -> BTreeMap<&'s ObjectName, (&'s Raw, Notes)> {
    let mut objects: BTreeMap<&ObjectName, (&Raw, Notes)> = BTreeMap::new();
    for raw in raws.iter().filter(|raw| belongs(raw, tenancy)) {
        let Some((known, notes)) = objects.get_mut(&raw.name) else {
            objects.insert(&raw.name, (raw, Notes::new(kind, &raw.name)));
            continue;
        };
        // Only files can say a thing twice. Which one wins must not depend on their order.
        if raw.spec.to_string() < known.spec.to_string() {
            *known = raw;
        }
        let message = "is defined more than once; remove all but one";
        let fault = Fault::new(Reason::Invalid, "metadata.name", message);
        notes.warning(ConditionType::Accepted, fault);
    }
    objects
}

fn belongs(raw: &Raw, tenancy: &Tenancy) -> bool {
    match raw.spec.get("gateway") {
        None => *tenancy.gateway_name == *DEFAULT_GATEWAY,
        Some(gateway) => gateway.as_str() == Some(&tenancy.gateway_name),
    }
}

/// Reads a spec.
pub(super) fn spec<T: DeserializeOwned>(raw: &Raw) -> Result<T, Fault> {
    decode(&raw.spec, "spec")
}

/// Reads the grant of an object by itself: it holds at once, even where the rest of the spec cannot
/// be read. A grant with a field that is not known is no grant, since what was left out may have
/// been a restriction.
pub(super) fn grant(kind: Kind, raw: &Raw) -> Result<Option<AllowedNamespaces>, Fault> {
    if !raw.spec.is_object() {
        return Err(Fault::new(Reason::Invalid, "spec", "must be an object"));
    }
    let Some(value) = raw.spec.get("allowedNamespaces") else { return Ok(None) };
    let path = "spec.allowedNamespaces";
    let schema = kind.spec_schema().and_then(|schema| field(schema, "allowedNamespaces"));
    let mut unknown = Vec::new();
    if let Some(schema) = schema {
        collect_unknown(schema, value, &mut path.to_owned(), &mut unknown);
    }
    match unknown.into_iter().next() {
        Some(path) => Err(Fault::new(Reason::UnknownField, path, UNKNOWN)),
        None => decode(value, path),
    }
}

const UNKNOWN: &str = "is a field that this version does not know; check its spelling";

/// The faults of all fields that nobody knows.
pub(super) fn unknown_fields(kind: Kind, raw: &Raw) -> Vec<Fault> {
    let mut paths = Vec::new();
    if let Some(schema) = kind.spec_schema() {
        collect_unknown(schema, &raw.spec, &mut "spec".to_owned(), &mut paths);
    }
    paths.into_iter().map(|path| Fault::new(Reason::UnknownField, path, UNKNOWN)).collect()
}

fn decode<T: DeserializeOwned>(value: &Value, root: &str) -> Result<T, Fault> {
    // Keeping track of the path costs; almost every object can be read.
    T::deserialize(value).or_else(|_| {
        serde_path_to_error::deserialize(value).map_err(|error| {
            let inner = error.path().to_string();
            let path = if inner == "." { root.to_owned() } else { format!("{root}.{inner}") };
            Fault::new(Reason::Invalid, path, without_value(&error.inner().to_string()))
        })
    })
}

/// What a field must be, without what it is: people paste keys where they do not belong.
fn without_value(error: &str) -> String {
    let Some((_, expected)) = error.rsplit_once(", expected ") else { return error.to_owned() };
    match expected {
        "i32" | "i64" => "must be a whole number".to_owned(),
        "f64" => "must be a number".to_owned(),
        "a sequence" => "must be a list".to_owned(),
        "a boolean" => "must be `true` or `false`".to_owned(),
        expected if expected.starts_with("struct ") || expected == "a map" => {
            "must be an object".to_owned()
        }
        expected => format!("must be {expected}"),
    }
}

fn field<'s>(schema: &'s JSONSchemaProps, name: &str) -> Option<&'s JSONSchemaProps> {
    schema.properties.as_ref()?.get(name)
}

/// Collects the paths of unknown fields below `value`, which stands at `path`.
fn collect_unknown(
    schema: &JSONSchemaProps,
    value: &Value,
    path: &mut String,
    unknown: &mut Vec<String>,
) {
    let length = path.len();
    match value {
        // A schema without properties is a map or free JSON: every name is known.
        Value::Object(fields) if schema.properties.is_some() => {
            for (name, inner) in fields {
                path.push('.');
                path.push_str(name);
                match field(schema, name) {
                    Some(schema) => collect_unknown(schema, inner, path, unknown),
                    None => unknown.push(path.clone()),
                }
                path.truncate(length);
            }
        }
        Value::Array(items) => {
            if let Some(JSONSchemaPropsOrArray::Schema(schema)) = &schema.items {
                for (index, item) in items.iter().enumerate() {
                    // Writing to a String cannot fail.
                    let _ = write!(path, "[{index}]");
                    collect_unknown(schema, item, path, unknown);
                    path.truncate(length);
                }
            }
        }
        _ => {}
    }
}
