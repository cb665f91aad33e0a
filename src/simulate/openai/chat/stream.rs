//! The stream of a chat completion.

use serde::Serialize;
use serde_json::{Value, json};

use super::call_id;
use crate::simulate::{
    endpoint::Ask,
    frames::Frames,
    openai::{finish_reason, now, total, usage},
    reply::Reply,
    tokens::tokens,
};

/// One chunk; typed because a benchmark's upstream writes very many.
#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    service_tier: &'static str,
    system_fingerprint: &'a str,
    choices: &'a [Choice<'a>],
    /// With `include_usage`: null in each chunk but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: usize,
    delta: Delta<'a>,
    logprobs: (),
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<Value>,
}

/// The whole stream: choices take turns, one delta each, as they do when they are generated
/// together.
pub(super) fn frames(ask: &Ask<'_>, replies: &[Reply], include_usage: bool) -> Frames {
    let mut turns: Vec<_> = replies.iter().enumerate().map(|(i, r)| deltas(ask, r, i)).collect();
    let (id, fingerprint) = (ask.id("chatcmpl-", 0), format!("fp_{}", ask.provider.name));
    let created = now();
    let mut frames = Frames::for_events(replies.iter().map(|r| r.usage.output + 4).sum());
    let mut chunk = |choices: &[Choice<'_>], usage: Option<Value>| {
        frames.data(&Chunk {
            id: &id,
            object: "chat.completion.chunk",
            created,
            model: ask.model,
            service_tier: "default",
            system_fingerprint: &fingerprint,
            choices,
            usage,
        });
    };
    let no_usage = || include_usage.then_some(Value::Null);
    loop {
        let mut over = true;
        for (index, turn) in turns.iter_mut().enumerate() {
            let Some(delta) = turn.next() else { continue };
            over = false;
            chunk(&[Choice { index, delta, logprobs: (), finish_reason: None }], no_usage());
        }
        if over {
            break;
        }
    }
    for (index, reply) in replies.iter().enumerate() {
        let finish_reason = Some(finish_reason(&reply.finish));
        chunk(
            &[Choice { index, delta: Delta::default(), logprobs: (), finish_reason }],
            no_usage(),
        );
    }
    if include_usage {
        chunk(&[], Some(usage(total(replies.iter().map(|reply| reply.usage)))));
    }
    frames.end_marker_follows();
    frames.raw(b"data: [DONE]\n\n");
    frames
}

fn deltas<'a>(
    ask: &'a Ask<'_>,
    reply: &'a Reply,
    choice: usize,
) -> impl Iterator<Item = Delta<'a>> + use<'a> {
    let role = Delta { role: Some("assistant"), content: Some(""), ..Delta::default() };
    let shown = if ask.fault.reasoning.is_some() { reply.reasoning.as_str() } else { "" };
    let reasoning =
        tokens(shown).map(|token| Delta { reasoning_content: Some(token), ..Delta::default() });
    let text = tokens(&reply.text).map(|token| Delta { content: Some(token), ..Delta::default() });
    let calls = reply.calls.iter().enumerate().flat_map(move |(index, call)| {
        let head = json!([{"index": index, "id": call_id(ask, choice, index), "type": "function",
            "function": {"name": call.name, "arguments": ""}}]);
        let arguments = tokens(&call.arguments)
            .map(move |token| json!([{"index": index, "function": {"arguments": token}}]));
        std::iter::once(head)
            .chain(arguments)
            .map(|calls| Delta { tool_calls: Some(calls), ..Delta::default() })
    });
    std::iter::once(role).chain(reasoning).chain(text).chain(calls)
}
