//! Streams of Bedrock's `InvokeModelWithResponseStream`: events of another API in AWS's frames.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::simulate::{
    answer::{Answer, to_json},
    bedrock::frame,
};

/// Puts an answer of Anthropic's into Bedrock's frames.
pub(super) fn framed(answer: Answer) -> Answer {
    match answer {
        plain @ (Answer::Plain(_) | Answer::Metrics(_) | Answer::Counted(..)) => plain,
        Answer::Events(frames) => Answer::Events(frames.map(|event| {
            let text = String::from_utf8_lossy(event);
            let data = text.lines().find_map(|line| line.strip_prefix("data: "));
            chunk(metered(data.unwrap_or_default()).as_bytes())
        })),
    }
}

/// A frame with an event's data inside.
pub(in crate::simulate) fn chunk(data: &[u8]) -> Vec<u8> {
    frame::event("chunk", &to_json(&json!({"bytes": BASE64_STANDARD.encode(data), "p": "abcdef"})))
}

/// The last event has counts of Bedrock's own.
fn metered(data: &str) -> String {
    let mut event: Value = serde_json::from_str(data).unwrap_or_default();
    if event["type"] != "message_stop" {
        return data.to_owned();
    }
    event["amazon-bedrock-invocationMetrics"] = json!({"inputTokenCount": 1000,
        "outputTokenCount": 1000, "invocationLatency": 1, "firstByteLatency": 1});
    event.to_string()
}
