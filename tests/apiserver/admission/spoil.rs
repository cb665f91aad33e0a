//! Making an accepted object wrong in one field, once for each limit that its schema sets there.

use serde_json::{Map, Value, json};

use super::schema::{Node, Step};

/// One way to spoil one field.
pub(super) struct Spoiled {
    pub(super) object: Value,
    /// The field that must be objected to.
    pub(super) field: String,
    /// What the API server must say of it.
    pub(super) message: String,
}

/// Where an object holds what a schema path speaks of.
pub(super) struct Place {
    pointer: String,
    field: String,
}

/// The first place of `path` in `object`, if it has one.
pub(super) fn locate(object: &Value, path: &[Step]) -> Option<Place> {
    let Some((step, rest)) = path.split_first() else {
        return Some(Place { pointer: String::new(), field: String::new() });
    };
    let candidates: Vec<(String, String, &Value)> = match step {
        Step::Field(name) => {
            let dot = format!(".{name}");
            object.get(name).into_iter().map(|value| (name.clone(), dot.clone(), value)).collect()
        }
        Step::Item => {
            let items = object.as_array().into_iter().flatten().enumerate();
            items.map(|(index, item)| (index.to_string(), format!("[{index}]"), item)).collect()
        }
        Step::Entry => {
            let entries = object.as_object().into_iter().flatten();
            entries.map(|(key, value)| (key.clone(), format!(".{key}"), value)).collect()
        }
    };
    candidates.into_iter().find_map(|(key, shown, value)| {
        let below = locate(value, rest)?;
        let key = key.replace('~', "~0").replace('/', "~1");
        Some(Place {
            pointer: format!("/{key}{}", below.pointer),
            field: format!("{shown}{}", below.field),
        })
    })
}

/// Every way in which the schema of `node` can be broken at `place`.
pub(super) fn spoil(object: &Value, node: &Node, place: &Place) -> Vec<Spoiled> {
    let good = object.pointer(&place.pointer).expect("the place was found in this object");
    broken(&node.schema, good)
        .into_iter()
        .map(|(below, value, message)| {
            let mut object = object.clone();
            *object.pointer_mut(&place.pointer).expect("as above") = value;
            let field = format!("{}{below}", place.field.trim_start_matches('.'));
            Spoiled { object, field, message }
        })
        .collect()
}

/// For each limit: which part is objected to, the value that breaks it, and the message.
fn broken(schema: &Value, good: &Value) -> Vec<(String, Value, String)> {
    let mut found = Vec::new();
    let mut here = |value: Value, message: String| found.push((String::new(), value, message));
    let number = |keyword: &str| schema[keyword].as_f64();
    let count = |keyword: &str| {
        schema[keyword].as_u64().map(|count| usize::try_from(count).expect("it fits"))
    };
    let is_whole = schema["type"] == "integer";
    #[expect(clippy::cast_possible_truncation, reason = "limits of integers are integers")]
    let spelled = |value: f64| if is_whole { json!(value as i64) } else { json!(value) };

    if let Some(wanted) = schema["type"].as_str() {
        let wrong = if wanted == "boolean" { json!("yes") } else { json!(true) };
        here(wrong, format!("must be of type {wanted}"));
    }
    if schema["enum"].is_array() {
        here(json!("NoSuchWord"), "Unsupported value".into());
    }
    if let Some(max) = count("maxLength") {
        here(json!("a".repeat(max + 1)), format!("may not be more than {max}"));
    }
    if let Some(min) = count("minLength") {
        here(json!("a".repeat(min - 1)), format!("should be at least {min} chars long"));
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        here(json!("no pattern here takes (this)"), format!("should match '{pattern}'"));
    }
    if let Some(max) = number("maximum") {
        here(spelled(max + 1.0), "should be less than or equal to".into());
    }
    if let Some(min) = number("minimum") {
        here(spelled(min - 1.0), "should be greater than or equal to".into());
    }
    if let Some(max) = count("maxItems") {
        let items: Vec<Value> = (0..=max).map(|index| variant(&good[0], index)).collect();
        here(json!(items), format!("must have at most {max} items"));
    }
    if let Some(min) = count("minItems") {
        let items = good.as_array().expect("a list");
        here(json!(items[..min - 1]), format!("should have at least {min} items"));
    }
    if let Some(max) = count("maxProperties") {
        let entries: Map<String, Value> =
            (0..=max).map(|index| (format!("key-{index}"), json!("value"))).collect();
        here(json!(entries), format!("must have at most {max} items"));
    }
    if matches!(schema["x-kubernetes-list-type"].as_str(), Some("set" | "map")) {
        let mut items = good.as_array().expect("a list").clone();
        let below = format!("[{}]", items.len());
        items.push(items[0].clone());
        found.push((below, json!(items), "Duplicate value".into()));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().expect("a name");
        let mut fields = good.as_object().expect("an object").clone();
        fields.remove(name);
        found.push((format!(".{name}"), json!(fields), "Required value".into()));
    }
    if schema["properties"].is_object() {
        let mut fields = good.as_object().expect("an object").clone();
        fields.insert("noSuchField".into(), json!("x"));
        found.push((".noSuchField".into(), json!(fields), "unknown field".into()));
    }
    found
}

/// An item like `item` that is not the same, so that a list of them repeats nothing.
fn variant(item: &Value, index: usize) -> Value {
    match item {
        Value::String(text) => json!(format!("{text}-{index}")),
        Value::Number(_) => json!(400 + index),
        Value::Object(fields) => {
            let mut fields = fields.clone();
            if let Some(name) = fields.get_mut("name") {
                *name = variant(name, index);
            }
            Value::Object(fields)
        }
        other => panic!("lists hold texts, numbers and objects, not {other}"),
    }
}
