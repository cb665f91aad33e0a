//! Tools, the choice among them, and the format of the answer.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::super::member::{Members, beyond, member, object};
use super::content::CacheMember;
use crate::protocol::dialect::Unreadable;
use crate::protocol::neutral::{Format, Request, Tool, ToolChoice};

#[derive(Deserialize)]
struct ToolMember<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(borrow)]
    function: Option<&'a RawValue>,
    cache_control: Option<CacheMember>,
}

#[derive(Deserialize)]
struct Function<'a> {
    name: String,
    description: Option<String>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    strict: Option<bool>,
    cache_control: Option<CacheMember>,
}

pub(super) fn read(members: &mut Members<'_>, request: &mut Request) -> Result<(), Unreadable> {
    let tools: Vec<&RawValue> = members.take("tools")?.unwrap_or_default();
    for (at, raw) in tools.into_iter().enumerate() {
        let path = format!("tools[{at}]");
        let tool: ToolMember<'_> = object(raw, &path)?;
        match tool.kind.as_deref() {
            None | Some("function") => request.tools.push(read_function(&tool, &path)?),
            Some(_) => request.beyond.push(beyond(path, true, Some(raw))),
        }
    }
    if let Some(choice) = members.raw("tool_choice") {
        read_choice(choice, request)?;
    }
    request.parallel_tools = members.take("parallel_tool_calls")?;
    Ok(())
}

fn read_function(tool: &ToolMember<'_>, path: &str) -> Result<Tool, Unreadable> {
    let path = format!("{path}.function");
    let Some(raw) = tool.function else { return Err(Unreadable::new(path, "is missing")) };
    let function: Function<'_> = object(raw, &path)?;
    if function.name.is_empty() {
        return Err(Unreadable::new(format!("{path}.name"), "should not be empty"));
    }
    if function.parameters.is_some_and(|schema| !schema.get().starts_with('{')) {
        let message = "should be a JSON schema, which is an object";
        return Err(Unreadable::new(format!("{path}.parameters"), message));
    }
    Ok(Tool {
        name: function.name,
        description: function.description,
        schema: function.parameters.map(ToOwned::to_owned),
        strict: function.strict,
        cache: function.cache_control.as_ref().or(tool.cache_control.as_ref()).map(Into::into),
    })
}

#[derive(Deserialize)]
struct ChoiceMember {
    #[serde(rename = "type")]
    kind: Option<String>,
    function: Option<Named>,
    allowed_tools: Option<AllowedTools>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct AllowedTools {
    mode: Option<String>,
    tools: Vec<AllowedTool>,
}

#[derive(Deserialize)]
struct AllowedTool {
    function: Option<Named>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

const CHOICES: &str = "should be `none`, `auto`, `required` or an object that names a function";

fn read_choice(raw: &RawValue, request: &mut Request) -> Result<(), Unreadable> {
    if raw.get().starts_with('"') {
        let word: String = member(raw, "tool_choice")?;
        request.tool_choice = Some(match &*word {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            // Mistral's word, which its clients send.
            "required" | "any" => ToolChoice::Required,
            _ => return Err(Unreadable::new("tool_choice", CHOICES)),
        });
        return Ok(());
    }
    if !raw.get().starts_with('{') {
        return Err(Unreadable::new("tool_choice", CHOICES));
    }
    let choice: ChoiceMember = object(raw, "tool_choice")?;
    request.tool_choice = match (choice.kind.as_deref(), choice.function, choice.allowed_tools) {
        (None | Some("function"), Some(function), _) => Some(ToolChoice::Named(function.name)),
        (Some("function"), None, _) => {
            return Err(Unreadable::new("tool_choice.function", "is missing"));
        }
        (Some("allowed_tools"), _, Some(allowed)) => read_allowed(allowed)?,
        (Some("allowed_tools"), _, None) => {
            return Err(Unreadable::new("tool_choice.allowed_tools", "is missing"));
        }
        (None, None, _) => return Err(Unreadable::new("tool_choice", CHOICES)),
        (Some(_), _, _) => None,
    };
    if request.tool_choice.is_none() {
        request.beyond.push(beyond("tool_choice", true, Some(raw)));
    }
    Ok(())
}

/// `None` if one of them is no function.
fn read_allowed(allowed: AllowedTools) -> Result<Option<ToolChoice>, Unreadable> {
    let required = match allowed.mode.as_deref() {
        None | Some("auto") => false,
        Some("required") => true,
        Some(_) => {
            let param = "tool_choice.allowed_tools.mode";
            return Err(Unreadable::new(param, "should be `auto` or `required`"));
        }
    };
    let mut names = Vec::with_capacity(allowed.tools.len());
    for (at, tool) in allowed.tools.into_iter().enumerate() {
        if tool.kind.is_some_and(|kind| kind != "function") {
            return Ok(None);
        }
        let Some(function) = tool.function else {
            let param = format!("tool_choice.allowed_tools.tools[{at}].function");
            return Err(Unreadable::new(param, "is missing"));
        };
        names.push(function.name);
    }
    Ok(Some(ToolChoice::Allowed { names, required }))
}

#[derive(Deserialize)]
struct FormatMember<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    json_schema: Option<SchemaMember<'a>>,
}

#[derive(Deserialize)]
struct SchemaMember<'a> {
    name: String,
    description: Option<String>,
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
    strict: Option<bool>,
}

pub(super) fn read_format(raw: &RawValue, request: &mut Request) -> Result<(), Unreadable> {
    let format: FormatMember<'_> = object(raw, "response_format")?;
    match &*format.kind {
        "text" => {}
        "json_object" => request.format = Some(Format::JsonObject),
        "json_schema" => {
            let Some(wanted) = format.json_schema else {
                return Err(Unreadable::new("response_format.json_schema", "is missing"));
            };
            let Some(schema) = wanted.schema.filter(|schema| schema.get().starts_with('{')) else {
                let param = "response_format.json_schema.schema";
                return Err(Unreadable::new(param, "should be a JSON schema, which is an object"));
            };
            request.format = Some(Format::JsonSchema {
                name: wanted.name,
                description: wanted.description,
                schema: schema.to_owned(),
                strict: wanted.strict,
            });
        }
        _ => request.beyond.push(beyond("response_format", true, Some(raw))),
    }
    Ok(())
}
