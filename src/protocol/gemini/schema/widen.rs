//! From Google's subset to JSON Schema.

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::tree::{Json, Object, member};
use crate::protocol::gemini::members::camel;

/// The schema as JSON Schema; `None` if it nests too deeply to be one.
pub(in crate::protocol::gemini) fn widened(schema: &RawValue) -> Option<Box<RawValue>> {
    let schema = serde_json::from_str::<Json>(schema.get()).ok()?;
    to_raw_value(&node(schema)).ok()
}

fn node(schema: Json) -> Json {
    let Json::Object(members) = schema else { return schema };
    let nullable =
        member(&members, "nullable").and_then(Json::as_scalar) == Some(&Value::Bool(true));
    let mut wide = Object::with_capacity(members.len());
    for (name, value) in members {
        let name = keyword(name);
        let value = match (name.as_str(), value) {
            // OpenAPI's words for what JSON Schema says otherwise or not at all.
            ("nullable" | "propertyOrdering" | "example", _) => continue,
            ("format", format) if format.as_str() == Some("enum") => continue,
            ("type", word) => match type_word(&word, nullable) {
                Some(value) => value,
                None => continue,
            },
            ("enum", Json::List(mut words)) => {
                if nullable {
                    words.push(Json::Scalar(Value::Null));
                }
                Json::List(words)
            }
            ("properties" | "$defs" | "defs", Json::Object(named)) => {
                Json::Object(named.into_iter().map(|(name, one)| (name, node(one))).collect())
            }
            ("items" | "additionalProperties", one) => node(one),
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Json::List(list)) => {
                let mut list: Vec<Json> = list.into_iter().map(node).collect();
                if nullable && name == "anyOf" {
                    list.push(Json::Object(vec![("type".to_owned(), Json::text("null"))]));
                }
                Json::List(list)
            }
            (bound, value) if bound.starts_with("min") || bound.starts_with("max") => number(value),
            (_, value) => value,
        };
        wide.push((name, value));
    }
    Json::Object(wide)
}

/// A keyword in the spelling of JSON Schema.
fn keyword(name: String) -> String {
    match name.as_str() {
        "any_of"
        | "min_items"
        | "max_items"
        | "min_length"
        | "max_length"
        | "min_properties"
        | "max_properties"
        | "property_ordering"
        | "additional_properties" => camel(&name),
        "ref" => "$ref".to_owned(),
        "defs" => "$defs".to_owned(),
        _ => name,
    }
}

fn type_word(word: &Json, nullable: bool) -> Option<Json> {
    let Some(text) = word.as_str() else { return Some(word.clone()) };
    let text = text.to_ascii_lowercase();
    if text == "type_unspecified" {
        return None;
    }
    let word = Json::text(&text);
    Some(if nullable { Json::List(vec![word, Json::text("null")]) } else { word })
}

/// A bound, which Google writes as a string where it has 64 bits.
fn number(value: Json) -> Json {
    match value.as_str().and_then(|text| text.parse::<i64>().ok()) {
        Some(number) => Json::Scalar(number.into()),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_subset_is_said_in_json_schema_and_keeps_its_order() {
        let schema = r#"{"type":"OBJECT","properties":{
            "zebra":{"type":"STRING","nullable":true,"format":"enum","enum":["x"]},
            "list":{"type":"ARRAY","min_items":"2","items":{"anyOf":[{"type":"NUMBER"}],"nullable":true}}},
            "required":["zebra"],"propertyOrdering":["zebra","list"]}"#;
        let raw = RawValue::from_string(schema.to_owned()).expect("JSON");
        let wide = widened(&raw).expect("a schema");
        let value: Value = serde_json::from_str(wide.get()).expect("JSON");
        let expected = json!({"type": "object", "properties": {
            "zebra": {"type": ["string", "null"], "enum": ["x", null]},
            "list": {"type": "array", "minItems": 2,
                "items": {"anyOf": [{"type": "number"}, {"type": "null"}]}}},
            "required": ["zebra"]});
        assert_eq!(value, expected);
        assert!(wide.get().find("zebra") < wide.get().find("list"));
    }

    #[test]
    fn a_property_may_have_the_name_of_a_keyword() {
        let schema = r#"{"properties":{"nullable":{"type":"STRING"},"format":{"type":"STRING"}}}"#;
        let raw = RawValue::from_string(schema.to_owned()).expect("JSON");
        let wide = widened(&raw).expect("a schema");
        assert_eq!(
            wide.get(),
            r#"{"properties":{"nullable":{"type":"string"},"format":{"type":"string"}}}"#
        );
    }
}
