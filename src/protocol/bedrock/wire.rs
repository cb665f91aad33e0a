//! What requests, replies and streams of Converse have in common.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use memchr::memmem;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::protocol::neutral::{Finish, OpaqueState, Origin};
use crate::protocol::usage::Usage;

/// An object, member by member. Blocks of content are unions, which are objects with one member.
pub(super) type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// Token counts. The input is what was neither read from a cache nor written to one.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "as they are called on the wire")]
pub(super) struct TokenUsage {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
    #[serde(default)]
    total_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cache_read_input_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cache_write_input_tokens: Option<u64>,
}

/// Reads the counts. Ones that are not what they should be are no reason to lose an answer.
pub(super) fn read_usage(raw: &RawValue) -> Option<Usage> {
    serde_json::from_str::<TokenUsage>(raw.get()).ok().map(Usage::from)
}

impl From<TokenUsage> for Usage {
    fn from(wire: TokenUsage) -> Self {
        let cache = wire
            .cache_read_input_tokens
            .unwrap_or(0)
            .saturating_add(wire.cache_write_input_tokens.unwrap_or(0));
        Self {
            input: wire.input_tokens.map(|fresh| fresh.saturating_add(cache)),
            output: wire.output_tokens,
            cached_input: wire.cache_read_input_tokens,
            cache_written: wire.cache_write_input_tokens,
            reasoning: None,
        }
    }
}

impl From<Usage> for TokenUsage {
    fn from(usage: Usage) -> Self {
        let cache =
            usage.cached_input.unwrap_or(0).saturating_add(usage.cache_written.unwrap_or(0));
        let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
        Self {
            // These three are required members.
            input_tokens: Some(input.saturating_sub(cache)),
            output_tokens: Some(output),
            total_tokens: Some(input.saturating_add(output)),
            cache_read_input_tokens: usage.cached_input,
            cache_write_input_tokens: usage.cache_written,
        }
    }
}

/// How long the answer took, which the gateway does not tell here but the API requires.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metrics {
    latency_ms: u64,
}

/// Members of an answer that were asked for by `additionalModelResponseFieldPaths`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AdditionalFields<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) stop_sequence: Option<Cow<'a, str>>,
}

/// Where Claude says which stop text came; to be asked for.
pub(super) const STOP_SEQUENCE_PATH: &str = "/stop_sequence";

/// Reads why an answer ended; an error if the model wrote what Bedrock cannot read.
pub(super) fn read_stop(
    reason: &str,
    additional: Option<&RawValue>,
    calls: bool,
) -> Result<Finish, Unusable> {
    Ok(match reason {
        "tool_use" => Finish::ToolCalls,
        // Some models say so after calls as well.
        "end_turn" if calls => Finish::ToolCalls,
        "stop_sequence" => Finish::StopSequence(additional.and_then(|raw| {
            let fields: AdditionalFields<'_> = serde_json::from_str(raw.get()).ok()?;
            fields.stop_sequence.map(Cow::into_owned)
        })),
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "guardrail_intervened" | "content_filtered" => Finish::Refused,
        "malformed_model_output" | "malformed_tool_use" => return Err(Unusable),
        _ => Finish::Stop,
    })
}

/// The model's output was of no use.
#[derive(Debug)]
pub(super) struct Unusable;

/// The word for why an answer ended.
pub(super) fn stop_reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::StopSequence(_) => "stop_sequence",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::Refused => "content_filtered",
    }
}

/// What goes with a stop reason, where the stop text is known.
pub(super) fn additional_fields(finish: &Finish) -> Option<AdditionalFields<'_>> {
    match finish {
        Finish::StopSequence(Some(text)) => {
            Some(AdditionalFields { stop_sequence: Some(Cow::Borrowed(text)) })
        }
        _ => None,
    }
}

/// A redacted state as the bytes that the API has for it. Clients decode base64 there, so a state
/// that is none (another maker's) is wrapped in it.
pub(super) fn redacted_to_field(state: &OpaqueState) -> String {
    if state.origin == Origin::Anthropic && BASE64_STANDARD.decode(&state.data).is_ok() {
        return state.data.clone();
    }
    // Written for a home that is not its own, so that it is always marked.
    let home = if state.origin == Origin::Anthropic { Origin::Gemini } else { Origin::Anthropic };
    BASE64_STANDARD.encode(state.to_field(home))
}

