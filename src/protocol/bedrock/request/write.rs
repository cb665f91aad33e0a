//! Writing a request for a target.

mod blocks;
mod extra;
mod family;
mod format;
mod media;
mod names;
mod sampling;
mod shape;
mod thinking;
mod tools;
mod turns;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{ADDITIONAL, BEYOND};
use crate::protocol::dialect::{TargetView, Written};
use crate::protocol::model::ModelFacts;
use crate::protocol::neutral::{
    CacheMark, CannotCross, Crossing, Format, Reasoning, Request, ToolChoice,
};
use extra::Extra;
use family::Family;
use names::Names;
use shape::{Body, CachePoint, Tier};

/// Longest key and value of `requestMetadata`, and the most pairs.
const LABEL_LIMIT: usize = 256;
const MOST_LABELS: usize = 16;
/// The most marks of a prompt's cache in one request.
const MOST_CACHE_POINTS: usize = 4;

/// What the parts of a request are written with.
struct Writer<'a, 'c> {
    request: &'a Request,
    facts: &'a ModelFacts,
    family: Family,
    crossing: &'c mut Crossing,
    names: Names,
    /// How many marks of the cache may still be written.
    cache_points: usize,
}

pub(in crate::protocol::bedrock) fn write(
    request: &Request,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<Written, CannotCross> {
    let mut writer = Writer {
        request,
        facts: target.facts,
        family: Family::of(target.model),
        crossing,
        names: Names::default(),
        cache_points: MOST_CACHE_POINTS,
    };
    let mut extra = Extra::default();
    writer.refuse_the_impossible()?;
    let thinking = writer.thinking(&mut extra)?;
    let format = writer.format(&thinking)?;
    // Marks of the cache are spent in this order.
    let system = writer.system(&format)?;
    let tool_config = writer.tools(&thinking, &format, &mut extra)?;
    let messages = writer.messages()?;
    let inference_config = writer.sampling(&thinking, &mut extra)?;
    writer.betas(&mut extra)?;
    let beyond = writer.beyond(&mut extra)?;
    let body = Body {
        messages,
        system,
        inference_config,
        tool_config,
        output_config: format.native(),
        additional_model_request_fields: extra.into_fields(),
        additional_model_response_field_paths: writer.response_paths(&beyond),
        guardrail_config: beyond.get("guardrailConfig").copied(),
        performance_config: beyond.get("performanceConfig").copied(),
        prompt_variables: beyond.get("promptVariables").copied(),
        request_metadata: writer.labels(),
        service_tier: writer.tier(),
    };
    let body = serde_json::to_vec(&body).expect("these values have string keys only");
    let mut undo = writer.names.into_undo();
    undo.format_tool = format.into_undo();
    Ok(Written { body: body.into(), headers: Vec::new(), undo })
}

impl<'a> Writer<'a, '_> {
    fn refuse_the_impossible(&mut self) -> Result<(), CannotCross> {
        if self.request.choices.is_some_and(|choices| choices > 1) {
            self.crossing.refused("n", "must be 1: Bedrock gives one answer to a request")?;
        }
        if self.request.logprobs.is_some() {
            self.crossing.refused("logprobs", "is not supported: Bedrock gives none")?;
        }
        Ok(())
    }

    /// The mark after something that may be cached, if there may still be one.
    fn cache_point(
        &mut self,
        mark: Option<&'a CacheMark>,
    ) -> Result<Option<CachePoint<'a>>, CannotCross> {
        let Some(mark) = mark.filter(|_| self.family.caches()) else { return Ok(None) };
        if self.cache_points == 0 {
            self.crossing.dropped("cache_control")?;
            return Ok(None);
        }
        self.cache_points -= 1;
        // Five minutes are the default, and the only choice of older models, which know no `ttl`.
        let ttl = mark.ttl.as_deref().filter(|ttl| *ttl != "5m" && self.family.takes_claude());
        Ok(Some(CachePoint::lasting(ttl)))
    }

    /// Members that were read from a request of this very API, by name, and those that belong to
    /// `additionalModelRequestFields`. Others are lost.
    fn beyond(
        &mut self,
        extra: &mut Extra,
    ) -> Result<BTreeMap<&'a str, &'a RawValue>, CannotCross> {
        let mut known = BTreeMap::new();
        for beyond in &self.request.beyond {
            let name = beyond.field.as_str();
            let additional = name
                .strip_prefix(ADDITIONAL)
                .and_then(|rest| rest.strip_prefix('.'))
                .filter(|rest| !rest.contains('.'));
            match (&beyond.value, additional) {
                (Some(value), Some(member)) => extra.keep(member, value),
                (Some(value), None) if BEYOND.iter().any(|(own, _)| *own == name) => {
                    known.insert(name, &**value);
                }
                _ if beyond.essential => self.crossing.refused(
                    name,
                    "is not supported by Amazon Bedrock's Converse API: leave it out",
                )?,
                _ => self.crossing.dropped(name)?,
            }
        }
        Ok(known)
    }

    /// Members of the answer to be asked for: Claude's stop text, which Converse leaves out.
    fn response_paths(&self, beyond: &BTreeMap<&'a str, &'a RawValue>) -> Option<Box<RawValue>> {
        let own = beyond.get("additionalModelResponseFieldPaths").map(|raw| (*raw).to_owned());
        let wanted = !self.request.stop.is_empty() && self.family == Family::Claude;
        own.or_else(|| wanted.then(shape::stop_sequence_path))
    }

    fn labels(&self) -> BTreeMap<&'a str, &'a str> {
        let user = self.request.user.as_deref().map(|user| ("user", user));
        let labels = self.request.metadata.iter().map(|(name, value)| (&**name, &**value));
        let fits = |text: &str| {
            let legal = |c: char| c.is_ascii_alphanumeric() || " \t:_@$#=/+,-.".contains(c);
            text.len() <= LABEL_LIMIT && text.chars().all(legal)
        };
        user.into_iter()
            .chain(labels)
            .filter(|(name, value)| !name.is_empty() && fits(name) && fits(value))
            .take(MOST_LABELS)
            .collect()
    }

    fn tier(&self) -> Option<Tier<'a>> {
        let tier = self.request.service_tier.as_deref();
        tier.filter(|tier| ["priority", "default", "flex"].contains(tier)).map(Tier::new)
    }
}
