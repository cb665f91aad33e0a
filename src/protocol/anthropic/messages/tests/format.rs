use serde_json::json;

use super::*;
use crate::protocol::dialect::FormatTool;
use crate::protocol::model::Thinking;
use crate::protocol::neutral::{Effort, Format, Reasoning, ToolChoice};

fn wants(schema: &str) -> Request {
    let format = Some(Format::JsonSchema {
        name: "n".into(),
        description: None,
        schema: raw(schema),
        strict: Some(true),
    });
    Request { format, ..question() }
}

const PLAIN: &str = r#"{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"integer"}},"required":["b"],"additionalProperties":false}"#;

#[test]
fn a_schema_the_api_knows_stays_as_it_is() {
    let sent = send(&wants(PLAIN));
    assert!(sent.text.contains(PLAIN), "{}", sent.text);
    assert_eq!(sent.body["output_config"]["format"]["type"], "json_schema");
    assert!(sent.warnings.is_empty() && sent.written.undo.format_tool.is_none());
}

#[test]
fn constraints_move_into_the_description() {
    let schema = r##"{"$schema":"x","type":"object","properties":{
        "n":{"type":"integer","description":"N.","minimum":1,"maximum":3},
        "u":{"oneOf":[{"type":"string","pattern":"a"},{"$ref":"#/$defs/d"}]}},
        "$defs":{"d":{"type":"array","items":{"type":"null"},"minItems":1,"maxItems":2}}}"##;
    let sent = send(&wants(schema));
    assert_eq!(
        sent.body["output_config"]["format"]["schema"],
        json!({
            "type": "object",
            "properties": {
                "n": {"type": "integer", "description": "N.\n\n{minimum: 1, maximum: 3}"},
                "u": {"anyOf": [{"type": "string", "description": "{pattern: \"a\"}"}, {"$ref": "#/$defs/d"}]},
            },
            "$defs": {"d": {"type": "array", "items": {"type": "null"}, "minItems": 1, "description": "{maxItems: 2}"}},
            "additionalProperties": false,
        })
    );
}

#[test]
fn a_schema_the_api_cannot_enforce_becomes_a_tool() {
    for schema in [
        r#"{"type":"object","additionalProperties":{"type":"string"}}"#,
        r#"{"type":"object"}"#,
        r##"{"type":"object","properties":{"x":{"$ref":"#"}}}"##,
        r##"{"type":"object","properties":{},"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}"##,
        r#"{"type":"object","properties":{},"not":{}}"#,
    ] {
        let sent = send(&wants(schema));
        assert_eq!(sent.body.get("output_config"), None, "{schema}");
        assert_eq!(sent.body["tool_choice"]["name"], "json_tool_call");
    }
}

#[test]
fn a_model_without_formats_is_made_to_call_a_tool() {
    let facts = ModelFacts { lacks_json_schema: true, ..ModelFacts::default() };
    let sent = send_to(&wants(r#"{"type":"array","items":{}}"#), &facts);
    let choice =
        json!({"type": "tool", "name": "json_tool_call", "disable_parallel_tool_use": true});
    assert_eq!(sent.body["tool_choice"], choice);
    assert_eq!(sent.body["tools"][0]["input_schema"]["properties"]["values"]["type"], "array");
    let tool = FormatTool { name: "json_tool_call".into(), wrapped_in: Some("values".into()) };
    assert_eq!(sent.written.undo.format_tool, Some(tool));
    assert!(sent.warnings.is_empty());
}

#[test]
fn beside_other_tools_the_format_is_the_models_choice() {
    let facts = ModelFacts { lacks_json_schema: true, ..ModelFacts::default() };
    let mut request = wants(PLAIN);
    request.tools = vec![tool("json_tool_call", "{}")];
    let sent = send_to(&request, &facts);
    assert_eq!(sent.body["tools"][1]["name"], "json_tool_call_");
    assert_eq!(sent.body.get("tool_choice"), None);
    assert_eq!(sent.warnings, ["code=adjusted;param=response_format"]);
    request.tool_choice = Some(ToolChoice::None);
    let sent = send_to(&request, &facts);
    assert_eq!(sent.body["tool_choice"]["name"], "json_tool_call_", "none of the others");
}

#[test]
fn where_nothing_can_be_forced_the_model_is_asked() {
    let facts =
        ModelFacts { lacks_json_schema: true, thinking: Thinking::Budget, ..ModelFacts::default() };
    let mut request = wants(PLAIN);
    request.reasoning = Some(Reasoning { effort: Some(Effort::Low), ..Reasoning::default() });
    let sent = send_to(&request, &facts);
    assert!(sent.body["system"].as_str().is_some_and(|system| system.contains(PLAIN)));
    assert_eq!(sent.warnings, ["code=adjusted;param=response_format"]);
    assert_eq!(sent.body.get("tools"), None);
    let sent = send(&Request { format: Some(Format::JsonObject), ..question() });
    assert!(sent.body["system"].is_string());
}

#[test]
fn strict_tools_are_strict_where_that_can_be_held() {
    let mut request = question();
    request.tools = vec![tool("f", PLAIN), tool("g", r#"{"type":"object"}"#)];
    request.tools.iter_mut().for_each(|tool| tool.strict = Some(true));
    let sent = send(&request);
    assert_eq!(sent.body["tools"][0]["strict"], true);
    assert_eq!(sent.body["tools"][1].get("strict"), None);
    assert_eq!(sent.warnings, ["code=dropped;param=tools[1].strict"]);
}