/// Whether a JSON text holds what [`redacted_to_field`] has marked.
pub(super) fn is_marked_in(json: &[u8]) -> bool {
    // Nine bytes are twelve characters whatever follows.
    memmem::find(json, BASE64_STANDARD.encode("pilothous").as_bytes()).is_some()
}

/// Reads what [`redacted_to_field`] wrote.
pub(super) fn redacted_from_field(field: &str) -> OpaqueState {
    let plain = OpaqueState::from_field(field, Origin::Anthropic, true);
    let Some(text) = BASE64_STANDARD.decode(field).ok().and_then(|it| String::from_utf8(it).ok())
    else {
        return plain;
    };
    let unwrapped = OpaqueState::from_field(&text, Origin::Anthropic, true);
    // Unmarked text is not ours: the field itself was the state.
    if unwrapped.data == text { plain } else { unwrapped }
}

/// Media types and the words that Converse has for them; the first one of a word is its name.
const FORMATS: &[(&str, &str)] = &[
    ("image/png", "png"),
    ("image/jpeg", "jpeg"),
    ("image/jpg", "jpeg"),
    ("image/gif", "gif"),
    ("image/webp", "webp"),
    ("application/pdf", "pdf"),
    ("text/csv", "csv"),
    ("application/msword", "doc"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ("text/html", "html"),
    ("text/plain", "txt"),
    ("text/markdown", "md"),
    ("audio/wav", "wav"),
    ("audio/x-wav", "wav"),
    ("audio/mpeg", "mp3"),
    ("audio/mp3", "mp3"),
    ("audio/flac", "flac"),
    ("audio/ogg", "ogg"),
    ("audio/opus", "opus"),
    ("audio/aac", "aac"),
    ("audio/webm", "webm"),
    ("audio/mp4", "m4a"),
    ("audio/pcm", "pcm"),
];

/// The word for a media type of a kind (`image/`), parameters aside.
pub(super) fn format_of(media_type: &str) -> Option<&'static str> {
    let bare = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    FORMATS.iter().find(|(known, _)| *known == bare).map(|(_, word)| *word)
}

/// The media type of a word; `kind` (`image`, `audio`) is that of a word nobody knows.
pub(super) fn media_type_of(word: &str, kind: &str) -> String {
    FORMATS
        .iter()
        .find(|(_, known)| *known == word)
        .map_or_else(|| format!("{kind}/{word}"), |(media_type, _)| (*media_type).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vector_74_input_includes_the_cache_and_converts_once() {
        let wire = r#"{"inputTokens":10,"outputTokens":5,"totalTokens":125,
            "cacheReadInputTokens":90,"cacheWriteInputTokens":20}"#;
        let raw: &RawValue = serde_json::from_str(wire).expect("JSON");
        let usage = read_usage(raw).expect("counts");
        assert_eq!(
            (usage.input, usage.cached_input, usage.cache_written),
            (Some(120), Some(90), Some(20))
        );
        let back: serde_json::Value = serde_json::to_value(TokenUsage::from(usage)).expect("JSON");
        assert_eq!(back, serde_json::from_str::<serde_json::Value>(wire).expect("JSON"));
    }

    #[test]
    fn vector_76_more_cached_than_read_is_no_underflow() {
        let usage = Usage { input: Some(40), cached_input: Some(50), ..Usage::default() };
        assert_eq!(TokenUsage::from(usage).input_tokens, Some(0));
    }

    #[test]
    fn redacted_states_come_back_whoever_made_them() {
        for (origin, data) in [
            (Origin::Anthropic, "RW1w"),
            (Origin::Anthropic, "not base64!"),
            (Origin::OpenAi, "gAAA"),
        ] {
            let state = OpaqueState { origin, data: data.to_owned(), redacted: true };
            let field = redacted_to_field(&state);
            assert!(BASE64_STANDARD.decode(&field).is_ok(), "{field}");
            assert_eq!(redacted_from_field(&field), state);
        }
    }
}
