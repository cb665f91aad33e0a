//! Whole answers, both ways.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::to_raw_value;

use super::stream::Reader;
use super::usage::UsageMetadata;
use super::wire::{self, Content, Draft, FunctionCall, Part};
use super::{finish, signature};
use crate::protocol::Malformed;
use crate::protocol::dialect::{ClientView, EventReader};
use crate::protocol::neutral::{Choice, Event, Finish, OpaqueState, Output, Reply};

/// Reads a whole answer: it is what a stream of one event says.
pub(super) fn read(body: &[u8]) -> Result<Reply, Malformed> {
    let mut events = Vec::new();
    Reader::default().read(None, body, &mut events)?;
    let mut reply = Reply::default();
    // A piece of reasoning goes on until it is ended.
    let mut thinking = false;
    for event in events {
        match event {
            Event::Start { id, model } => (reply.id, reply.model) = (id, model),
            Event::Text { choice, text } => match output(&mut reply, choice).last_mut() {
                Some(Output::Text(before)) => before.push_str(&text),
                _ => output(&mut reply, choice).push(Output::Text(text)),
            },
            Event::Refusal { choice, text } => {
                output(&mut reply, choice).push(Output::Refusal(text));
            }
            Event::Thinking { choice, text } => match output(&mut reply, choice).last_mut() {
                Some(Output::Thinking { text: before, .. }) if thinking => before.push_str(&text),
                _ => {
                    thinking = true;
                    output(&mut reply, choice).push(Output::Thinking { text, state: None });
                }
            },
            Event::ThinkingState { choice, state } => match output(&mut reply, choice).last_mut() {
                Some(Output::Thinking { state: open @ None, .. }) if thinking => {
                    *open = Some(state);
                }
                _ => output(&mut reply, choice)
                    .push(Output::Thinking { text: String::new(), state: Some(state) }),
            },
            Event::ThinkingEnd { .. } => thinking = false,
            Event::ToolStart { choice, id, name, state, .. } => {
                let arguments = String::new();
                output(&mut reply, choice).push(Output::ToolCall { id, name, arguments, state });
            }
            Event::ToolArguments { choice, text, .. } => {
                if let Some(Output::ToolCall { arguments, .. }) =
                    output(&mut reply, choice).last_mut()
                {
                    arguments.push_str(&text);
                }
            }
            Event::Finish { choice, reason } => {
                choice_of(&mut reply, choice).finish = Some(reason);
            }
            Event::Usage(usage) => reply.usage = usage,
            Event::Error(_) => return Err(Malformed),
            Event::ToolEnd { .. } | Event::Ping | Event::End => {}
        }
    }
    // No answer and no word why.
    if reply.choices.is_empty() {
        return Err(Malformed);
    }
    reply.choices.sort_by_key(|choice| choice.index);
    Ok(reply)
}

fn choice_of(reply: &mut Reply, index: u32) -> &mut Choice {
    let at = reply.choices.iter().position(|choice| choice.index == index);
    let at = at.unwrap_or_else(|| {
        reply.choices.push(Choice { index, ..Choice::default() });
        reply.choices.len() - 1
    });
    &mut reply.choices[at]
}

fn output(reply: &mut Reply, index: u32) -> &mut Vec<Output> {
    &mut choice_of(reply, index).output
}

/// Writes a whole answer.
pub(super) fn write(reply: &Reply, client: &ClientView<'_>) -> Bytes {
    let mut candidates = Vec::new();
    for choice in &reply.choices {
        let parts = choice.output.iter().map(part).collect();
        let refused = choice.output.iter().any(|output| matches!(output, Output::Refusal(_)));
        let refused = refused.then_some(&Finish::Refused);
        let mut candidate = Draft::default();
        candidate.put("content", &Content { role: Some("model"), parts });
        candidate.put("finishReason", &finish::word(refused.or(choice.finish.as_ref())));
        candidate.put("index", &choice.index);
        candidates.push(candidate);
    }
    let mut body = Draft::default();
    body.put("candidates", &candidates);
    if let Some(usage) = UsageMetadata::of(&reply.usage) {
        body.put("usageMetadata", &usage);
    }
    let id = if reply.id.is_empty() { client.request_id } else { &reply.id };
    answered(&mut body, client.model, id);
    serde_json::to_vec(&body).map_or_else(|_| Bytes::new(), Bytes::from)
}

/// Says who answered.
pub(super) fn answered(body: &mut Draft, model: &str, id: &str) {
    body.put("modelVersion", &model);
    body.put("responseId", &id);
}

fn part(output: &Output) -> Part<'_> {
    match output {
        Output::Text(text) | Output::Refusal(text) => Part::text(text.as_str()),
        Output::Thinking { text, state } => {
            Part { thought: true, ..Part::thought(text, state.as_ref().map(signature::write)) }
        }
        Output::ToolCall { id, name, arguments, state } => {
            call(id, name, arguments, state.as_ref())
        }
    }
}

/// A call. What is no object, as of a call that was cut, is kept as text.
pub(super) fn call<'r>(
    id: &'r str,
    name: &'r str,
    arguments: &'r str,
    state: Option<&OpaqueState>,
) -> Part<'r> {
    let args = match wire::object(arguments.trim()) {
        Some(object) => Cow::Borrowed(object),
        None if matches!(arguments.trim(), "" | "null") => Cow::Borrowed(wire::empty_object()),
        None => {
            let mut members = Draft::default();
            members.put("_raw", &arguments);
            let raw = to_raw_value(&members).ok();
            raw.map_or(Cow::Borrowed(wire::empty_object()), Cow::Owned)
        }
    };
    let call = FunctionCall { id: (!id.is_empty()).then_some(id), name: name.into(), args };
    Part {
        function_call: Some(call),
        thought_signature: state.map(signature::write),
        ..Part::default()
    }
}

#[cfg(test)]
mod tests;
