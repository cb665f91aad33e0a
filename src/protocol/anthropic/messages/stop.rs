//! Why an answer ended, and what it cost, in the API's words.

use std::borrow::Cow;

use serde::Serialize;

use crate::protocol::neutral::Finish;
use crate::protocol::usage::Usage;

/// Reads `stop_reason`. Some servers end an answer that calls functions as if it were complete.
pub(super) fn read(reason: &str, sequence: Option<String>, calls: bool) -> Finish {
    match reason {
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "refusal" => Finish::Refused,
        "tool_use" => Finish::ToolCalls,
        "stop_sequence" => Finish::StopSequence(sequence),
        _ if calls => Finish::ToolCalls,
        // `end_turn`, `pause_turn`, and what may come.
        _ => Finish::Stop,
    }
}

/// `stop_reason` and `stop_sequence`.
pub(super) fn write(
    finish: Option<&Finish>,
    calls: bool,
    refused: bool,
) -> (&'static str, Option<&str>) {
    match finish {
        Some(Finish::Length) => ("max_tokens", None),
        Some(Finish::Refused) => ("refusal", None),
        _ if refused => ("refusal", None),
        // A client that is told of calls waits for none, and one that is not told runs none.
        _ if calls => ("tool_use", None),
        Some(Finish::StopSequence(sequence)) => ("stop_sequence", sequence.as_deref()),
        Some(Finish::Stop | Finish::ToolCalls) | None => ("end_turn", None),
    }
}

/// `usage`.
#[derive(Debug, Serialize)]
pub(super) struct Counts {
    input_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_creation_input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read_input_tokens: Option<u64>,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<Details>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Details {
    thinking_tokens: u64,
}

impl Counts {
    /// The counts of an answer. What was cached is not part of the input here; some servers report
    /// more of it than there was input.
    pub(super) fn of(usage: &Usage, tier: Option<&str>) -> Self {
        let cached =
            usage.cached_input.unwrap_or(0).saturating_add(usage.cache_written.unwrap_or(0));
        Self {
            input_tokens: usage.input.unwrap_or(0).saturating_sub(cached),
            cache_creation_input_tokens: usage.cache_written,
            cache_read_input_tokens: usage.cached_input,
            output_tokens: usage.output.unwrap_or(0),
            output_tokens_details: usage
                .reasoning
                .map(|thinking_tokens| Details { thinking_tokens }),
            service_tier: match tier {
                Some("default") => Some("standard"),
                Some("priority") => Some("priority"),
                _ => None,
            },
        }
    }
}

/// The id of an answer: the provider's, if it is of the API's kind, else our own.
pub(super) fn message_id(given: &str, request_id: &str) -> String {
    if given.starts_with("msg_") { given.to_owned() } else { format!("msg_{request_id}") }
}

/// The id of a call, where the provider gave none.
pub(super) fn call_id<'a>(given: &'a str, request_id: &str, call: usize) -> Cow<'a, str> {
    if given.is_empty() { format!("toolu_{request_id}_{call}").into() } else { given.into() }
}
