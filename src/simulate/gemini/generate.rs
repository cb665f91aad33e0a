//! `generateContent` and `streamGenerateContent`.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{Call, prompt, read};
use crate::simulate::{
    answer::{Answer, Refusal},
    endpoint::Ask,
    frames::Frames,
    reply::{Finish, Reply, Usage},
    tokens,
};

pub(super) fn answer(call: Call<'_>, stream: bool) -> Result<Answer, Refusal> {
    let request = read(call)?;
    let prompt = prompt::read(&request);
    let choices = request.pointer("/generationConfig/candidateCount").and_then(Value::as_u64);
    let choices = choices.and_then(|count| usize::try_from(count).ok()).unwrap_or(1);
    let shown = request.pointer("/generationConfig/thinkingConfig/includeThoughts")
        == Some(&Value::Bool(true));
    let ask = call.ask;
    let replies = (0..choices).map(|at| ask.reply(&prompt, at));
    let replies: Vec<Reply> = replies.collect::<Result<_, _>>()?;
    if !stream {
        return Ok(Answer::json(&whole(call, &replies, shown)));
    }
    let chunks = chunks(call, &replies, shown);
    // Without `alt=sse` a stream is one array.
    if !ask.query.split('&').any(|pair| pair == "alt=sse") {
        return Ok(Answer::json(&chunks));
    }
    let mut frames = Frames::for_events(chunks.len());
    for (at, chunk) in chunks.iter().enumerate() {
        if at + 1 == chunks.len() {
            frames.end_marker_follows();
        }
        frames.data(chunk);
    }
    Ok(Answer::Events(frames))
}

fn whole(call: Call<'_>, replies: &[Reply], shown: bool) -> Value {
    let candidates = replies.iter().enumerate().map(|(at, reply)| {
        let mut parts = Vec::new();
        if shown && !reply.reasoning.is_empty() {
            parts.push(json!({"text": reply.reasoning, "thought": true}));
        }
        if reply.calls.is_empty() {
            let mut part = json!({"text": reply.text});
            sign(&mut part, call, reply);
            parts.push(part);
        }
        parts.extend(calls(call, reply, at));
        json!({"content": {"parts": parts, "role": "model"},
            "finishReason": reason(&reply.finish), "index": at})
    });
    let candidates: Vec<Value> = candidates.collect();
    response(call.ask, &candidates, total(replies))
}

/// Each with what was counted up to it.
fn chunks(call: Call<'_>, replies: &[Reply], shown: bool) -> Vec<Value> {
    let mut chunks = Vec::new();
    let mut sent = Usage { input: total(replies).input, ..Usage::default() };
    let mut send = |at: usize, part: &Value, sent: Usage| {
        let candidate = json!({"content": {"parts": [part], "role": "model"}, "index": at});
        chunks.push(response(call.ask, &[candidate], sent));
    };
    for (at, reply) in replies.iter().enumerate() {
        sent.reasoning += reply.usage.reasoning;
        sent.output += reply.usage.reasoning;
        if shown {
            for text in tokens::tokens(&reply.reasoning) {
                send(at, &json!({"text": text, "thought": true}), sent);
            }
        }
        for text in tokens::tokens(&reply.text) {
            sent.output += 1;
            send(at, &json!({"text": text}), sent);
        }
        for part in calls(call, reply, at) {
            send(at, &part, sent);
        }
    }
    let last = replies.iter().enumerate().map(|(at, reply)| {
        let mut part = json!({"text": ""});
        if reply.calls.is_empty() {
            sign(&mut part, call, reply);
        }
        json!({"content": {"parts": [part], "role": "model"},
            "finishReason": reason(&reply.finish), "index": at})
    });
    let last: Vec<Value> = last.collect();
    chunks.push(response(call.ask, &last, total(replies)));
    chunks
}

fn response(ask: &Ask<'_>, candidates: &[Value], usage: Usage) -> Value {
    let mut counts = json!({
        "promptTokenCount": usage.input,
        "candidatesTokenCount": usage.output - usage.reasoning,
        "totalTokenCount": usage.input + usage.output,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.input}],
    });
    if usage.reasoning > 0 {
        counts["thoughtsTokenCount"] = usage.reasoning.into();
    }
    json!({"candidates": candidates, "usageMetadata": counts, "modelVersion": ask.model,
        "responseId": ask.id("", 0)})
}

/// The prompt is counted once, however many answers there are.
fn total(replies: &[Reply]) -> Usage {
    replies.iter().fold(Usage::default(), |sum, reply| Usage {
        input: reply.usage.input,
        output: sum.output + reply.usage.output,
        reasoning: sum.reasoning + reply.usage.reasoning,
    })
}

fn calls(call: Call<'_>, reply: &Reply, choice: usize) -> Vec<Value> {
    let parts = reply.calls.iter().enumerate().map(|(at, one)| {
        let args: Value = serde_json::from_str(&one.arguments).unwrap_or_default();
        let mut part = json!({"functionCall": {"name": one.name, "args": args}});
        if !call.is_old() {
            part["functionCall"]["id"] = call.ask.id("fc_", choice * 16 + at).into();
        }
        if at == 0 {
            sign(&mut part, call, reply);
        }
        part
    });
    parts.collect()
}

/// Signs what follows reasoning, which Gemini 3 never does without.
fn sign(part: &mut Value, call: Call<'_>, reply: &Reply) {
    if call.is("gemini-3") || !reply.reasoning.is_empty() {
        let signature = BASE64_STANDARD.encode(format!("signed:{}", reply.reasoning));
        part["thoughtSignature"] = signature.into();
    }
}

fn reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Sequence(_) | Finish::ToolCalls => "STOP",
        Finish::Length => "MAX_TOKENS",
    }
}
