//! A request, written as a chat completion for OpenAI or one of the many servers that speak it.
//!
//! Servers other than OpenAI get no member that only OpenAI has: some of them refuse what they do
//! not know.

mod effort;
mod format;
mod media;
mod message;
mod name;
mod tool;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::protocol::dialect::{Quirks, TargetView, Written};
use crate::protocol::model::Sampling;
use crate::protocol::neutral::{CannotCross, Crossing, Request, Role};
use name::Names;

/// Members that chat completions have and the neutral form has not.
const OWN: &[&str] =
    &["logit_bias", "web_search_options", "prediction", "modalities", "audio", "moderation"];

/// OpenAI's limit on `stop`, which most others share.
const MAX_STOPS: usize = 4;
/// OpenAI's limit on the characters of `user`.
const MAX_USER: usize = 64;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<Vec<message::Message<'a>>>,
    /// The whole of what a legacy completion is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<&'a str>,
    #[serde(flatten)]
    members: BTreeMap<&'a str, Box<RawValue>>,
}

/// The body as it grows, and what its writers must know.
struct Draft<'a, 'c> {
    request: &'a Request,
    target: &'a TargetView<'a>,
    crossing: &'c mut Crossing,
    members: BTreeMap<&'a str, Box<RawValue>>,
    names: Names,
}

impl<'a> Draft<'a, '_> {
    /// Whether the target refuses the member.
    fn lacks(&self, name: &str) -> bool {
        self.target.quirks.lacks.contains(&name)
    }

    /// Sets a member that the target is known to take.
    fn set(&mut self, name: &'a str, value: &(impl Serialize + ?Sized)) {
        let raw = to_raw_value(value).expect("plain values are JSON");
        self.members.insert(name, raw);
    }

    /// Sets a member that some targets refuse; there it is left out, with a warning.
    fn offer(&mut self, name: &'a str, value: &impl Serialize) -> Result<(), CannotCross> {
        if self.lacks(name) {
            return self.crossing.dropped(name);
        }
        self.set(name, value);
        Ok(())
    }
}

/// Writes a chat completion.
pub(super) fn write(
    request: &Request,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<Written, CannotCross> {
    let names = Names::new(target.quirks);
    let mut draft = Draft { request, target, crossing, members: BTreeMap::new(), names };
    if target.facts.refuses_prefill
        && request.turns.last().is_some_and(|turn| turn.role == Role::Assistant)
    {
        let message = "ends with words of the model, which the target's model does not continue";
        draft.crossing.refused("messages", message)?;
    }
    let format_tool = tool::write(&mut draft)?;
    let addition = format::write(&mut draft, format_tool.is_some())?;
    write_bounds(&mut draft)?;
    write_sampling(&mut draft)?;
    effort::write(&mut draft)?;
    write_account(&mut draft)?;
    write_beyond(&mut draft, OWN)?;
    write_stream(&mut draft);
    let mut messages = message::write(&mut draft, addition)?;
    let prefix = message::go_on(&mut draft, &mut messages);
    let messages = Some(messages);
    let body = Body { model: target.model, messages, prompt: None, members: draft.members };
    let mut written = Written { body: body.to_json(), ..Written::default() };
    written.undo.tool_names = draft.names.into_changed();
    written.undo.format_tool = format_tool;
    written.undo.prefix = prefix;
    Ok(written)
}

/// Writes a legacy completion, for a request that says nothing but `prompt`.
pub(in crate::protocol::openai) fn write_completion(
    request: &Request,
    prompt: &str,
    target: &TargetView<'_>,
    crossing: &mut Crossing,
) -> Result<Written, CannotCross> {
    let quirks = Quirks {
        max_tokens_field: "max_tokens",
        // OpenAI's newer members are none of the old API's, which refuses what it does not know.
        openai_itself: false,
        refuses_unknown: target.quirks.refuses_unknown || target.quirks.openai_itself,
        ..*target.quirks
    };
    let target = &TargetView { quirks: &quirks, ..*target };
    let names = Names::new(&quirks);
    let mut draft = Draft { request, target, crossing, members: BTreeMap::new(), names };
    write_bounds(&mut draft)?;
    write_sampling(&mut draft)?;
    write_account(&mut draft)?;
    write_beyond(&mut draft, &["logit_bias"])?;
    write_stream(&mut draft);
    let prompt = Some(prompt);
    let body = Body { model: target.model, messages: None, prompt, members: draft.members };
    Ok(Written { body: body.to_json(), ..Written::default() })
}

impl Body<'_> {
    fn to_json(&self) -> Bytes {
        Bytes::from(serde_json::to_vec(self).expect("plain values are JSON"))
    }
}

