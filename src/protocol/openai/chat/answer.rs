//! What a whole answer and a chunk of a streamed one have in common, as servers send it and as
//! clients get it.
//!
//! Servers deviate in every way that is known (vectors in the tests of the readers), so members
//! whose type is not certain are read as they are, and what makes no sense is taken as absent.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::hash::hash;
use super::reasoning::ThinkingBlock;
use crate::protocol::neutral::{Finish, Output};
use crate::protocol::usage::{self, Usage};

/// What a `message` or a `delta` holds.
#[derive(Deserialize, Default)]
pub(super) struct Said<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking_blocks: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
}

/// A call, or a piece of one.
#[derive(Default)]
pub(super) struct Call<'a> {
    /// Its number, if the server gave one that can be.
    pub index: Option<i64>,
    /// Empty if absent.
    pub id: String,
    /// Empty if absent.
    pub name: String,
    /// Empty if absent.
    pub arguments: Cow<'a, str>,
    /// What the server added.
    pub extra: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct CallMember<'a> {
    #[serde(borrow)]
    index: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    function: Option<FunctionMember<'a>>,
    #[serde(borrow)]
    extra_content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct FunctionMember<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

/// A part of content, where a server gives its content in parts (Mistral).
#[derive(Deserialize)]
struct PartMember<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    text: Option<String>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
}

fn read<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

/// A member that is a text; anything else is none.
pub(super) fn text(raw: Option<&RawValue>) -> String {
    read(raw).unwrap_or_default()
}

impl<'a> Said<'a> {
    /// Text and reasoning of the content, in order; none is empty.
    pub fn content(&self) -> Vec<Output> {
        let mut pieces = Vec::new();
        let mut push = |piece: Output| {
            if !matches!(&piece, Output::Text(text) | Output::Thinking { text, .. } if text.is_empty())
            {
                pieces.push(piece);
            }
        };
        if self.content.is_some_and(|raw| raw.get().starts_with('"')) {
            push(Output::Text(text(self.content)));
            return pieces;
        }
        for part in read::<Vec<PartMember<'_>>>(self.content).unwrap_or_default() {
            if &*part.kind == "thinking" {
                push(Output::Thinking { text: thinking_text(part.thinking), state: None });
            } else {
                push(Output::Text(part.text.unwrap_or_default()));
            }
        }
        pieces
    }

    /// Words of a refusal.
    pub fn refusal(&self) -> String {
        text(self.refusal)
    }

    /// Reasoning: vLLM calls it `reasoning` (it was `reasoning_content` before), and some servers
    /// send the same text under both names.
    pub fn reasoning(&self) -> String {
        let first = text(self.reasoning_content);
        if first.is_empty() { text(self.reasoning) } else { first }
    }

    /// Blocks of reasoning with their states.
    pub fn thinking_blocks(&self) -> Vec<ThinkingBlock> {
        read(self.thinking_blocks).unwrap_or_default()
    }

    /// Calls of functions, the deprecated one included.
    pub fn calls(&self) -> Vec<Call<'a>> {
        let listed: Vec<CallMember<'a>> = read(self.tool_calls).unwrap_or_default();
        let mut calls: Vec<Call<'a>> = listed
            .into_iter()
            .map(|call| {
                let index = read(call.index).filter(|index| *index >= 0);
                Call::new(index, text(call.id), call.function, call.extra_content)
            })
            .collect();
        if calls.is_empty()
            && let Some(function) = read(self.function_call)
        {
            calls.push(Call::new(None, String::new(), Some(function), None));
        }
        calls
    }
}

impl<'a> Call<'a> {
    fn new(
        index: Option<i64>,
        id: String,
        function: Option<FunctionMember<'a>>,
        extra: Option<&'a RawValue>,
    ) -> Self {
        let Some(function) = function else { return Self { index, id, extra, ..Self::default() } };
        let arguments = match function.arguments {
            Some(raw) if raw.get().starts_with('"') => Cow::Owned(text(Some(raw))),
            // Some servers give the object itself.
            Some(raw) => Cow::Borrowed(raw.get()),
            None => Cow::Borrowed(""),
        };
        Self { index, id, name: text(function.name), arguments, extra }
    }
}

