//! GET /v1/models and /v1/models/{id}, as Anthropic pages them.

use http::StatusCode;
use serde_json::{Value, json};

use super::check_version;
use crate::simulate::{
    answer::{Answer, Refusal},
    endpoint::Ask,
};

/// Page length when none is asked for, and the longest; Anthropic's own.
const PAGE: usize = 20;
const MAX_PAGE: usize = 1000;

pub(in crate::simulate) fn list(ask: &Ask<'_>) -> Result<Answer, Refusal> {
    check_version(ask)?;
    let models = &ask.provider.models;
    let asked = |name: &str| {
        let mut pairs = ask.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let place = |id: &str| models.iter().position(|known| known == id);
    let limit = asked("limit").map_or(Some(PAGE), |limit| limit.parse().ok());
    let Some(limit @ 1..=MAX_PAGE) = limit else {
        return Err(Refusal::invalid(format!("limit: must be from 1 to {MAX_PAGE}")));
    };
    let (start, end) = match (asked("after_id"), asked("before_id")) {
        (Some(id), _) => {
            let start = place(id).map_or(models.len(), |at| at + 1);
            (start, models.len().min(start + limit))
        }
        (None, Some(id)) => {
            let end = place(id).unwrap_or(0);
            (end.saturating_sub(limit), end)
        }
        (None, None) => (0, models.len().min(limit)),
    };
    let page = &models[start..end];
    let more = if asked("before_id").is_some() { start > 0 } else { end < models.len() };
    Ok(Answer::json(&json!({
        "data": page.iter().map(|id| model(id)).collect::<Vec<_>>(),
        "has_more": more,
        "first_id": page.first(),
        "last_id": page.last(),
    })))
}

pub(in crate::simulate) fn one(ask: &Ask<'_>, id: &str) -> Result<Answer, Refusal> {
    check_version(ask)?;
    if ask.provider.models.iter().any(|known| known == id) {
        Ok(Answer::json(&model(id)))
    } else {
        Err(Refusal::new(StatusCode::NOT_FOUND, format!("model: {id}")))
    }
}

fn model(id: &str) -> Value {
    json!({"id": id, "type": "model", "display_name": id, "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active", "max_input_tokens": 200_000, "max_tokens": 64_000})
}
