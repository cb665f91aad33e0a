//! Reading a provider's stream.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::bedrock::wire::{read_stop, read_usage, redacted_from_field};
use crate::protocol::bedrock::{is_exception, read_exception};
use crate::protocol::dialect::EventReader;
use crate::protocol::error::ErrorFacts;
use crate::protocol::fragments::Arguments;
use crate::protocol::neutral::{Event, OpaqueState, Origin};
use crate::protocol::{Malformed, read_object};

/// Longest signature of a piece of reasoning that is gathered; real ones have some kilobytes.
const LONGEST_STATE: usize = 1 << 20;

/// Reads one stream.
#[derive(Debug, Default)]
pub(in crate::protocol::bedrock) struct Reader {
    /// Blocks that have begun and not ended, by the provider's number.
    open: BTreeMap<u32, Block>,
    calls: u32,
    finished: bool,
    ended: bool,
}

#[derive(Debug)]
enum Block {
    Text,
    Call { call: u32, arguments: Arguments },
    Reasoning { signature: String, redacted: String },
}

/// Any event: each has some of these members.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    #[serde(default)]
    content_block_index: Option<u32>,
    #[serde(borrow, default)]
    start: Option<Start<'a>>,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    stop_reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    additional_model_response_fields: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start<'a> {
    #[serde(borrow, default)]
    tool_use: Option<ToolStart<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolStart<'a> {
    #[serde(borrow, default)]
    tool_use_id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delta<'a> {
    #[serde(default)]
    text: Option<String>,
    #[serde(borrow, default)]
    tool_use: Option<ToolDelta<'a>>,
    #[serde(default)]
    reasoning_content: Option<ReasoningDelta>,
}

#[derive(Deserialize)]
struct ToolDelta<'a> {
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReasoningDelta {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    signature: Option<String>,
    #[serde(default)]
    redacted_content: Option<String>,
}

impl EventReader for Reader {
    fn read(
        &mut self,
        name: Option<&str>,
        data: &[u8],
        events: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        let name = name.unwrap_or_default();
        if is_exception(name) {
            events.push(Event::Error(read_exception(name, data)));
            return Ok(());
        }
        match name {
            "messageStart" => {
                events.push(Event::Start { id: String::new(), model: String::new() });
            }
            "contentBlockStart" if !self.finished => self.start(&read_object(data)?, events)?,
            "contentBlockDelta" if !self.finished => self.delta(read_object(data)?, events)?,
            "contentBlockStop" => {
                let payload: Payload<'_> = read_object(data)?;
                let block = self.open.remove(&payload.content_block_index.unwrap_or(0));
                events.extend(block.into_iter().flat_map(close));
            }
            "messageStop" if !self.finished => self.stop(&read_object(data)?, events),
            "metadata" => {
                let payload: Payload<'_> = read_object(data)?;
                events.extend(payload.usage.and_then(read_usage).map(Event::Usage));
                // It comes last; before the end of the message it would be no end.
                if self.finished && !self.ended {
                    self.ended = true;
                    events.push(Event::End);
                }
            }
            // Later versions of the API may say more.
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        // The counts are wanted, not required.
        if self.finished && !self.ended {
            self.ended = true;
            events.push(Event::End);
        }
    }
}

impl Reader {
    fn start(&mut self, payload: &Payload<'_>, events: &mut Vec<Event>) -> Result<(), Malformed> {
        // Text and reasoning begin with their first words.
        let start = payload.start.as_ref().and_then(|start| start.tool_use.as_ref());
        let Some(tool) = start else { return Ok(()) };
        if tool.name.is_empty() {
            return Err(Malformed);
        }
        let call = self.calls;
        self.calls = call.checked_add(1).ok_or(Malformed)?;
        let block = Block::Call { call, arguments: Arguments::default() };
        let before = self.open.insert(payload.content_block_index.unwrap_or(0), block);
        events.extend(before.into_iter().flat_map(close));
        events.push(Event::ToolStart {
            choice: 0,
            call,
            id: tool.tool_use_id.clone().into_owned(),
            name: tool.name.clone().into_owned(),
            state: None,
        });
        Ok(())
    }

