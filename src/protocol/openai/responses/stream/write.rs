//! A client's stream.
//!
//! The event that ends a response holds the whole of it, and the events that end an item the whole
//! item. So, other than any other API's, this writer has to keep what was generated; it keeps it
//! once, in the items of the response to come, and everything that is sent borrows from there.

mod frame;
mod taken_over;

use serde::de::IgnoredAny;

use super::super::body::{Answer, Content, Item, PartView, Status, Words};
use super::super::sealed::{seal, seal_call};
use crate::protocol::dialect::{ClientView, EventWriter};
use crate::protocol::neutral::{Event, Finish, OpaqueState, StandIn, StandInKind};
use crate::protocol::transcript::Seen;
use crate::protocol::usage::Usage;
use crate::wire::sse::KEEP_ALIVE;

use frame::{Frame, Frames, of_item};

/// Writes a stream.
pub(in super::super) struct ResponsesWriter {
    answer: Answer,
    stand_ins: Vec<StandIn>,
    frames: Frames,
    started: bool,
    /// Everything that was generated so far, in the order of `output_index`.
    items: Vec<Item>,
    /// The message or reasoning that goes on.
    open: Option<usize>,
    /// Calls that go on: their numbers and items. They may be interleaved.
    calls: Vec<(u32, usize)>,
    usage: Usage,
    finish: Option<Finish>,
}

/// The part of a message that goes on, and its number.
fn last_part(item: &Item) -> (Option<PartView<'_>>, Option<usize>) {
    match &item.content {
        Content::Message(parts) => {
            (parts.last().map(|words| words.part(&words.text)), parts.len().checked_sub(1))
        }
        Content::Reasoning { .. } | Content::Call { .. } => (None, None),
    }
}

impl EventWriter for ResponsesWriter {
    fn write(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, .. } => {
                if !self.started {
                    self.answer.name(id);
                }
                self.start(out);
            }
            // There is one choice: this API has no way to ask for more.
            Event::Text { choice: 0, text } => self.say(text, false, out),
            Event::Refusal { choice: 0, text } => self.say(text, true, out),
            Event::Thinking { choice: 0, text } => self.think(text, out),
            Event::ThinkingState { choice: 0, state } => self.seal(state, out),
            Event::ThinkingEnd { choice: 0 } if self.is_thinking() => {
                self.close_open("completed", out);
            }
            Event::ToolStart { choice: 0, call, id, name, state } => {
                self.call(*call, id, name, state.as_ref(), out);
            }
            Event::ToolArguments { choice: 0, call, text } => self.arguments(*call, text, out),
            Event::ToolEnd { choice: 0, call } => {
                let ended = self.calls.iter().position(|(number, _)| number == call);
                // Whether half of a call was cut, the finish tells.
                if let Some(k) = ended.filter(|k| self.is_whole(self.calls[*k].1)) {
                    let (_, at) = self.calls.remove(k);
                    self.end_call(at, "completed", out);
                }
            }
            Event::Finish { choice: 0, reason } => self.finish(reason, out),
            Event::Usage(usage) => self.usage.update(*usage),
            Event::Ping => out.extend_from_slice(KEEP_ALIVE),
            Event::End => self.end(out),
            _ => {}
        }
    }

    fn catch_up(&mut self, seen: &Seen) {
        self.take_over(seen);
    }
}

impl ResponsesWriter {
    /// A writer for one client.
    pub(in super::super) fn new(client: &ClientView<'_>) -> Self {
        Self {
            answer: Answer::new("", client),
            stand_ins: client.stand_ins.to_vec(),
            frames: Frames::default(),
            started: false,
            items: Vec::new(),
            open: None,
            calls: Vec::new(),
            usage: Usage::default(),
            finish: None,
        }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        for kind in ["response.created", "response.in_progress"] {
            let response = Some(self.answer.view(&[], Status::InProgress, Usage::default()));
            self.frames.send(out, kind, Frame { response, ..Frame::default() });
        }
    }

    /// Adds an item and announces it. Its number is returned.
    fn add(&mut self, content: Content, out: &mut Vec<u8>) -> usize {
        self.start(out);
        let item = self.answer.item(&self.items, "in_progress", content);
        self.items.push(item);
        let at = self.items.len() - 1;
        let item = Some(self.items[at].view());
        let frame = Frame { output_index: Some(at), item, ..Frame::default() };
        self.frames.send(out, "response.output_item.added", frame);
        at
    }

