//! A request for a provider.

mod beyond;
mod cache;
mod conversation;
mod format;
mod media;
mod names;
mod sampling;
mod schema;
mod thinking;
mod tools;
mod turns;

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::wire::{Block, Choice, Message, Thinking};
use crate::protocol::dialect::{TargetView, Undo, Written};
use crate::protocol::neutral::{CannotCross, Crossing, Request};
use cache::Marks;
use names::ToolNames;

/// The API wants a limit in every request. What models of which nothing is known surely generate.
const DEFAULT_MAX_TOKENS: u64 = 4096;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<System<'a>>,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(flatten)]
    own: beyond::Own<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum System<'a> {
    Text(Cow<'a, str>),
    Blocks(Vec<Block<'a>>),
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<format::Native<'a>>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

/// Writes a request for a provider.
pub(super) fn write_request(
    request: &Request,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<Written, CannotCross> {
    refuse_what_is_not_there(request, crossing)?;
    let beyond = beyond::sort(request, target.quirks, crossing)?;
    let max_tokens = if beyond.warm_up { 0 } else { max_tokens(request, target, crossing)? };
    let names = ToolNames::of(request);
    let mut marks = Marks::default();

    // Marks are given out in this order: instructions, tools, messages.
    let (turns, hoisted) = conversation::hoist(request, target.facts, crossing)?;
    let mut system = conversation::write_system(request, &hoisted, &mut marks);
    let plan = thinking::plan(request, &turns, target.facts, max_tokens, crossing)?;
    let format = format::plan(request, !plan.forbids_force, target.facts, crossing)?;
    system.extend(format.instruction.map(Block::text));
    let choice = tools::choose(request, format.tool.as_ref(), &names, &plan, crossing)?;
    let mut tools = tools::write(
        &tools::offered(request),
        &names,
        format.tool.as_ref(),
        target.facts,
        &mut marks,
        crossing,
    )?;
    beyond.place_tools(&mut tools);
    let instructed = !system.is_empty();
    let messages = turns::write(&turns, instructed, &names, target, &mut marks, crossing)?;
    marks.report(crossing)?;

    let sampling = sampling::plan(request, target.facts, plan.forbids_sampling, crossing)?;
    let body = Body {
        model: target.model,
        max_tokens,
        system: as_system(system),
        messages,
        // The API refuses a choice among nothing.
        tool_choice: choice.filter(|_| !tools.is_empty()),
        tools,
        thinking: plan.thinking,
        output_config: (plan.effort.is_some() || format.native.is_some())
            .then_some(OutputConfig { effort: plan.effort, format: format.native }),
        stop_sequences: sampling::stop(request, target.facts, crossing)?,
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k,
        metadata: request
            .user
            .as_deref()
            .filter(|id| may_be_told(id))
            .map(|user_id| Metadata { user_id }),
        service_tier: tier(request).filter(|_| !target.quirks.cloud),
        stream: request.stream,
        own: beyond.own,
    };
    // Types of this module: strings, numbers and JSON that was read as such.
    let body = serde_json::to_vec(&body).expect("these types are always JSON");
    Ok(Written {
        body: Bytes::from(body),
        headers: beyond::headers(request, target.quirks, crossing)?,
        undo: Undo {
            tool_names: names.into_undo(),
            format_tool: format.tool.map(|tool| tool.undo),
            ..Undo::default()
        },
    })
}

/// What neither the API has nor anything in its place.
fn refuse_what_is_not_there(request: &Request, crossing: &mut Crossing) -> Result<(), CannotCross> {
    if request.choices.is_some_and(|choices| choices > 1) {
        crossing.refused("n", "must be 1: the target gives one answer to a request")?;
    }
    if request.logprobs.is_some() {
        crossing
            .refused("logprobs", "is not known to the target, which reports no probabilities")?;
    }
    if request.seed.is_some() {
        crossing.dropped("seed")?;
    }
    // Zero is what happens without them.
    let penalized = |penalty: Option<f64>| penalty.is_some_and(|penalty| penalty != 0.0);
    if penalized(request.presence_penalty) {
        crossing.dropped("presence_penalty")?;
    }
    if penalized(request.frequency_penalty) {
        crossing.dropped("frequency_penalty")?;
    }
    Ok(())
}

fn max_tokens(
    request: &Request,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<u64, CannotCross> {
    let most = target.facts.max_output_tokens;
    match (request.max_output_tokens, most) {
        (Some(wanted), Some(most)) if wanted > most => {
            crossing.adjusted("max_tokens")?;
            Ok(most)
        }
        (Some(wanted), _) => Ok(wanted),
        (None, most) => Ok(most.unwrap_or(DEFAULT_MAX_TOKENS)),
    }
}

/// One text without a mark is written as text, which every compatible server knows.
fn as_system(mut blocks: Vec<Block<'_>>) -> Option<System<'_>> {
    match blocks.pop() {
        None => None,
        Some(Block::Text { text, cache_control: None }) if blocks.is_empty() => {
            Some(System::Text(text))
        }
        Some(last) => {
            blocks.push(last);
            Some(System::Blocks(blocks))
        }
    }
}

/// The most characters of a `user_id`, by the API's reference.
const USER_ID_LIMIT: usize = 256;

/// Whether a user's id is one that the API takes: it refuses mail addresses and phone numbers.
fn may_be_told(id: &str) -> bool {
    let phone = |id: &str| {
        let digits = id.bytes().filter(u8::is_ascii_digit).count();
        let other = id.bytes().any(|byte| !byte.is_ascii_digit() && !b"+-() ./".contains(&byte));
        !other && digits >= 7
    };
    !id.is_empty() && id.chars().count() <= USER_ID_LIMIT && !id.contains('@') && !phone(id)
}

fn tier(request: &Request) -> Option<&'static str> {
    match request.service_tier.as_deref() {
        Some("auto") => Some("auto"),
        Some("default") => Some("standard_only"),
        _ => None,
    }
}