    fn delta(&mut self, payload: Payload<'_>, events: &mut Vec<Event>) -> Result<(), Malformed> {
        let Some(delta) = payload.delta else { return Ok(()) };
        let index = payload.content_block_index.unwrap_or(0);
        if let Some(text) = delta.text.filter(|text| !text.is_empty()) {
            self.open.entry(index).or_insert(Block::Text);
            events.push(Event::Text { choice: 0, text });
        }
        if let Some(input) = delta.tool_use.and_then(|tool| tool.input) {
            // Nothing tells the name of a call that never began.
            let Some(Block::Call { call, arguments }) = self.open.get_mut(&index) else {
                return Err(Malformed);
            };
            // A string by the reference; some servers send the whole object.
            let text = serde_json::from_str(input.get()).unwrap_or_else(|_| input.get().to_owned());
            if !text.is_empty() && text != "null" {
                arguments.push(&text, *call + 1 == self.calls)?;
                events.push(Event::ToolArguments { choice: 0, call: *call, text });
            }
        }
        if let Some(reasoning) = delta.reasoning_content {
            self.reasoning(index, reasoning, events)?;
        }
        Ok(())
    }

    fn reasoning(
        &mut self,
        index: u32,
        delta: ReasoningDelta,
        events: &mut Vec<Event>,
    ) -> Result<(), Malformed> {
        let block = self.open.entry(index).or_insert_with(|| Block::Reasoning {
            signature: String::new(),
            redacted: String::new(),
        });
        let Block::Reasoning { signature, redacted } = block else { return Err(Malformed) };
        signature.push_str(&delta.signature.unwrap_or_default());
        if let Some(more) = delta.redacted_content {
            *redacted = join_base64(redacted, more);
        }
        if signature.len().max(redacted.len()) > LONGEST_STATE {
            return Err(Malformed);
        }
        if let Some(text) = delta.text.filter(|text| !text.is_empty()) {
            events.push(Event::Thinking { choice: 0, text });
        }
        Ok(())
    }

    fn stop(&mut self, payload: &Payload<'_>, events: &mut Vec<Event>) {
        let open = std::mem::take(&mut self.open);
        events.extend(open.into_values().flat_map(close));
        let Some(reason) = &payload.stop_reason else { return };
        let additional = payload.additional_model_response_fields;
        match read_stop(reason, additional, self.calls > 0) {
            Ok(reason) => {
                self.finished = true;
                events.push(Event::Finish { choice: 0, reason });
            }
            Err(_) => events.push(Event::Error(ErrorFacts {
                kind: "ModelErrorException".to_owned(),
                code: reason.clone().into_owned(),
                message: "the model's output could not be read".to_owned(),
                ..ErrorFacts::default()
            })),
        }
    }
}

/// What is said when a block ends.
fn close(block: Block) -> Vec<Event> {
    let state = match block {
        Block::Text => return Vec::new(),
        Block::Call { call, .. } => return vec![Event::ToolEnd { choice: 0, call }],
        Block::Reasoning { redacted, .. } if !redacted.is_empty() => {
            Some(redacted_from_field(&redacted))
        }
        Block::Reasoning { signature, .. } => (!signature.is_empty())
            .then(|| OpaqueState::from_field(&signature, Origin::Anthropic, false)),
    };
    let state = state.map(|state| Event::ThinkingState { choice: 0, state });
    state.into_iter().chain([Event::ThinkingEnd { choice: 0 }]).collect()
}

/// Bytes that come in several pieces, each of them in base64.
fn join_base64(before: &str, more: String) -> String {
    if before.is_empty() {
        return more;
    }
    match (BASE64_STANDARD.decode(before), BASE64_STANDARD.decode(&more)) {
        (Ok(before), Ok(more)) => BASE64_STANDARD.encode([before, more].concat()),
        _ => format!("{before}{more}"),
    }
}
