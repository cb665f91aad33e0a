//! The neutral form as a request to a target.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::json;

use super::{contents, draft_config};
use crate::protocol::dialect::{TargetView, Undo, Written};
use crate::protocol::gemini::wire::{Content, Draft, Part};
use crate::protocol::gemini::{names, schema};
use crate::protocol::neutral::request::Beyond;
use crate::protocol::neutral::{
    CannotCross, Crossing, Format, Part as Said, Request, Role, Tool, ToolChoice,
};

/// Members of Google's own that the neutral form carries as they are.
const OWN: &[&str] = &["safetySettings", "cachedContent", "modelArmorConfig"];
/// What begins the names of Google's own members that are nested.
const OWN_CONFIG: &str = "generationConfig.";
const OWN_TOOL_CONFIG: &str = "toolConfig.";

/// Writes a request. Model and streaming are in its path.
pub(in crate::protocol::gemini) fn write(
    request: &Request,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<Written, CannotCross> {
    let format = usable_format(request, target, crossing)?;
    let mut body = Draft::default();
    body.put("contents", &contents::write(request, target, crossing)?);
    if let Some(instruction) = instruction(request, crossing)? {
        body.put("systemInstruction", &instruction);
    }
    let mut config = draft_config::write(request, format, target, crossing)?;
    let (mut tools, mut tool_config) = (Vec::new(), Draft::default());
    let mut undo = Undo::default();
    write_tools(request, target, crossing, &mut tools, &mut undo)?;
    if !request.tools.is_empty()
        && let Some(calling) = calling(request, target, crossing)?
    {
        tool_config.put("functionCallingConfig", &calling);
    }
    for member in &request.beyond {
        let Beyond { field, essential, value } = member;
        let value = value.as_deref();
        let name = field.rsplit('.').next().unwrap_or_default();
        match value {
            Some(value) if OWN.contains(&field.as_str()) => body.put(field, value),
            Some(value) if field.starts_with("tools[") && hosted(name) => {
                let mut tool = Draft::default();
                tool.put(name, value);
                tools.push(tool);
            }
            Some(value) if field.strip_prefix(OWN_CONFIG) == Some(name) => config.put(name, value),
            Some(value) if field.strip_prefix(OWN_TOOL_CONFIG) == Some(name) => {
                tool_config.put(name, value);
            }
            _ if *essential => {
                crossing.refused(field, "has no counterpart in Google's API: leave it out")?;
            }
            _ => crossing.dropped(field)?,
        }
    }
    if !tools.is_empty() {
        body.put("tools", &tools);
    }
    for (name, part) in [("toolConfig", &tool_config), ("generationConfig", &config)] {
        if !part.is_empty() {
            body.put(name, part);
        }
    }
    write_account(request, target, &mut body);
    let body = serde_json::to_vec(&body).map_or_else(|_| Bytes::new(), Bytes::from);
    Ok(Written { body, headers: Vec::new(), undo })
}

/// Tools that Google runs itself, by their members of `tools`.
fn hosted(name: &str) -> bool {
    matches!(
        name,
        "googleSearch"
            | "googleSearchRetrieval"
            | "codeExecution"
            | "urlContext"
            | "googleMaps"
            | "fileSearch"
            | "computerUse"
            | "retrieval"
            | "enterpriseWebSearch"
            | "mcpServers"
            | "parallelAiSearch"
            | "exaAiSearch"
    )
}

/// The format, unless the model does not take it beside the tools.
fn usable_format<'r>(
    request: &'r Request,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<Option<&'r Format>, CannotCross> {
    if request.format.is_some()
        && !request.tools.is_empty()
        && target.facts.refuses_format_with_tools
    {
        let message = "cannot be used together with tools on this model: leave one of them out";
        crossing.refused("response_format", message)?;
        return Ok(None);
    }
    Ok(request.format.as_ref())
}

/// The system's instructions, those of the middle of the conversation last.
fn instruction<'r>(
    request: &'r Request,
    crossing: &mut Crossing,
) -> Result<Option<Content<'r>>, CannotCross> {
    let mut parts: Vec<Part<'_>> =
        request.system.iter().map(|system| Part::text(system.text.as_str())).collect();
    let mut leading = true;
    for (at, turn) in request.turns.iter().enumerate() {
        leading &= turn.role == Role::System;
        if turn.role != Role::System {
            continue;
        }
        if !leading {
            crossing.adjusted(&format!("messages[{at}]"))?;
        }
        for (number, part) in turn.parts.iter().enumerate() {
            match part {
                Said::Text { text, .. } if text.is_empty() => {}
                Said::Text { text, .. } => {
                    parts.push(Part::text(text.as_str()));
                }
                _ => crossing.refused(
                    &format!("messages[{at}].content[{number}]"),
                    "must be text in a system message for this target",
                )?,
            }
        }
    }
    Ok((!parts.is_empty()).then_some(Content { role: None, parts }))
}

