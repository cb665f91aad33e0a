//! The format of the text: by schema, by a tool that stands in for it, or as any JSON.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::Draft;
use crate::protocol::dialect::FormatTool;
use crate::protocol::model::ModelFacts;
use crate::protocol::neutral::{CannotCross, Format, Part, Request};

/// The tool that stands in for a schema.
pub(super) const TOOL: &str = "json_tool_call";
/// The member that holds an answer whose schema is of no object.
const WRAPPER: &str = "value";

#[derive(Serialize)]
struct FormatOut<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_schema: Option<SchemaOut<'a>>,
}

#[derive(Serialize)]
struct SchemaOut<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    schema: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// The schema of an object that holds the answer, where the answer's own is of no object.
#[derive(Serialize)]
struct Wrapper<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    properties: Wrapped<'a>,
    required: [&'static str; 1],
}

#[derive(Serialize)]
struct Wrapped<'a> {
    value: &'a RawValue,
}

/// Writes `response_format`. Gives an instruction that has to go along.
pub(super) fn write(
    draft: &mut Draft<'_, '_>,
    by_tool: bool,
) -> Result<Option<&'static str>, CannotCross> {
    let request = draft.request;
    match &request.format {
        None => Ok(None),
        Some(Format::JsonSchema { .. }) if by_tool => {
            if request.tools.is_empty() && !draft.target.facts.refuses_forced_tools {
                return Ok(None);
            }
            draft.crossing.adjusted("response_format")?;
            Ok(Some("Give your final answer by calling the tool `json_tool_call`."))
        }
        Some(Format::JsonSchema { name, description, schema, strict }) => {
            let strict = strict.map(|strict| strict && fits_strict(schema));
            let description = description.as_deref();
            let schema = SchemaOut { name, description, schema, strict };
            draft.offer(
                "response_format",
                &FormatOut { kind: "json_schema", json_schema: Some(schema) },
            )?;
            Ok(None)
        }
        Some(Format::JsonObject) => {
            draft
                .offer("response_format", &FormatOut { kind: "json_object", json_schema: None })?;
            // OpenAI refuses the format where nothing mentions JSON.
            Ok((!mentions_json(request)).then_some("Answer with a JSON object."))
        }
    }
}

/// The schema and the name of a tool that stands in for the format, where the model needs one.
pub(super) fn stand_in(draft: &Draft<'_, '_>) -> Option<(Box<RawValue>, FormatTool)> {
    let ModelFacts { lacks_json_schema: true, .. } = draft.target.facts else { return None };
    let Some(Format::JsonSchema { schema, .. }) = &draft.request.format else { return None };
    let kind = serde_json::from_str::<Value>(schema.get()).ok();
    let of_object = kind.is_some_and(|schema| schema.get("type") == Some(&json!("object")));
    let name = TOOL.to_owned();
    if of_object {
        return Some((schema.clone(), FormatTool { name, wrapped_in: None }));
    }
    let properties = Wrapped { value: schema };
    let wrapper = Wrapper { kind: "object", properties, required: [WRAPPER] };
    let wrapper = to_raw_value(&wrapper).expect("a schema in a struct is JSON");
    Some((wrapper, FormatTool { name, wrapped_in: Some(WRAPPER.to_owned()) }))
}

fn mentions_json(request: &Request) -> bool {
    let mentions = |text: &str| text.as_bytes().windows(4).any(|w| w.eq_ignore_ascii_case(b"json"));
    request.system.iter().any(|system| mentions(&system.text))
        || request.turns.iter().flat_map(|turn| &turn.parts).any(|part| match part {
            Part::Text { text, .. } => mentions(text),
            _ => false,
        })
}

/// Whether OpenAI takes the schema as a strict one: each object names all its members as required
/// and allows no others.
pub(super) fn fits_strict(schema: &RawValue) -> bool {
    fn closed(schema: &Value) -> bool {
        match schema {
            Value::Object(members) => {
                let properties = members.get("properties").and_then(Value::as_object);
                let is_object =
                    properties.is_some() || members.get("type") == Some(&json!("object"));
                let required = members.get("required").and_then(Value::as_array);
                let requires = |name: &str| {
                    required.is_some_and(|names| names.iter().any(|n| n.as_str() == Some(name)))
                };
                let all = properties.is_none_or(|all| all.keys().all(|name| requires(name)));
                let open = members.get("additionalProperties") != Some(&Value::Bool(false));
                !(is_object && (open || !all)) && members.values().all(closed)
            }
            Value::Array(items) => items.iter().all(closed),
            _ => true,
        }
    }
    // One that nests too deep to be read is too deep for OpenAI as well.
    serde_json::from_str(schema.get()).is_ok_and(|schema: Value| closed(&schema))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_closed_schemas_are_strict() {
        let fits = |schema: Value| fits_strict(&to_raw_value(&schema).expect("JSON"));
        let inner = json!({"type":"object","properties":{"b":{"type":"string"}},"required":["b"]});
        assert!(!fits(inner.clone()));
        let mut closed = inner.clone();
        closed["additionalProperties"] = json!(false);
        assert!(fits(closed));
        let outer = json!({"type":"object","properties":{"a":inner},"required":["a"],"additionalProperties":false});
        assert!(!fits(outer), "an object inside is open");
    }
}
