//! POST /v1/chat/completions.

mod request;
mod stream;

use serde_json::{Value, json};

pub(super) use self::request::{Stop, StreamOptions};

use self::request::Request;
use super::{finish_reason, now, read, total, usage};
use crate::simulate::{
    answer::{Answer, Refusal},
    endpoint::Ask,
    reply::Reply,
};

pub(in crate::simulate) fn answer(ask: &Ask<'_>) -> Result<Answer, Refusal> {
    let request: Request = read(ask)?;
    request.check()?;
    let (stream, include_usage, choices) =
        (request.streams(), request.includes_usage(), request.choices());
    let prompt = request.into_prompt();
    let replies = (0..choices).map(|choice| ask.reply(&prompt, choice));
    let replies: Vec<_> = replies.collect::<Result<_, _>>()?;
    Ok(if stream {
        Answer::Events(stream::frames(ask, &replies, include_usage))
    } else {
        Answer::json(&completion(ask, &replies))
    })
}

fn completion(ask: &Ask<'_>, replies: &[Reply]) -> Value {
    let choices: Vec<_> = replies
        .iter()
        .enumerate()
        .map(|(index, reply)| {
            json!({
                "index": index,
                "message": message(ask, reply, index),
                "logprobs": null,
                "finish_reason": finish_reason(&reply.finish),
            })
        })
        .collect();
    json!({
        "id": ask.id("chatcmpl-", 0),
        "object": "chat.completion",
        "created": now(),
        "model": ask.model,
        "choices": choices,
        "usage": usage(total(replies.iter().map(|reply| reply.usage))),
        "service_tier": "default",
        "system_fingerprint": format!("fp_{}", ask.provider.name),
    })
}

fn message(ask: &Ask<'_>, reply: &Reply, index: usize) -> Value {
    let mut message = json!({
        "role": "assistant",
        "content": if reply.calls.is_empty() { json!(reply.text) } else { Value::Null },
        "refusal": null,
        "annotations": [],
    });
    // Only asked for by fault: OpenAI keeps reasoning to itself here, compatible servers show it.
    if ask.fault.reasoning.is_some() {
        message["reasoning_content"] = json!(reply.reasoning);
    }
    if !reply.calls.is_empty() {
        let calls = reply.calls.iter().enumerate().map(|(position, call)| {
            json!({
                "id": call_id(ask, index, position),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            })
        });
        message["tool_calls"] = calls.collect();
    }
    message
}

/// Choices and calls share the two hex digits that an id has for its parts; 16 calls of each of
/// 16 choices stay apart, beyond that ids grow.
fn call_id(ask: &Ask<'_>, choice: usize, position: usize) -> String {
    ask.id("call_", choice * 16 + position)
}

#[cfg(test)]
mod tests;
