//! How a request wants its answer: limits, sampling, thinking, format, labels.

use super::{essential, lost};
use crate::protocol::anthropic::messages::fields::Fields;
use crate::protocol::dialect::Unreadable;
use crate::protocol::neutral::{Effort, Format, Reasoning, Request};

pub(super) fn read(fields: &mut Fields<'_>, request: &mut Request) -> Result<(), Unreadable> {
    read_limits(fields, request)?;
    request.temperature = fields.number("temperature")?;
    request.top_p = fields.number("top_p")?;
    request.top_k = fields.count("top_k")?;
    read_thinking(fields, request)?;
    read_output_config(fields, request)?;
    // How the format was given before `output_config` had a place for it.
    if let Some(format) = fields.object("output_format")? {
        read_format(format, request)?;
    }
    if let Some(mut metadata) = fields.object("metadata")? {
        request.user = metadata.text("user_id")?;
    }
    let tier = fields.text("service_tier")?;
    request.service_tier = tier.map(|tier| match &*tier {
        "standard_only" => "default".to_owned(),
        _ => tier,
    });
    // In bodies for clouds, the headers stand here.
    request.betas = fields.texts("anthropic_beta")?;
    fields.take("anthropic_version");
    Ok(())
}

fn read_limits(fields: &mut Fields<'_>, request: &mut Request) -> Result<(), Unreadable> {
    let raw = fields.take("max_tokens");
    if let Some(raw) = raw {
        let limit = serde_json::from_str::<u64>(raw.get());
        let message = "must be a whole number that is not negative";
        match limit.map_err(|_| fields.wrong("max_tokens", message))? {
            // Asks for no answer at all: only the cache is to be filled.
            0 => request.beyond.push(essential("max_tokens".to_owned(), Some(raw))),
            limit => request.max_output_tokens = Some(limit),
        }
    }
    request.stop = fields.texts("stop_sequences")?;
    Ok(())
}

fn read_thinking(fields: &mut Fields<'_>, request: &mut Request) -> Result<(), Unreadable> {
    let Some(mut thinking) = fields.object("thinking")? else { return Ok(()) };
    let reasoning = request.reasoning.get_or_insert_default();
    match &*thinking.needed_text("type")? {
        "enabled" => {
            let budget = thinking.count("budget_tokens")?;
            let message = "is missing: it must be the number of tokens to think with";
            reasoning.budget =
                Some(budget.ok_or_else(|| thinking.wrong("budget_tokens", message))?);
            reasoning.shown_unasked = true;
        }
        "adaptive" => reasoning.adaptive = true,
        // The nearest that others have: no thinking before the answer.
        "disabled" | "between_tools" => reasoning.effort = Some(Effort::None),
        _ => {
            let message = "must be `enabled`, `adaptive`, `disabled` or `between_tools`";
            return Err(thinking.wrong("type", message));
        }
    }
    reasoning.visible = thinking.text("display")?.map(|display| display != "omitted");
    Ok(())
}

fn read_output_config(fields: &mut Fields<'_>, request: &mut Request) -> Result<(), Unreadable> {
    let Some(mut config) = fields.object("output_config")? else { return Ok(()) };
    if let Some(word) = config.text("effort")? {
        let effort = Effort::parse(&word).filter(|effort| *effort >= Effort::Low);
        let message = "must be `low`, `medium`, `high`, `xhigh` or `max`";
        let effort = effort.ok_or_else(|| config.wrong("effort", message))?;
        let reasoning: &mut Reasoning = request.reasoning.get_or_insert_default();
        // Without thinking, effort only bounds the words; most others know it for thinking alone.
        reasoning.effort = reasoning.effort.or(Some(effort));
    }
    if let Some(format) = config.object("format")? {
        read_format(format, request)?;
    }
    let path = config.path().to_owned();
    request.beyond.extend(config.rest().map(|(name, raw)| lost(format!("{path}.{name}"), raw)));
    Ok(())
}

fn read_format(mut format: Fields<'_>, request: &mut Request) -> Result<(), Unreadable> {
    match &*format.needed_text("type")? {
        "json_schema" => {
            let schema = format.take("schema").filter(|raw| raw.get().starts_with('{'));
            let message = "is missing: it must be a JSON schema";
            let schema = schema.ok_or_else(|| format.wrong("schema", message))?;
            request.format = Some(Format::JsonSchema {
                // The API has no name for it, and others need one.
                name: format.text("name")?.unwrap_or_else(|| "output".to_owned()),
                description: None,
                schema: schema.to_owned(),
                strict: Some(true),
            });
            Ok(())
        }
        _ => Err(format.wrong("type", "must be `json_schema`")),
    }
}
