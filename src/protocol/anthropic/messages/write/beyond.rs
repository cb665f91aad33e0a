//! What only Anthropic's API knows: written back to it, else accounted for.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::protocol::anthropic::messages::gates;
use crate::protocol::dialect::Quirks;
use crate::protocol::neutral::{CannotCross, Crossing, Request};

/// Members of the top level that are written as the client sent them.
pub(super) type Own<'a> = BTreeMap<&'a str, &'a RawValue>;

/// What can be written back.
#[derive(Default)]
pub(super) struct Sorted<'a> {
    /// Members of the top level.
    pub(super) own: Own<'a>,
    /// `max_tokens` is 0: only the cache is to be filled.
    pub(super) warm_up: bool,
    /// Anthropic's own tools, with their places.
    tools: Vec<(usize, &'a RawValue)>,
}

impl Sorted<'_> {
    /// Puts Anthropic's own tools where the client had them.
    pub(super) fn place_tools(&self, tools: &mut Vec<Box<RawValue>>) {
        for (at, tool) in &self.tools {
            tools.insert((*at).min(tools.len()), (*tool).to_owned());
        }
    }
}

pub(super) fn sort<'a>(
    request: &'a Request,
    quirks: &Quirks,
    crossing: &mut Crossing,
) -> Result<Sorted<'a>, CannotCross> {
    let mut sorted = Sorted::default();
    for beyond in &request.beyond {
        let value = beyond.value.as_deref();
        match (&*beyond.field, value) {
            ("max_tokens", Some(value)) if value.get() == "0" => sorted.warm_up = true,
            (field, Some(value)) if gates::is_open(field, quirks, &request.betas) => {
                sorted.own.insert(field, value);
            }
            (field, Some(value)) if tool_place(field).is_some() && is_dated(value) => {
                sorted.tools.extend(tool_place(field).map(|at| (at, value)));
            }
            (field, _) if beyond.essential => {
                crossing.refused(field, "has no counterpart in the target's API; leave it out")?;
            }
            (field, _) => crossing.dropped(field)?,
        }
    }
    Ok(sorted)
}

/// `tools[2]` is 2.
fn tool_place(field: &str) -> Option<usize> {
    field.strip_prefix("tools[")?.strip_suffix(']')?.parse().ok()
}

/// Whether this is a tool of Anthropic's own, whose types end in a date without dashes.
fn is_dated(tool: &RawValue) -> bool {
    #[derive(serde::Deserialize)]
    struct Kind {
        #[serde(rename = "type")]
        kind: String,
    }
    let kind = serde_json::from_str::<Kind>(tool.get()).map(|tool| tool.kind).unwrap_or_default();
    let date = kind.rsplit_once('_').map_or("", |(_, date)| date);
    date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit())
}

/// The version that the body is written for, and the client's betas.
pub(super) fn headers(
    request: &Request,
    quirks: &Quirks,
    crossing: &mut Crossing,
) -> Result<Vec<(&'static str, String)>, CannotCross> {
    let mut headers = vec![("anthropic-version", "2023-06-01".to_owned())];
    let name = |beta: &'_ String| match quirks.betas {
        None => Some(beta.clone()),
        Some(betas) => betas.name_of(beta).map(str::to_owned),
    };
    let betas: Vec<String> = request.betas.iter().filter_map(name).collect();
    if betas.len() < request.betas.len() {
        crossing.dropped("anthropic-beta")?;
    }
    if !betas.is_empty() {
        headers.push(("anthropic-beta", betas.join(",")));
    }
    Ok(headers)
}