/// Mistral's reasoning is an array of text parts.
fn thinking_text(raw: Option<&RawValue>) -> String {
    match read::<Vec<PartMember<'_>>>(raw) {
        Some(parts) => parts.into_iter().filter_map(|part| part.text).collect(),
        None => text(raw),
    }
}

/// What a server calls the reason of an end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Nothing yet.
    None,
    /// It was an end.
    Finish(Finish),
    /// The server broke off.
    Failure,
}

/// Reads `finish_reason`, with vLLM's `stop_reason` beside it, of an answer that called functions or
/// refused, or not.
pub(super) fn read_finish(
    reason: Option<&RawValue>,
    stop_reason: Option<&RawValue>,
    calls: bool,
    refused: bool,
) -> Ending {
    let word = text(reason);
    Ending::Finish(match &*word {
        "" => return Ending::None,
        // OpenRouter's, DeepSeek's and SGLang's words for a provider that gave up.
        "error" | "insufficient_system_resource" | "abort" => return Ending::Failure,
        "length" | "max_tokens" | "model_length" => Finish::Length,
        "content_filter" => Finish::Refused,
        "tool_calls" | "function_call" => Finish::ToolCalls,
        _ if refused => Finish::Refused,
        // Some servers say `stop` whatever it was.
        _ if calls => Finish::ToolCalls,
        _ => match read::<String>(stop_reason).filter(|text| !text.is_empty()) {
            Some(text) => Finish::StopSequence(Some(text)),
            None => Finish::Stop,
        },
    })
}

/// OpenAI's word for why an answer ended.
pub(in crate::protocol::openai) fn finish_word(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence(_) => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::Refused => "content_filter",
    }
}

/// Groq's own place for counts in a stream.
#[derive(Deserialize)]
struct GroqMember<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// Counts where servers put them.
pub(super) fn read_usage(usage: Option<&RawValue>, groq: Option<&RawValue>) -> Option<Usage> {
    let groq = || read::<GroqMember<'_>>(groq)?.usage;
    usage.or_else(groq).and_then(usage::read_openai)
}

/// `usage` of a chunk.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum UsageMember {
    /// The client did not ask for it.
    Absent,
    /// `null`: it comes with the last chunk.
    Pending,
    /// What it came to.
    Known(UsageOut),
}

impl UsageMember {
    /// What every chunk but the last has.
    pub fn of_chunk(include_usage: bool) -> Self {
        if include_usage { Self::Pending } else { Self::Absent }
    }

    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// `usage` as OpenAI writes it. What is not known is left out.
#[derive(Serialize)]
pub(in crate::protocol::openai) struct UsageOut {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens_details: Option<InputDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_tokens_details: Option<OutputDetails>,
}

#[derive(Serialize)]
struct InputDetails {
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_tokens: Option<u64>,
}

#[derive(Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl From<&Usage> for UsageOut {
    fn from(usage: &Usage) -> Self {
        let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
        let (cached_tokens, cache_write_tokens) = (usage.cached_input, usage.cache_written);
        let known = cached_tokens.is_some() || cache_write_tokens.is_some();
        Self {
            prompt_tokens: input,
            completion_tokens: output,
            total_tokens: input.saturating_add(output),
            prompt_tokens_details: known
                .then_some(InputDetails { cached_tokens, cache_write_tokens }),
            completion_tokens_details: usage
                .reasoning
                .map(|reasoning_tokens| OutputDetails { reasoning_tokens }),
        }
    }
}

/// An id for a call whose provider gave none: no other call of the conversation has it.
pub(super) fn minted_call_id(request_id: &str, choice: u32, call: u32) -> String {
    // As long as OpenAI's own ids.
    format!("call_{}", hash(&format!("{request_id}/{choice}/{call}"), 24))
}
