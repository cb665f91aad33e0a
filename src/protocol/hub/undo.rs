//! Takes back in an answer what had to be changed in its request: shortened names of tools, and a
//! tool that stands for the format of the text.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::protocol::dialect::{FormatTool, Undo};
use crate::protocol::neutral::{Event, Finish, Output, Reply};

/// Takes it back in a whole answer.
pub(super) fn undo_in_reply(undo: &Undo, reply: &mut Reply) {
    for choice in &mut reply.choices {
        let mut stood_in = false;
        if let (Some(prefix), Some(Output::Text(text))) =
            (&undo.prefix, choice.output.iter_mut().find(|piece| matches!(piece, Output::Text(_))))
            && let Some(new) = text.strip_prefix(&**prefix)
        {
            *text = new.to_owned();
        }
        for piece in &mut choice.output {
            let Output::ToolCall { name, arguments, .. } = piece else { continue };
            match &undo.format_tool {
                Some(tool) if tool.name == *name => {
                    *piece = Output::Text(unwrapped(tool, arguments));
                    stood_in = true;
                }
                _ => restore(undo, name),
            }
        }
        let calls = choice.output.iter().any(|piece| matches!(piece, Output::ToolCall { .. }));
        if stood_in && !calls && choice.finish == Some(Finish::ToolCalls) {
            choice.finish = Some(Finish::Stop);
        }
    }
}

fn restore(undo: &Undo, name: &mut String) {
    if let Some(known) = undo.tool_names.get(name) {
        name.clone_from(known);
    }
}

/// The text that a tool's arguments stand for.
fn unwrapped(tool: &FormatTool, arguments: &str) -> String {
    let Some(member) = &tool.wrapped_in else { return arguments.to_owned() };
    // The text of the value as it came: its keys in their order, its numbers in their spelling.
    let members = serde_json::from_str::<BTreeMap<String, &RawValue>>(arguments);
    match members.ok().and_then(|members| members.get(member).map(|value| value.get().to_owned())) {
        Some(value) => value,
        None => arguments.to_owned(),
    }
}

/// Takes it back in a stream.
#[derive(Debug)]
pub(super) struct Undoing {
    undo: Undo,
    /// Calls of the tool that stands for the format: choice, call, and the arguments so far where
    /// the text can only be told from the whole.
    standing_in: Vec<(u32, u32, String)>,
    /// Choices that called another tool.
    called: Vec<u32>,
    /// What each choice began with, as long as it may be a repetition of words that it was given.
    beginnings: Vec<Beginning>,
}

#[derive(Debug)]
struct Beginning {
    choice: u32,
    /// `None` once that is decided.
    held: Option<String>,
}

impl Undoing {
    pub fn new(undo: Undo) -> Self {
        Self { undo, standing_in: Vec::new(), called: Vec::new(), beginnings: Vec::new() }
    }

    /// Hands on what an event comes to.
    pub fn undo(&mut self, event: Event, pass: &mut dyn FnMut(Event)) {
        match event {
            Event::ToolStart { choice, call, id, mut name, state } => {
                if self.undo.format_tool.as_ref().is_some_and(|tool| tool.name == name) {
                    self.standing_in.push((choice, call, String::new()));
                    return;
                }
                self.called.push(choice);
                restore(&self.undo, &mut name);
                pass(Event::ToolStart { choice, call, id, name, state });
            }
            Event::ToolArguments { choice, call, text } => match self.stand_in(choice, call) {
                None => pass(Event::ToolArguments { choice, call, text }),
                Some((None, _)) => pass(Event::Text { choice, text }),
                Some((Some(_), held)) => held.push_str(&text),
            },
            Event::ToolEnd { choice, call } => match self.stand_in(choice, call) {
                None => pass(Event::ToolEnd { choice, call }),
                Some((Some(tool), held)) => {
                    let text = unwrapped(tool, &std::mem::take(held));
                    pass(Event::Text { choice, text });
                }
                Some((None, _)) => {}
            },
            Event::Finish { choice, reason: Finish::ToolCalls }
                if self.standing_in.iter().any(|call| call.0 == choice)
                    && !self.called.contains(&choice) =>
            {
                pass(Event::Finish { choice, reason: Finish::Stop });
            }
            Event::Text { choice, text } if self.undo.prefix.is_some() => {
                if let Some(text) = self.without_prefix(choice, text) {
                    pass(Event::Text { choice, text });
                }
            }
            Event::Finish { choice, reason } => {
                // An answer that is cut short within the words it repeats has said nothing else.
                if let Some(text) = self.rest_of_beginning(choice) {
                    pass(Event::Text { choice, text });
                }
                pass(Event::Finish { choice, reason });
            }
            other => pass(other),
        }
    }

    /// What is new of a text, as far as it is known yet.
    fn without_prefix(&mut self, choice: u32, text: String) -> Option<String> {
        let prefix = self.undo.prefix.as_ref()?;
        if !self.beginnings.iter().any(|beginning| beginning.choice == choice) {
            self.beginnings.push(Beginning { choice, held: Some(String::new()) });
        }
        let beginning = self.beginnings.iter_mut().find(|beginning| beginning.choice == choice)?;
        let Some(held) = &mut beginning.held else { return Some(text) };
        held.push_str(&text);
        if held.len() < prefix.len() && prefix.starts_with(&**held) {
            return None;
        }
        let held = beginning.held.take()?;
        let new = held.strip_prefix(&**prefix).map(str::to_owned).unwrap_or(held);
        Some(new).filter(|new| !new.is_empty())
    }

    /// What is still held of a choice that ends.
    fn rest_of_beginning(&mut self, choice: u32) -> Option<String> {
        let beginning = self.beginnings.iter_mut().find(|beginning| beginning.choice == choice)?;
        beginning.held.take().filter(|held| !held.is_empty())
    }

    /// The call, if it stands in for the format: the tool if its text has to be unwrapped, and what
    /// is held of it.
    fn stand_in(&mut self, choice: u32, call: u32) -> Option<(Option<&FormatTool>, &mut String)> {
        let tool = self.undo.format_tool.as_ref()?;
        let open = self.standing_in.iter_mut().find(|open| (open.0, open.1) == (choice, call))?;
        Some((tool.wrapped_in.is_some().then_some(tool), &mut open.2))
    }
}
