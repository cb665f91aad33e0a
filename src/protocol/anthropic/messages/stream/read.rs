//! A provider's stream.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::anthropic::messages::reply::StopDetails;
use crate::protocol::anthropic::messages::stop;
use crate::protocol::dialect::EventReader;
use crate::protocol::fragments::Arguments;
use crate::protocol::neutral::{Event, Finish, OpaqueState, Origin};
use crate::protocol::usage::{AnthropicUsage, Usage};
use crate::protocol::{Malformed, openai, read_object};

/// An event. Its parts are looked into only where they matter.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    index: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content_block: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

/// The start of a block, or more of it: the members of both have different names.
#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    thinking: Option<String>,
    #[serde(default)]
    signature: Option<String>,
    #[serde(default)]
    data: Option<String>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(default)]
    partial_json: Option<String>,
}

#[derive(Deserialize)]
struct Ending {
    #[serde(rename = "stop_reason", default)]
    reason: Option<String>,
    #[serde(rename = "stop_sequence", default)]
    sequence: Option<String>,
    #[serde(rename = "stop_details", default)]
    details: Option<StopDetails>,
}

/// A block that is open.
enum Open {
    Text,
    Thinking {
        signature: Option<String>,
    },
    Call {
        call: u32,
        /// The whole input, where the start already held it. Fragments win over it: they repeat it.
        whole: Option<String>,
        arguments: Arguments,
    },
    /// What is no part of the answer.
    Other,
}

/// Reads a provider's stream.
#[derive(Default)]
pub(in super::super) struct MessagesReader {
    started: bool,
    finished: bool,
    ended: bool,
    open: BTreeMap<u64, Open>,
    /// The block that began last, for events that do not say theirs.
    last: u64,
    calls: u32,
    counts: AnthropicUsage,
}

impl EventReader for MessagesReader {
    fn read(
        &mut self,
        name: Option<&str>,
        data: &[u8],
        events: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        let frame: Frame<'_> = read_object(data)?;
        if self.ended {
            return Ok(());
        }
        let kind = if frame.kind.is_empty() { name.unwrap_or("") } else { &*frame.kind };
        match kind {
            "message_start" => self.start(frame.message, events),
            // What comes after the end of the answer belongs to nothing.
            "content_block_start" | "content_block_delta" | "content_block_stop"
                if self.finished => {}
            "content_block_start" => {
                self.begin(None, events);
                if let Some(piece) = parse(frame.content_block) {
                    let index = self.index(frame.index, self.last + 1);
                    self.open_block(index, piece, events)?;
                }
            }
            "content_block_delta" => {
                self.begin(None, events);
                if let Some(piece) = parse(frame.delta) {
                    let index = self.index(frame.index, self.last);
                    self.add(index, piece, events)?;
                }
            }
            "content_block_stop" => {
                let index = self.index(frame.index, self.last);
                self.close_block(index, events);
            }
            "message_delta" => {
                self.begin(None, events);
                self.end_of_answer(parse(frame.delta), events);
                self.count(frame.usage, events);
            }
            "message_stop" => {
                self.begin(None, events);
                // Some servers leave the reason out; the end of the message is theirs all the same.
                self.finish(None, events);
                self.ended = true;
                events.push(Event::End);
            }
            "ping" => events.push(Event::Ping),
            "error" => {
                let error = frame.error.map_or("\"\"", RawValue::get);
                let body = format!("{{\"error\":{error}}}");
                events.push(Event::Error(openai::read_error(body.as_bytes())));
            }
            // The API's reference: unknown events are to be ignored.
            _ => {}
        }
        Ok(())
    }

    /// Everything was said when it came: without a stop reason the answer was cut.
    fn close(&mut self, _events: &mut Vec<Event>) {}
}

/// A part of an event; one that is not what it should be says nothing.
fn parse<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

impl MessagesReader {
    fn start(&mut self, message: Option<&RawValue>, events: &mut Vec<Event>) {
        let message: Option<Message<'_>> = parse(message);
        let counts = message.as_ref().and_then(|message| message.usage);
        self.begin(message, events);
        self.count(counts, events);
    }

