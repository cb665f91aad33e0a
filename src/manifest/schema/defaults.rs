//! `null`s and defaults, as the API server treats them before it looks at an object.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::Value;

use super::shape::{item_schema, map_values};

/// Removes each `null` of a field that may not be null, then fills in the defaults of fields that
/// are missing, also inside what was just filled in.
pub(super) fn apply(schema: &JSONSchemaProps, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in schema.properties.iter().flatten() {
                if is_misplaced_null(field, fields.get(name)) {
                    fields.remove(name);
                }
                if let Some(default) = &field.default
                    && !fields.contains_key(name)
                {
                    fields.insert(name.clone(), default.0.clone());
                }
                if let Some(inner) = fields.get_mut(name) {
                    apply(field, inner);
                }
            }
            let named = schema.properties.as_ref();
            if let Some(every) = map_values(schema) {
                let is_named = |name: &String| named.is_some_and(|named| named.contains_key(name));
                fields
                    .retain(|name, inner| is_named(name) || !is_misplaced_null(every, Some(inner)));
                let others = fields.iter_mut().filter(|(name, _)| !is_named(name));
                others.for_each(|(_, inner)| apply(every, inner));
            }
        }
        Value::Array(items) => {
            if let Some(every) = item_schema(schema) {
                for item in items {
                    apply(every, item);
                }
            }
        }
        _ => {}
    }
}

fn is_misplaced_null(schema: &JSONSchemaProps, value: Option<&Value>) -> bool {
    value.is_some_and(Value::is_null)
        && schema.nullable != Some(true)
        // Without a type anything goes, null too.
        && schema.type_.is_some()
}
