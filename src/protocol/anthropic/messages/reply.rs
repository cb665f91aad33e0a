//! Whole answers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::stop::{self, Counts};
use super::wire::{Block, no_members};
use crate::protocol::dialect::ClientView;
use crate::protocol::neutral::{Choice, OpaqueState, Origin, Output, Reply};
use crate::protocol::{Malformed, read_object, usage};

/// Everything is optional: servers that speak the API leave out what they have not got.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    stop_sequence: Option<String>,
    #[serde(default)]
    stop_details: Option<StopDetails>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

/// Why a model refused.
#[derive(Deserialize)]
pub(super) struct StopDetails {
    #[serde(default)]
    pub(super) explanation: Option<String>,
}

#[derive(Deserialize)]
struct Given<'a> {
    #[serde(rename = "type")]
    kind: String,
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
}

#[derive(Deserialize)]
struct Tier {
    service_tier: String,
}

/// Reads a provider's answer.
pub(super) fn read_reply(body: &[u8]) -> Result<Reply, Malformed> {
    let body: Body<'_> = read_object(body)?;
    let content = body.content.ok_or(Malformed)?;
    let mut output = Vec::new();
    if let Ok(text) = serde_json::from_str::<String>(content.get()) {
        output.extend((!text.is_empty()).then_some(Output::Text(text)));
    } else {
        let blocks: Vec<Given<'_>> = serde_json::from_str(content.get()).map_err(|_| Malformed)?;
        output.extend(blocks.into_iter().filter_map(read_block));
    }
    let calls = output.iter().any(|output| matches!(output, Output::ToolCall { .. }));
    let reason = body.stop_reason.filter(|reason| !reason.is_empty());
    let finish = reason.map(|reason| stop::read(&reason, body.stop_sequence, calls));
    let words = body.stop_details.and_then(|details| details.explanation);
    output.extend(words.filter(|words| !words.is_empty()).map(Output::Refusal));
    Ok(Reply {
        id: body.id.unwrap_or_default(),
        model: body.model.unwrap_or_default(),
        choices: vec![Choice { index: 0, output, finish }],
        usage: body.usage.and_then(usage::read_anthropic).unwrap_or_default(),
        service_tier: body.usage.and_then(read_tier),
    })
}

/// Calls of Anthropic's own tools and their results are steps to an answer, not the answer.
fn read_block(block: Given<'_>) -> Option<Output> {
    let state = |field: &str, redacted| OpaqueState::from_field(field, Origin::Anthropic, redacted);
    match &*block.kind {
        "text" => block.text.filter(|text| !text.is_empty()).map(Output::Text),
        "thinking" => {
            let signature = block.signature.filter(|signature| !signature.is_empty());
            let state = signature.map(|signature| state(&signature, false));
            Some(Output::Thinking { text: block.thinking.unwrap_or_default(), state })
        }
        "redacted_thinking" => {
            let state = Some(state(&block.data?, true));
            Some(Output::Thinking { text: String::new(), state })
        }
        "tool_use" => Some(Output::ToolCall {
            id: block.id.unwrap_or_default(),
            name: block.name.filter(|name| !name.is_empty())?,
            arguments: block.input.map_or("", RawValue::get).to_owned(),
            state: None,
        }),
        _ => None,
    }
}

/// The tier, by OpenAI's names.
fn read_tier(usage: &RawValue) -> Option<String> {
    match &*serde_json::from_str::<Tier>(usage.get()).ok()?.service_tier {
        "standard" => Some("default".to_owned()),
        "priority" => Some("priority".to_owned()),
        _ => None,
    }
}

#[derive(Serialize)]
struct Message<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Block<'a>>,
    stop_reason: &'static str,
    stop_sequence: Option<&'a str>,
    usage: Counts,
}

/// Writes an answer for a client, which can have asked for one only.
pub(super) fn write_reply(reply: &Reply, client: &ClientView<'_>) -> Bytes {
    let choice = reply.choices.first();
    let outputs = choice.map_or(&[][..], |choice| &choice.output);
    let outputs = without_late_state(outputs);
    let mut content = Vec::with_capacity(outputs.len());
    let (mut calls, mut refused) = (0, false);
    for output in outputs {
        match output {
            Output::Text(text) => content.extend(write_text(text)),
            Output::Refusal(text) => {
                refused = true;
                content.extend(write_text(text));
            }
            Output::Thinking { text, state } => {
                content.push(write_thinking(text, state.as_ref()));
            }
            Output::ToolCall { id, name, arguments, state } => {
                // A call has no place for it here, so a block of thinking before it carries it;
                // when that comes back, the reader of requests puts the two together again.
                content.extend(state.as_ref().map(|state| write_thinking("", Some(state))));
                content.push(Block::ToolUse {
                    id: stop::call_id(id, client.request_id, calls),
                    name,
                    input: write_input(arguments),
                    cache_control: None,
                });
                calls += 1;
            }
        }
    }
    let finish = choice.and_then(|choice| choice.finish.as_ref());
    let (stop_reason, stop_sequence) = stop::write(finish, calls > 0, refused);
    let message = Message {
        id: stop::message_id(&reply.id, client.request_id),
        kind: "message",
        role: "assistant",
        model: client.model,
        content,
        stop_reason,
        stop_sequence,
        usage: Counts::of(&reply.usage, reply.service_tier.as_deref()),
    };
    // Strings, numbers and JSON that was read as such.
    Bytes::from(serde_json::to_vec(&message).expect("these types are always JSON"))
}

/// Without a signature of Gemini's that comes after the last words. Claude ends no answer with
/// thinking, and clients take the last block, or the first, for the answer; see the stream's writer.
fn without_late_state(outputs: &[Output]) -> &[Output] {
    match outputs {
        [before @ .., Output::Thinking { text, state: Some(state) }]
            if text.is_empty()
                && state.origin == Origin::Gemini
                && matches!(before.last(), Some(Output::Text(_))) =>
        {
            before
        }
        _ => outputs,
    }
}

fn write_text(text: &str) -> Option<Block<'_>> {
    (!text.is_empty()).then(|| Block::text(text))
}

fn write_thinking<'a>(text: &'a str, state: Option<&'a OpaqueState>) -> Block<'a> {
    match state {
        Some(state) if state.redacted && text.is_empty() => {
            Block::RedactedThinking { data: state.to_field(Origin::Anthropic).into() }
        }
        state => Block::Thinking {
            thinking: text,
            signature: state
                .map_or(Cow::Borrowed(""), |state| state.to_field(Origin::Anthropic).into()),
        },
    }
}

/// Arguments as an object. Others are wrapped: `{}` might pass for a call that was meant so.
fn write_input(arguments: &str) -> Cow<'_, RawValue> {
    let wrap = |name: &str, raw: &dyn Fn() -> Box<RawValue>| {
        let members = BTreeMap::from([(name, raw())]);
        Cow::Owned(to_raw_value(&members).expect("JSON around JSON is JSON"))
    };
    match serde_json::from_str::<&RawValue>(arguments) {
        Ok(raw) if raw.get().starts_with('{') => Cow::Borrowed(raw),
        Ok(raw) if raw.get() == "null" => Cow::Borrowed(no_members()),
        Ok(raw) => wrap("value", &|| raw.to_owned()),
        Err(_) if arguments.trim().is_empty() => Cow::Borrowed(no_members()),
        Err(_) => wrap("_raw", &|| to_raw_value(arguments).expect("a string is JSON")),
    }
}
