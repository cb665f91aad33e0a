//! The functions that a client declares, and which of them it wants called.

use serde_json::value::RawValue;

use super::read::beyond;
use crate::protocol::dialect::Unreadable;
use crate::protocol::gemini::members::Members;
use crate::protocol::gemini::schema;
use crate::protocol::neutral::{Request, Tool, ToolChoice};

/// Reads `tools`.
pub(super) fn read(tools: Vec<Members<'_>>, request: &mut Request) -> Result<(), Unreadable> {
    let mut hosted = Vec::new();
    for mut tool in tools {
        for declaration in tool.objects("functionDeclarations")? {
            request.tools.push(function(declaration)?);
        }
        for (field, raw) in tool.rest() {
            // What is on the screen the client alone knows; whatever else it is, the provider runs it.
            let list =
                if field.ends_with(".computerUse") { &mut request.beyond } else { &mut hosted };
            list.push(beyond(field, true, Some(raw)));
        }
    }
    request.offer_hosted(hosted);
    Ok(())
}

fn function(mut declaration: Members<'_>) -> Result<Tool, Unreadable> {
    let name = declaration.text("name")?.filter(|name| !name.is_empty());
    let name =
        name.ok_or_else(|| Unreadable::new(declaration.at("name"), "must name the function"))?;
    let description = declaration.text("description")?.filter(|text| !text.is_empty());
    let schema = match declaration.take::<&RawValue>("parametersJsonSchema", "a schema")? {
        Some(raw) if !raw.get().starts_with('{') => {
            return Err(Unreadable::new(
                declaration.at("parametersJsonSchema"),
                "must be a schema",
            ));
        }
        Some(raw) => Some(raw.to_owned()),
        None => subset(&mut declaration, "parameters")?,
    };
    Ok(Tool { name, description, schema, strict: None, cache: None })
}

/// A schema in Google's subset as JSON Schema.
pub(super) fn subset(
    members: &mut Members<'_>,
    name: &str,
) -> Result<Option<Box<RawValue>>, Unreadable> {
    let Some(raw) = members.raw(name) else { return Ok(None) };
    if !raw.get().starts_with('{') {
        return Err(Unreadable::new(members.at(name), "must be a schema"));
    }
    let wide = schema::widened(raw);
    wide.map(Some).ok_or_else(|| Unreadable::new(members.at(name), "nests too deeply"))
}

/// Reads `toolConfig`.
pub(super) fn read_choice(
    mut config: Members<'_>,
    request: &mut Request,
) -> Result<(), Unreadable> {
    if let Some(mut calling) = config.object("functionCallingConfig")? {
        let names: Vec<String> =
            calling.take("allowedFunctionNames", "an array of strings")?.unwrap_or_default();
        let mode = calling.text("mode")?.map(|mode| mode.to_ascii_uppercase());
        request.tool_choice = match (mode.as_deref(), names.as_slice()) {
            (None | Some("MODE_UNSPECIFIED"), _) => None,
            (Some("NONE"), _) => Some(ToolChoice::None),
            (Some("ANY"), []) => Some(ToolChoice::Required),
            (Some("ANY"), [one]) => Some(ToolChoice::Named(one.clone())),
            (Some("ANY"), _) => Some(ToolChoice::Allowed { names, required: true }),
            (Some("AUTO" | "VALIDATED"), []) => Some(ToolChoice::Auto),
            (Some("AUTO" | "VALIDATED"), _) => Some(ToolChoice::Allowed { names, required: false }),
            _ => {
                let message = "must be `AUTO`, `ANY`, `NONE` or `VALIDATED`";
                return Err(Unreadable::new(calling.at("mode"), message));
            }
        };
    }
    request.beyond.extend(config.rest().map(|(field, raw)| beyond(field, false, Some(raw))));
    Ok(())
}
