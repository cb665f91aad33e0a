//! Token counts, as the target that answered reports them.

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Malformed;

/// Token counts of one answer. Absent means that the provider did not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// All input, cached input included.
    pub input: Option<u64>,
    /// All output, reasoning included.
    pub output: Option<u64>,
    /// The part of the input that was read from a prompt cache.
    pub cached_input: Option<u64>,
    /// The part of the input that was written to a prompt cache.
    pub cache_written: Option<u64>,
    /// The part of the output that was reasoning.
    pub reasoning: Option<u64>,
}

impl Usage {
    /// Takes over what `newer` says. Counts in a stream are cumulative: the last one that is given
    /// wins, field by field, and a zero does not take back what was counted before.
    pub fn update(&mut self, newer: Self) {
        take(&mut self.input, newer.input);
        take(&mut self.output, newer.output);
        take(&mut self.cached_input, newer.cached_input);
        take(&mut self.cache_written, newer.cache_written);
        take(&mut self.reasoning, newer.reasoning);
    }

    /// What was counted since `before`, of which these counts are the sum.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        let less = |now: Option<u64>, before: Option<u64>| {
            now.map(|now| now.saturating_sub(before.unwrap_or_default()))
        };
        Self {
            input: less(self.input, before.input),
            output: less(self.output, before.output),
            cached_input: less(self.cached_input, before.cached_input),
            cache_written: less(self.cache_written, before.cache_written),
            reasoning: less(self.reasoning, before.reasoning),
        }
    }
}

/// One count of a stream.
fn take(old: &mut Option<u64>, new: Option<u64>) {
    if let Some(count) = new
        && (count > 0 || old.is_none())
    {
        *old = Some(count);
    }
}

/// `usage` of OpenAI's APIs: `prompt_tokens` in chat, completions and embeddings, `input_tokens`
/// in Responses. Input counts include cached tokens.
///
/// No aliases: servers that give both names would be taken to give one member twice.
#[derive(Debug, Deserialize)]
struct OpenAiUsage {
    prompt_tokens: Option<u64>,
    input_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    output_tokens: Option<u64>,
    prompt_tokens_details: Option<InputDetails>,
    input_tokens_details: Option<InputDetails>,
    completion_tokens_details: Option<OutputDetails>,
    output_tokens_details: Option<OutputDetails>,
    /// DeepSeek's name for cached tokens.
    prompt_cache_hit_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct InputDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
}

/// Reads OpenAI's counts. Ones that are not what they should be are no reason to lose an answer.
pub(super) fn read_openai(raw: &RawValue) -> Option<Usage> {
    serde_json::from_str::<OpenAiUsage>(raw.get()).ok().map(Usage::from)
}

/// Reads Anthropic's counts, just as tolerantly.
pub(super) fn read_anthropic(raw: &RawValue) -> Option<Usage> {
    serde_json::from_str::<AnthropicUsage>(raw.get()).ok().map(Usage::from)
}

/// The counts in the last bytes of a reply, which may begin anywhere in it.
pub(super) fn in_tail(tail: &[u8]) -> Result<Option<&RawValue>, Malformed> {
    member_in_tail(tail, "usage")
}

/// The last object of that name in the last bytes of a reply, which may begin anywhere in it.
pub(super) fn member_in_tail<'t>(
    tail: &'t [u8],
    name: &str,
) -> Result<Option<&'t RawValue>, Malformed> {
    if tail.trim_ascii_end().last() != Some(&b'}') {
        return Err(Malformed);
    }
    // Inside a string the quotes would be escaped, and the name would not end in one.
    let name = format!("\"{name}\"");
    Ok(memmem::rfind_iter(tail, name.as_bytes()).find_map(|at| {
        let value = tail[at + name.len()..].trim_ascii_start().strip_prefix(b":")?;
        serde_json::Deserializer::from_slice(value).into_iter::<&RawValue>().next()?.ok()
    }))
}

impl From<OpenAiUsage> for Usage {
    fn from(wire: OpenAiUsage) -> Self {
        let input = wire.prompt_tokens_details.or(wire.input_tokens_details);
        let output = wire.completion_tokens_details.or(wire.output_tokens_details);
        let cached = input.as_ref().and_then(|details| details.cached_tokens);
        Self {
            input: wire.prompt_tokens.or(wire.input_tokens),
            output: wire.completion_tokens.or(wire.output_tokens),
            cached_input: cached.or(wire.prompt_cache_hit_tokens),
            cache_written: input.as_ref().and_then(|details| details.cache_write_tokens),
            reasoning: output.and_then(|details| details.reasoning_tokens),
        }
    }
}

