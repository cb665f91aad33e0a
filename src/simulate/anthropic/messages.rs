//! POST /v1/messages and /v1/messages/count_tokens.

mod request;
mod stream;

use serde_json::{Value, json};

pub(in crate::simulate) use self::request::Request;
use super::read;
use crate::simulate::{
    answer::{Answer, Refusal},
    endpoint::Ask,
    reply::{Finish, Reply, Usage},
};

pub(in crate::simulate) fn answer(ask: &Ask<'_>) -> Result<Answer, Refusal> {
    let request: Request = read(ask)?;
    request.check()?;
    respond(ask, request, None)
}

/// Answers a request that was checked; `stream` says whether in a stream, where the request cannot.
pub(in crate::simulate) fn respond(
    ask: &Ask<'_>,
    request: Request,
    stream: Option<bool>,
) -> Result<Answer, Refusal> {
    request.check_limit()?;
    let stream = stream.unwrap_or_else(|| request.streams());
    let shows_thinking = request.shows_thinking();
    let prompt = request.into_prompt();
    let mut reply = ask.reply(&prompt, 0)?;
    let signature = signature(&reply);
    if !shows_thinking {
        reply.reasoning.clear();
    }
    let blocks = blocks(ask, &reply, signature);
    Ok(if stream {
        Answer::Events(stream::frames(ask, &reply, &blocks))
    } else {
        let content: Vec<_> = blocks.iter().map(Block::whole).collect();
        Answer::json(&message(ask, &content, Some(&reply.finish), &usage(reply.usage)))
    })
}

pub(in crate::simulate) fn count_tokens(ask: &Ask<'_>) -> Result<Answer, Refusal> {
    let request: Request = read(ask)?;
    request.check()?;
    Ok(count(request))
}

/// Counts the tokens of a request that was checked.
pub(in crate::simulate) fn count(request: Request) -> Answer {
    Answer::json(&json!({"input_tokens": request.into_prompt().tokens}))
}

/// A block of the answer's content.
#[derive(Debug)]
enum Block<'a> {
    Thinking { thinking: &'a str, signature: String },
    Text(&'a str),
    ToolUse { id: String, name: &'a str, input: &'a str },
}

impl Block<'_> {
    fn whole(&self) -> Value {
        match self {
            Self::Thinking { thinking, signature } => {
                json!({"type": "thinking", "thinking": thinking, "signature": signature})
            }
            Self::Text(text) => json!({"type": "text", "text": text, "citations": null}),
            Self::ToolUse { id, name, input } => {
                let input: Value = serde_json::from_str(input).unwrap_or_default();
                json!({"type": "tool_use", "id": id, "name": name, "input": input})
            }
        }
    }
}

fn blocks<'a>(ask: &Ask<'_>, reply: &'a Reply, signature: Option<String>) -> Vec<Block<'a>> {
    let thinking =
        signature.map(|signature| Block::Thinking { thinking: &reply.reasoning, signature });
    let text = reply.calls.is_empty().then_some(Block::Text(&reply.text));
    let calls = reply.calls.iter().enumerate().map(|(index, call)| Block::ToolUse {
        id: ask.id("toolu_", index),
        name: &call.name,
        input: &call.arguments,
    });
    thinking.into_iter().chain(text).chain(calls).collect()
}

/// What a thinking block is signed with; none without thinking. Also given when the thinking
/// itself is not shown.
fn signature(reply: &Reply) -> Option<String> {
    use base64::{Engine, prelude::BASE64_STANDARD};
    (!reply.reasoning.is_empty())
        .then(|| BASE64_STANDARD.encode(format!("signed:{}", reply.reasoning)))
}

fn message(ask: &Ask<'_>, content: &[Value], finish: Option<&Finish>, usage: &Value) -> Value {
    json!({
        "id": ask.id("msg_", 0),
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": content,
        "stop_reason": finish.map(stop_reason),
        "stop_sequence": finish.and_then(stop_sequence),
        "stop_details": null,
        "usage": usage,
    })
}

fn stop_reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Sequence(_) => "stop_sequence",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
    }
}

fn stop_sequence(finish: &Finish) -> Option<&str> {
    match finish {
        Finish::Sequence(stop) => Some(stop),
        Finish::Stop | Finish::Length | Finish::ToolCalls => None,
    }
}

fn usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
        "service_tier": "standard",
    })
}

#[cfg(test)]
mod tests;
