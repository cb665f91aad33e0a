//! What was said of one item.

use crate::protocol::Malformed;
use crate::protocol::fragments::Arguments;
use crate::protocol::neutral::{Event, OpaqueState, Output};

/// Which of the two forms of reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thoughts {
    /// What is shown of it.
    Summary,
    /// All of it, from models that hide nothing.
    Whole,
}

/// An item and what was said of it.
#[derive(Debug)]
pub(super) struct Seen {
    /// Its number in the output, as the server counts.
    pub index: Option<u64>,
    /// Its id; empty if the server gave none.
    pub id: String,
    /// Parts of which words have come.
    spoken: Vec<u64>,
    /// The form in which reasoning came first, and the part that came last.
    thoughts: Option<(Thoughts, u64)>,
    /// Parts of the reasoning that have come.
    thought: Vec<u64>,
    /// The number of the call that it is.
    call: Option<u32>,
    /// Arguments have come.
    has_arguments: bool,
    arguments: Arguments,
    /// All of them have: what comes later belongs to nothing.
    has_all: bool,
    /// Arguments that came before the name did.
    early: String,
    ended: bool,
}

impl Seen {
    /// An item of which nothing was said yet.
    pub(super) fn new(index: Option<u64>, id: &str) -> Self {
        Self {
            index,
            id: id.to_owned(),
            spoken: Vec::new(),
            thoughts: None,
            thought: Vec::new(),
            call: None,
            has_arguments: false,
            arguments: Arguments::default(),
            has_all: false,
            early: String::new(),
            ended: false,
        }
    }

    /// Whether an item by that id is another than this one.
    pub(super) fn is_other(&self, id: &str) -> bool {
        !id.is_empty() && !self.id.is_empty() && self.id != id
    }

    /// Whether this item is done and an item by that id is not known to be this one.
    pub(super) fn is_over_for(&self, id: &str) -> bool {
        self.ended && (id.is_empty() || self.id != id)
    }

    /// More words of a part or, if `whole`, all of them.
    pub(super) fn text(
        &mut self,
        part: u64,
        text: Option<&str>,
        whole: bool,
        events: &mut Vec<Event>,
    ) {
        if let Some(text) = self.fresh(part, text, whole) {
            events.push(Event::Text { choice: 0, text });
        }
    }

    /// The same of a refusal.
    pub(super) fn refusal(
        &mut self,
        part: u64,
        text: Option<&str>,
        whole: bool,
        events: &mut Vec<Event>,
    ) {
        if let Some(text) = self.fresh(part, text, whole) {
            events.push(Event::Refusal { choice: 0, text });
        }
    }

    fn fresh(&mut self, part: u64, text: Option<&str>, whole: bool) -> Option<String> {
        let seen = self.spoken.contains(&part);
        if whole && seen {
            return None;
        }
        let text = text.filter(|text| !text.is_empty())?;
        if !seen {
            self.spoken.push(part);
        }
        Some(text.to_owned())
    }

    /// More of a part of the reasoning or, if `whole`, all of it. Parts are set apart by a blank line.
    pub(super) fn think(
        &mut self,
        form: Thoughts,
        part: u64,
        text: Option<&str>,
        whole: bool,
        events: &mut Vec<Event>,
    ) {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return;
        };
        let seen = self.thought.contains(&part);
        // A server that sends both forms says everything twice.
        if self.thoughts.is_some_and(|(first, _)| first != form) || (whole && seen) {
            return;
        }
        if !seen {
            self.thought.push(part);
        }
        let apart = self.thoughts.is_some_and(|(_, last)| last != part);
        self.thoughts = Some((form, part));
        let text = if apart { format!("\n\n{text}") } else { text.to_owned() };
        events.push(Event::Thinking { choice: 0, text });
    }

    /// The reasoning is complete.
    pub(super) fn reasoning_done(
        &mut self,
        text: &str,
        state: Option<OpaqueState>,
        events: &mut Vec<Event>,
    ) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if self.thoughts.is_none() {
            self.think(Thoughts::Whole, 0, Some(text), true, events);
        }
        let filled = self.thoughts.is_some() || state.is_some();
        events.extend(state.map(|state| Event::ThinkingState { choice: 0, state }));
        if filled {
            events.push(Event::ThinkingEnd { choice: 0 });
        }
    }

    /// The message is complete: says what of it was not said.
    pub(super) fn message_done(
        &mut self,
        words: impl Iterator<Item = Output>,
        events: &mut Vec<Event>,
    ) {
        if std::mem::replace(&mut self.ended, true) || !self.spoken.is_empty() {
            return;
        }
        for output in words {
            events.extend(match output {
                Output::Text(text) => Some(Event::Text { choice: 0, text }),
                Output::Refusal(text) => Some(Event::Refusal { choice: 0, text }),
                Output::Thinking { .. } | Output::ToolCall { .. } => None,
            });
        }
    }

    /// Begins a call, unless it has begun or has no name yet. Whether it began now.
    pub(super) fn begin(
        &mut self,
        call: u32,
        id: &str,
        name: &str,
        events: &mut Vec<Event>,
    ) -> bool {
        if self.call.is_some() || name.is_empty() {
            return false;
        }
        self.call = Some(call);
        let (id, name) = (id.to_owned(), name.to_owned());
        events.push(Event::ToolStart { choice: 0, call, id, name, state: None });
        let early = std::mem::take(&mut self.early);
        if !early.is_empty() {
            events.push(Event::ToolArguments { choice: 0, call, text: early });
        }
        true
    }

    /// More arguments; there are so many calls so far.
    pub(super) fn arguments(
        &mut self,
        text: &str,
        calls: u32,
        events: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        if text.is_empty() || self.ended || self.has_all {
            return Ok(());
        }
        self.has_arguments = true;
        self.arguments.push(text, self.call.is_none_or(|call| call + 1 == calls))?;
        match self.call {
            Some(call) => {
                events.push(Event::ToolArguments { choice: 0, call, text: text.to_owned() });
            }
            None => self.early.push_str(text),
        }
        Ok(())
    }

    /// All arguments, which add nothing to what came piece by piece.
    pub(super) fn all_arguments(
        &mut self,
        text: &str,
        calls: u32,
        events: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        if !self.has_arguments {
            self.arguments(text, calls, events)?;
        }
        self.has_all = self.has_arguments;
        Ok(())
    }

    /// The call, if it is one, is complete.
    pub(super) fn end_call(&mut self, events: &mut Vec<Event>) {
        if let Some(call) = self.call
            && !std::mem::replace(&mut self.ended, true)
        {
            events.push(Event::ToolEnd { choice: 0, call });
        }
    }
}
