//! A client's chat completion, read.
//!
//! Source: OpenAI's API reference; what other servers and clients added to it (`top_k`, `thinking`,
//! `reasoning`, `cache_control`) is read where clients in use send it.

mod content;
mod message;
mod tool;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::member::{Members, beyond, member, object};
use crate::protocol::dialect::Unreadable;
use crate::protocol::neutral::{Effort, Reasoning, Request};

/// Members that say something to OpenAI's own storage, caching and speed, or were read elsewhere:
/// without them the answer is of the same kind.
const SILENT: &[&str] = &[
    "model",
    "stream_options",
    "store",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
];

/// Members that ask for another kind of answer. The guided ones are vLLM's.
const ESSENTIAL: &[&str] = &[
    "moderation",
    "functions",
    "function_call",
    "guided_json",
    "guided_regex",
    "guided_choice",
    "guided_grammar",
    "structured_outputs",
];

/// Reads a chat completion.
pub(super) fn read(body: &[u8]) -> Result<Request, Unreadable> {
    let mut members = Members::read(body)?;
    let mut request = Request::default();
    let Some(messages) = members.raw("messages") else {
        return Err(Unreadable::new("messages", "is missing"));
    };
    message::read(messages, &mut request)?;
    tool::read(&mut members, &mut request)?;
    read_bounds(&mut members, &mut request)?;
    read_sampling(&mut members, &mut request)?;
    request.reasoning = reasoning(&mut members)?;
    if let Some(format) = members.raw("response_format") {
        tool::read_format(format, &mut request)?;
    }
    let user = members.take("user")?;
    request.user = members.take("safety_identifier")?.or(user);
    request.metadata = members.take("metadata")?.unwrap_or_default();
    request.service_tier = members.take("service_tier")?;
    request.verbosity = members.take("verbosity")?;
    request.stream = members.take("stream")?.unwrap_or(false);
    read_audio(&mut members, &mut request)?;
    for name in SILENT {
        members.raw(name);
    }
    for name in ESSENTIAL {
        request.beyond.extend(members.beyond(name, true));
    }
    let bias = members.beyond("logit_bias", false);
    let empty = |value: &RawValue| value.get().bytes().all(|b| b" \t\r\n{}".contains(&b));
    request.beyond.extend(bias.filter(|bias| !bias.value.as_deref().is_some_and(empty)));
    request.beyond.extend(members.rest().map(|(name, raw)| beyond(name, false, Some(raw))));
    Ok(request)
}

fn read_bounds(members: &mut Members<'_>, request: &mut Request) -> Result<(), Unreadable> {
    let old = members.take("max_tokens")?;
    request.max_output_tokens = members.take("max_completion_tokens")?.or(old);
    if let Some(stop) = members.raw("stop") {
        request.stop = read_stop(stop)?;
    }
    request.choices = members.take("n")?;
    let alternatives: Option<u32> = members.take("top_logprobs")?;
    let logprobs = members.take("logprobs")?.unwrap_or(false);
    if !logprobs && alternatives.is_some_and(|count| count > 0) {
        return Err(Unreadable::new("top_logprobs", "needs `logprobs` to be true"));
    }
    request.logprobs = logprobs.then(|| alternatives.unwrap_or(0));
    Ok(())
}

/// One text or several.
pub(in crate::protocol::openai) fn read_stop(raw: &RawValue) -> Result<Vec<String>, Unreadable> {
    match raw.get().as_bytes().first() {
        Some(b'"') => Ok(vec![member(raw, "stop")?]),
        Some(b'[') => member(raw, "stop"),
        _ => Err(Unreadable::new("stop", "should be a text or an array of texts")),
    }
}

pub(in crate::protocol::openai) fn read_sampling(
    members: &mut Members<'_>,
    request: &mut Request,
) -> Result<(), Unreadable> {
    request.temperature = members.take("temperature")?;
    request.top_p = members.take("top_p")?;
    // Servers that have it take -1 for "all of them", which is to say nothing.
    let top_k: Option<i64> = members.take("top_k")?;
    request.top_k = top_k.and_then(|count| u64::try_from(count).ok());
    request.seed = members.take("seed")?;
    request.presence_penalty = members.take("presence_penalty")?;
    request.frequency_penalty = members.take("frequency_penalty")?;
    Ok(())
}

/// `thinking` of Anthropic, which LiteLLM's and DeepSeek's clients send here.
#[derive(Deserialize)]
struct ThinkingMember {
    #[serde(rename = "type")]
    kind: Option<String>,
    budget_tokens: Option<u64>,
}

/// `reasoning` of OpenRouter.
#[derive(Deserialize)]
struct ReasoningMember {
    effort: Option<String>,
    max_tokens: Option<u64>,
    exclude: Option<bool>,
    enabled: Option<bool>,
}

fn reasoning(members: &mut Members<'_>) -> Result<Option<Reasoning>, Unreadable> {
    let mut reasoning = Reasoning::default();
    if let Some(raw) = members.raw("thinking") {
        let thinking: ThinkingMember = object(raw, "thinking")?;
        match thinking.kind.as_deref() {
            Some("disabled") => reasoning.effort = Some(Effort::None),
            _ => {
                reasoning.budget = thinking.budget_tokens;
                reasoning.adaptive = thinking.budget_tokens.is_none();
            }
        }
    }
    if let Some(raw) = members.raw("reasoning") {
        let wanted: ReasoningMember = object(raw, "reasoning")?;
        if let Some(word) = wanted.effort {
            reasoning.effort = Some(effort(&word, "reasoning.effort")?);
        } else if wanted.enabled == Some(false) {
            reasoning.effort = Some(Effort::None);
        }
        reasoning.budget = wanted.max_tokens.or(reasoning.budget);
        reasoning.adaptive |= wanted.enabled == Some(true);
        reasoning.visible = wanted.exclude.map(|exclude| !exclude);
    }
    if let Some(word) = members.take::<String>("reasoning_effort")? {
        reasoning.effort = Some(effort(&word, "reasoning_effort")?);
    }
    Ok((reasoning != Reasoning::default()).then_some(reasoning))
}

fn effort(word: &str, param: &str) -> Result<Effort, Unreadable> {
    Effort::parse(word).ok_or_else(|| {
        let words = Effort::ALL.map(Effort::as_str).join(", ");
        Unreadable::new(param, format!("should be one of {words}"))
    })
}

/// Spoken answers have no neutral form. `audio` says how they sound: without them it says nothing.
fn read_audio(members: &mut Members<'_>, request: &mut Request) -> Result<(), Unreadable> {
    let modalities = members.raw("modalities");
    let audio = members.beyond("audio", true);
    let Some(raw) = modalities else { return Ok(()) };
    let wanted: Vec<String> = member(raw, "modalities")?;
    if wanted.iter().any(|kind| kind != "text") {
        request.beyond.push(beyond("modalities", true, Some(raw)));
        request.beyond.extend(audio);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
