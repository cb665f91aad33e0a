//! POST /model/{id}/converse and /model/{id}/converse-stream.

mod content;
mod request;
mod rules;
mod stream;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};

use self::request::Request;
use crate::simulate::{
    answer::{Answer, Refusal},
    endpoint::Ask,
    reply::{Finish, Reply, Usage},
};

/// How long an answer took, in milliseconds: always the same, so that answers can be compared.
const LATENCY: u64 = 1;

pub(in crate::simulate) fn answer(ask: &Ask<'_>, stream: bool) -> Result<Answer, Refusal> {
    let request: Request = serde_json::from_slice(ask.body)
        .map_err(|error| Refusal::invalid(format!("The request is not valid: {error}")))?;
    rules::check(&request, ask.model)?;
    let (shows_thinking, tells_stop) = (request.shows_thinking(), request.tells_stop());
    let prompt = request.into_prompt();
    let mut reply = ask.reply(&prompt, 0)?;
    let signature = signature(&reply);
    if !shows_thinking {
        reply.reasoning.clear();
    }
    let blocks = blocks(ask, &reply, signature);
    let additional = tells_stop.then(|| json!({"stop_sequence": stop_sequence(&reply.finish)}));
    if stream {
        return Ok(Answer::Events(stream::frames(&reply, &blocks, additional)));
    }
    let content: Vec<_> = blocks.iter().map(Block::whole).collect();
    let mut body = json!({
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop_reason(&reply.finish),
        "usage": usage(reply.usage),
        "metrics": {"latencyMs": LATENCY},
    });
    if let Some(additional) = additional {
        body["additionalModelResponseFields"] = additional;
    }
    Ok(Answer::json(&body))
}

/// What tokens are counted of: of a conversation what belongs to the prompt.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counted {
    input: Input,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    converse: Value,
}

pub(in crate::simulate) fn count_tokens(ask: &Ask<'_>) -> Result<Answer, Refusal> {
    const MEMBERS: [&str; 4] = ["messages", "system", "toolConfig", "additionalModelRequestFields"];
    let invalid =
        |error: serde_json::Error| Refusal::invalid(format!("The request is not valid: {error}"));
    // A profile is none: only models have a tokenizer.
    let profile = ["us.", "eu.", "apac.", "global."].iter().any(|it| ask.model.starts_with(it));
    if profile || ask.model.starts_with("arn:") {
        return Err(Refusal::invalid("The provided model doesn't support counting tokens."));
    }
    let Counted { input: Input { converse } } =
        serde_json::from_slice(ask.body).map_err(invalid)?;
    let members = converse.as_object().into_iter().flatten();
    if let Some((name, _)) = members.into_iter().find(|(name, _)| !MEMBERS.contains(&&***name)) {
        return Err(Refusal::invalid(format!("Unknown parameter in input.converse: \"{name}\"")));
    }
    let request: Request = serde_json::from_value(converse).map_err(invalid)?;
    rules::check(&request, ask.model)?;
    Ok(Answer::json(&json!({"inputTokens": request.into_prompt().tokens})))
}

/// A block of the answer's content.
#[derive(Debug)]
enum Block<'a> {
    Reasoning { text: &'a str, signature: String },
    Text(&'a str),
    ToolUse { id: String, name: &'a str, input: &'a str },
}

impl Block<'_> {
    fn whole(&self) -> Value {
        match self {
            Self::Reasoning { text, signature } => json!({"reasoningContent":
                {"reasoningText": {"text": text, "signature": signature}}}),
            Self::Text(text) => json!({"text": text}),
            Self::ToolUse { id, name, input } => {
                let input: Value = serde_json::from_str(input).unwrap_or_default();
                json!({"toolUse": {"toolUseId": id, "name": name, "input": input}})
            }
        }
    }
}

fn blocks<'a>(ask: &Ask<'_>, reply: &'a Reply, signature: Option<String>) -> Vec<Block<'a>> {
    let reasoning =
        signature.map(|signature| Block::Reasoning { text: &reply.reasoning, signature });
    let text = reply.calls.is_empty().then_some(Block::Text(&reply.text));
    let calls = reply.calls.iter().enumerate().map(|(index, call)| Block::ToolUse {
        id: ask.id("tooluse_", index),
        name: &call.name,
        input: &call.arguments,
    });
    reasoning.into_iter().chain(text).chain(calls).collect()
}

/// What reasoning is signed with; none without reasoning. Also given when the reasoning itself is
/// not shown.
fn signature(reply: &Reply) -> Option<String> {
    (!reply.reasoning.is_empty())
        .then(|| BASE64_STANDARD.encode(format!("signed:{}", reply.reasoning)))
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
        "inputTokens": usage.input,
        "outputTokens": usage.output,
        "totalTokens": usage.input + usage.output,
        "cacheReadInputTokens": 0,
        "cacheWriteInputTokens": 0,
    })
}

#[cfg(test)]
mod tests;
