//! Sampling and what ends an answer.

use crate::protocol::model::{ModelFacts, Sampling as Takes};
use crate::protocol::neutral::{CannotCross, Crossing, Request};

/// The sampling parameters of a request.
#[derive(Debug, Default)]
pub(super) struct Sampling {
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) top_k: Option<u64>,
}

/// The least `top_p` that is taken together with thinking.
const LEAST_TOP_P_THINKING: f64 = 0.95;

pub(super) fn plan(
    request: &Request,
    facts: &ModelFacts,
    thinking: bool,
    crossing: &mut Crossing,
) -> Result<Sampling, CannotCross> {
    let mut plan = Sampling::default();
    let none = facts.sampling == Takes::None;
    // Without a word where it is the default anyway.
    match request.temperature {
        Some(1.0) if none || thinking => {}
        Some(_) if none || thinking => crossing.dropped("temperature")?,
        Some(temperature) if temperature > 1.0 => {
            crossing.adjusted("temperature")?;
            plan.temperature = Some(1.0);
        }
        temperature => plan.temperature = temperature,
    }
    match request.top_p {
        Some(1.0) if none || thinking => {}
        Some(_) if none => crossing.dropped("top_p")?,
        Some(top_p) if thinking && top_p < LEAST_TOP_P_THINKING => crossing.dropped("top_p")?,
        Some(1.0) if facts.one_sampling_parameter && plan.temperature.is_some() => {}
        Some(_) if facts.one_sampling_parameter && plan.temperature.is_some() => {
            crossing.dropped("top_p")?;
        }
        top_p => plan.top_p = top_p,
    }
    match request.top_k {
        Some(_) if none || thinking => crossing.dropped("top_k")?,
        top_k => plan.top_k = top_k,
    }
    Ok(plan)
}

/// Texts that end the answer. The API refuses such as consist of white space.
pub(super) fn stop<'a>(
    request: &'a Request,
    facts: &ModelFacts,
    crossing: &mut Crossing,
) -> Result<Vec<&'a str>, CannotCross> {
    if facts.refuses_stop && !request.stop.is_empty() {
        crossing.dropped("stop")?;
        return Ok(Vec::new());
    }
    let texts = request.stop.iter().map(String::as_str);
    let texts: Vec<&str> = texts.filter(|text| !text.trim().is_empty()).collect();
    if texts.len() < request.stop.len() {
        crossing.adjusted("stop")?;
    }
    Ok(texts)
}
