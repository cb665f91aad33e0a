//! A provider's stream.
//!
//! Every event may come or not: some servers send nothing but what is done, some never say that
//! anything is. So each item remembers what was said of it, and whatever an event brings that was
//! said before adds nothing.

mod item;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::body::{IncompleteDetails, OutputItem, arguments, finish_of};
use super::super::{error_of, failure_of};
use crate::protocol::dialect::EventReader;
use crate::protocol::neutral::{Event, Output};
use crate::protocol::usage;
use crate::protocol::{Malformed, read_object};

use item::{Seen, Thoughts};

/// Reads a stream.
#[derive(Default)]
pub(in super::super) struct ResponsesReader {
    started: bool,
    ended: bool,
    /// How many calls have begun.
    calls: u32,
    refused: bool,
    /// The items in the order of their coming.
    items: Vec<Seen>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    output_index: Option<u64>,
    #[serde(borrow)]
    item_id: Option<Cow<'a, str>>,
    content_index: Option<u64>,
    summary_index: Option<u64>,
    #[serde(borrow)]
    delta: Option<Cow<'a, str>>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    refusal: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    item: Option<OutputItem<'a>>,
    #[serde(borrow)]
    response: Option<Response<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Response<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    incomplete_details: Option<IncompleteDetails<'a>>,
    // Read only where no item was sent by itself.
    #[serde(borrow)]
    output: Option<&'a RawValue>,
}

impl EventReader for ResponsesReader {
    fn read(
        &mut self,
        name: Option<&str>,
        data: &[u8],
        events: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        // Nothing follows the terminal event, but for a marker that some servers borrow from chats.
        if self.ended || data.trim_ascii() == b"[DONE]" {
            return Ok(());
        }
        let wire: Wire<'_> = read_object(data)?;
        let kind = wire.kind.as_deref().or(name).unwrap_or_default().to_owned();
        self.start(wire.response.as_ref(), &kind, events);
        match &*kind {
            "response.created" | "response.in_progress" | "response.queued" => {}
            "response.output_item.added" => self.item_added(&wire, events),
            "response.output_item.done" => {
                if let Some(item) = &wire.item {
                    let at = self.item_of(&wire, Some(item));
                    self.item_done(at, item, events)?;
                }
            }
            "response.completed" | "response.incomplete" => {
                self.finish(kind == "response.incomplete", wire.response, events)?;
            }
            "response.failed" => {
                count(wire.response.as_ref(), events);
                let error = wire.response.and_then(|response| response.error);
                events.push(Event::Error(failure_of(error)));
            }
            "error" => {
                events.push(Event::Error(error_of(wire.error, wire.code, wire.message)));
            }
            _ => self.content(&kind, &wire, events)?,
        }
        Ok(())
    }

    fn close(&mut self, _events: &mut Vec<Event>) {
        // Only a terminal event ends a response; without one it was cut.
    }
}

impl ResponsesReader {
    fn start(&mut self, response: Option<&Response<'_>>, kind: &str, events: &mut Vec<Event>) {
        // A failure in place of a beginning is no beginning.
        if self.started || matches!(kind, "error" | "response.failed") {
            return;
        }
        self.started = true;
        let text = |text: Option<&Cow<'_, str>>| text.map_or("", |text| text).to_owned();
        events.push(Event::Start {
            id: text(response.and_then(|response| response.id.as_ref())),
            model: text(response.and_then(|response| response.model.as_ref())),
        });
    }

    /// Events between the shells of items.
    fn content(
        &mut self,
        kind: &str,
        wire: &Wire<'_>,
        events: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        let delta = wire.delta.as_deref();
        let part = wire.content_index.unwrap_or(0);
        let section = wire.summary_index.unwrap_or(part);
        match kind {
            "response.output_text.delta" => {
                let at = self.item_of(wire, None);
                self.items[at].text(part, delta, false, events);
            }
            "response.output_text.done" => {
                let at = self.item_of(wire, None);
                self.items[at].text(part, wire.text.as_deref(), true, events);
            }
            "response.refusal.delta" => {
                self.refused = true;
                let at = self.item_of(wire, None);
                self.items[at].refusal(part, delta, false, events);
            }
            "response.refusal.done" => {
                self.refused = true;
                let at = self.item_of(wire, None);
                self.items[at].refusal(part, wire.refusal.as_deref(), true, events);
            }
            "response.reasoning_summary_text.delta" => {
                let at = self.item_of(wire, None);
                self.items[at].think(Thoughts::Summary, section, delta, false, events);
            }
            "response.reasoning_summary_text.done" => {
                let at = self.item_of(wire, None);
                let text = wire.text.as_deref();
                self.items[at].think(Thoughts::Summary, section, text, true, events);
            }
            "response.reasoning_text.delta" => {
                let at = self.item_of(wire, None);
                self.items[at].think(Thoughts::Whole, section, delta, false, events);
            }
            "response.reasoning_text.done" => {
                let at = self.item_of(wire, None);
                let text = wire.text.as_deref();
                self.items[at].think(Thoughts::Whole, section, text, true, events);
            }
            "response.function_call_arguments.delta" => {
                let at = self.item_of(wire, None);
                self.items[at].arguments(delta.unwrap_or_default(), self.calls, events)?;
            }
            "response.function_call_arguments.done" => {
                let at = self.item_of(wire, None);
                let whole = wire.arguments.map(arguments).unwrap_or_default();
                self.items[at].all_arguments(&whole, self.calls, events)?;
            }
            // Shells of parts say nothing that their texts do not.
            "response.content_part.added"
            | "response.content_part.done"
            | "response.reasoning_summary_part.added"
            | "response.reasoning_summary_part.done"
            | "response.output_text.annotation.added" => {}
            // Hosted tools at work, keep-alives, and what comes with the next release.
            _ => events.push(Event::Ping),
        }
        Ok(())
    }

