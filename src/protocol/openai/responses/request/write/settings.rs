//! Everything of a request that is neither conversation nor tools.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::protocol::dialect::TargetView;
use crate::protocol::model::{self, EffortWord};
use crate::protocol::neutral::{
    CannotCross, Crossing, Effort, Format, OpaqueState, Origin, Part, Request,
};

/// The fewest output tokens that OpenAI takes on this API.
const MIN_OUTPUT_TOKENS: u64 = 16;

/// Members of this API that the other APIs of OpenAI have as well; they are passed on as they are.
const OWN: [&str; 4] =
    ["prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "moderation"];

/// What a client's API has and the neutral form has not: written where this API has it too.
pub(super) fn beyond<'a>(
    request: &'a Request,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<BTreeMap<&'a str, &'a RawValue>, CannotCross> {
    let mut own = BTreeMap::new();
    for member in &request.beyond {
        match &member.value {
            Some(value) if target.quirks.openai_itself && OWN.contains(&&*member.field) => {
                own.insert(&*member.field, &**value);
            }
            _ if member.essential => {
                crossing.refused(&member.field, "has no counterpart in the target's protocol")?;
            }
            _ => crossing.dropped(&member.field)?,
        }
    }
    Ok(own)
}

/// What the neutral form has and this API has not.
pub(super) fn account_for_lost(
    request: &Request,
    crossing: &mut Crossing,
) -> Result<(), CannotCross> {
    if request.choices.is_some_and(|choices| choices > 1) {
        crossing.refused("n", "must be 1: the target's protocol gives one answer at a time")?;
    }
    if request.logprobs.is_some() {
        crossing.refused("logprobs", "cannot be had through the target's protocol")?;
    }
    if !request.stop.is_empty() {
        crossing.refused("stop", "cannot be said in the target's protocol")?;
    }
    if request.seed.is_some() {
        crossing.dropped("seed")?;
    }
    let given = |penalty: Option<f64>| penalty.is_some_and(|penalty| penalty != 0.0);
    if given(request.presence_penalty) {
        crossing.dropped("presence_penalty")?;
    }
    if given(request.frequency_penalty) {
        crossing.dropped("frequency_penalty")?;
    }
    Ok(())
}

pub(super) fn max_output_tokens(
    request: &Request,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<Option<u64>, CannotCross> {
    let Some(wanted) = request.max_output_tokens else {
        return Ok(None);
    };
    let least = if target.quirks.openai_itself { MIN_OUTPUT_TOKENS } else { 1 };
    let most = target.facts.max_output_tokens.unwrap_or(u64::MAX).max(least);
    let given = wanted.clamp(least, most);
    if given != wanted {
        crossing.adjusted("max_tokens")?;
    }
    Ok(Some(given))
}

/// The sampling parameters that are left.
#[derive(Default)]
pub(super) struct Sampling {
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) top_k: Option<u64>,
}

pub(super) fn sampling(
    request: &Request,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<Sampling, CannotCross> {
    let mut left =
        Sampling { temperature: request.temperature, top_p: request.top_p, top_k: request.top_k };
    if target.facts.sampling == model::Sampling::None {
        // The default of both, which is what the model does anyway.
        let default = |value: f64| (value - 1.0).abs() < f64::EPSILON;
        if left.temperature.take().is_some_and(|value| !default(value)) {
            crossing.dropped("temperature")?;
        }
        if left.top_p.take().is_some_and(|value| !default(value)) {
            crossing.dropped("top_p")?;
        }
    }
    if target.facts.one_sampling_parameter && left.temperature.is_some() && left.top_p.is_some() {
        left.top_p = None;
        crossing.dropped("top_p")?;
    }
    let knows_top_k = !target.quirks.openai_itself
        && !target.quirks.refuses_unknown
        && target.facts.sampling != model::Sampling::None;
    if left.top_k.is_some() && !knows_top_k {
        left.top_k = None;
        crossing.dropped("top_k")?;
    }
    Ok(left)
}

#[derive(Serialize)]
pub(super) struct Reasoning {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'static str>,
}

pub(super) fn reasoning(
    request: &Request,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<Option<Reasoning>, CannotCross> {
    let Some(wanted) = &request.reasoning else {
        return Ok(None);
    };
    let facts = target.facts;
    let effort = wanted.effort.or_else(|| wanted.budget.map(|budget| by_budget(budget, target)));
    if facts.thinking == model::Thinking::Never {
        if effort.is_some_and(|effort| effort != Effort::None) || wanted.adaptive {
            crossing.dropped("reasoning_effort")?;
        }
        return Ok(None);
    }
    let given = match effort {
        // Whoever cannot stop thinking and says no more of himself thinks as he likes.
        Some(Effort::None) if facts.thinking_always && facts.efforts.is_empty() => None,
        Some(effort) => Some(facts.nearest_effort(effort)),
        None => None,
    };
    if given != effort {
        crossing.adjusted("reasoning_effort")?;
    }
    let summary = (wanted.visible == Some(true) && given != Some(Effort::None)).then_some("auto");
    let written = Reasoning { effort: given.map(Effort::as_str), summary };
    Ok((written.effort.is_some() || written.summary.is_some()).then_some(written))
}

/// The word for a number of tokens, by the numbers that are used for Claude.
fn by_budget(budget: u64, target: &TargetView<'_>) -> Effort {
    let known = |effort| target.facts.efforts.contains(&EffortWord(effort));
    match budget {
        0 => Effort::None,
        16384.. if known(Effort::Max) => Effort::Max,
        8192.. if known(Effort::XHigh) => Effort::XHigh,
        4096.. => Effort::High,
        2048.. => Effort::Medium,
        _ => Effort::Low,
    }
}

/// Whether to ask for reasoning in a form that can be sent back. OpenAI refuses that for models
/// which do not think, so of a model that nothing is known of it must be seen from the request.
pub(super) fn seals_reasoning(request: &Request, target: &TargetView<'_>) -> bool {
    let own = |part: &Part| {
        matches!(
            part,
            Part::Thinking { state: Some(OpaqueState { origin: Origin::OpenAi, .. }), .. }
        )
    };
    let asks = || {
        let effort = request.reasoning.as_ref().map(|reasoning| reasoning.effort);
        effort.is_some_and(|effort| effort != Some(Effort::None))
            || request.turns.iter().any(|turn| turn.parts.iter().any(own))
    };
    target.quirks.openai_itself
        && match target.facts.thinking {
            model::Thinking::Never => false,
            model::Thinking::Unknown => asks(),
            model::Thinking::Budget | model::Thinking::Effort | model::Thinking::Both => true,
        }
}

#[derive(Serialize)]
pub(super) struct Text<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<TextFormat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'a str>,
}

#[derive(Serialize)]
struct TextFormat<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

pub(super) fn text<'a>(request: &'a Request, target: &TargetView<'_>) -> Option<Text<'a>> {
    let format = match &request.format {
        None => None,
        Some(Format::JsonObject) => Some(TextFormat {
            kind: "json_object",
            name: None,
            description: None,
            schema: None,
            strict: None,
        }),
        // A tool stands in for it.
        Some(Format::JsonSchema { .. }) if target.facts.lacks_json_schema => None,
        Some(Format::JsonSchema { name, description, schema, strict }) => Some(TextFormat {
            kind: "json_schema",
            name: Some(name),
            description: description.as_deref(),
            schema: Some(schema),
            strict: Some(strict.unwrap_or(false)),
        }),
    };
    let verbosity = request.verbosity.as_deref().filter(|_| target.quirks.openai_itself);
    (format.is_some() || verbosity.is_some()).then_some(Text { format, verbosity })
}
