//! The functions that the model may call, and which of them it must.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use super::cache::Marks;
use super::format::FormatPlan;
use super::names::ToolNames;
use super::schema;
use super::thinking::Plan;
use crate::protocol::anthropic::messages::wire::{Choice, ToolDefinition};
use crate::protocol::model::ModelFacts;
use crate::protocol::neutral::{CannotCross, Crossing, Request, Tool, ToolChoice};
use crate::wire::json::Object;

/// The schema of a function without arguments.
const NO_ARGUMENTS: &str = r#"{"type":"object","properties":{}}"#;

/// The functions that are offered: the API has no choice among some of them.
pub(super) fn offered(request: &Request) -> Vec<&Tool> {
    let allowed = |tool: &&Tool| match &request.tool_choice {
        Some(ToolChoice::Allowed { names, .. }) => names.contains(&tool.name),
        _ => true,
    };
    request.tools.iter().filter(allowed).collect()
}

/// The definitions, the one that stands for a format last.
pub(super) fn write(
    tools: &[&Tool],
    names: &ToolNames<'_>,
    format: Option<&FormatPlan>,
    facts: &ModelFacts,
    marks: &mut Marks,
    crossing: &mut Crossing,
) -> Result<Vec<Box<RawValue>>, CannotCross> {
    let mut written = Vec::with_capacity(tools.len() + 1);
    for (at, tool) in tools.iter().enumerate() {
        let input_schema = input_schema(tool, at)?;
        let strict = tool.strict == Some(true);
        let can = !facts.lacks_json_schema && schema::fits(&input_schema);
        if strict && !can {
            crossing.dropped(&format!("tools[{at}].strict"))?;
        }
        let description = tool.description.as_deref().filter(|text| !text.is_empty());
        written.push(raw(&ToolDefinition {
            name: names.written(&tool.name),
            description: description.map(Cow::Borrowed),
            input_schema,
            strict: strict && can,
            cache_control: marks.take(tool.cache.as_ref()),
        }));
    }
    if let Some(format) = format {
        written.push(raw(&ToolDefinition {
            name: &format.undo.name,
            description: Some(Cow::Borrowed(&format.description)),
            input_schema: Cow::Borrowed(&format.schema),
            strict: false,
            cache_control: None,
        }));
    }
    Ok(written)
}

fn raw(tool: &ToolDefinition<'_>) -> Box<RawValue> {
    to_raw_value(tool).expect("strings and JSON that was read as such are JSON")
}

/// The schema as the client wrote it, but for `type`, which the API wants to see.
fn input_schema(tool: &Tool, at: usize) -> Result<Cow<'_, RawValue>, CannotCross> {
    let wrong = || CannotCross::new(format!("tools[{at}]"), "must have a schema that is an object");
    let Some(schema) = tool.schema.as_deref() else {
        return Ok(Cow::Borrowed(serde_json::from_str(NO_ARGUMENTS).expect("a schema is JSON")));
    };
    let object = Object::parse(Bytes::copy_from_slice(schema.get().as_bytes()));
    let object = object.map_err(|_| wrong())?;
    if object.raw("type").map_err(|_| wrong())?.is_some_and(|kind| kind != b"null") {
        return Ok(Cow::Borrowed(schema));
    }
    let mut edit = object.edit();
    edit.set_default("type", &json!("object")).map_err(|_| wrong())?;
    let text = String::from_utf8(edit.finish().into()).map_err(|_| wrong())?;
    RawValue::from_string(text).map(Cow::Owned).map_err(|_| wrong())
}

/// Which of them must be called.
pub(super) fn choose<'a>(
    request: &'a Request,
    format: Option<&'a FormatPlan>,
    names: &'a ToolNames<'a>,
    plan: &Plan,
    crossing: &mut Crossing,
) -> Result<Option<Choice<'a>>, CannotCross> {
    if let Some(format) = format.filter(|format| format.forced) {
        let name = Some(&*format.undo.name);
        return Ok(Some(Choice { kind: "tool", name, disable_parallel_tool_use: true }));
    }
    let one = request.parallel_tools == Some(false);
    let (kind, name) = match &request.tool_choice {
        None if one => ("auto", None),
        None => return Ok(None),
        Some(ToolChoice::Auto | ToolChoice::Allowed { required: false, .. }) => ("auto", None),
        Some(ToolChoice::None) => ("none", None),
        Some(_) if plan.forbids_force => {
            crossing.adjusted("tool_choice")?;
            ("auto", None)
        }
        Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. }) => ("any", None),
        Some(ToolChoice::Named(name)) => ("tool", Some(names.written(name))),
    };
    Ok(Some(Choice { kind, name, disable_parallel_tool_use: one && kind != "none" }))
}