    fn item_done(&mut self, at: usize, status: &'static str, out: &mut Vec<u8>) {
        self.items[at].status = status;
        let item = Some(self.items[at].view());
        let frame = Frame { output_index: Some(at), item, ..Frame::default() };
        self.frames.send(out, "response.output_item.done", frame);
    }

    fn is_thinking(&self) -> bool {
        let open = self.open.map(|at| &self.items[at].content);
        matches!(open, Some(Content::Reasoning { .. }))
    }

    fn say(&mut self, text: &str, refusal: bool, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if self.is_thinking() {
            self.close_open("completed", out);
        }
        let at = match self.open {
            Some(at) => at,
            None => self.add(Content::Message(Vec::new()), out),
        };
        self.open = Some(at);
        let last = match &self.items[at].content {
            Content::Message(parts) => parts.last().map(|words| words.refusal),
            Content::Reasoning { .. } | Content::Call { .. } => None,
        };
        if last != Some(refusal) {
            if last.is_some() {
                self.part_done(at, out);
            }
            if let Content::Message(parts) = &mut self.items[at].content {
                parts.push(Words { refusal, text: String::new() });
            }
            let (part, content_index) = last_part(&self.items[at]);
            let frame = Frame { content_index, part, ..of_item(&self.items, at) };
            self.frames.send(out, "response.content_part.added", frame);
        }
        let Content::Message(parts) = &mut self.items[at].content else {
            return;
        };
        let content_index = parts.len().checked_sub(1);
        if let Some(words) = parts.last_mut() {
            words.text.push_str(text);
        }
        let named = of_item(&self.items, at);
        let frame = Frame { content_index, delta: Some(text), ..named };
        if refusal {
            self.frames.send(out, "response.refusal.delta", frame);
        } else {
            let frame = Frame { logprobs: Some([]), ..frame };
            self.frames.send(out, "response.output_text.delta", frame);
        }
    }

    fn part_done(&mut self, at: usize, out: &mut Vec<u8>) {
        let Content::Message(parts) = &self.items[at].content else {
            return;
        };
        let Some(words) = parts.last() else {
            return;
        };
        let content_index = parts.len().checked_sub(1);
        let named = || Frame { content_index, ..of_item(&self.items, at) };
        let text = Some(&*words.text);
        if words.refusal {
            let frame = Frame { refusal: text, ..named() };
            self.frames.send(out, "response.refusal.done", frame);
        } else {
            let frame = Frame { text, logprobs: Some([]), ..named() };
            self.frames.send(out, "response.output_text.done", frame);
        }
        let frame = Frame { part: Some(words.part(&words.text)), ..named() };
        self.frames.send(out, "response.content_part.done", frame);
    }

    fn think(&mut self, text: &str, out: &mut Vec<u8>) {
        let at = self.reasoning(out);
        let Content::Reasoning { text: thoughts, .. } = &mut self.items[at].content else {
            return;
        };
        let begins = thoughts.is_empty();
        thoughts.push_str(text);
        let named = || Frame { summary_index: Some(0), ..of_item(&self.items, at) };
        if begins {
            let part = Some(PartView::SummaryText { text: "" });
            let frame = Frame { part, ..named() };
            self.frames.send(out, "response.reasoning_summary_part.added", frame);
        }
        let frame = Frame { delta: Some(text), ..named() };
        self.frames.send(out, "response.reasoning_summary_text.delta", frame);
    }

    /// The reasoning that goes on, or one that begins.
    fn reasoning(&mut self, out: &mut Vec<u8>) -> usize {
        if let Some(at) = self.open.filter(|_| self.is_thinking()) {
            return at;
        }
        self.close_open("completed", out);
        let at = self.add(Content::Reasoning { text: String::new(), sealed: None }, out);
        self.open = Some(at);
        at
    }

    fn seal(&mut self, state: &OpaqueState, out: &mut Vec<u8>) {
        let has_one = self.open.is_some_and(|at| {
            matches!(self.items[at].content, Content::Reasoning { sealed: Some(_), .. })
        });
        if has_one {
            self.close_open("completed", out);
        }
        let at = self.reasoning(out);
        if let Content::Reasoning { sealed, .. } = &mut self.items[at].content {
            *sealed = Some(seal(state));
        }
    }

