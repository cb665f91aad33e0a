//! `input`: what was said, thought, called and returned, as a flat list of items.
//!
//! Other APIs put what the model did in one go into one message, so items are gathered into turns:
//! reasoning, words and calls until something comes that is not the model's, and results in a row.

use serde_json::json;
use serde_json::value::RawValue;

use super::super::fields::Fields;
use super::super::sealed::{Sealed, unseal};
use super::content;
use super::tools::{Tools, function_name};
use crate::protocol::dialect::Unreadable;
use crate::protocol::neutral::request::Beyond;
use crate::protocol::neutral::{OpaqueState, Part, Request, ResultPart, Role, SystemText, Turn};

/// The name of the function that stands in for `local_shell`, which has none.
pub(super) const LOCAL_SHELL: &str = "local_shell";

/// Reads `input` into the request's turns; messages of the system in front of all others go to its
/// instructions.
pub(super) fn read(
    raw: &RawValue,
    request: &mut Request,
    tools: &mut Tools,
) -> Result<(), Unreadable> {
    if raw.get().starts_with('"') {
        let text = serde_json::from_str(raw.get())
            .map_err(|_| Unreadable::new("input", "must be a valid string"))?;
        request
            .turns
            .push(Turn { role: Role::User, parts: vec![Part::Text { text, cache: None }] });
        return Ok(());
    }
    if !raw.get().starts_with('[') {
        return Err(Unreadable::new("input", "must be a string or a list of items"));
    }
    let mut reader = Items { request, tools, call_state: None };
    for item in Fields::list(raw, "input")? {
        reader.read(item)?;
    }
    Ok(())
}

struct Items<'a> {
    request: &'a mut Request,
    tools: &'a mut Tools,
    /// A state that came ahead of the call that it belongs to.
    call_state: Option<OpaqueState>,
}

