//! The stream of an answer.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Block, LATENCY, stop_reason, usage};
use crate::simulate::{
    answer::to_json, bedrock::frame, frames::Frames, reply::Reply, tokens::tokens,
};

/// The padding by which AWS hides how long each word is.
const PADDING: &str = "abcdefghijk";

/// A delta; typed because a benchmark's upstream writes very many.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockDelta<'a> {
    content_block_index: usize,
    delta: Delta<'a>,
    p: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Delta<'a> {
    Text(&'a str),
    ReasoningContent(ReasoningDelta<'a>),
    ToolUse { input: &'a str },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum ReasoningDelta<'a> {
    Text(&'a str),
    Signature(&'a str),
}

pub(super) fn frames(reply: &Reply, blocks: &[Block<'_>], additional: Option<Value>) -> Frames {
    let mut frames = Frames::for_events(reply.usage.output + 3 * blocks.len() + 3);
    let mut send = |name: &str, payload: &[u8]| frames.raw(&frame::event(name, payload));
    send("messageStart", &to_json(&json!({"p": PADDING, "role": "assistant"})));
    for (index, block) in blocks.iter().enumerate() {
        // Only a call's beginning is told.
        if let Block::ToolUse { id, name, .. } = block {
            let start = json!({"toolUse": {"toolUseId": id, "name": name}});
            let body = json!({"contentBlockIndex": index, "start": start, "p": PADDING});
            send("contentBlockStart", &to_json(&body));
        }
        deltas(block, &mut |delta| {
            let delta = BlockDelta { content_block_index: index, delta, p: PADDING };
            send("contentBlockDelta", &to_json(&delta));
        });
        let stop = json!({"contentBlockIndex": index, "p": PADDING});
        send("contentBlockStop", &to_json(&stop));
    }
    let mut stop = json!({"p": PADDING, "stopReason": stop_reason(&reply.finish)});
    if let Some(additional) = additional {
        stop["additionalModelResponseFields"] = additional;
    }
    frames.end_marker_follows();
    frames.raw(&frame::event("messageStop", &to_json(&stop)));
    let metadata =
        json!({"metrics": {"latencyMs": LATENCY}, "p": PADDING, "usage": usage(reply.usage)});
    frames.raw(&frame::event("metadata", &to_json(&metadata)));
    frames
}

fn deltas(block: &Block<'_>, send: &mut impl FnMut(Delta<'_>)) {
    match block {
        Block::Reasoning { text, signature } => {
            tokens(text).for_each(|text| send(Delta::ReasoningContent(ReasoningDelta::Text(text))));
            send(Delta::ReasoningContent(ReasoningDelta::Signature(signature)));
        }
        Block::Text(text) => tokens(text).for_each(|text| send(Delta::Text(text))),
        Block::ToolUse { input, .. } if *input == "{}" => send(Delta::ToolUse { input: "" }),
        Block::ToolUse { input, .. } => {
            tokens(input).for_each(|input| send(Delta::ToolUse { input }));
        }
    }
}
