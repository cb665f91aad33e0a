//! A client's stream.
//!
//! ```text
//! message_start, then per block: content_block_start, content_block_delta…, content_block_stop;
//! then message_delta with the whole usage, message_stop
//! ```
//!
//! Blocks never overlap, and none is opened before there is something in it. `message_start` waits
//! for the first event after the start, because that may hold the counts of the input.

use super::blocks::{Blocks, Kind};
use super::frame::{Delta, Ending, Frame, Message, NoMembers, Shell};
use crate::protocol::anthropic::messages::stop::{self, Counts};
use crate::protocol::dialect::{ClientView, EventWriter};
use crate::protocol::neutral::{Event, Finish, Origin};
use crate::protocol::transcript::Seen;
use crate::protocol::usage::Usage;

/// How far the first block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Front {
    /// Nothing of it was sent.
    Waits,
    /// Its start was sent.
    Begun,
    /// Some of its content was sent.
    Filled,
}

/// Writes a client's stream.
pub(in super::super) struct MessagesWriter {
    model: String,
    request_id: String,
    /// The provider's id of the answer.
    id: String,
    started: bool,
    blocks: Blocks,
    front: Front,
    index: u32,
    calls: usize,
    refused: bool,
    finish: Option<Finish>,
    usage: Usage,
}

impl MessagesWriter {
    pub(in super::super) fn new(client: &ClientView<'_>) -> Self {
        Self {
            model: client.model.to_owned(),
            request_id: client.request_id.to_owned(),
            id: String::new(),
            started: false,
            blocks: Blocks::default(),
            front: Front::Waits,
            index: 0,
            calls: 0,
            refused: false,
            finish: None,
            usage: Usage::default(),
        }
    }
}

impl EventWriter for MessagesWriter {
    fn write(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, .. } => {
                self.id.clone_from(id);
                return;
            }
            Event::Usage(usage) => {
                self.usage.update(*usage);
                return;
            }
            _ => self.start(out),
        }
        match event {
            Event::Text { choice: 0, text } => self.blocks.text(text),
            Event::Refusal { choice: 0, text } => {
                self.refused = true;
                self.blocks.text(text);
            }
            Event::Thinking { choice: 0, text } => self.blocks.thinking(text),
            Event::ThinkingState { choice: 0, state } => self.blocks.state(state),
            Event::ThinkingEnd { choice: 0 } => self.blocks.end_thinking(),
            Event::ToolStart { choice: 0, call, id, name, state } => {
                // A call has no place for its state here; see the writer of whole answers.
                if let Some(state) = state {
                    self.blocks.end_thinking();
                    self.blocks.state(state);
                    self.blocks.end_thinking();
                }
                let id = stop::call_id(id, &self.request_id, self.calls);
                self.blocks.call(*call, &id, name);
                self.calls += 1;
            }
            Event::ToolArguments { choice: 0, call, text } => {
                if let Some(block) = self.blocks.open_call(*call) {
                    block.waiting.push_str(text);
                }
            }
            Event::ToolEnd { choice: 0, call } => {
                if let Some(block) = self.blocks.open_call(*call) {
                    block.ended = true;
                }
            }
            Event::Finish { choice: 0, reason } => {
                self.blocks.end();
                self.finish.get_or_insert_with(|| reason.clone());
            }
            Event::Ping => Frame::Ping.send(out),
            Event::End => self.end(out),
            // Other answers than the first cannot have been asked for, and errors come another way.
            _ => {}
        }
        self.advance(out);
    }

    fn catch_up(&mut self, seen: &Seen) {
        self.started |= seen.started;
        self.index = seen.ended_blocks;
        self.blocks = Blocks::default();
        self.front = Front::Waits;
        if seen.open_text {
            self.blocks.text("");
            self.front = Front::Begun;
        }
    }
}

impl MessagesWriter {
    fn start(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let message = Message {
            id: &stop::message_id(&self.id, &self.request_id),
            kind: "message",
            role: "assistant",
            model: &self.model,
            content: [],
            stop_reason: None,
            stop_sequence: None,
            usage: Counts::of(&self.usage, None),
        };
        Frame::MessageStart { message }.send(out);
    }

    /// Sends what may be sent: of the first block what waits, and its end and the next if it ended.
    fn advance(&mut self, out: &mut Vec<u8>) {
        while self.send_front(out) {}
    }

    /// Whether the first block was sent to its end.
    fn send_front(&mut self, out: &mut Vec<u8>) -> bool {
        let index = self.index;
        let Some(block) = self.blocks.queue.front_mut() else { return false };
        if self.front == Front::Waits {
            self.front = Front::Begun;
            Frame::ContentBlockStart { index, content_block: shell(&block.kind) }.send(out);
        }
        if !block.waiting.is_empty() {
            self.front = Front::Filled;
            let text = std::mem::take(&mut block.waiting);
            Frame::ContentBlockDelta { index, delta: delta(&block.kind, &text) }.send(out);
        }
        if !block.ended {
            return false;
        }
        let last = match &block.kind {
            Kind::Thinking(Some(state)) if !state.redacted => {
                Some(Delta::Signature { signature: state.to_field(Origin::Anthropic).into() })
            }
            // A call without arguments.
            Kind::Call { .. } if self.front == Front::Begun => Some(delta(&block.kind, "")),
            _ => None,
        };
        if let Some(delta) = last {
            Frame::ContentBlockDelta { index, delta }.send(out);
        }
        Frame::ContentBlockStop { index }.send(out);
        self.index += 1;
        self.front = Front::Waits;
        self.blocks.queue.pop_front();
        true
    }

    /// The end, if the answer has finished; else the stream was cut, and must not look finished.
    fn end(&mut self, out: &mut Vec<u8>) {
        self.blocks.end();
        self.advance(out);
        let Some(finish) = &self.finish else { return };
        let (reason, sequence) = stop::write(Some(finish), self.calls > 0, self.refused);
        let delta = Ending { reason, sequence };
        Frame::MessageDelta { delta, usage: Counts::of(&self.usage, None) }.send(out);
        Frame::MessageStop.send(out);
    }
}

fn shell(kind: &Kind) -> Shell<'_> {
    match kind {
        Kind::Text => Shell::Text { text: "" },
        Kind::Thinking(Some(state)) if state.redacted => {
            Shell::RedactedThinking { data: state.to_field(Origin::Anthropic) }
        }
        Kind::Thinking(_) => Shell::Thinking { thinking: "", signature: "" },
        Kind::Call { id, name, .. } => Shell::ToolUse { id, name, input: NoMembers {} },
    }
}

fn delta<'a>(kind: &Kind, text: &'a str) -> Delta<'a> {
    match kind {
        Kind::Text => Delta::Text { text },
        Kind::Thinking(_) => Delta::Thinking { thinking: text },
        Kind::Call { .. } => Delta::Input { partial_json: text },
    }
}
