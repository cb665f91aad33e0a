//! A client's `generationConfig`.

use serde_json::value::RawValue;

use super::read::beyond;
use super::tools::subset;
use crate::protocol::dialect::Unreadable;
use crate::protocol::gemini::members::Members;
use crate::protocol::neutral::{Effort, Format, Reasoning, Request};

/// Members that make the answer one of another kind.
const ESSENTIAL: &[&str] = &["responseModalities", "responseFormat", "translationConfig"];

/// Reads the config.
pub(super) fn read(mut config: Members<'_>, request: &mut Request) -> Result<(), Unreadable> {
    request.temperature = config.number("temperature")?;
    request.top_p = config.number("topP")?;
    request.top_k = config.count("topK")?;
    request.max_output_tokens = config.count("maxOutputTokens")?;
    request.presence_penalty = config.number("presencePenalty")?;
    request.frequency_penalty = config.number("frequencyPenalty")?;
    request.seed = config.integer("seed")?;
    let stop: Option<Vec<String>> = config.take("stopSequences", "an array of strings")?;
    request.stop = stop.unwrap_or_default();
    request.stop.retain(|stop| !stop.is_empty());
    let choices = config.count("candidateCount")?.map(u32::try_from).transpose();
    request.choices =
        choices.map_err(|_| Unreadable::new(config.at("candidateCount"), "is too large"))?;
    let alternatives = config.count("logprobs")?.unwrap_or(0);
    if config.flag("responseLogprobs")? == Some(true) {
        request.logprobs = Some(u32::try_from(alternatives).unwrap_or(u32::MAX));
    }
    if let Some(thinking) = config.object("thinkingConfig")? {
        request.reasoning = Some(reasoning(thinking)?);
    }
    read_format(&mut config, request)?;
    for (field, raw) in config.rest() {
        let name = field.rsplit('.').next().unwrap_or_default();
        if name == "responseModalities" && only_text(raw) {
            continue;
        }
        let essential = ESSENTIAL.contains(&name);
        request.beyond.push(beyond(field, essential, Some(raw)));
    }
    Ok(())
}

fn only_text(modalities: &RawValue) -> bool {
    serde_json::from_str::<Vec<String>>(modalities.get())
        .is_ok_and(|list| list.iter().all(|one| one.eq_ignore_ascii_case("text")))
}

fn read_format(config: &mut Members<'_>, request: &mut Request) -> Result<(), Unreadable> {
    let kind = config.text("responseMimeType")?;
    match kind.as_deref() {
        Some("application/json") => {}
        // A schema speaks of JSON alone.
        None | Some("" | "text/plain") => {
            for name in ["responseSchema", "responseJsonSchema", "_responseJsonSchema"] {
                config.raw(name);
            }
            return Ok(());
        }
        Some(other) => {
            let raw = serde_json::value::to_raw_value(other).ok();
            request.beyond.push(beyond(config.at("responseMimeType"), true, raw.as_deref()));
            return Ok(());
        }
    }
    let plain = config.raw("responseJsonSchema");
    let schema = match plain.or_else(|| config.raw("_responseJsonSchema")) {
        Some(raw) if !raw.get().starts_with('{') => {
            return Err(Unreadable::new(config.at("responseJsonSchema"), "must be a schema"));
        }
        Some(raw) => {
            config.raw("responseSchema");
            Some(raw.to_owned())
        }
        None => subset(config, "responseSchema")?,
    };
    request.format = Some(match schema {
        None => Format::JsonObject,
        Some(schema) => Format::JsonSchema {
            name: "response".to_owned(),
            description: None,
            schema,
            strict: None,
        },
    });
    Ok(())
}

fn reasoning(mut config: Members<'_>) -> Result<Reasoning, Unreadable> {
    let mut reasoning =
        Reasoning { visible: config.flag("includeThoughts")?, ..Reasoning::default() };
    match config.integer("thinkingBudget")? {
        None => {}
        Some(0) => reasoning.effort = Some(Effort::None),
        Some(-1) => reasoning.adaptive = true,
        Some(budget) => {
            let budget = u64::try_from(budget);
            let budget = budget.map_err(|_| {
                Unreadable::new(config.at("thinkingBudget"), "must be -1 or not negative")
            })?;
            reasoning.budget = Some(budget);
        }
    }
    let level = config.text("thinkingLevel")?.map(|level| level.to_ascii_lowercase());
    if let Some(level) = level.filter(|level| level != "thinking_level_unspecified") {
        let effort = Effort::parse(&level).ok_or_else(|| {
            let message = "must be `minimal`, `low`, `medium`, `high` or `xhigh`";
            Unreadable::new(config.at("thinkingLevel"), message)
        })?;
        reasoning.effort = Some(effort);
    }
    Ok(reasoning)
}
