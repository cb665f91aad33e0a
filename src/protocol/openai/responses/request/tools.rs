//! `tools` and `tool_choice`.
//!
//! Tools that the client runs itself but that are no functions get a function that stands in for
//! them. Tools that OpenAI runs cannot be had elsewhere.

use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use super::super::fields::Fields;
use super::items::LOCAL_SHELL;
use crate::protocol::dialect::Unreadable;
use crate::protocol::neutral::request::Beyond;
use crate::protocol::neutral::{Request, StandIn, StandInKind, Tool, ToolChoice};

/// Reads one tool into the request.
pub(super) fn read(
    mut tool: Fields<'_>,
    raw: &RawValue,
    to: &mut Request,
) -> Result<(), Unreadable> {
    let kind = tool.needed("type")?;
    match &*kind {
        "function" => to.tools.push(Tool {
            name: tool.named("name")?,
            description: tool.string("description")?,
            schema: schema(&mut tool)?,
            strict: tool.boolean("strict")?,
            cache: None,
        }),
        "custom" => read_custom(tool, to)?,
        "local_shell" => {
            to.stand_ins
                .push(StandIn { name: LOCAL_SHELL.to_owned(), kind: StandInKind::LocalShell });
            to.tools.push(Tool {
                name: LOCAL_SHELL.to_owned(),
                description: Some("Runs a command on the user's machine.".to_owned()),
                schema: Some(object_schema(
                    &json!({
                        "command": {"type": "array", "items": {"type": "string"},
                            "description": "The program and its arguments."},
                        "working_directory": {"type": "string"},
                        "timeout_ms": {"type": "integer"},
                    }),
                    "command",
                )),
                strict: Some(false),
                cache: None,
            });
        }
        // `tools[1].web_search`: the position alone would not tell the reader what is meant.
        hosted => to.beyond.push(Beyond {
            field: tool.at(hosted),
            essential: true,
            value: Some(raw.to_owned()),
        }),
    }
    Ok(())
}

fn schema(tool: &mut Fields<'_>) -> Result<Option<Box<RawValue>>, Unreadable> {
    let at = tool.at("parameters");
    match tool.raw("parameters")? {
        Some(raw) if raw.get().starts_with('{') => Ok(Some(raw.to_owned())),
        Some(_) => Err(Unreadable::new(at, "must be a JSON schema, which is an object")),
        None => Ok(None),
    }
}

fn read_custom(mut tool: Fields<'_>, to: &mut Request) -> Result<(), Unreadable> {
    let name = tool.named("name")?;
    let mut description = tool.string("description")?.unwrap_or_default();
    let at = tool.at("format");
    if let Some(mut format) = tool.object("format")?
        && let Some(definition) = format.string("definition")?
    {
        let syntax = format.string("syntax")?.unwrap_or_default();
        if !description.is_empty() {
            description.push_str("\n\n");
        }
        description.push_str("`input` must follow this grammar (");
        description.push_str(&syntax);
        description.push_str(") exactly:\n");
        description.push_str(&definition);
        // A model that is told a grammar mostly keeps to it; OpenAI's cannot but keep to it.
        to.beyond.push(Beyond { field: at, essential: false, value: None });
    }
    to.stand_ins.push(StandIn { name: name.clone(), kind: StandInKind::Custom });
    to.tools.push(Tool {
        name,
        description: (!description.is_empty()).then_some(description),
        schema: Some(object_schema(
            &json!({"input": {"type": "string", "description": "The whole input, as plain text."}}),
            "input",
        )),
        strict: Some(false),
        cache: None,
    });
    Ok(())
}

fn object_schema(properties: &serde_json::Value, required: &str) -> Box<RawValue> {
    let schema = json!({
        "type": "object",
        "properties": properties,
        "required": [required],
        "additionalProperties": false,
    });
    to_raw_value(&schema).expect("a JSON value can be written as JSON")
}

/// Reads `tool_choice`.
pub(super) fn read_choice(
    raw: &RawValue,
    beyond: &mut Vec<Beyond>,
) -> Result<Option<ToolChoice>, Unreadable> {
    const WORDS: &str = "must be `none`, `auto`, `required` or an object";
    let path = "tool_choice";
    if raw.get().starts_with('"') {
        return match serde_json::from_str::<&str>(raw.get()) {
            Ok("none") => Ok(Some(ToolChoice::None)),
            Ok("auto") => Ok(Some(ToolChoice::Auto)),
            Ok("required") => Ok(Some(ToolChoice::Required)),
            _ => Err(Unreadable::new(path, WORDS)),
        };
    }
    if !raw.get().starts_with('{') {
        return Err(Unreadable::new(path, WORDS));
    }
    let mut choice = Fields::parse(raw.get(), path.to_owned())?;
    match &*choice.needed("type")? {
        "function" | "custom" => Ok(Some(ToolChoice::Named(choice.named("name")?))),
        LOCAL_SHELL => Ok(Some(ToolChoice::Named(LOCAL_SHELL.to_owned()))),
        "allowed_tools" => read_allowed(choice, beyond).map(Some),
        _ => {
            let field = choice.at("type");
            beyond.push(Beyond { field, essential: true, value: None });
            Ok(None)
        }
    }
}

fn read_allowed(
    mut choice: Fields<'_>,
    beyond: &mut Vec<Beyond>,
) -> Result<ToolChoice, Unreadable> {
    let required = match choice.string("mode")?.as_deref() {
        None | Some("auto") => false,
        Some("required") => true,
        Some(_) => {
            return Err(Unreadable::new(choice.at("mode"), "must be `auto` or `required`"));
        }
    };
    let mut names = Vec::new();
    for mut tool in choice.objects("tools")? {
        match &*tool.needed("type")? {
            "function" | "custom" => names.push(tool.named("name")?),
            LOCAL_SHELL => names.push(LOCAL_SHELL.to_owned()),
            _ => {
                let field = tool.at("type");
                beyond.push(Beyond { field, essential: true, value: None });
            }
        }
    }
    Ok(ToolChoice::Allowed { names, required })
}
