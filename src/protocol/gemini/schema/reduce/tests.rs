use serde_json::json;

use super::*;

fn reduce(schema: &Value) -> Value {
    let raw = to_raw_value(schema).expect("JSON");
    let reduced = reduced(&raw).expect("a schema of an object");
    serde_json::from_str(reduced.get()).expect("JSON")
}

#[test]
fn vector_40_a_schema_becomes_the_subset() {
    let cases = [
        (json!({"const": "x"}), json!({"type": "STRING", "enum": ["x"]})),
        (json!({"type": "integer", "enum": [1, 2]}), json!({"type": "STRING", "enum": ["1", "2"]})),
        (json!({"type": ["string", "null"]}), json!({"type": "STRING", "nullable": true})),
        (
            json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}),
            json!({"type": "INTEGER", "nullable": true}),
        ),
        (
            json!({"type": ["string", "integer"]}),
            json!({"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]}),
        ),
        (
            json!({"$ref": "#/$defs/p", "$defs": {"p": {"type": "object",
                "properties": {"n": {"type": "number"}}, "additionalProperties": false}}}),
            json!({"type": "OBJECT", "properties": {"n": {"type": "NUMBER"}}}),
        ),
        (
            json!({"allOf": [
                {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b", "gone"]}]}),
            json!({"type": "OBJECT", "required": ["a", "b"],
                "properties": {"a": {"type": "STRING"}, "b": {"type": "STRING"}}}),
        ),
        (json!({"type": "array"}), json!({"type": "ARRAY", "items": {"type": "STRING"}})),
        (
            json!({"type": "string", "format": "email", "description": "whom"}),
            json!({"type": "STRING", "description": "whom"}),
        ),
        (
            json!({"properties": {"any": true}}),
            json!({"type": "OBJECT", "properties": {"any": {"type": "STRING"}}}),
        ),
    ];
    for (schema, expected) in cases {
        assert_eq!(reduce(&schema), expected, "{schema}");
    }
}

#[test]
fn vector_40_recursion_is_cut() {
    let tree = json!({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {
        "value": {"type": "string"},
        "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}}});
    let expected = json!({"type": "OBJECT", "properties": {
        "value": {"type": "STRING"},
        "children": {"type": "ARRAY", "items": {"type": "OBJECT"}}}});
    assert_eq!(reduce(&tree), expected);
    assert_eq!(reduce(&json!({"$ref": "#"})), json!({"type": "OBJECT"}));
    assert_eq!(reduce(&json!({"$ref": "other.json#/x"})), json!({"type": "OBJECT"}));
}

#[test]
fn vector_40_references_cannot_explode() {
    let level = |at: usize| {
        let next = json!({"$ref": format!("#/$defs/l{}", at + 1)});
        let properties: serde_json::Map<String, Value> =
            (0..8).map(|n| (n.to_string(), next.clone())).collect();
        (format!("l{at}"), json!({"type": "object", "properties": properties}))
    };
    let levels: serde_json::Map<String, Value> = (0..20).map(level).collect();
    let reduced = reduce(&json!({"$ref": "#/$defs/l0", "$defs": levels})).to_string();
    assert!(reduced.len() < 1_000_000, "{}", reduced.len());
}

#[test]
fn vector_15_properties_keep_their_order() {
    let raw = RawValue::from_string(
        r#"{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"string"}}}"#.into(),
    )
    .expect("JSON");
    let reduced = reduced(&raw).expect("a schema");
    assert!(reduced.get().find(r#""b""#) < reduced.get().find(r#""a""#), "{reduced}");
}

#[test]
fn a_function_without_parameters_says_nothing_of_them() {
    for (schema, nothing) in [
        (json!({"type": "object", "properties": {}}), true),
        (json!({"type": "object"}), true),
        (json!({"properties": {"a": {"type": "string"}}}), false),
    ] {
        let raw = to_raw_value(&schema).expect("JSON");
        assert_eq!(takes_nothing(&reduced(&raw).expect("a schema")), nothing, "{schema}");
    }
}
