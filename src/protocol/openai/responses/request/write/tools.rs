//! `tools`, `tool_choice` and `parallel_tool_calls`.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use super::names::Names;
use crate::protocol::dialect::{FormatTool, TargetView};
use crate::protocol::neutral::{CannotCross, Crossing, Format, Request, ToolChoice};

/// The members of the body that are about tools; none where there are no tools.
#[derive(Serialize, Default)]
pub(super) struct Tools<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[serde(rename = "tools")]
    list: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(rename = "tool_choice")]
    choice: Option<Choice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(rename = "parallel_tool_calls")]
    parallel: Option<bool>,
}

#[derive(Serialize)]
struct Tool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    parameters: Cow<'a, RawValue>,
    // Absent means `true` here, and OpenAI then rewrites the schema.
    strict: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Choice {
    Word(&'static str),
    Named(Named),
    Allowed {
        #[serde(rename = "type")]
        kind: &'static str,
        mode: &'static str,
        tools: Vec<Named>,
    },
}

#[derive(Serialize)]
struct Named {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
}

/// The member that a format whose root is no object is put into.
const WRAPPED: &str = "value";

/// Writes the tools, and one for the format of the text where the model knows no other way.
pub(super) fn write<'a>(
    request: &'a Request,
    target: &TargetView<'_>,
    names: &mut Names,
    crossing: &mut Crossing,
) -> Result<(Tools<'a>, Option<FormatTool>), CannotCross> {
    let tools = request.tools.iter().map(|tool| Tool {
        kind: "function",
        name: names.tool(&tool.name),
        description: tool.description.as_deref(),
        parameters: match &tool.schema {
            Some(schema) => Cow::Borrowed(&**schema),
            None => Cow::Owned(no_arguments()),
        },
        strict: tool.strict.unwrap_or(false),
    });
    let mut tools: Vec<_> = tools.collect();
    let mut choice = request.tool_choice.clone();
    let mut format_tool = None;
    if let Some(Format::JsonSchema { name, description, schema, .. }) = &request.format
        && target.facts.lacks_json_schema
    {
        crossing.adjusted("response_format")?;
        let mut free = name.clone();
        while request.tools.iter().any(|tool| tool.name == free) {
            free.push('_');
        }
        let name = names.tool(&free).into_owned();
        // With tools of its own the model may still want to call those first.
        choice =
            Some(if tools.is_empty() { ToolChoice::Named(free) } else { ToolChoice::Required });
        let (parameters, wrapped_in) = object_schema(schema);
        format_tool = Some(FormatTool { name: name.clone(), wrapped_in });
        let description = description.as_deref().or(Some("Gives the answer."));
        tools.push(Tool {
            kind: "function",
            name: Cow::Owned(name),
            description,
            parameters,
            strict: false,
        });
    }
    if tools.is_empty() {
        return Ok((Tools::default(), None));
    }
    let forced = match &choice {
        Some(ToolChoice::Required | ToolChoice::Named(_)) => true,
        Some(ToolChoice::Allowed { required, .. }) => *required,
        Some(ToolChoice::Auto | ToolChoice::None) | None => false,
    };
    let unforced = forced && target.facts.refuses_forced_tools;
    if unforced {
        crossing.adjusted("tool_choice")?;
    }
    let choice = choice.as_ref().map(|choice| write_choice(choice, unforced, names));
    Ok((Tools { list: tools, choice, parallel: request.parallel_tools }, format_tool))
}

fn write_choice(choice: &ToolChoice, unforced: bool, names: &mut Names) -> Choice {
    let mut named = |name: &str| Named { kind: "function", name: names.tool(name).into_owned() };
    match choice {
        ToolChoice::Auto => Choice::Word("auto"),
        ToolChoice::None => Choice::Word("none"),
        ToolChoice::Required | ToolChoice::Named(_) if unforced => Choice::Word("auto"),
        ToolChoice::Required => Choice::Word("required"),
        ToolChoice::Named(name) => Choice::Named(named(name)),
        ToolChoice::Allowed { names, required } => Choice::Allowed {
            kind: "allowed_tools",
            mode: if *required && !unforced { "required" } else { "auto" },
            tools: names.iter().map(|name| named(name)).collect(),
        },
    }
}

/// The schema of a function's arguments, which must be objects, and the member that holds the value
/// where the format is of something else.
fn object_schema(schema: &RawValue) -> (Cow<'_, RawValue>, Option<String>) {
    #[derive(serde::Deserialize)]
    struct Root<'a> {
        #[serde(rename = "type", borrow)]
        kind: Option<&'a RawValue>,
    }
    let root = serde_json::from_str::<Root<'_>>(schema.get()).ok();
    let kind = root.and_then(|root| root.kind).map(RawValue::get);
    if kind == Some("\"object\"") {
        return (Cow::Borrowed(schema), None);
    }
    // As text, so that the schema stays as it was written.
    let wrapped = format!(
        r#"{{"type":"object","properties":{{"{WRAPPED}":{schema}}},"required":["{WRAPPED}"],"additionalProperties":false}}"#
    );
    let wrapped = RawValue::from_string(wrapped).expect("JSON inside of JSON is JSON");
    (Cow::Owned(wrapped), Some(WRAPPED.to_owned()))
}

/// The schema of a function without arguments.
fn no_arguments() -> Box<RawValue> {
    to_raw_value(&json!({"type": "object", "properties": {}}))
        .expect("a JSON value can be written as JSON")
}
