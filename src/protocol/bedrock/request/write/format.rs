//! What the text must look like: natively, by a tool that stands for it, or by asking for it.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::shape::{OutputConfig, Structure, TextFormat, raw};
use super::thinking::Thinking;
use super::{CannotCross, Format, ToolChoice, Writer};
use crate::protocol::dialect::FormatTool;

/// The tool that stands for a format.
const TOOL: &str = "json_tool_call";
/// The member that holds what is no object, since a tool's input always is one.
const WRAPPER: &str = "values";

/// How the format is told.
#[derive(Debug)]
pub(super) enum FormatPlan<'a> {
    /// There is none, or none that can be told.
    Free,
    Native {
        name: &'a str,
        description: Option<&'a str>,
        schema: &'a RawValue,
    },
    /// In words.
    Asked(String),
    Tool {
        tool: FormatTool,
        schema: Box<RawValue>,
        forced: bool,
    },
}

#[derive(Deserialize)]
struct Root {
    #[serde(rename = "type")]
    kind: Option<Value>,
    properties: Option<Value>,
}

impl<'a> FormatPlan<'a> {
    pub(super) fn native(&self) -> Option<OutputConfig<'a>> {
        let Self::Native { name, description, schema } = *self else { return None };
        let structure = Structure::JsonSchema { schema: schema.get(), name, description };
        Some(OutputConfig { text_format: TextFormat { kind: "json_schema", structure } })
    }

    pub(super) fn into_undo(self) -> Option<FormatTool> {
        match self {
            Self::Tool { tool, .. } => Some(tool),
            _ => None,
        }
    }
}

impl<'a> Writer<'a, '_> {
    pub(super) fn format(&mut self, thinking: &Thinking) -> Result<FormatPlan<'a>, CannotCross> {
        match &self.request.format {
            None => Ok(FormatPlan::Free),
            Some(Format::JsonObject) => {
                self.crossing.adjusted("response_format")?;
                let text = "Answer with one JSON object and nothing else.";
                Ok(FormatPlan::Asked(text.to_owned()))
            }
            Some(Format::JsonSchema { name, description, schema, .. }) => {
                if self.facts.lacks_json_schema {
                    return self.format_tool(schema, thinking);
                }
                Ok(FormatPlan::Native { name, description: description.as_deref(), schema })
            }
        }
    }

    fn format_tool(
        &mut self,
        schema: &'a RawValue,
        thinking: &Thinking,
    ) -> Result<FormatPlan<'a>, CannotCross> {
        let root: Option<Root> = serde_json::from_str(schema.get()).ok();
        let object = root.is_some_and(|root| match root.kind {
            Some(kind) => kind == "object",
            None => root.properties.is_some(),
        });
        // References lead from the schema's root, which wrapping would move.
        let can_be_tool = object || !schema.get().contains("\"$ref\"");
        let chosen = match self.request.tool_choice {
            // The client's own tool would never be called beside this one, or this one never.
            Some(ToolChoice::Named(_)) => return Ok(FormatPlan::Free),
            Some(ToolChoice::None) => false,
            _ => !self.request.tools.is_empty(),
        };
        let can_be_forced = !thinking.on && !self.facts.refuses_forced_tools;
        if !can_be_tool || (!chosen && !can_be_forced) {
            self.crossing.adjusted("response_format")?;
            let text = format!(
                "Answer with JSON that follows this schema, and nothing else:\n{}",
                schema.get()
            );
            return Ok(FormatPlan::Asked(text));
        }
        let taken = |name: &str| self.request.tools.iter().any(|tool| tool.name == name);
        let mut name = TOOL.to_owned();
        while taken(&name) {
            name.push('_');
        }
        let (schema, wrapped_in) = if object {
            (schema.to_owned(), None)
        } else {
            let wrapped =
                json!({"type": "object", "properties": {WRAPPER: schema}, "required": [WRAPPER]});
            (raw(&wrapped), Some(WRAPPER.to_owned()))
        };
        let tool = FormatTool { name, wrapped_in };
        Ok(FormatPlan::Tool { tool, schema, forced: !chosen })
    }
}