    fn call(
        &mut self,
        call: u32,
        id: &str,
        name: &str,
        state: Option<&OpaqueState>,
        out: &mut Vec<u8>,
    ) {
        self.close_open("completed", out);
        if let Some(state) = state {
            let sealed = Some(seal_call(state));
            let at = self.add(Content::Reasoning { text: String::new(), sealed }, out);
            self.item_done(at, "completed", out);
        }
        let call_id = self.answer.call_id(id, self.items.len());
        let content = Content::call(call_id, name, &self.stand_ins);
        let at = self.add(content, out);
        self.calls.push((call, at));
    }

    fn arguments(&mut self, call: u32, text: &str, out: &mut Vec<u8>) {
        let Some(&(_, at)) = self.calls.iter().find(|(number, _)| *number == call) else {
            return;
        };
        let Content::Call { arguments, kind, .. } = &mut self.items[at].content else {
            return;
        };
        arguments.push_str(text);
        // What stands for something else can be told only when all of it is there.
        if *kind == StandInKind::Function {
            let frame = Frame { delta: Some(text), ..of_item(&self.items, at) };
            self.frames.send(out, "response.function_call_arguments.delta", frame);
        }
    }

    fn is_whole(&self, at: usize) -> bool {
        let Content::Call { arguments, .. } = &self.items[at].content else { return true };
        arguments.is_empty() || serde_json::from_str::<IgnoredAny>(arguments).is_ok()
    }

    fn end_call(&mut self, at: usize, status: &'static str, out: &mut Vec<u8>) {
        let Content::Call { arguments, .. } = &self.items[at].content else {
            return;
        };
        let empty = arguments.is_empty();
        // Half of a call's arguments are not repaired.
        if status == "completed" {
            self.items[at].content.complete();
        }
        let named = || of_item(&self.items, at);
        if let Content::Call { arguments, name, kind, .. } = &self.items[at].content {
            let whole = Some(&**arguments);
            match kind {
                StandInKind::Function => {
                    if empty && !arguments.is_empty() {
                        let frame = Frame { delta: whole, ..named() };
                        self.frames.send(out, "response.function_call_arguments.delta", frame);
                    }
                    let frame = Frame { arguments: whole, name: Some(name), ..named() };
                    self.frames.send(out, "response.function_call_arguments.done", frame);
                }
                StandInKind::Custom => {
                    let frame = Frame { delta: whole, ..named() };
                    self.frames.send(out, "response.custom_tool_call_input.delta", frame);
                    let frame = Frame { input: whole, ..named() };
                    self.frames.send(out, "response.custom_tool_call_input.done", frame);
                }
                StandInKind::LocalShell => {}
            }
        }
        self.item_done(at, status, out);
    }

    /// Ends the message or reasoning that goes on.
    fn close_open(&mut self, status: &'static str, out: &mut Vec<u8>) {
        let Some(at) = self.open.take() else {
            return;
        };
        match &self.items[at].content {
            Content::Message(_) => self.part_done(at, out),
            Content::Reasoning { text, .. } if !text.is_empty() => {
                let named = || Frame { summary_index: Some(0), ..of_item(&self.items, at) };
                let frame = Frame { text: Some(text), ..named() };
                self.frames.send(out, "response.reasoning_summary_text.done", frame);
                let frame = Frame { part: Some(PartView::SummaryText { text }), ..named() };
                self.frames.send(out, "response.reasoning_summary_part.done", frame);
            }
            Content::Reasoning { .. } | Content::Call { .. } => {}
        }
        self.item_done(at, status, out);
    }

    fn finish(&mut self, reason: &Finish, out: &mut Vec<u8>) {
        if self.finish.is_some() {
            return;
        }
        let status = if *reason == Finish::Length { "incomplete" } else { "completed" };
        self.close_open(status, out);
        for (_, at) in std::mem::take(&mut self.calls) {
            self.end_call(at, status, out);
        }
        self.finish = Some(reason.clone());
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        self.close_open("incomplete", out);
        for (_, at) in std::mem::take(&mut self.calls) {
            self.end_call(at, "incomplete", out);
        }
        let status = Status::Ended(self.finish.as_ref());
        let kind = match status.word(&self.items) {
            "completed" => "response.completed",
            _ => "response.incomplete",
        };
        let response = Some(self.answer.view(&self.items, status, self.usage));
        self.frames.send(out, kind, Frame { response, ..Frame::default() });
    }
}

#[cfg(test)]
mod tests;
