//! `batchEmbedContents` of the Gemini API, and Google's requests for another model.

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Ask, Call, Embedded, EmbeddingsApi, Purpose};
use crate::protocol::neutral::{CannotCross, Crossing};
use crate::protocol::registry::fill;
use crate::protocol::{Malformed, read_object};
use crate::wire::json::{JsonError, Object};

/// Most requests of one batch: what the API says when there are more.
const MOST: usize = 100;

/// The Gemini API.
#[derive(Debug)]
pub(super) struct Gemini;

#[derive(Deserialize)]
struct Reply<'b> {
    #[serde(borrow)]
    embeddings: Vec<Embedding<'b>>,
    #[serde(default, rename = "usageMetadata")]
    usage: Option<Counts>,
}

#[derive(Deserialize)]
pub(super) struct Embedding<'b> {
    #[serde(borrow)]
    pub(super) values: &'b RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counts {
    pub(super) prompt_token_count: Option<u64>,
}

impl EmbeddingsApi for Gemini {
    fn write(&self, ask: &Ask<'_>, _: &mut Crossing) -> Result<Vec<Call>, CannotCross> {
        let request = ask.request;
        let one = |text: &String| {
            let mut one = json!({
                "model": format!("models/{}", ask.model),
                "content": {"parts": [{"text": text}]},
            });
            if let Some(dimensions) = request.dimensions {
                one["outputDimensionality"] = dimensions.into();
            }
            if let Some(purpose) = request.purpose {
                one["taskType"] = task(purpose).into();
            }
            ask.patched(&one)
        };
        let calls = ask.texts()?.chunks(MOST).map(|texts| Call {
            path: fill("/models/{model}:batchEmbedContents", ask.model),
            body: batch(texts.iter().map(one)),
            count: texts.len(),
        });
        Ok(calls.collect())
    }

    fn read<'b>(&self, _: &HeaderMap, body: &'b [u8]) -> Result<Embedded<'b>, Malformed> {
        let reply: Reply<'_> = read_object(body)?;
        Ok(Embedded {
            vectors: reply.embeddings.into_iter().map(|one| one.values).collect(),
            tokens: reply.usage.and_then(|usage| usage.prompt_token_count),
        })
    }
}

/// Google's word for a purpose.
pub(super) fn task(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Document => "RETRIEVAL_DOCUMENT",
        Purpose::Query => "RETRIEVAL_QUERY",
        Purpose::Classification => "CLASSIFICATION",
        Purpose::Clustering => "CLUSTERING",
    }
}

/// A JSON array of these values.
fn list(items: impl Iterator<Item = Bytes>) -> BytesMut {
    let mut out = BytesMut::from(&b"["[..]);
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        out.put_slice(&item);
    }
    out.put_u8(b']');
    out
}

fn batch(requests: impl Iterator<Item = Bytes>) -> Bytes {
    let mut out = BytesMut::from(&br#"{"requests":"#[..]);
    out.unsplit(list(requests));
    out.put_u8(b'}');
    out.freeze()
}

/// A request for one content, whose body may name the model.
pub(super) fn readdress_one(object: &Object, model: &str) -> Result<Option<Bytes>, JsonError> {
    named(object, model)
}

/// A batch, each request of which has to name the model in the path.
pub(super) fn readdress_batch(object: &Object, model: &str) -> Result<Option<Bytes>, JsonError> {
    let Some(requests) = object.get::<Vec<&RawValue>>("requests", "an array")? else {
        return Ok(None);
    };
    let requests = requests.into_iter().map(|raw| {
        let text = Bytes::copy_from_slice(raw.get().as_bytes());
        let request = Object::parse(text)?;
        Ok(named(&request, model)?.unwrap_or_else(|| request.text().clone()))
    });
    let requests = requests.collect::<Result<Vec<Bytes>, JsonError>>()?;
    let mut edit = object.edit();
    edit.set_text("requests", list(requests.into_iter()).freeze())?;
    Ok(Some(edit.finish()))
}

fn named(object: &Object, model: &str) -> Result<Option<Bytes>, JsonError> {
    if object.raw("model")?.is_none() {
        return Ok(None);
    }
    let mut edit = object.edit();
    edit.set("model", &Value::from(format!("models/{model}")))?;
    Ok(Some(edit.finish()))
}
