//! OpenAI's endpoints.

pub(super) mod chat;
pub(super) mod completions;
pub(super) mod embeddings;
pub(super) mod models;
pub(super) mod responses;

use std::time::{SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;

use super::{
    answer::Refusal,
    endpoint::Ask,
    reply::{Finish, Usage},
};

/// Reads a request's body, after the one check that all endpoints share.
fn read<T: DeserializeOwned>(ask: &Ask<'_>) -> Result<T, Refusal> {
    let request = serde_json::from_slice(ask.body).map_err(|error| {
        Refusal::invalid(format!("We could not parse the JSON body of your request: {error}."))
    })?;
    if ask.model.is_empty() {
        return Err(Refusal::field("model", "you must provide a model parameter"));
    }
    Ok(request)
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn finish_reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Sequence(_) => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
    }
}

/// Usage as chat completions and completions write it.
fn usage(usage: Usage) -> serde_json::Value {
    serde_json::json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    })
}

/// The usage of several answers to one prompt, which counts once.
fn total(replies: impl IntoIterator<Item = Usage>) -> Usage {
    replies.into_iter().fold(Usage::default(), |sum, one| Usage {
        input: one.input,
        output: sum.output + one.output,
        reasoning: sum.reasoning + one.reasoning,
    })
}