/// `usage` of Anthropic's Messages. `input_tokens` excludes what was written to and read from the
/// cache, so the whole input is the sum of three fields.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct AnthropicUsage {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<ThinkingDetails>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct ThinkingDetails {
    thinking_tokens: Option<u64>,
}

impl AnthropicUsage {
    /// Takes over what a later event says. Its fields replace ours one by one, before they are
    /// summed: an event that repeats the input without the cache's share takes that share not back.
    pub(super) fn update(&mut self, raw: &RawValue) {
        let Ok(newer) = serde_json::from_str::<Self>(raw.get()) else { return };
        take(&mut self.input_tokens, newer.input_tokens);
        take(&mut self.cache_creation_input_tokens, newer.cache_creation_input_tokens);
        take(&mut self.cache_read_input_tokens, newer.cache_read_input_tokens);
        take(&mut self.output_tokens, newer.output_tokens);
        self.output_tokens_details = newer.output_tokens_details.or(self.output_tokens_details);
    }
}

impl From<AnthropicUsage> for Usage {
    fn from(wire: AnthropicUsage) -> Self {
        // The counts are the provider's: whatever they say must not stop an answer.
        let cache = wire
            .cache_creation_input_tokens
            .unwrap_or(0)
            .saturating_add(wire.cache_read_input_tokens.unwrap_or(0));
        Self {
            input: wire.input_tokens.map(|fresh| fresh.saturating_add(cache)),
            output: wire.output_tokens,
            cached_input: wire.cache_read_input_tokens,
            cache_written: wire.cache_creation_input_tokens,
            reasoning: wire.output_tokens_details.and_then(|details| details.thinking_tokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_counts_replace_earlier_ones_but_a_zero_takes_nothing_back() {
        let mut usage = Usage { input: Some(10), output: Some(1), ..Usage::default() };
        usage.update(Usage { input: Some(0), output: Some(7), ..Usage::default() });
        assert_eq!(usage, Usage { input: Some(10), output: Some(7), ..Usage::default() });
    }

    #[test]
    fn both_of_openais_namings_and_deepseeks_are_read() {
        let read = |text: &str| {
            let wire: OpenAiUsage = serde_json::from_str(text).expect("valid");
            let usage = Usage::from(wire);
            (usage.input, usage.output, usage.cached_input)
        };
        let both =
            r#"{"prompt_tokens":3,"input_tokens":3,"completion_tokens":1,"output_tokens":1}"#;
        assert_eq!(read(both), (Some(3), Some(1), None));
        let hit = r#"{"prompt_tokens":9,"completion_tokens":1,"prompt_cache_hit_tokens":8}"#;
        assert_eq!(read(hit), (Some(9), Some(1), Some(8)));
    }

    #[test]
    fn anthropic_input_is_the_sum_with_the_cache() {
        let wire: AnthropicUsage = serde_json::from_str(
            r#"{"input_tokens":3,"cache_creation_input_tokens":4,"cache_read_input_tokens":5,"output_tokens":6}"#,
        )
        .expect("valid");
        let usage = Usage::from(wire);
        assert_eq!((usage.input, usage.output, usage.cached_input), (Some(12), Some(6), Some(5)));
    }

    #[test]
    fn counts_are_found_in_the_end_of_a_reply() {
        let read = |tail: &str| {
            in_tail(tail.as_bytes()).map(|found| found.and_then(read_openai).and_then(|u| u.input))
        };
        assert_eq!(read(r#".1]}],"usage": {"prompt_tokens":7},"model":"m"} "#), Ok(Some(7)));
        assert_eq!(read(r#"\"usage\":{\"prompt_tokens\":7}"}]}"#), Ok(None), "text");
        assert_eq!(read(r#""usage"}"#), Ok(None));
        assert_eq!(read(r#","usage":{"prompt_tokens":7}},{"x":["#), Err(Malformed), "cut");
        assert_eq!(read(""), Err(Malformed));
    }

    #[test]
    fn absurd_counts_do_not_overflow() {
        let wire = AnthropicUsage {
            input_tokens: Some(u64::MAX),
            cache_creation_input_tokens: Some(u64::MAX),
            cache_read_input_tokens: Some(u64::MAX),
            output_tokens: None,
            output_tokens_details: None,
        };
        assert_eq!(Usage::from(wire).input, Some(u64::MAX));
    }
}
