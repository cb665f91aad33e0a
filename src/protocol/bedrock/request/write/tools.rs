//! `toolConfig`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::json;
use serde_json::value::RawValue;

use super::extra::Extra;
use super::family::Family;
use super::format::FormatPlan;
use super::shape::{Choice, InputSchema, ToolConfig, ToolEntry, ToolSpec, raw};
use super::thinking::Thinking;
use super::{CannotCross, ToolChoice, Writer};
use crate::protocol::neutral::{Part, Tool};
use crate::wire::json::Object;

/// The name of a tool whose results are in the history without a call that tells it.
const NAMELESS: &str = "unknown_tool";

impl<'a> Writer<'a, '_> {
    pub(super) fn tools(
        &mut self,
        thinking: &Thinking,
        format: &FormatPlan<'_>,
        extra: &mut Extra,
    ) -> Result<Option<ToolConfig<'a>>, CannotCross> {
        let mut tools = Vec::new();
        let none = self.request.tool_choice == Some(ToolChoice::None);
        let used = self.used_tools();
        // The API has no `none`: tools are left away, unless the history speaks of them.
        if !none || !used.is_empty() {
            for (index, tool) in self.request.tools.iter().enumerate() {
                if self.is_allowed(tool) {
                    self.tool(tool, index, &mut tools)?;
                }
            }
            // Without any, a history of calls would be refused.
            if tools.is_empty() {
                tools.extend(used.iter().map(|name| self.remembered(name)));
            }
        }
        let own = !tools.is_empty() && !none;
        let mut choice = self.choice(thinking, own)?;
        if none && !tools.is_empty() {
            self.crossing.adjusted("tool_choice")?;
        }
        if let FormatPlan::Tool { tool, schema, forced } = format {
            tools.push(ToolEntry::ToolSpec(ToolSpec {
                name: Cow::Owned(tool.name.clone()),
                description: Some(Cow::Borrowed("Gives the answer in the form that is wanted.")),
                input_schema: InputSchema { json: Cow::Owned(schema.clone()) },
                strict: None,
            }));
            if *forced {
                choice = Some(Choice::Tool { name: Cow::Owned(tool.name.clone()) });
            }
        }
        if own && self.request.parallel_tools == Some(false) {
            self.forbid_parallel(choice.is_some(), extra)?;
        }
        Ok((!tools.is_empty()).then_some(ToolConfig { tools, tool_choice: choice }))
    }

    fn is_allowed(&self, tool: &Tool) -> bool {
        match &self.request.tool_choice {
            Some(ToolChoice::Allowed { names, .. }) => names.contains(&tool.name),
            _ => true,
        }
    }

    fn tool(
        &mut self,
        tool: &'a Tool,
        index: usize,
        tools: &mut Vec<ToolEntry<'a>>,
    ) -> Result<(), CannotCross> {
        if tool.name.is_empty() {
            return Err(CannotCross::new(format!("tools[{index}].name"), "must not be empty"));
        }
        let name = self.names.tool(&tool.name);
        let description = tool.description.as_deref().map(|description| {
            // An empty one is refused.
            if description.trim().is_empty() { name.clone() } else { Cow::Borrowed(description) }
        });
        tools.push(ToolEntry::ToolSpec(ToolSpec {
            name,
            description,
            input_schema: InputSchema { json: object_schema(tool.schema.as_deref()) },
            strict: tool.strict,
        }));
        // Nova takes marks in the system's instructions and in messages only.
        let mark = tool.cache.as_ref().filter(|_| self.family != Family::Nova);
        tools.extend(self.cache_point(mark)?.map(ToolEntry::CachePoint));
        Ok(())
    }

    /// A tool of which only the name is known.
    fn remembered(&mut self, name: &'a str) -> ToolEntry<'a> {
        let name = self.names.tool(name);
        ToolEntry::ToolSpec(ToolSpec {
            description: Some(name.clone()),
            name,
            input_schema: InputSchema { json: Cow::Owned(raw(&json!({"type": "object"}))) },
            strict: None,
        })
    }

    /// The tools that the history speaks of.
    fn used_tools(&self) -> BTreeSet<&'a str> {
        let parts = || self.request.turns.iter().flat_map(|turn| &turn.parts);
        let called: BTreeSet<_> = parts()
            .filter_map(|part| match part {
                Part::ToolCall { name, .. } if !name.is_empty() => Some(name.as_str()),
                _ => None,
            })
            .collect();
        let returned = parts().any(|part| matches!(part, Part::ToolResult { .. }));
        if called.is_empty() && returned { BTreeSet::from([NAMELESS]) } else { called }
    }

    /// Which of the client's tools must be called. What is the default anyway is not said: some
    /// models refuse any choice.
    fn choice(
        &mut self,
        thinking: &Thinking,
        own: bool,
    ) -> Result<Option<Choice<'a>>, CannotCross> {
        let forced = match &self.request.tool_choice {
            Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. }) => {
                Choice::Any {}
            }
            Some(ToolChoice::Named(name)) => Choice::Tool { name: self.names.tool(name) },
            _ => return Ok(None),
        };
        if thinking.on || self.facts.refuses_forced_tools {
            self.crossing.adjusted("tool_choice")?;
            return Ok(None);
        }
        Ok(own.then_some(forced))
    }

    fn forbid_parallel(&mut self, chosen: bool, extra: &mut Extra) -> Result<(), CannotCross> {
        if self.family != Family::Claude {
            return self.crossing.dropped("parallel_tool_calls");
        }
        // With a choice in `toolConfig`, a second type would contradict it.
        let choice = if chosen {
            json!({"disable_parallel_tool_use": true})
        } else {
            json!({"type": "auto", "disable_parallel_tool_use": true})
        };
        extra.set("tool_choice", choice);
        Ok(())
    }
}

/// A schema as it is; what does not say that it is an object's is made to.
fn object_schema(schema: Option<&RawValue>) -> Cow<'_, RawValue> {
    let empty = || Cow::Owned(raw(&json!({"type": "object", "properties": {}})));
    let Some(schema) = schema else { return empty() };
    let Some(members) = schema.get().strip_prefix('{') else { return empty() };
    let kind = Object::parse(Bytes::copy_from_slice(schema.get().as_bytes()));
    let text = match kind.as_ref().map(|object| (object.edit(), object.raw("type"))) {
        Ok((_, Ok(None))) => {
            let comma = if members.trim_start().starts_with('}') { "" } else { "," };
            Some(format!("{{\"type\":\"object\"{comma}{members}"))
        }
        Ok((mut edit, Ok(Some(b"null")))) => {
            let edited = edit.set("type", &"object".into()).map(|()| edit.finish());
            edited.ok().and_then(|text| String::from_utf8(text.into()).ok())
        }
        // It says something of its own.
        _ => return Cow::Borrowed(schema),
    };
    text.and_then(|text| RawValue::from_string(text).ok()).map_or_else(empty, Cow::Owned)
}