fn write_stream(draft: &mut Draft<'_, '_>) {
    if draft.request.stream {
        draft.set("stream", &true);
        if draft.target.quirks.stream_usage {
            draft.set("stream_options", &serde_json::json!({"include_usage": true}));
        }
    }
}

fn write_bounds(draft: &mut Draft<'_, '_>) -> Result<(), CannotCross> {
    let request = draft.request;
    let field = draft.target.quirks.max_tokens_field;
    if let Some(wanted) = request.max_output_tokens {
        if wanted == 0 {
            let message = "asks for no tokens at all, which the target does not do: use 1 or more";
            draft.crossing.refused("max_tokens", message)?;
        } else {
            let most = draft.target.facts.max_output_tokens.unwrap_or(u64::MAX);
            if wanted > most {
                draft.crossing.adjusted("max_tokens")?;
            }
            draft.set(field, &wanted.min(most));
        }
    }
    if !request.stop.is_empty() {
        if draft.target.facts.refuses_stop || draft.lacks("stop") {
            draft.crossing.dropped("stop")?;
        } else {
            if request.stop.len() > MAX_STOPS {
                draft.crossing.adjusted("stop")?;
            }
            draft.set("stop", &request.stop[..request.stop.len().min(MAX_STOPS)]);
        }
    }
    if let Some(count) = request.choices.filter(|count| *count != 1) {
        if draft.lacks("n") {
            draft.crossing.refused("n", "must be 1: the target gives one answer only")?;
        } else {
            draft.set("n", &count);
        }
    }
    if request.logprobs.is_some() {
        let message = "cannot be answered by the target in the client's protocol";
        draft.crossing.refused("logprobs", message)?;
    }
    Ok(())
}

fn write_sampling(draft: &mut Draft<'_, '_>) -> Result<(), CannotCross> {
    let (request, facts, quirks) = (draft.request, draft.target.facts, draft.target.quirks);
    let fixed = facts.sampling == Sampling::None;
    // To ask for the default of something that cannot be chosen is to ask for nothing.
    let members = [
        ("temperature", request.temperature.map(|t| t.min(quirks.max_temperature)), 1.0),
        ("top_p", request.top_p, 1.0),
        ("presence_penalty", request.presence_penalty, 0.0),
        ("frequency_penalty", request.frequency_penalty, 0.0),
    ];
    for (name, value, default) in members {
        let Some(value) = value else { continue };
        let usual = (value - default).abs() < f64::EPSILON;
        let second =
            name == "top_p" && facts.one_sampling_parameter && request.temperature.is_some();
        if !(fixed || second || draft.lacks(name)) {
            draft.set(name, &value);
        } else if !usual {
            draft.crossing.dropped(name)?;
        }
    }
    if request.temperature.is_some_and(|t| t > quirks.max_temperature) && !fixed {
        draft.crossing.adjusted("temperature")?;
    }
    if let Some(seed) = request.seed {
        draft.offer(quirks.seed_field, &seed)?;
    }
    match request.top_k {
        // Nobody has it there, so that nobody can rely on it.
        Some(_) if quirks.openai_itself => {}
        Some(_) if quirks.refuses_unknown || fixed => draft.crossing.dropped("top_k")?,
        Some(count) => draft.offer("top_k", &count)?,
        None => {}
    }
    Ok(())
}

/// Who asks, and how it is processed. `metadata` is left out: OpenAI takes it only for what it
/// stores, which nothing here is.
fn write_account(draft: &mut Draft<'_, '_>) -> Result<(), CannotCross> {
    let (request, quirks) = (draft.request, draft.target.quirks);
    if let Some(user) = &request.user
        && (quirks.openai_itself || !quirks.refuses_unknown)
    {
        // `safety_identifier` replaces it, but dated versions of Azure refuse what is so new.
        draft.set("user", &name::shortened(user, MAX_USER));
    }
    if let Some(tier) = &request.service_tier
        && quirks.openai_itself
        && matches!(&**tier, "auto" | "default" | "flex" | "priority")
    {
        draft.set("service_tier", tier);
    }
    match &request.verbosity {
        Some(verbosity) if quirks.openai_itself => draft.offer("verbosity", verbosity)?,
        Some(_) => draft.crossing.dropped("verbosity")?,
        None => {}
    }
    Ok(())
}

fn write_beyond(draft: &mut Draft<'_, '_>, own: &[&str]) -> Result<(), CannotCross> {
    let request = draft.request;
    for entry in &request.beyond {
        let known = own.contains(&&*entry.field) && !draft.lacks(&entry.field);
        match &entry.value {
            Some(value) if known => draft.set(&entry.field, value),
            _ if entry.essential => {
                let message = "has no counterpart in chat completions: leave it out, or use a \
                               target that speaks the API it belongs to";
                draft.crossing.refused(&entry.field, message)?;
            }
            _ => draft.crossing.dropped(&entry.field)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