    fn item_added(&mut self, wire: &Wire<'_>, events: &mut Vec<Event>) {
        let Some(item) = &wire.item else {
            return;
        };
        let at = self.item_of(wire, Some(item));
        let id = item.id.as_deref().unwrap_or_default();
        // Servers that count every item as the first give them ids all the same.
        let at = if self.items[at].is_other(id) {
            self.items.push(Seen::new(wire.output_index, id));
            self.items.len() - 1
        } else {
            at
        };
        if item.kind() == "function_call" {
            self.begin_call(at, item, events);
        }
    }

    fn begin_call(&mut self, at: usize, item: &OutputItem<'_>, events: &mut Vec<Event>) {
        // Without a name it waits until the item is done.
        let name = item.name.as_deref().unwrap_or_default();
        if self.items[at].begin(self.calls, &item.call_id(), name, events) {
            self.calls = self.calls.saturating_add(1);
        }
    }

    fn item_done(
        &mut self,
        at: usize,
        item: &OutputItem<'_>,
        events: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        match item.kind() {
            "message" => {
                self.items[at].message_done(item.words(), events);
                self.refused |= item.words().any(|output| matches!(output, Output::Refusal(_)));
            }
            "reasoning" => {
                self.items[at].reasoning_done(&item.thoughts(), item.state(), events);
            }
            "function_call" | "custom_tool_call" => {
                self.begin_call(at, item, events);
                self.items[at].all_arguments(&item.arguments(), self.calls, events)?;
                self.items[at].end_call(events);
            }
            _ => events.push(Event::Ping),
        }
        Ok(())
    }

    /// The item that an event is about. Servers that count wrongly or leave counts and ids out send
    /// one item after the other, so of several that fit the last is meant.
    fn item_of(&mut self, wire: &Wire<'_>, item: Option<&OutputItem<'_>>) -> usize {
        let id = wire.item_id.as_deref().or(item.and_then(|item| item.id.as_deref()));
        let id = id.unwrap_or_default();
        let by_index = || {
            let index = wire.output_index?;
            let last = self.items.iter().rposition(|seen| seen.index == Some(index))?;
            // What is said after an item's end, and not of it, is of another.
            let over = item.is_some() && self.items[last].is_over_for(id);
            (!over).then_some(last)
        };
        let by_id = || self.items.iter().rposition(|seen| !id.is_empty() && seen.id == id);
        let last = || {
            let anonymous = wire.output_index.is_none() && id.is_empty();
            self.items.len().checked_sub(1).filter(|_| anonymous)
        };
        by_index().or_else(by_id).or_else(last).unwrap_or_else(|| {
            self.items.push(Seen::new(wire.output_index, id));
            self.items.len() - 1
        })
    }

    fn finish(
        &mut self,
        incomplete: bool,
        response: Option<Response<'_>>,
        events: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        let response = response.unwrap_or_default();
        if self.items.is_empty()
            && let Some(output) = response.output
        {
            let output: Option<Vec<OutputItem<'_>>> =
                serde_json::from_str(output.get()).map_err(|_| Malformed)?;
            for item in output.iter().flatten() {
                self.items.push(Seen::new(None, ""));
                self.item_done(self.items.len() - 1, item, events)?;
            }
        }
        for item in &mut self.items {
            item.end_call(events);
        }
        let reason = response.incomplete_details.as_ref();
        let reason = reason.and_then(|details| details.reason.as_deref());
        let reason = finish_of(incomplete, reason, self.calls > 0, self.refused);
        events.push(Event::Finish { choice: 0, reason });
        count(Some(&response), events);
        events.push(Event::End);
        self.ended = true;
        Ok(())
    }
}

fn count(response: Option<&Response<'_>>, events: &mut Vec<Event>) {
    let usage = response.and_then(|response| response.usage);
    events.extend(usage.and_then(usage::read_openai).map(Event::Usage));
}

#[cfg(test)]
mod tests;
