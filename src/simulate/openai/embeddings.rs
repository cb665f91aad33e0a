//! POST /v1/embeddings.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{completions::Input, read};
use crate::simulate::{
    answer::{Answer, Refusal},
    endpoint::Ask,
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

/// A vector of length 1 that depends on nothing but the text, the same in every version.
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    // FNV-1a for the seed, SplitMix64 for the rest: short, and frozen by their definitions.
    let seed = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let values: Vec<f32> = (1..=dimensions as u64).map(|step| value(seed, step)).collect();
    let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    values.into_iter().map(|value| value / length).collect()
}

/// The value number `step` of the sequence that `seed` starts, within -1 and 1 and never 0.
fn value(seed: u64, step: u64) -> f32 {
    let mut mixed = seed.wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let [high, low, ..] = (mixed ^ (mixed >> 31)).to_be_bytes();
    (f32::from(u16::from_be_bytes([high, low])) + 0.5) / 32_768.0 - 1.0
}

/// Little-endian floats in base64, as the official SDKs ask for.
fn encoded(vector: &[f32]) -> Value {
    let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
    json!(BASE64_STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_repeatable_and_of_unit_length() {
        let (one, two) = (vector("a", 256), vector("b", 256));
        assert_eq!(one, vector("a", 256));
        assert_ne!(one, two);
        let length = one.iter().map(|value| value * value).sum::<f32>();
        assert!((length - 1.0).abs() < 1e-4, "{length}");
    }
}
