//! POST /v1/embeddings.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{completions::Input, read};
use crate::simulate::{
    answer::{Answer, Refusal},
    endpoint::Ask,
    vector::vector,
};

/// Length of a vector when none is asked for; that of OpenAI's small model.
const DIMENSIONS: usize = 1536;
/// Longest vector; OpenAI's large model has 3072.
const MAX_DIMENSIONS: usize = 8192;
/// Most inputs of one request; OpenAI's limit.
const MAX_INPUTS: usize = 2048;

#[derive(Debug, Deserialize)]
struct Request {
    input: Option<Input>,
    dimensions: Option<usize>,
    encoding_format: Option<String>,
}

pub(in crate::simulate) fn answer(ask: &Ask<'_>) -> Result<Answer, Refusal> {
    let request: Request = read(ask)?;
    let dimensions = request.dimensions.unwrap_or(DIMENSIONS);
    if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
        let message = format!("'dimensions' must be from 1 to {MAX_DIMENSIONS}.");
        return Err(Refusal::field("dimensions", message));
    }
    let base64 = match request.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(other) => {
            let message = format!("'{other}' is not one of ['float', 'base64'].");
            return Err(Refusal::field("encoding_format", message));
        }
    };
    let inputs = request.input.map(Input::into_texts).unwrap_or_default();
    if inputs.is_empty() || inputs.len() > MAX_INPUTS {
        let message = format!("'input' must have from 1 to {MAX_INPUTS} items.");
        return Err(Refusal::field("input", message));
    }
    let tokens: usize = inputs.iter().map(|(_, tokens)| tokens).sum();
    let data: Vec<_> = inputs
        .iter()
        .enumerate()
        .map(|(index, (text, _))| {
            let vector = vector(text, dimensions);
            let embedding = if base64 { encoded(&vector) } else { json!(vector) };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    Ok(Answer::json(&json!({
        "object": "list",
        "data": data,
        "model": ask.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    })))
}

/// Little-endian floats in base64, as the official SDKs ask for.
fn encoded(vector: &[f32]) -> Value {
    let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
    json!(BASE64_STANDARD.encode(bytes))
}
