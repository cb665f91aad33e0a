//! A request for a server that speaks the Responses API.

mod input;
mod names;
mod settings;
mod tools;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::protocol::dialect::{TargetView, Written};
use crate::protocol::neutral::{CannotCross, Crossing, Request};

use input::Item;
use names::Names;
use settings::{Reasoning, Text};
use tools::Tools;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: Vec<Item<'a>>,
    #[serde(flatten)]
    tools: Tools<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Reasoning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Text<'a>>,
    // Nothing of a conversation stays with the provider; its reasoning comes back sealed instead.
    store: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    include: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_identifier: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    stream: bool,
    #[serde(flatten)]
    own: BTreeMap<&'a str, &'a RawValue>,
}

/// Writes a request.
pub fn write(
    request: &Request,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<Written, CannotCross> {
    let openai = target.quirks.openai_itself;
    let mut names = Names::new(openai);
    let own = settings::beyond(request, target, crossing)?;
    settings::account_for_lost(request, crossing)?;
    let (tools, format_tool) = tools::write(request, target, &mut names, crossing)?;
    let sampling = settings::sampling(request, target, crossing)?;
    // These say nothing to the model, and servers other than OpenAI's may refuse them.
    let labels = request.metadata.iter().filter(|_| openai);
    let body = Body {
        model: target.model,
        input: input::write(request, target, &mut names, crossing)?,
        tools,
        max_output_tokens: settings::max_output_tokens(request, target, crossing)?,
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k,
        reasoning: settings::reasoning(request, target, crossing)?,
        text: settings::text(request, target),
        store: false,
        include: settings::seals_reasoning(request, target)
            .then_some(["reasoning.encrypted_content"]),
        safety_identifier: request.user.as_deref().filter(|_| openai).map(names::identifier),
        metadata: labels.map(|(name, value)| (&**name, &**value)).collect(),
        service_tier: request.service_tier.as_deref().filter(|_| openai),
        stream: request.stream,
        own,
    };
    let body = serde_json::to_vec(&body).expect("texts, numbers and JSON can be written as JSON");
    let mut written = Written { body: Bytes::from(body), ..Written::default() };
    written.undo.tool_names = names.into_changed();
    written.undo.format_tool = format_tool;
    Ok(written)
}

#[cfg(test)]
mod tests;
