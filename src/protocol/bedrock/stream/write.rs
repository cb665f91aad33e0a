//! Writing a client's stream.

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::json;

use crate::protocol::bedrock::reply::given_id;
use crate::protocol::bedrock::wire::{
    Metrics, TokenUsage, additional_fields, redacted_to_field, stop_reason,
};
use crate::protocol::dialect::{ClientView, EventWriter};
use crate::protocol::neutral::{Event, Finish, OpaqueState, Origin};
use crate::protocol::transcript::Seen;
use crate::protocol::usage::Usage;
use crate::wire::event_stream::put_event;

/// Writes one stream. Blocks come one after the other: what belongs to a later one waits while a
/// call is open.
#[derive(Debug)]
pub(in crate::protocol::bedrock) struct Writer {
    /// For ids of calls that came without.
    request_id: String,
    started: bool,
    finished: bool,
    open: Option<Open>,
    /// The next block's number.
    next: usize,
    waiting: VecDeque<Waiting>,
    usage: Usage,
}

/// The block that is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    Thinking,
    Call { call: u32, empty: bool },
}

/// A block, or a piece of one, that has to wait for a call to end.
#[derive(Debug)]
enum Waiting {
    Text(String),
    Thinking(String),
    State(OpaqueState),
    ThinkingEnd,
    Call { call: u32, id: String, name: String, arguments: String, ended: bool },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    usage: TokenUsage,
    metrics: Metrics,
}

impl EventWriter for Writer {
    fn write(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { .. } => self.start(out),
            Event::Text { choice: 0, text } | Event::Refusal { choice: 0, text } => {
                self.enqueue(Waiting::Text(text.clone()), out);
            }
            Event::Thinking { choice: 0, text } => {
                self.enqueue(Waiting::Thinking(text.clone()), out);
            }
            Event::ThinkingState { choice: 0, state } => {
                self.enqueue(Waiting::State(state.clone()), out);
            }
            Event::ThinkingEnd { choice: 0 } => self.enqueue(Waiting::ThinkingEnd, out),
            Event::ToolStart { choice: 0, call, id, name, state } => {
                // A call has no place for its state here; see the writer of whole answers.
                if let Some(state) = state {
                    self.enqueue(Waiting::ThinkingEnd, out);
                    self.enqueue(Waiting::State(state.clone()), out);
                }
                let (id, name) = (id.clone(), name.clone());
                let (arguments, ended) = (String::new(), false);
                self.enqueue(Waiting::Call { call: *call, id, name, arguments, ended }, out);
            }
            Event::ToolArguments { choice: 0, call, text } => self.arguments(*call, text, out),
            Event::ToolEnd { choice: 0, call } => self.end_call(*call, out),
            Event::Finish { choice: 0, reason } => self.finish(reason, out),
            Event::Usage(usage) => self.usage.update(*usage),
            Event::End => {
                let metadata = Metadata { usage: self.usage.into(), metrics: Metrics::default() };
                put(out, "metadata", &metadata);
            }
            // There is one choice; the API has nothing that only shows life.
            _ => {}
        }
    }

    fn catch_up(&mut self, seen: &Seen) {
        self.next = seen.ended_blocks as usize;
        self.open = seen.open_text.then_some(Open::Text);
    }
}

impl Writer {
    pub(in crate::protocol::bedrock) fn new(client: &ClientView<'_>) -> Self {
        Self {
            request_id: client.request_id.to_owned(),
            started: false,
            finished: false,
            open: None,
            next: 0,
            waiting: VecDeque::new(),
            usage: Usage::default(),
        }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if !self.started {
            self.started = true;
            put(out, "messageStart", &json!({"role": "assistant"}));
        }
    }

    fn enqueue(&mut self, piece: Waiting, out: &mut Vec<u8>) {
        if self.finished {
            return;
        }
        self.start(out);
        if matches!(self.open, Some(Open::Call { .. })) {
            self.waiting.push_back(piece);
        } else {
            self.play(piece, out);
        }
    }