fn write_tools(
    request: &Request,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
    tools: &mut Vec<Draft>,
    undo: &mut Undo,
) -> Result<(), CannotCross> {
    let mut declarations = Vec::new();
    for (at, tool) in request.tools.iter().enumerate() {
        let name = names::written(&tool.name);
        if let Cow::Owned(written) = &name {
            undo.tool_names.insert(written.clone(), tool.name.clone());
        }
        // Google has no word for a choice that leaves some tools out and forces none.
        let left_out = match &request.tool_choice {
            Some(ToolChoice::Allowed { names, required: false }) => !names.contains(&tool.name),
            _ => false,
        };
        if !left_out {
            declarations.push(declaration(tool, &name, at, target, crossing)?);
        }
    }
    if !declarations.is_empty() {
        let mut functions = Draft::default();
        functions.put("functionDeclarations", &declarations);
        tools.push(functions);
        if request.parallel_tools == Some(false) {
            crossing.dropped("parallel_tool_calls")?;
        }
    }
    Ok(())
}

fn declaration(
    tool: &Tool,
    name: &str,
    at: usize,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<Draft, CannotCross> {
    let mut declaration = Draft::default();
    declaration.put("name", &name);
    if let Some(description) = tool.description.as_deref().filter(|text| !text.is_empty()) {
        declaration.put("description", &description);
    }
    match tool.schema.as_deref() {
        None => {}
        Some(schema) if !target.facts.schema_subset => {
            declaration.put("parametersJsonSchema", schema);
        }
        Some(schema) => match schema::reduced(schema) {
            Some(reduced) if schema::takes_nothing(&reduced) => {}
            Some(reduced) => declaration.put("parameters", &reduced),
            None => {
                let field = format!("tools[{at}].parameters");
                crossing.refused(&field, "must be a schema of an object, not nested too deeply")?;
            }
        },
    }
    Ok(declaration)
}

/// `functionCallingConfig`.
fn calling(
    request: &Request,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<Option<serde_json::Value>, CannotCross> {
    let Some(choice) = &request.tool_choice else { return Ok(None) };
    let forced = matches!(
        choice,
        ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Allowed { required: true, .. }
    );
    if forced && target.facts.refuses_forced_tools {
        crossing.adjusted("tool_choice")?;
        return Ok(Some(json!({"mode": "AUTO"})));
    }
    Ok(Some(match choice {
        ToolChoice::Auto | ToolChoice::Allowed { required: false, .. } => json!({"mode": "AUTO"}),
        ToolChoice::None => json!({"mode": "NONE"}),
        ToolChoice::Required => json!({"mode": "ANY"}),
        ToolChoice::Named(name) => {
            json!({"mode": "ANY", "allowedFunctionNames": [names::written(name)]})
        }
        ToolChoice::Allowed { names, required: true } => {
            let names: Vec<_> = names.iter().map(|name| names::written(name)).collect();
            json!({"mode": "ANY", "allowedFunctionNames": names})
        }
    }))
}

/// What concerns the account and not the answer.
fn write_account(request: &Request, target: &TargetView<'_>, body: &mut Draft) {
    let tier = match request.service_tier.as_deref() {
        Some("default") => Some("standard"),
        Some(tier @ ("flex" | "priority")) => Some(tier),
        _ => None,
    };
    if let Some(tier) = tier {
        body.put("serviceTier", &tier);
    }
    // Vertex AI alone has labels, and strict rules for them.
    if target.quirks.cloud {
        let user = request.user.iter().map(|user| ("user", user.as_str()));
        let metadata = request.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let labels: BTreeMap<&str, &str> = user
            .chain(metadata)
            .filter(|(name, value)| {
                name.starts_with(|c: char| c.is_ascii_lowercase())
                    && is_label(name)
                    && is_label(value)
            })
            .collect();
        if !labels.is_empty() {
            body.put("labels", &labels);
        }
    }
}

/// Google Cloud's rule: at most 63 lower-case letters, digits, underscores and dashes.
fn is_label(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    text.len() <= 63 && text.chars().all(allowed)
}
