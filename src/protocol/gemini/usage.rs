//! `usageMetadata`, both ways.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::protocol::usage::Usage;

/// Google's counts: the prompt's include what came from a cache, those of the answer exclude the
/// thoughts.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_field_names, reason = "Google's names")]
pub(super) struct UsageMetadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_content_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thoughts_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_use_prompt_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_token_count: Option<u64>,
}

/// Reads the counts. Ones that are not what they should be are no reason to lose an answer.
pub(super) fn read(raw: &RawValue) -> Option<Usage> {
    serde_json::from_str::<UsageMetadata>(raw.get()).ok().map(Usage::from)
}

/// A sum of which one side may be unknown.
fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (known, None) | (None, known) => known,
    }
}

impl From<UsageMetadata> for Usage {
    fn from(wire: UsageMetadata) -> Self {
        Self {
            input: sum(wire.prompt_token_count, wire.tool_use_prompt_token_count),
            output: sum(wire.candidates_token_count, wire.thoughts_token_count),
            cached_input: wire.cached_content_token_count,
            cache_written: None,
            reasoning: wire.thoughts_token_count,
        }
    }
}

impl UsageMetadata {
    /// The counts as Google's clients know them; `None` if there are none.
    pub(super) fn of(usage: &Usage) -> Option<Self> {
        if *usage == Usage::default() {
            return None;
        }
        let reasoning = usage.reasoning.filter(|count| *count > 0);
        Some(Self {
            prompt_token_count: usage.input,
            cached_content_token_count: usage.cached_input.filter(|count| *count > 0),
            candidates_token_count: usage
                .output
                .map(|output| output.saturating_sub(reasoning.unwrap_or(0))),
            thoughts_token_count: reasoning,
            tool_use_prompt_token_count: None,
            total_token_count: sum(usage.input, usage.output),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(json: &str) -> Usage {
        read(&RawValue::from_string(json.to_owned()).expect("JSON")).expect("counts")
    }

    #[test]
    fn vector_78_thoughts_are_part_of_the_output() {
        let json = r#"{"promptTokenCount":10,"candidatesTokenCount":20,"thoughtsTokenCount":100,"totalTokenCount":130}"#;
        let usage = usage(json);
        assert_eq!((usage.input, usage.output, usage.reasoning), (Some(10), Some(120), Some(100)));
        let written = serde_json::to_string(&UsageMetadata::of(&usage)).expect("JSON");
        assert_eq!(written, json);
    }

    #[test]
    fn the_prompt_includes_the_cache_and_what_tools_read() {
        let usage = usage(
            r#"{"promptTokenCount":10,"cachedContentTokenCount":4,"toolUsePromptTokenCount":5,"trafficType":"ON_DEMAND"}"#,
        );
        assert_eq!((usage.input, usage.cached_input, usage.output), (Some(15), Some(4), None));
    }

    #[test]
    fn absurd_counts_do_not_overflow() {
        let usage = usage(&format!(
            r#"{{"promptTokenCount":{0},"toolUsePromptTokenCount":{0},"thoughtsTokenCount":{0}}}"#,
            u64::MAX
        ));
        let back = UsageMetadata::of(&Usage { output: Some(1), ..usage }).expect("counts");
        assert_eq!(back.total_token_count, Some(u64::MAX));
        assert_eq!(back.candidates_token_count, Some(0));
    }
}
