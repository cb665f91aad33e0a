//! GET /v1beta/models and /v1beta/models/{id}.

use http::StatusCode;
use serde_json::{Value, json};

use crate::simulate::{
    answer::{Answer, Refusal},
    endpoint::Ask,
};

/// Page length when none is asked for, and the longest; Google's own.
const PAGE: usize = 50;
const MAX_PAGE: usize = 1000;

pub(super) fn list(ask: &Ask<'_>) -> Result<Answer, Refusal> {
    let asked = |name: &str| {
        let mut pairs = ask.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let number = |name: &'static str, default: usize| match asked(name) {
        None => Ok(default),
        Some(text) => text.parse::<usize>().map_err(|_| {
            Refusal::invalid(format!("Invalid value at '{name}' (TYPE_INT32), \"{text}\""))
        }),
    };
    let size = match number("pageSize", PAGE)? {
        0 => PAGE,
        size => size.min(MAX_PAGE),
    };
    let models = &ask.provider.models;
    let start = number("pageToken", 0)?.min(models.len());
    let end = (start + size).min(models.len());
    let mut page =
        json!({"models": models[start..end].iter().map(|id| model(id)).collect::<Vec<_>>()});
    if end < models.len() {
        page["nextPageToken"] = end.to_string().into();
    }
    Ok(Answer::json(&page))
}

pub(super) fn one(ask: &Ask<'_>, id: &str) -> Result<Answer, Refusal> {
    if ask.provider.models.iter().any(|known| known == id) {
        return Ok(Answer::json(&model(id)));
    }
    let message = format!("models/{id} is not found for API version v1beta.");
    Err(Refusal::new(StatusCode::NOT_FOUND, message))
}

fn model(id: &str) -> Value {
    json!({"name": format!("models/{id}"), "version": "001", "displayName": id,
        "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens"]})
}
