//! Tools, the choice among them, and the tool that stands in for a schema.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use super::Draft;
use super::format;
use crate::protocol::dialect::FormatTool;
use crate::protocol::neutral::{CannotCross, Tool, ToolChoice};

#[derive(Serialize)]
struct ToolOut<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: FunctionOut<'a>,
}

#[derive(Serialize)]
struct FunctionOut<'a> {
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// Writes the tools. Gives the tool that stands in for the format, if one has to.
pub(super) fn write(draft: &mut Draft<'_, '_>) -> Result<Option<FormatTool>, CannotCross> {
    let request = draft.request;
    let offered = offered(draft)?;
    let mut tools: Vec<ToolOut<'_>> = Vec::with_capacity(offered.len() + 1);
    for tool in &offered {
        tools.push(function(draft, tool));
    }
    let stand_in = format::stand_in(draft);
    if let Some((function, _)) = &stand_in {
        let function = FunctionOut {
            name: Cow::Borrowed(format::TOOL),
            description: Some("Gives the answer. Call it once, with the whole answer."),
            parameters: Some(Cow::Borrowed(function)),
            strict: None,
        };
        tools.push(ToolOut { kind: "function", function });
    }
    if tools.is_empty() {
        return Ok(None);
    }
    draft.set("tools", &tools);
    let forced = stand_in.is_some() && request.tools.is_empty();
    if forced {
        write_choice(draft, &ToolChoice::Named(format::TOOL.to_owned()))?;
    } else if let Some(choice) = &request.tool_choice {
        write_choice(draft, choice)?;
    }
    if let Some(parallel) = request.parallel_tools
        && !forced
        // Others are left to their default, which is the same.
        && (draft.target.quirks.openai_itself || !parallel)
    {
        draft.offer("parallel_tool_calls", &parallel)?;
    }
    Ok(stand_in.map(|(_, tool)| tool))
}

/// The tools that the target is told of: those that may be called, where the choice cannot say so.
fn offered<'a>(draft: &Draft<'a, '_>) -> Result<Vec<&'a Tool>, CannotCross> {
    let tools = &draft.request.tools;
    match &draft.request.tool_choice {
        Some(ToolChoice::Named(name)) if !tools.iter().any(|tool| tool.name == *name) => Err(
            CannotCross::new("tool_choice", format!("names `{name}`, which is none of the tools")),
        ),
        Some(ToolChoice::Allowed { names, .. }) if !draft.target.quirks.openai_itself => {
            Ok(tools.iter().filter(|tool| names.contains(&tool.name)).collect())
        }
        _ => Ok(tools.iter().collect()),
    }
}

fn function<'a>(draft: &mut Draft<'a, '_>, tool: &'a Tool) -> ToolOut<'a> {
    let openai = draft.target.quirks.openai_itself;
    let parameters = match &tool.schema {
        Some(schema) => Some(Cow::Borrowed(&**schema)),
        None if openai => None,
        // Some servers know no function without parameters.
        None => to_raw_value(&json!({"type": "object", "properties": {}})).ok().map(Cow::Owned),
    };
    let function = FunctionOut {
        name: draft.names.tool(&tool.name),
        description: tool.description.as_deref(),
        parameters,
        strict: tool.strict.filter(|_| openai).map(|strict| {
            // OpenAI refuses a strict schema that leaves anything open; others guarantee more.
            strict && tool.schema.as_deref().is_some_and(format::fits_strict)
        }),
    };
    ToolOut { kind: "function", function }
}

fn write_choice(draft: &mut Draft<'_, '_>, choice: &ToolChoice) -> Result<(), CannotCross> {
    let quirks = draft.target.quirks;
    let forcing = !draft.target.facts.refuses_forced_tools;
    let required = quirks.required_word.filter(|_| forcing);
    match choice {
        ToolChoice::None => draft.set("tool_choice", "none"),
        ToolChoice::Auto => draft.set("tool_choice", "auto"),
        ToolChoice::Required => write_mode(draft, required)?,
        ToolChoice::Named(name) if required.is_some() => {
            let name = draft.names.tool(name);
            draft.set("tool_choice", &json!({"type": "function", "function": {"name": name}}));
        }
        ToolChoice::Named(_) => write_mode(draft, None)?,
        ToolChoice::Allowed { names, required: must } if quirks.openai_itself => {
            if *must && !forcing {
                draft.crossing.adjusted("tool_choice")?;
            }
            let mut tools = Vec::with_capacity(names.len());
            for name in names {
                let name = draft.names.tool(name);
                tools.push(json!({"type": "function", "function": {"name": name}}));
            }
            let mode = if *must && forcing { "required" } else { "auto" };
            let allowed = json!({"mode": mode, "tools": tools});
            draft.set("tool_choice", &json!({"type": "allowed_tools", "allowed_tools": allowed}));
        }
        ToolChoice::Allowed { required: true, .. } => write_mode(draft, required)?,
        ToolChoice::Allowed { .. } => draft.set("tool_choice", "auto"),
    }
    Ok(())
}

/// The word for "must call", or `auto` where there is none.
fn write_mode(draft: &mut Draft<'_, '_>, word: Option<&str>) -> Result<(), CannotCross> {
    if word.is_none() {
        draft.crossing.adjusted("tool_choice")?;
    }
    draft.set("tool_choice", word.unwrap_or("auto"));
    Ok(())
}
