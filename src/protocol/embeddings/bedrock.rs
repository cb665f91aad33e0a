//! Amazon Bedrock: `invoke`, with a body of the model's maker. Amazon's Titan takes one text,
//! Cohere's models 96.

use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Ask, Call, Embedded, EmbeddingsApi, Purpose};
use crate::protocol::neutral::{CannotCross, Crossing};
use crate::protocol::registry::fill;
use crate::protocol::{Malformed, read_object};

const INVOKE: &str = "/model/{model}/invoke";
/// Most texts of one call of Cohere's.
const MOST: usize = 96;
/// How Bedrock counts for models whose own answers do not.
const TOKENS_HEADER: &str = "x-amzn-bedrock-input-token-count";

/// Amazon Bedrock.
#[derive(Debug)]
pub(super) struct Bedrock;

/// The models whose requests are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Model {
    TitanV1,
    TitanV2,
    CohereV3,
    CohereV4,
}

impl Model {
    /// By its id, which may be that of a profile or stand in an ARN.
    fn of(id: &str) -> Option<Self> {
        let known = [
            ("amazon.titan-embed-text-v1", Self::TitanV1),
            ("amazon.titan-embed-g1-text", Self::TitanV1),
            ("amazon.titan-embed-text-v2", Self::TitanV2),
            ("cohere.embed-english-v3", Self::CohereV3),
            ("cohere.embed-multilingual-v3", Self::CohereV3),
            ("cohere.embed-v4", Self::CohereV4),
        ];
        known.into_iter().find(|(name, _)| id.contains(name)).map(|(_, model)| model)
    }

    /// The lengths that its vectors can have, the usual one first.
    fn lengths(self) -> &'static [u64] {
        match self {
            Self::TitanV1 => &[1536],
            Self::TitanV2 => &[1024, 512, 256],
            Self::CohereV3 => &[1024],
            Self::CohereV4 => &[1536, 1024, 512, 256],
        }
    }
}

/// What either maker answers.
#[derive(Deserialize)]
struct Reply<'b> {
    #[serde(borrow, default)]
    embedding: Option<&'b RawValue>,
    #[serde(default, rename = "inputTextTokenCount")]
    tokens: Option<u64>,
    #[serde(borrow, default)]
    embeddings: Option<&'b RawValue>,
}

/// Cohere's answer where types were asked for.
#[derive(Deserialize)]
struct ByType<'b> {
    #[serde(borrow)]
    float: Vec<&'b RawValue>,
}

impl EmbeddingsApi for Bedrock {
    fn write(&self, ask: &Ask<'_>, crossing: &mut Crossing) -> Result<Vec<Call>, CannotCross> {
        let Some(model) = Model::of(ask.model) else {
            let message = "is served by a model of Bedrock that is not known to embed: Titan text \
                           embeddings and Cohere Embed are";
            return Err(CannotCross::new("model", message));
        };
        let dimensions = dimensions(ask, model)?;
        let texts = ask.texts()?;
        let call = |body: &Value, count| Call {
            path: fill(INVOKE, ask.model),
            body: ask.patched(body),
            count,
        };
        if matches!(model, Model::CohereV3 | Model::CohereV4) {
            let batches = texts.chunks(MOST);
            let body = |texts: &[String]| cohere(ask.request.purpose, dimensions, texts);
            return Ok(batches.map(|texts| call(&body(texts), texts.len())).collect());
        }
        if ask.request.purpose.is_some() {
            crossing.dropped("input_type")?;
        }
        Ok(texts.iter().map(|text| call(&titan(dimensions, text), 1)).collect())
    }

    fn read<'b>(&self, headers: &HeaderMap, body: &'b [u8]) -> Result<Embedded<'b>, Malformed> {
        let reply: Reply<'_> = read_object(body)?;
        let counted =
            headers.get(TOKENS_HEADER).and_then(|count| count.to_str().ok()?.parse().ok());
        let vectors = match (reply.embedding, reply.embeddings) {
            (Some(one), _) => vec![one],
            (None, Some(all)) if all.get().starts_with('[') => {
                serde_json::from_str(all.get()).map_err(|_| Malformed)?
            }
            (None, Some(all)) => {
                let all: ByType<'_> = serde_json::from_str(all.get()).map_err(|_| Malformed)?;
                all.float
            }
            (None, None) => return Err(Malformed),
        };
        Ok(Embedded { vectors, tokens: reply.tokens.or(counted) })
    }
}

/// The length to ask for; none where it is the only one.
fn dimensions(ask: &Ask<'_>, model: Model) -> Result<Option<u64>, CannotCross> {
    let lengths = model.lengths();
    let Some(wanted) = ask.request.dimensions else { return Ok(None) };
    if !lengths.contains(&wanted) {
        let message = format!("must be one of {lengths:?} for `{}`", ask.model);
        return Err(CannotCross::new("dimensions", message));
    }
    Ok(Some(wanted).filter(|_| lengths.len() > 1))
}

fn titan(dimensions: Option<u64>, text: &str) -> Value {
    match dimensions {
        Some(dimensions) => json!({"inputText": text, "dimensions": dimensions}),
        None => json!({"inputText": text}),
    }
}

/// Cohere's models want to be told what the vectors are for; texts to be found are the usual.
fn cohere(purpose: Option<Purpose>, dimensions: Option<u64>, texts: &[String]) -> Value {
    let purpose = match purpose {
        None | Some(Purpose::Document) => "search_document",
        Some(Purpose::Query) => "search_query",
        Some(Purpose::Classification) => "classification",
        Some(Purpose::Clustering) => "clustering",
    };
    // What is too long is an error, as at OpenAI.
    let mut body = json!({
        "texts": texts,
        "input_type": purpose,
        "truncate": "NONE",
        "embedding_types": ["float"],
    });
    if let Some(dimensions) = dimensions {
        body["output_dimension"] = dimensions.into();
    }
    body
}
