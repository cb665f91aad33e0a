//! A client's request.

use std::collections::BTreeMap;

use super::super::fields::Fields;
use super::items;
use super::tools::{Tools, read_choice};
use crate::protocol::dialect::Unreadable;
use crate::protocol::neutral::request::Beyond;
use crate::protocol::neutral::{Effort, Format, Reasoning, Request, SystemText};

/// What names something that was stored before, with what to do instead. None of it can be left
/// out, however lenient a route is: without it the request asks for something else.
const STORED: [(&str, &str); 3] = [
    (
        "previous_response_id",
        "refers to a response that is not stored here: send its output as items of `input`",
    ),
    ("conversation", "refers to a conversation that is not stored here: send all of it as `input`"),
    ("prompt", "refers to a prompt that is not stored here: send its text as `instructions`"),
];

/// Members that change nothing in what is answered, only how it is kept, cached or billed, or that
/// are settled elsewhere (`model`).
const HARMLESS: [&str; 11] = [
    "model",
    "store",
    "stream_options",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "client_metadata",
    "access_programs",
    // Bounds hosted tools only, which are refused or left out.
    "max_tool_calls",
    "safety_identifier",
    "user",
];

/// Reads a request.
pub fn read(body: &[u8]) -> Result<Request, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|_| Unreadable::new("body", "must be UTF-8"))?;
    let mut fields = Fields::parse(text, String::new())?;
    refuse_stored(&mut fields)?;

    let mut request = Request {
        max_output_tokens: fields
            .read("max_output_tokens", "must be a whole number, not below zero")?,
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        parallel_tools: fields.boolean("parallel_tool_calls")?,
        service_tier: fields.string("service_tier")?,
        stream: fields.boolean("stream")?.unwrap_or(false),
        metadata: metadata(&mut fields)?,
        ..Request::default()
    };
    // The newer of the two names wins.
    request.user = match fields.string("safety_identifier")? {
        Some(user) => Some(user),
        None => fields.string("user")?,
    };
    if let Some(text) = fields.string("instructions")?.filter(|text| !text.is_empty()) {
        request.system.push(SystemText { text, cache: None });
    }
    let mut tools = Tools::default();
    match fields.raw("input")? {
        Some(raw) => items::read(raw, &mut request, &mut tools)?,
        None => {
            let message = "is missing: it must be a string or a list of items";
            return Err(Unreadable::new("input", message));
        }
    }
    if let Some(raw) = fields.raw("tools")? {
        tools.read(raw, "tools", &mut request)?;
    }
    tools.settle(&mut request);
    if let Some(raw) = fields.raw("tool_choice")? {
        request.tool_choice = read_choice(raw, &mut request)?;
    }
    read_reasoning(&mut fields, &mut request)?;
    read_text(&mut fields, &mut request)?;
    read_logprobs(&mut fields, &mut request)?;
    // Servers that cut the conversation where it is too long do so or not by their own habit.
    let truncation = fields.string("truncation")?;
    if truncation.as_deref() == Some("auto") {
        request.beyond.push(beyond("truncation", false));
    }
    for (field, value) in fields.rest() {
        if !HARMLESS.contains(&&*field) {
            let essential = field == "moderation";
            request.beyond.push(Beyond { field, essential, value: Some(value.to_owned()) });
        }
    }
    Ok(request)
}

fn beyond(field: impl Into<String>, essential: bool) -> Beyond {
    Beyond { field: field.into(), essential, value: None }
}

fn refuse_stored(fields: &mut Fields<'_>) -> Result<(), Unreadable> {
    for (name, message) in STORED {
        if fields.raw(name)?.is_some() {
            return Err(Unreadable::new(name, message));
        }
    }
    if fields.boolean("background")? == Some(true) {
        let message = "cannot be `true`: nothing is stored here that could be fetched later";
        return Err(Unreadable::new("background", message));
    }
    Ok(())
}

fn metadata(fields: &mut Fields<'_>) -> Result<BTreeMap<String, String>, Unreadable> {
    Ok(fields.read("metadata", "must be an object of strings")?.unwrap_or_default())
}

fn read_reasoning(fields: &mut Fields<'_>, request: &mut Request) -> Result<(), Unreadable> {
    let Some(mut reasoning) = fields.object("reasoning")? else {
        return Ok(());
    };
    let effort = match reasoning.string("effort")? {
        Some(word) => Some(Effort::parse(&word).ok_or_else(|| {
            let words = Effort::ALL.map(Effort::as_str).join("`, `");
            Unreadable::new("reasoning.effort", format!("must be one of `{words}`"))
        })?),
        None => None,
    };
    let summary = reasoning.string("summary")?;
    let summary = match summary {
        Some(word) => Some(word),
        // The name it had first.
        None => reasoning.string("generate_summary")?,
    };
    let visible = summary.map(|word| word != "none");
    request.beyond.extend(reasoning.rest().map(|(field, _)| beyond(field, false)));
    if effort.is_some() || visible.is_some() {
        request.reasoning = Some(Reasoning { effort, visible, ..Reasoning::default() });
    }
    Ok(())
}

fn read_text(fields: &mut Fields<'_>, request: &mut Request) -> Result<(), Unreadable> {
    let Some(mut text) = fields.object("text")? else {
        return Ok(());
    };
    request.verbosity = text.string("verbosity")?;
    if let Some(mut format) = text.object("format")? {
        request.format = match &*format.needed("type")? {
            "text" => None,
            "json_object" => Some(Format::JsonObject),
            "json_schema" => {
                let at = format.at("schema");
                let schema = format.raw("schema")?.filter(|raw| raw.get().starts_with('{'));
                let message = "must be a JSON schema, which is an object";
                Some(Format::JsonSchema {
                    name: format.needed("name")?,
                    description: format.string("description")?,
                    schema: schema.ok_or_else(|| Unreadable::new(at, message))?.to_owned(),
                    strict: format.boolean("strict")?,
                })
            }
            _ => {
                request.beyond.push(beyond("text.format.type", true));
                None
            }
        };
    }
    request.beyond.extend(text.rest().map(|(field, _)| beyond(field, false)));
    Ok(())
}

/// `include` asks for more than a response holds by itself; encrypted reasoning is always given.
fn read_logprobs(fields: &mut Fields<'_>, request: &mut Request) -> Result<(), Unreadable> {
    let top: Option<u32> = fields.read("top_logprobs", "must be a whole number from 0 to 20")?;
    let include: Vec<String> =
        fields.read("include", "must be a list of strings")?.unwrap_or_default();
    for wanted in include {
        match &*wanted {
            "message.output_text.logprobs" => request.logprobs = Some(top.unwrap_or(0)),
            "reasoning.encrypted_content" => {}
            _ => request.beyond.push(beyond(format!("include.{wanted}"), false)),
        }
    }
    if let Some(top) = top.filter(|top| *top > 0) {
        request.logprobs = Some(top);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
