//! `generationConfig` for a target.

use super::thinking;
use crate::protocol::dialect::TargetView;
use crate::protocol::gemini::schema;
use crate::protocol::gemini::wire::Draft;
use crate::protocol::model::Sampling;
use crate::protocol::neutral::{CannotCross, Crossing, Format, Request};

/// How many stop texts Google takes.
const MOST_STOPS: usize = 5;
/// How many alternatives Google tells the probabilities of.
const MOST_LOGPROBS: u32 = 20;
const JSON: &str = "application/json";

/// Writes the config; empty if the request says nothing of it.
pub(super) fn write(
    request: &Request,
    format: Option<&Format>,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<Draft, CannotCross> {
    let mut config = Draft::default();
    write_sampling(request, target, crossing, &mut config)?;
    write_bounds(request, target, crossing, &mut config)?;
    match format {
        None => {}
        Some(Format::JsonObject) => config.put("responseMimeType", &JSON),
        Some(Format::JsonSchema { .. }) if target.facts.lacks_json_schema => {
            config.put("responseMimeType", &JSON);
            crossing.adjusted("response_format")?;
        }
        Some(Format::JsonSchema { schema, .. }) => {
            config.put("responseMimeType", &JSON);
            if !target.facts.schema_subset {
                config.put("responseJsonSchema", schema);
            } else if let Some(reduced) = schema::reduced(schema) {
                config.put("responseSchema", &reduced);
            } else {
                let message = "must be a schema of an object, not nested too deeply";
                crossing.refused("response_format.json_schema.schema", message)?;
            }
        }
    }
    if let Some(thinking) = thinking::write(request, target, crossing)? {
        config.put("thinkingConfig", &thinking);
    }
    Ok(config)
}

fn write_sampling(
    request: &Request,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
    config: &mut Draft,
) -> Result<(), CannotCross> {
    // What a model without sampling does anyway may be asked of it without a word.
    let plain = target.facts.sampling == Sampling::None;
    let same = |value: f64, default: f64| (value - default).abs() < f64::EPSILON;
    if let Some(temperature) = request.temperature {
        if plain {
            if !same(temperature, 1.0) {
                crossing.dropped("temperature")?;
            }
        } else {
            let clamped = temperature.clamp(0.0, 2.0);
            if !same(clamped, temperature) {
                crossing.adjusted("temperature")?;
            }
            config.put("temperature", &clamped);
        }
    }
    if let Some(top_p) = request.top_p {
        if plain || (target.facts.one_sampling_parameter && request.temperature.is_some()) {
            if !same(top_p, 1.0) {
                crossing.dropped("top_p")?;
            }
        } else {
            config.put("topP", &top_p);
        }
    }
    if let Some(top_k) = request.top_k {
        if plain {
            crossing.dropped("top_k")?;
        } else {
            config.put("topK", &top_k.min(i32::MAX.unsigned_abs().into()));
        }
    }
    let penalties = [
        ("presence_penalty", "presencePenalty", request.presence_penalty),
        ("frequency_penalty", "frequencyPenalty", request.frequency_penalty),
    ];
    for (field, name, penalty) in penalties {
        match penalty {
            Some(penalty) if plain && !same(penalty, 0.0) => crossing.dropped(field)?,
            Some(penalty) if !plain => config.put(name, &penalty),
            _ => {}
        }
    }
    if let Some(seed) = request.seed {
        // Google's seed has 32 bits: the lower ones are as good a seed as any.
        #[expect(clippy::cast_possible_truncation, reason = "wrapping is what is wanted")]
        let narrow = seed as i32;
        if i64::from(narrow) != seed {
            crossing.adjusted("seed")?;
        }
        config.put("seed", &narrow);
    }
    Ok(())
}

fn write_bounds(
    request: &Request,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
    config: &mut Draft,
) -> Result<(), CannotCross> {
    if let Some(choices) = request.choices.filter(|choices| *choices != 1) {
        config.put("candidateCount", &choices);
    }
    if let Some(wanted) = request.max_output_tokens {
        let most = target.facts.max_output_tokens.unwrap_or(i32::MAX.unsigned_abs().into());
        if wanted > most {
            crossing.adjusted("max_tokens")?;
        }
        config.put("maxOutputTokens", &wanted.min(most));
    }
    let stop: Vec<&str> =
        request.stop.iter().map(String::as_str).filter(|stop| !stop.is_empty()).collect();
    if !stop.is_empty() && target.facts.refuses_stop {
        crossing.dropped("stop")?;
    } else if !stop.is_empty() {
        if stop.len() > MOST_STOPS {
            crossing.adjusted("stop")?;
        }
        config.put("stopSequences", &&stop[..stop.len().min(MOST_STOPS)]);
    }
    if let Some(wanted) = request.logprobs {
        config.put("responseLogprobs", &true);
        if wanted > MOST_LOGPROBS {
            crossing.adjusted("top_logprobs")?;
        }
        if wanted > 0 {
            config.put("logprobs", &wanted.min(MOST_LOGPROBS));
        }
    }
    Ok(())
}
