//! Rules of everything beside the conversation.

use serde_json::Value;

use super::{Refusal, Request, require};
use crate::simulate::bedrock::converse::request::Choice;

/// The most stop texts, labels, and characters of a label.
const STOPS: usize = 2500;
const LABELS: usize = 16;
const LABEL: usize = 256;
/// The most paths of members that are asked for.
const PATHS: usize = 10;
/// The least budget for thinking.
const LEAST_BUDGET: u64 = 1024;

/// The additional fields of families that refuse any others.
const FAMILIES: &[(&str, &[&str])] = &[
    ("claude", &["anthropic_beta", "output_config", "thinking", "tool_choice", "top_k"]),
    ("nova", &["inferenceConfig", "reasoningConfig"]),
];

pub(super) fn check(request: &Request, model: &str) -> Result<(), Refusal> {
    inference(request)?;
    labels(request)?;
    for (family, known) in FAMILIES.iter().filter(|(family, _)| model.contains(family)) {
        let mut names = request.additional_model_request_fields.keys();
        let strange = names.find(|name| !known.contains(&name.as_str()));
        require(strange.is_none(), || {
            let name = strange.map(String::as_str).unwrap_or_default();
            format!(
                "The model returned the following errors: Malformed input request: #: extraneous \
                 key [{name}] is not permitted ({family}), please reformat your input and try again."
            )
        })?;
    }
    thinking(request)?;
    if let Some(format) = request.output_config.as_ref().and_then(|it| it.text_format.as_ref()) {
        require(format.kind == "json_schema" && request.schema().is_some(), || {
            "outputConfig.textFormat: should be a json_schema, written as a string.".to_owned()
        })?;
    }
    if let Some(tier) = &request.service_tier {
        let known = ["priority", "default", "flex", "reserved"];
        require(known.contains(&tier.kind.as_str()), || {
            "Value at 'serviceTier.type' failed to satisfy enum value set: [priority, default, \
             flex, reserved]"
                .to_owned()
        })?;
    }
    let paths = &request.additional_model_response_field_paths;
    require(paths.len() <= PATHS && paths.iter().all(|path| path.starts_with('/')), || {
        format!("additionalModelResponseFieldPaths: at most {PATHS} JSON pointers")
    })
}

fn inference(request: &Request) -> Result<(), Refusal> {
    let config = &request.inference_config;
    require(config.max_tokens != Some(0), || {
        "Value '0' at 'inferenceConfig.maxTokens' failed to satisfy constraint: Member must have \
         value greater than or equal to 1"
            .to_owned()
    })?;
    for (name, value) in [("temperature", config.temperature), ("topP", config.top_p)] {
        require(value.is_none_or(|value| (0.0..=1.0).contains(&value)), || {
            format!(
                "Value at 'inferenceConfig.{name}' failed to satisfy constraint: Member must have \
                 value from 0 to 1"
            )
        })?;
    }
    let stops = &config.stop_sequences;
    let full = stops.iter().all(|stop| !stop.trim().is_empty());
    require(stops.len() <= STOPS && full, || {
        format!("inferenceConfig.stopSequences: at most {STOPS}, each with non-whitespace.")
    })
}

fn labels(request: &Request) -> Result<(), Refusal> {
    let legal = |c: char| c.is_ascii_alphanumeric() || " \t:_@$#=/+,-.".contains(c);
    let fits = |text: &String| text.len() <= LABEL && text.chars().all(legal);
    let labels = &request.labels;
    let all = labels.iter().all(|(name, value)| !name.is_empty() && fits(name) && fits(value));
    require(labels.len() <= LABELS && all, || {
        format!("requestMetadata: at most {LABELS} pairs of at most {LABEL} plain characters")
    })
}

/// What Claude refuses while it thinks.
fn thinking(request: &Request) -> Result<(), Refusal> {
    if !request.thinks() {
        return Ok(());
    }
    let config = &request.inference_config;
    if request.extra("thinking/type").is_some_and(|kind| kind == "enabled") {
        let budget = request.extra("thinking/budget_tokens").and_then(Value::as_u64).unwrap_or(0);
        require(budget >= LEAST_BUDGET, || {
            format!("thinking.enabled.budget_tokens: should be at least {LEAST_BUDGET}")
        })?;
        let room = config.max_tokens.is_none_or(|most| most as u64 > budget);
        require(room, || "`max_tokens` must be greater than `thinking.budget_tokens`.".to_owned())?;
    }
    let choice = request.tool_config.as_ref().and_then(|config| config.tool_choice.as_ref());
    require(!matches!(choice, Some(Choice::Any {} | Choice::Tool(_))), || {
        "Thinking may not be enabled when tool_choice forces tool use.".to_owned()
    })?;
    let sampled = config.temperature.is_some_and(|it| it < 1.0)
        || config.top_p.is_some_and(|top_p| top_p < 0.95)
        || request.extra("top_k").is_some();
    require(!sampled, || {
        "`temperature` may only be set to 1 and `top_k` must be unset when thinking is enabled."
            .to_owned()
    })
}
