//! POST /v1/responses. Nothing is stored, and answers say so.

mod request;
mod stream;

use serde_json::{Map, Value, json};

use self::request::Request;
use super::read;
use crate::simulate::{
    answer::{Answer, Refusal},
    endpoint::Ask,
    reply::{Finish, Reply, Usage},
};

pub(in crate::simulate) fn answer(ask: &Ask<'_>) -> Result<Answer, Refusal> {
    let request: Request = read(ask)?;
    request.check()?;
    let echoed = request.echoed();
    let stream = request.streams();
    let prompt = request.into_prompt();
    let reply = ask.reply(&prompt, 0)?;
    let response = Response { ask, reply: &reply, items: items(ask, &reply), echoed };
    Ok(if stream {
        Answer::Events(stream::frames(&response))
    } else {
        Answer::json(&response.finished())
    })
}

/// POST /v1/responses/input_tokens: of a request what belongs to the prompt.
pub(in crate::simulate) fn input_tokens(ask: &Ask<'_>) -> Result<Answer, Refusal> {
    const MEMBERS: [&str; 12] = [
        "conversation",
        "input",
        "instructions",
        "model",
        "parallel_tool_calls",
        "personality",
        "previous_response_id",
        "reasoning",
        "text",
        "tool_choice",
        "tools",
        "truncation",
    ];
    let members: Map<String, Value> = read(ask)?;
    if let Some(name) = members.keys().find(|name| !MEMBERS.contains(&&***name)) {
        let message = format!("Unknown parameter: '{name}'.");
        return Err(Refusal::invalid(message).with_code("unknown_parameter"));
    }
    let request: Request = read(ask)?;
    request.check()?;
    let tokens = request.into_prompt().tokens;
    Ok(Answer::json(&json!({"object": "response.input_tokens", "input_tokens": tokens})))
}

/// The answer before it is written in either way.
struct Response<'a> {
    ask: &'a Ask<'a>,
    reply: &'a Reply,
    items: Vec<Item<'a>>,
    /// The request's settings, which every response object repeats.
    echoed: Map<String, Value>,
}

/// An item of the output, with its id.
enum Item<'a> {
    Reasoning { id: String, summary: &'a str },
    Message { id: String, text: &'a str },
    FunctionCall { id: String, call_id: String, name: &'a str, arguments: &'a str },
}

/// Reasoning, then the message or the calls: the order that OpenAI keeps.
fn items<'a>(ask: &Ask<'_>, reply: &'a Reply) -> Vec<Item<'a>> {
    let reasoning = (!reply.reasoning.is_empty())
        .then(|| Item::Reasoning { id: ask.id("rs_", 0), summary: &reply.reasoning });
    let message =
        reply.calls.is_empty().then(|| Item::Message { id: ask.id("msg_", 0), text: &reply.text });
    let calls = reply.calls.iter().enumerate().map(|(index, call)| Item::FunctionCall {
        id: ask.id("fc_", index),
        call_id: ask.id("call_", index),
        name: &call.name,
        arguments: &call.arguments,
    });
    reasoning.into_iter().chain(message).chain(calls).collect()
}

impl Item<'_> {
    fn id(&self) -> &str {
        match self {
            Self::Reasoning { id, .. }
            | Self::Message { id, .. }
            | Self::FunctionCall { id, .. } => id,
        }
    }

    /// The item as it is announced in a stream: without what deltas bring.
    fn begun(&self) -> Value {
        match self {
            Self::Reasoning { id, .. } => json!({"id": id, "type": "reasoning", "summary": []}),
            Self::Message { id, .. } => json!({"id": id, "type": "message", "role": "assistant",
                "status": "in_progress", "content": []}),
            Self::FunctionCall { id, call_id, name, .. } => json!({"id": id,
                "type": "function_call", "status": "in_progress", "call_id": call_id,
                "name": name, "arguments": ""}),
        }
    }

    fn finished(&self, status: &str) -> Value {
        let mut item = self.begun();
        match self {
            Self::Reasoning { summary, .. } => {
                item["summary"] = json!([summary_part(summary)]);
            }
            Self::Message { text, .. } => {
                item["content"] = json!([text_part(text)]);
                item["status"] = json!(status);
            }
            Self::FunctionCall { arguments, .. } => {
                item["arguments"] = json!(arguments);
                item["status"] = json!(status);
            }
        }
        item
    }
}

fn text_part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn summary_part(text: &str) -> Value {
    json!({"type": "summary_text", "text": text})
}

impl Response<'_> {
    /// `completed`, or `incomplete` when the limit cut it.
    fn status(&self) -> &'static str {
        if self.reply.finish == Finish::Length { "incomplete" } else { "completed" }
    }

    fn begun(&self) -> Value {
        self.object("in_progress", &[], &Value::Null)
    }

    fn finished(&self) -> Value {
        let status = self.status();
        let output: Vec<_> = self.items.iter().map(|item| item.finished(status)).collect();
        self.object(status, &output, &usage(self.reply.usage))
    }

    fn object(&self, status: &str, output: &[Value], usage: &Value) -> Value {
        let reason = (status == "incomplete").then(|| json!({"reason": "max_output_tokens"}));
        let Value::Object(mut object) = json!({
            "id": self.ask.id("resp_", 0),
            "object": "response",
            "created_at": super::now(),
            "status": status,
            "background": false,
            "error": null,
            "incomplete_details": reason,
            "model": self.ask.model,
            "output": output,
            "usage": usage,
        }) else {
            return Value::Null;
        };
        object.extend(self.echoed.clone());
        Value::Object(object)
    }
}

fn usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    })
}

#[cfg(test)]
mod tests;
