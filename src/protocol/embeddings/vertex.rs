//! Vertex AI: `predict` for its older models, `embedContent` for the newer ones.

use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::gemini::{Counts, Embedding, task};
use super::{Ask, Call, Embedded, EmbeddingsApi, batches};
use crate::protocol::neutral::{CannotCross, Crossing};
use crate::protocol::registry::fill;
use crate::protocol::{Malformed, read_object};

/// Most texts of one `predict` (Vertex AI, limits of the text embeddings API).
const MOST: usize = 250;
/// Most tokens of one `predict` are 20,000, by Google's count: ours is within a fifth of it.
const MOST_TOKENS: u64 = 16_000;

const PREDICT: &str = "/publishers/google/models/{model}:predict";
const EMBED_CONTENT: &str = "/publishers/google/models/{model}:embedContent";

/// Vertex AI.
#[derive(Debug)]
pub(super) struct Vertex;

#[derive(Deserialize)]
struct Reply<'b> {
    #[serde(borrow, default)]
    predictions: Vec<Prediction<'b>>,
    #[serde(borrow, default)]
    embedding: Option<Embedding<'b>>,
    #[serde(default, rename = "usageMetadata")]
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Prediction<'b> {
    #[serde(borrow)]
    embeddings: Predicted<'b>,
}

#[derive(Deserialize)]
struct Predicted<'b> {
    #[serde(borrow)]
    values: &'b RawValue,
    #[serde(default)]
    statistics: Option<Statistics>,
}

#[derive(Deserialize)]
struct Statistics {
    /// A whole number, written with a fraction by some models.
    token_count: Option<f64>,
}

impl EmbeddingsApi for Vertex {
    fn write(&self, ask: &Ask<'_>, _: &mut Crossing) -> Result<Vec<Call>, CannotCross> {
        let texts = ask.texts()?;
        let call = |path, body: &Value, count| Call {
            path: fill(path, ask.model),
            body: ask.patched(body),
            count,
        };
        let name = ask.model.rsplit('/').next().unwrap_or(ask.model);
        // The first of the Gemini models is asked as its predecessors are, but with one text.
        let most = if name.starts_with("gemini-embedding-001") { 1 } else { MOST };
        if name.starts_with("gemini") && most > 1 {
            return Ok(texts
                .iter()
                .map(|text| call(EMBED_CONTENT, &content(ask, text), 1))
                .collect());
        }
        let runs = batches(texts, most, MOST_TOKENS).into_iter();
        Ok(runs.map(|texts| call(PREDICT, &instances(ask, texts), texts.len())).collect())
    }

    fn read<'b>(&self, _: &HeaderMap, body: &'b [u8]) -> Result<Embedded<'b>, Malformed> {
        let reply: Reply<'_> = read_object(body)?;
        let mut counted = reply.predictions.iter().map(|one| tokens(&one.embeddings));
        let counted = if reply.predictions.is_empty() {
            None
        } else {
            counted.try_fold(0_u64, |sum, more| Some(sum.saturating_add(more?)))
        };
        let predicted = reply.predictions.iter().map(|one| one.embeddings.values);
        Ok(Embedded {
            vectors: predicted.chain(reply.embedding.map(|one| one.values)).collect(),
            tokens: counted.or(reply.usage.and_then(|usage| usage.prompt_token_count)),
        })
    }
}

fn tokens(predicted: &Predicted<'_>) -> Option<u64> {
    let count = predicted.statistics.as_ref()?.token_count?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturating")]
    Some(count.round() as u64)
}

/// A text that is too long is an error, as at OpenAI, and not cut without a word.
const CUTS: bool = false;

fn instances(ask: &Ask<'_>, texts: &[String]) -> Value {
    let instance = |text: &String| match ask.request.purpose {
        Some(purpose) => json!({"content": text, "task_type": task(purpose)}),
        None => json!({"content": text}),
    };
    let instances: Vec<Value> = texts.iter().map(instance).collect();
    let mut body = json!({"instances": instances, "parameters": {"autoTruncate": CUTS}});
    if let Some(dimensions) = ask.request.dimensions {
        body["parameters"]["outputDimensionality"] = dimensions.into();
    }
    body
}

fn content(ask: &Ask<'_>, text: &str) -> Value {
    let mut config = json!({"autoTruncate": CUTS});
    if let Some(dimensions) = ask.request.dimensions {
        config["outputDimensionality"] = dimensions.into();
    }
    if let Some(purpose) = ask.request.purpose {
        config["taskType"] = task(purpose).into();
    }
    json!({"content": {"role": "user", "parts": [{"text": text}]}, "embedContentConfig": config})
}
