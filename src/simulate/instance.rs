//! A value that meets a JSON schema: what the simulator calls tools with and answers when
//! structured output is asked for.

use serde_json::{Map, Value, json};

/// Recursive schemas have no smallest value that a simple rule finds; here they end in `null`.
const DEEPEST: usize = 16;

/// The plainest value of `schema`: given constants and first choices, every listed property, one
/// item in each array.
pub(super) fn of(schema: &Value) -> Value {
    fill(schema, schema, DEEPEST)
}

fn fill(schema: &Value, root: &Value, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return Value::Null };
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or(Value::Null, |target| fill(target, root, depth));
    }
    for given in ["const", "default"] {
        if let Some(value) = schema.get(given) {
            return value.clone();
        }
    }
    for choices in ["enum", "examples"] {
        if let Some(value) = schema.get(choices).and_then(|all| all.get(0)) {
            return value.clone();
        }
    }
    for choices in ["anyOf", "oneOf", "allOf"] {
        if let Some(choice) = schema.get(choices).and_then(|all| all.get(0)) {
            return fill(choice, root, depth);
        }
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
        Some(kind) => kind.as_str(),
        None => schema.get("properties").map(|_| "object"),
    };
    match kind {
        Some("string") => string(schema),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(true),
        Some("array") => {
            let item = schema.get("items").map(|items| fill(items, root, depth));
            Value::Array(item.into_iter().collect())
        }
        Some("null") => Value::Null,
        _ => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let filled: Map<_, _> = properties
                .into_iter()
                .flatten()
                .map(|(name, property)| (name.clone(), fill(property, root, depth)))
                .collect();
            Value::Object(filled)
        }
    }
}

fn string(schema: &Value) -> Value {
    json!(match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2026-01-01T00:00:00Z",
        Some("date") => "2026-01-01",
        Some("time") => "00:00:00Z",
        Some("duration") => "PT1S",
        Some("email") => "someone@example.com",
        Some("hostname") => "example.com",
        Some("uri") => "https://example.com/",
        Some("ipv4") => "192.0.2.1",
        Some("ipv6") => "2001:db8::1",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        _ => "example",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_what_the_schema_lists() {
        let schema = json!({"type": "object", "$defs": {"unit": {"enum": ["C", "F"]}},
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 3},
                "unit": {"$ref": "#/$defs/unit"}, "tags": {"type": "array", "items": {"type":
                ["string", "null"]}}, "at": {"anyOf": [{"type": "string", "format": "date"}]},
                "exact": {"const": 7}, "yes": {"type": "boolean"}}});
        let expected = json!({"city": "example", "days": 3, "unit": "C", "tags": ["example"],
            "at": "2026-01-01", "exact": 7, "yes": true});
        assert_eq!(of(&schema), expected);
    }

    #[test]
    fn ends_in_a_recursive_schema_and_for_anything_else() {
        assert!(of(&json!({"properties": {"next": {"$ref": "#"}}})).is_object());
        assert_eq!(of(&json!({})), json!({}));
        assert_eq!(of(&json!(true)), json!({}));
    }
}