    /// Writes a piece; no call is open.
    fn play(&mut self, piece: Waiting, out: &mut Vec<u8>) {
        match piece {
            Waiting::Text(text) if text.is_empty() => {}
            Waiting::Text(text) => {
                self.switch(Open::Text, out);
                self.delta(&json!({"text": text}), out);
            }
            Waiting::Thinking(text) => {
                self.switch(Open::Thinking, out);
                self.delta(&json!({"reasoningContent": {"text": text}}), out);
            }
            Waiting::State(state) if state.redacted => {
                // A block of its own: the other kinds of reasoning cannot share it.
                self.stop_block(out);
                self.switch(Open::Thinking, out);
                let field = redacted_to_field(&state);
                self.delta(&json!({"reasoningContent": {"redactedContent": field}}), out);
            }
            Waiting::State(state) => {
                self.switch(Open::Thinking, out);
                let field = state.to_field(Origin::Anthropic);
                self.delta(&json!({"reasoningContent": {"signature": field}}), out);
            }
            Waiting::ThinkingEnd => {
                if self.open == Some(Open::Thinking) {
                    self.stop_block(out);
                }
            }
            Waiting::Call { call, id, name, arguments, ended } => {
                self.stop_block(out);
                self.open = Some(Open::Call { call, empty: true });
                let id = given_id(&id, &self.request_id, self.next);
                let start = json!({"toolUse": {"toolUseId": id, "name": name}});
                let body = json!({"contentBlockIndex": self.next, "start": start});
                put(out, "contentBlockStart", &body);
                self.arguments(call, &arguments, out);
                if ended {
                    self.stop_block(out);
                }
            }
        }
    }

    fn arguments(&mut self, call: u32, text: &str, out: &mut Vec<u8>) {
        match &mut self.open {
            _ if text.is_empty() => {}
            Some(Open::Call { call: open, empty }) if *open == call => {
                *empty = false;
                self.delta(&json!({"toolUse": {"input": text}}), out);
            }
            _ => {
                for waiting in &mut self.waiting {
                    if let Waiting::Call { call: id, arguments, .. } = waiting
                        && *id == call
                    {
                        arguments.push_str(text);
                    }
                }
            }
        }
    }

    fn end_call(&mut self, call: u32, out: &mut Vec<u8>) {
        if matches!(self.open, Some(Open::Call { call: open, .. }) if open == call) {
            self.stop_block(out);
            self.play_waiting(out);
            return;
        }
        for waiting in &mut self.waiting {
            if let Waiting::Call { call: id, ended, .. } = waiting {
                *ended |= *id == call;
            }
        }
    }

    /// Writes what has waited, up to a call that goes on.
    fn play_waiting(&mut self, out: &mut Vec<u8>) {
        while !matches!(self.open, Some(Open::Call { .. }))
            && let Some(piece) = self.waiting.pop_front()
        {
            self.play(piece, out);
        }
    }

    fn finish(&mut self, reason: &Finish, out: &mut Vec<u8>) {
        if self.finished {
            return;
        }
        self.start(out);
        loop {
            self.stop_block(out);
            let Some(piece) = self.waiting.pop_front() else { break };
            self.play(piece, out);
        }
        self.finished = true;
        let mut body = json!({"stopReason": stop_reason(reason)});
        if let Some(fields) = additional_fields(reason) {
            body["additionalModelResponseFields"] = json!(fields);
        }
        put(out, "messageStop", &body);
    }

    /// Makes sure that a block of this kind is open.
    fn switch(&mut self, kind: Open, out: &mut Vec<u8>) {
        if self.open != Some(kind) {
            self.stop_block(out);
            // Only a call's beginning is told.
            self.open = Some(kind);
        }
    }

    fn delta(&mut self, delta: &serde_json::Value, out: &mut Vec<u8>) {
        put(out, "contentBlockDelta", &json!({"contentBlockIndex": self.next, "delta": delta}));
    }

    fn stop_block(&mut self, out: &mut Vec<u8>) {
        let Some(open) = self.open else { return };
        if matches!(open, Open::Call { empty: true, .. }) {
            // Clients parse what they have gathered, and nothing is no JSON.
            self.delta(&json!({"toolUse": {"input": "{}"}}), out);
        }
        put(out, "contentBlockStop", &json!({"contentBlockIndex": self.next}));
        self.open = None;
        self.next += 1;
    }
}

fn put(out: &mut Vec<u8>, name: &str, payload: &impl Serialize) {
    let payload = serde_json::to_vec(payload).expect("these values have string keys only");
    put_event(out, name, &payload);
}
