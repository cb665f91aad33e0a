//! `inferenceConfig`, and what goes beside it.

use serde_json::json;

use super::extra::Extra;
use super::family::Family;
use super::shape::Inference;
use super::thinking::Thinking;
use super::{CannotCross, Writer};
use crate::protocol::model::Sampling;

/// The most stop texts that the API takes.
const MOST_STOPS: usize = 2500;
/// Tokens left for the answer where a budget for thinking came without a limit and the model's own
/// is not known; the budget has to be less than the limit.
const ROOM_TO_ANSWER: u64 = 4096;
/// The least `top_p` that Claude takes while it thinks.
const LEAST_TOP_P: f64 = 0.95;

impl<'a> Writer<'a, '_> {
    pub(super) fn sampling(
        &mut self,
        thinking: &Thinking,
        extra: &mut Extra,
    ) -> Result<Option<Inference<'a>>, CannotCross> {
        let max_tokens = self.limit(thinking)?;
        let temperature = self.temperature(thinking)?;
        let top_p = self.top_p(thinking, temperature.is_some())?;
        let inference = Inference { max_tokens, temperature, top_p, stop_sequences: self.stops()? };
        self.top_k(thinking, extra)?;
        let request = self.request;
        if request.seed.is_some() {
            self.crossing.dropped("seed")?;
        }
        for (name, penalty) in [
            ("presence_penalty", request.presence_penalty),
            ("frequency_penalty", request.frequency_penalty),
        ] {
            if penalty.is_some_and(|penalty| penalty != 0.0) {
                self.crossing.dropped(name)?;
            }
        }
        if request.verbosity.as_deref().is_some_and(|verbosity| verbosity != "medium") {
            self.crossing.dropped("verbosity")?;
        }
        Ok((inference != Inference::default()).then_some(inference))
    }

    fn limit(&mut self, thinking: &Thinking) -> Result<Option<u64>, CannotCross> {
        let most = self.facts.max_output_tokens;
        let wanted = match self.request.max_output_tokens {
            Some(0) => {
                self.crossing.refused("max_tokens", "must be at least 1 on Amazon Bedrock")?;
                Some(1)
            }
            Some(limit) => Some(limit),
            None => thinking
                .budget
                .map(|budget| most.unwrap_or_else(|| budget.saturating_add(ROOM_TO_ANSWER))),
        };
        match (wanted, most) {
            (Some(wanted), Some(most)) if wanted > most => {
                if self.request.max_output_tokens.is_some() {
                    self.crossing.adjusted("max_tokens")?;
                }
                Ok(Some(most))
            }
            _ => Ok(wanted),
        }
    }

    fn temperature(&mut self, thinking: &Thinking) -> Result<Option<f64>, CannotCross> {
        let Some(temperature) = self.request.temperature else { return Ok(None) };
        if self.facts.sampling == Sampling::None || thinking.on {
            // 1 is what they all do anyway.
            if (temperature - 1.0).abs() > f64::EPSILON {
                self.crossing.dropped("temperature")?;
            }
            return Ok(None);
        }
        if temperature > 1.0 {
            self.crossing.adjusted("temperature")?;
            return Ok(Some(1.0));
        }
        Ok(Some(temperature))
    }

    fn top_p(&mut self, thinking: &Thinking, tempered: bool) -> Result<Option<f64>, CannotCross> {
        let Some(top_p) = self.request.top_p else { return Ok(None) };
        let all = top_p >= 1.0;
        let refused = self.facts.sampling == Sampling::None
            || (thinking.on && top_p < LEAST_TOP_P)
            || (self.facts.one_sampling_parameter && tempered);
        if refused && !all {
            self.crossing.dropped("top_p")?;
        }
        Ok((!refused).then_some(top_p))
    }

    fn top_k(&mut self, thinking: &Thinking, extra: &mut Extra) -> Result<(), CannotCross> {
        let Some(top_k) = self.request.top_k else { return Ok(()) };
        match self.family {
            _ if self.facts.sampling == Sampling::None || thinking.on => {
                self.crossing.dropped("top_k")?;
            }
            Family::Claude | Family::Unknown => extra.set("top_k", json!(top_k)),
            Family::Nova => extra.set("inferenceConfig", json!({"topK": top_k})),
            Family::OpenWeights | Family::Gpt | Family::Other => self.crossing.dropped("top_k")?,
        }
        Ok(())
    }

    fn stops(&mut self) -> Result<Vec<&'a str>, CannotCross> {
        if self.facts.refuses_stop && !self.request.stop.is_empty() {
            self.crossing.dropped("stop")?;
            return Ok(Vec::new());
        }
        // Blank ones are refused.
        let stops = self.request.stop.iter().map(String::as_str);
        let mut stops: Vec<_> = stops.filter(|stop| !stop.trim().is_empty()).collect();
        if stops.len() > MOST_STOPS {
            self.crossing.adjusted("stop")?;
            stops.truncate(MOST_STOPS);
        }
        Ok(stops)
    }
}