    /// Some servers begin with a block.
    fn begin(&mut self, message: Option<Message<'_>>, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.started, true) {
            let (id, model) =
                message.map(|message| (message.id, message.model)).unwrap_or_default();
            let (id, model) = (id.unwrap_or_default(), model.unwrap_or_default());
            events.push(Event::Start { id, model });
        }
    }

    fn count(&mut self, counts: Option<&RawValue>, events: &mut Vec<Event>) {
        if let Some(counts) = counts.filter(|counts| counts.get() != "null") {
            self.counts.update(counts);
            let usage = Usage::from(self.counts);
            if usage != Usage::default() {
                events.push(Event::Usage(usage));
            }
        }
    }

    fn index(&self, given: Option<&RawValue>, otherwise: u64) -> u64 {
        let first = self.open.is_empty() && self.calls == 0 && self.last == 0;
        parse(given).unwrap_or(if first { 0 } else { otherwise })
    }

    fn open_block(
        &mut self,
        index: u64,
        piece: Piece<'_>,
        events: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        // Servers that do not end their blocks at least begin the next.
        let done = |open: &Open| !matches!(open, Open::Call { .. });
        let done: Vec<u64> = self
            .open
            .iter()
            .filter(|(at, open)| **at == index || done(open))
            .map(|(at, _)| *at)
            .collect();
        for at in done {
            self.close_block(at, events);
        }
        self.last = index;
        let open = match &*piece.kind {
            "text" => Open::Text,
            "thinking" => Open::Thinking { signature: None },
            "redacted_thinking" => {
                if let Some(data) = &piece.data {
                    let state = OpaqueState::from_field(data, Origin::Anthropic, true);
                    events.push(Event::ThinkingState { choice: 0, state });
                    events.push(Event::ThinkingEnd { choice: 0 });
                }
                Open::Other
            }
            "tool_use" => self.open_call(&piece, events),
            _ => Open::Other,
        };
        self.open.insert(index, open);
        self.add(index, piece, events)
    }

    fn open_call(&mut self, piece: &Piece<'_>, events: &mut Vec<Event>) -> Open {
        let name = piece.name.clone().filter(|name| !name.is_empty());
        let Some(name) = name else { return Open::Other };
        let call = self.calls;
        self.calls += 1;
        let id = piece.id.clone().unwrap_or_default();
        events.push(Event::ToolStart { choice: 0, call, id, name, state: None });
        let whole = piece.input.map(RawValue::get);
        let whole = whole.filter(|input| input.starts_with('{') && !is_empty_object(input));
        let whole = whole.map(ToOwned::to_owned);
        Open::Call { call, whole, arguments: Arguments::default() }
    }

    /// What a block's start or a delta holds.
    fn add(
        &mut self,
        index: u64,
        piece: Piece<'_>,
        events: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        let text = piece.text.filter(|text| !text.is_empty());
        match self.open.get_mut(&index) {
            // A server that does not begin its blocks.
            None if piece.kind == "text_delta" => {
                self.open.insert(index, Open::Text);
                events.extend(text.map(|text| Event::Text { choice: 0, text }));
            }
            Some(Open::Text) => events.extend(text.map(|text| Event::Text { choice: 0, text })),
            Some(Open::Thinking { signature }) => {
                let thinking = piece.thinking.filter(|text| !text.is_empty());
                events.extend(thinking.map(|text| Event::Thinking { choice: 0, text }));
                // A later one replaces the first, as in the official clients.
                if let Some(given) = piece.signature.filter(|given| !given.is_empty()) {
                    *signature = Some(given);
                }
            }
            Some(Open::Call { call, whole, arguments }) => {
                if let Some(text) = piece.partial_json.filter(|text| !text.is_empty()) {
                    arguments.push(&text, *call + 1 == self.calls)?;
                    *whole = None;
                    events.push(Event::ToolArguments { choice: 0, call: *call, text });
                }
            }
            Some(Open::Other) | None => {}
        }
        Ok(())
    }

    fn close_block(&mut self, index: u64, events: &mut Vec<Event>) {
        match self.open.remove(&index) {
            Some(Open::Thinking { signature }) => {
                if let Some(signature) = signature {
                    let state = OpaqueState::from_field(&signature, Origin::Anthropic, false);
                    events.push(Event::ThinkingState { choice: 0, state });
                }
                events.push(Event::ThinkingEnd { choice: 0 });
            }
            Some(Open::Call { call, whole, .. }) => {
                let choice = 0;
                events.extend(whole.map(|text| Event::ToolArguments { choice, call, text }));
                events.push(Event::ToolEnd { choice, call });
            }
            Some(Open::Text | Open::Other) | None => {}
        }
    }

    fn end_of_answer(&mut self, ending: Option<Ending>, events: &mut Vec<Event>) {
        let Some(ending) = ending else { return };
        let Some(reason) = ending.reason.filter(|reason| !reason.is_empty()) else { return };
        let finish = stop::read(&reason, ending.sequence, self.calls > 0);
        let words = ending.details.and_then(|details| details.explanation);
        if let Some(text) = words.filter(|words| !words.is_empty() && !self.finished) {
            self.close_all(events);
            events.push(Event::Refusal { choice: 0, text });
        }
        self.finish(Some(finish), events);
    }

    fn finish(&mut self, reason: Option<Finish>, events: &mut Vec<Event>) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        self.close_all(events);
        let calls = if self.calls > 0 { Finish::ToolCalls } else { Finish::Stop };
        events.push(Event::Finish { choice: 0, reason: reason.unwrap_or(calls) });
    }

    fn close_all(&mut self, events: &mut Vec<Event>) {
        while let Some(index) = self.open.keys().next().copied() {
            self.close_block(index, events);
        }
    }
}

fn is_empty_object(input: &str) -> bool {
    input.bytes().all(|byte| byte.is_ascii_whitespace() || matches!(byte, b'{' | b'}'))
}