impl Items<'_> {
    fn read(&mut self, mut item: Fields<'_>) -> Result<(), Unreadable> {
        let kind = match item.string("type")? {
            Some(kind) => kind,
            // Only messages may come without a type; a role tells that it is one.
            None => "message".to_owned(),
        };
        match &*kind {
            "message" => self.message(item),
            "reasoning" => self.reasoning(item),
            "function_call" => {
                let name = called(&mut item)?;
                let arguments = item.string("arguments")?.unwrap_or_default();
                self.call(item.named("call_id")?, name, arguments);
                Ok(())
            }
            "custom_tool_call" => {
                let name = called(&mut item)?;
                let input = item.string("input")?.unwrap_or_default();
                self.call(item.named("call_id")?, name, json!({ "input": input }).to_string());
                Ok(())
            }
            "local_shell_call" => {
                let action = item.raw("action")?.map_or("{}", RawValue::get).to_owned();
                let id = call_or_item_id(&mut item)?;
                self.call(id, LOCAL_SHELL.to_owned(), action);
                Ok(())
            }
            "function_call_output" | "custom_tool_call_output" | "local_shell_call_output" => {
                self.output(item)
            }
            // Tools that were added or found midway; which came when makes no difference elsewhere.
            "additional_tools" | "tool_search_output" => {
                let path = item.at("tools");
                match item.raw("tools")? {
                    Some(raw) => self.tools.read(raw, &path, self.request),
                    None => Ok(()),
                }
            }
            "item_reference" => Err(Unreadable::new(
                item.path(),
                "refers to an item that is not stored here: send the item itself",
            )),
            "compaction" | "compaction_summary" => Err(Unreadable::new(
                item.path(),
                "is a compacted conversation, which only its maker can read: send the items",
            )),
            kind => {
                // What a hosted tool did before is told by what the model said of it; anything else
                // may be what the conversation is about.
                let hosted = kind.ends_with("_call") || kind.ends_with("_call_output");
                let essential = !hosted && !kind.starts_with("mcp_");
                let field = item.at("type");
                self.request.beyond.push(Beyond { field, essential, value: None });
                Ok(())
            }
        }
    }

    fn message(&mut self, mut item: Fields<'_>) -> Result<(), Unreadable> {
        let role = item.needed("role")?;
        let parts = match item.raw("content")? {
            Some(raw) => content::read(raw, &item.at("content"), &mut self.request.beyond)?,
            None if role == "assistant" => Vec::new(),
            None => return Err(Unreadable::new(item.at("content"), "is missing")),
        };
        match &*role {
            "user" => self.request.turns.push(Turn { role: Role::User, parts }),
            "assistant" => self.said(parts),
            "system" | "developer" => self.instructed(parts),
            _ => {
                let message = "must be `user`, `assistant`, `system` or `developer`";
                return Err(Unreadable::new(item.at("role"), message));
            }
        }
        Ok(())
    }

    fn instructed(&mut self, parts: Vec<Part>) {
        let only_text = parts.iter().all(|part| matches!(part, Part::Text { .. }));
        if !self.request.turns.is_empty() || !only_text {
            self.request.turns.push(Turn { role: Role::System, parts });
            return;
        }
        for part in parts {
            if let Part::Text { text, .. } = part
                && !text.is_empty()
            {
                self.request.system.push(SystemText { text, cache: None });
            }
        }
    }

    /// Words of the model. They begin a turn of their own after other words; between calls they do
    /// not, or a call would be parted from its result.
    fn said(&mut self, parts: Vec<Part>) {
        let apart = self.request.turns.last().is_some_and(|turn| {
            let called = turn.parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
            let spoke = |part: &Part| matches!(part, Part::Text { .. } | Part::Refusal(_));
            turn.role == Role::Assistant && !called && turn.parts.iter().any(spoke)
        });
        if apart {
            self.request.turns.push(Turn { role: Role::Assistant, parts });
        } else {
            self.turn(Role::Assistant).extend(parts);
        }
    }

    fn reasoning(&mut self, mut item: Fields<'_>) -> Result<(), Unreadable> {
        let mut texts = Vec::new();
        for mut part in item.objects("summary")? {
            texts.push(part.needed("text")?);
        }
        if texts.is_empty() {
            for mut part in item.objects("content")? {
                texts.push(part.needed("text")?);
            }
        }
        let text = texts.join("\n\n");
        let state = match item.string("encrypted_content")?.as_deref().map(unseal) {
            Some(Sealed::Call(state)) => {
                self.call_state = Some(state);
                return Ok(());
            }
            Some(Sealed::Reasoning(state)) => Some(state),
            None => None,
        };
        if state.is_some() || !text.is_empty() {
            self.turn(Role::Assistant).push(Part::Thinking { text, state });
        }
        Ok(())
    }

    fn call(&mut self, id: String, name: String, arguments: String) {
        let state = self.call_state.take();
        let call = Part::ToolCall { id, name, arguments, state, cache: None };
        self.turn(Role::Assistant).push(call);
    }

    fn output(&mut self, mut item: Fields<'_>) -> Result<(), Unreadable> {
        let id = call_or_item_id(&mut item)?;
        let at = item.at("output");
        // Missing or `null` is what some clients send for a function that returned nothing.
        let parts = match item.raw("output")? {
            Some(raw) => content::read(raw, &at, &mut self.request.beyond)?,
            None => Vec::new(),
        };
        let mut content = Vec::with_capacity(parts.len());
        for part in parts {
            content.push(match part {
                Part::Text { text, .. } => ResultPart::Text(text),
                Part::Image(media) => ResultPart::Image(media),
                Part::Document(media) => ResultPart::Document(media),
                _ => return Err(Unreadable::new(at, "must hold texts, images and files only")),
            });
        }
        let result = Part::ToolResult { id, content, is_error: false, cache: None };
        match self.request.turns.last_mut() {
            Some(turn) if matches!(turn.parts.last(), Some(Part::ToolResult { .. })) => {
                turn.parts.push(result);
            }
            _ => self.request.turns.push(Turn { role: Role::User, parts: vec![result] }),
        }
        Ok(())
    }

    /// The parts of the turn that is going on if it is of that role, else of a new one.
    fn turn(&mut self, role: Role) -> &mut Vec<Part> {
        let turns = &mut self.request.turns;
        if turns.last().is_none_or(|turn| turn.role != role) {
            turns.push(Turn { role, parts: Vec::new() });
        }
        &mut turns.last_mut().expect("one was pushed if there was none").parts
    }
}

/// The function that was called.
fn called(item: &mut Fields<'_>) -> Result<String, Unreadable> {
    let namespace = item.string("namespace")?;
    Ok(function_name(namespace.as_deref(), &item.named("name")?))
}

/// Items of `local_shell` are matched by `call_id` by some clients and by `id` by others.
fn call_or_item_id(item: &mut Fields<'_>) -> Result<String, Unreadable> {
    match item.string("call_id")? {
        Some(id) => Ok(id),
        None => match item.string("id")? {
            Some(id) => Ok(id),
            None => Err(Unreadable::new(item.at("call_id"), "is missing: it must be a string")),
        },
    }
}
