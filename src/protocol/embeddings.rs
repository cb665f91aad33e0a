//! Embeddings: OpenAI's request, written for every provider that embeds.
//!
//! A request becomes one call or several: some providers take a text at a time, and all have a
//! limit. Vectors are not decoded on their way: a JSON array of numbers passes as the provider wrote
//! it, unless the client asks for base64.

mod bedrock;
mod client;
mod gemini;
mod vertex;

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Malformed;
use super::dialect::Unreadable;
use super::estimate;
use super::neutral::{CannotCross, Crossing};
use crate::wire::json::{JsonError, Object};

pub use client::AnswerWriter;

/// How clients ask for embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientApi {
    /// OpenAI's `/v1/embeddings`, which can be written for all providers.
    OpenAi,
    /// Google's `embedContent`: one content.
    GeminiOne,
    /// Google's `batchEmbedContents`: several, each with a model of its own to name.
    GeminiBatch,
}

impl ClientApi {
    /// Reads a client's request. `None` if requests of this API go to providers of it alone.
    pub fn read(self, body: &[u8]) -> Option<Result<Request, Unreadable>> {
        (self == Self::OpenAi).then(|| client::read(body))
    }

    /// The client's request for `model`, where the body repeats what stands in the path.
    pub fn readdress(self, object: &Object, model: &str) -> Result<Option<Bytes>, JsonError> {
        match self {
            Self::OpenAi => Ok(None),
            Self::GeminiOne => gemini::readdress_one(object, model),
            Self::GeminiBatch => gemini::readdress_batch(object, model),
        }
    }
}

/// How providers are asked for embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbeddingsId {
    /// `invoke`, with a body by the model's maker.
    Bedrock,
    /// `batchEmbedContents` of the Gemini API.
    Gemini,
    /// `predict` and `embedContent` of Vertex AI.
    Vertex,
}

impl EmbeddingsId {
    /// How that provider is written to and read from.
    pub fn api(self) -> &'static dyn EmbeddingsApi {
        match self {
            Self::Bedrock => &bedrock::Bedrock,
            Self::Gemini => &gemini::Gemini,
            Self::Vertex => &vertex::Vertex,
        }
    }
}

/// One provider's way of embedding.
pub trait EmbeddingsApi: Sync {
    /// The calls that together embed all texts, in order.
    fn write(&self, ask: &Ask<'_>, crossing: &mut Crossing) -> Result<Vec<Call>, CannotCross>;

    /// Reads the answer to one call.
    fn read<'b>(&self, headers: &HeaderMap, body: &'b [u8]) -> Result<Embedded<'b>, Malformed>;
}

/// A client's request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// What to embed.
    pub input: Input,
    /// How long the vectors are to be.
    pub dimensions: Option<u64>,
    /// What the vectors are for.
    pub purpose: Option<Purpose>,
    /// Vectors are to come as base64 of little-endian 32-bit floats.
    pub base64: bool,
    /// Names of members that no provider but the client's own knows.
    pub beyond: Vec<String>,
}

/// What to embed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Texts, none of them empty.
    Texts(Vec<String>),
    /// Numbers that mean something to one model's tokenizer alone.
    Tokens,
}

impl Default for Input {
    fn default() -> Self {
        Self::Texts(Vec::new())
    }
}

/// What vectors are for, where models tell that apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be found by a search.
    Document,
    /// To search with.
    Query,
    /// To be told apart by a classifier.
    Classification,
    /// To be grouped.
    Clustering,
}

/// What is to be written for one target.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The client's request.
    pub request: &'a Request,
    /// The model to ask for.
    pub model: &'a str,
    /// What the route merges into every request of the provider's own.
    pub raw: &'a Map<String, Value>,
}

/// One call of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The path below the base URL.
    pub path: Cow<'static, str>,
    /// The body.
    pub body: Bytes,
    /// How many vectors have to come.
    pub count: usize,
}

/// The answer to one call.
#[derive(Debug)]
pub struct Embedded<'b> {
    /// The vectors, in order: JSON arrays, not looked into yet.
    pub vectors: Vec<&'b RawValue>,
    /// How many tokens the provider counted, if it says so.
    pub tokens: Option<u64>,
}

/// What embeds all texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The calls, in order.
    pub calls: Vec<Call>,
    /// About how many tokens the texts have, for providers that do not say.
    pub estimated_tokens: u64,
}

/// Plans the calls for one target.
pub fn plan(
    api: EmbeddingsId,
    ask: &Ask<'_>,
    crossing: &mut Crossing,
) -> Result<Plan, CannotCross> {
    for field in &ask.request.beyond {
        crossing.dropped(field)?;
    }
    let texts = ask.texts()?;
    let estimated_tokens = texts.iter().map(|text| estimate::text_tokens(text)).sum();
    Ok(Plan { calls: api.api().write(ask, crossing)?, estimated_tokens })
}

impl<'a> Ask<'a> {
    fn texts(&self) -> Result<&'a [String], CannotCross> {
        match &self.request.input {
            Input::Texts(texts) => Ok(texts),
            Input::Tokens => Err(CannotCross::new(
                "input",
                "holds tokens, which mean nothing to the target's model: send text",
            )),
        }
    }

    /// A body with what the route merges into it.
    fn patched(&self, body: &Value) -> Bytes {
        let body = Bytes::from(body.to_string());
        if self.raw.is_empty() {
            return body;
        }
        let merged = Object::parse(body.clone()).and_then(|object| {
            let mut edit = object.edit();
            edit.merge(self.raw)?;
            Ok(edit.finish())
        });
        // A body of the gateway's own is an object whose members stand there once.
        merged.unwrap_or(body)
    }
}

/// The texts in runs of at most `count`, of about `tokens` together at most. A text that is longer
/// alone goes alone: the provider has the last word about it.
fn batches(texts: &[String], count: usize, tokens: u64) -> Vec<&[String]> {
    let (mut runs, mut start, mut held) = (Vec::new(), 0, 0);
    for (at, text) in texts.iter().enumerate() {
        let more = estimate::text_tokens(text);
        if at > start && (at - start == count || held + more > tokens) {
            runs.push(&texts[start..at]);
            (start, held) = (at, 0);
        }
        held += more;
    }
    if start < texts.len() {
        runs.push(&texts[start..]);
    }
    runs
}

#[cfg(test)]
mod tests;
