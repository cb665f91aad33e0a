//! GET /v1/models and /v1/models/{id}.
//!
//! Only the simulator's list is found here, but any model name is answered elsewhere.

use http::StatusCode;
use serde_json::{Value, json};

use crate::simulate::{
    answer::{Answer, Refusal},
    endpoint::Ask,
};

/// All models were made on 1 January 2026, so that lists compare equal.
const CREATED: u64 = 1_767_225_600;

pub(in crate::simulate) fn list(ask: &Ask<'_>) -> Answer {
    let models: Vec<_> = ask.provider.models.iter().map(|id| model(ask, id)).collect();
    Answer::json(&json!({"object": "list", "data": models}))
}

pub(in crate::simulate) fn one(ask: &Ask<'_>, id: &str) -> Result<Answer, Refusal> {
    if ask.provider.models.iter().any(|known| known == id) {
        return Ok(Answer::json(&model(ask, id)));
    }
    let refusal = Refusal::new(StatusCode::NOT_FOUND, format!("The model '{id}' does not exist"));
    Err(Refusal { param: Some("model"), ..refusal }.with_code("model_not_found"))
}

fn model(ask: &Ask<'_>, id: &str) -> Value {
    json!({"id": id, "object": "model", "created": CREATED, "owned_by": ask.provider.name})
}
