//! POST /model/{id}/invoke of the models that embed.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::simulate::{
    answer::{Answer, Refusal},
    endpoint::Ask,
    tokens,
    vector::vector,
};

/// Most characters of Titan's one text.
const MOST_CHARACTERS: usize = 50_000;
/// Most texts of one call of Cohere's.
const MOST_TEXTS: usize = 96;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Titan {
    input_text: String,
    dimensions: Option<usize>,
    #[serde(rename = "normalize")]
    _normalize: Option<bool>,
    embedding_types: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cohere {
    texts: Vec<String>,
    input_type: String,
    truncate: Option<String>,
    embedding_types: Option<Vec<String>>,
    output_dimension: Option<usize>,
}

/// What the ids of the models begin with, behind a geography.
const TITAN: &str = "amazon.titan-embed-text";
const COHERE: &str = "cohere.embed-";

/// Whether a model embeds.
pub(in crate::simulate) fn embeds(model: &str) -> bool {
    model.contains(TITAN) || model.contains(COHERE)
}

pub(in crate::simulate) fn answer(ask: &Ask<'_>) -> Result<Answer, Refusal> {
    if ask.model.contains(TITAN) {
        titan(ask, read(ask)?)
    } else if ask.model.contains(COHERE) {
        cohere(ask, read(ask)?)
    } else {
        Err(Refusal::invalid("The provided model identifier is invalid."))
    }
}

fn read<'b, T: Deserialize<'b>>(ask: &Ask<'b>) -> Result<T, Refusal> {
    serde_json::from_slice(ask.body).map_err(|error| {
        Refusal::invalid(format!(
            "Malformed input request: {error}, please reformat your input and try again."
        ))
    })
}

fn titan(ask: &Ask<'_>, request: Titan) -> Result<Answer, Refusal> {
    let second = ask.model.contains("-v2");
    let text = request.input_text;
    require(!text.is_empty(), "expected minLength: 1, actual: 0")?;
    require(text.chars().count() <= MOST_CHARACTERS, "expected maxLength: 50000")?;
    let extra = request.dimensions.is_some() || request.embedding_types.is_some();
    require(second || !extra, "extraneous key [dimensions] is not permitted")?;
    let dimensions = request.dimensions.unwrap_or(if second { 1024 } else { 1536 });
    require(
        !second || [256, 512, 1024].contains(&dimensions),
        "#/dimensions: is not a valid enum value",
    )?;
    let values = vector(&text, dimensions);
    let count = tokens::count(&text);
    let mut body = json!({"embedding": values, "inputTextTokenCount": count});
    if second {
        body["embeddingsByType"] = json!({"float": values});
    }
    Ok(Answer::Counted(body.to_string().into_bytes(), count))
}

fn cohere(ask: &Ask<'_>, request: Cohere) -> Result<Answer, Refusal> {
    let count = request.texts.len();
    require((1..=MOST_TEXTS).contains(&count), "#/texts: expected maxItems: 96")?;
    require(request.texts.iter().all(|text| !text.is_empty()), "#/texts: expected minLength: 1")?;
    let kinds = ["search_document", "search_query", "classification", "clustering"];
    require(kinds.contains(&&*request.input_type), "#/input_type: is not a valid enum value")?;
    let cuts = request.truncate.as_deref();
    let cuts = matches!(cuts, None | Some("NONE" | "START" | "END" | "LEFT" | "RIGHT"));
    require(cuts, "#/truncate: is not a valid enum value")?;
    let fourth = ask.model.contains("-v4");
    require(fourth || request.output_dimension.is_none(), "extraneous key [output_dimension]")?;
    let dimensions = request.output_dimension.unwrap_or(if fourth { 1536 } else { 1024 });
    require(
        [256, 512, 1024, 1536].contains(&dimensions),
        "#/output_dimension: is not a valid enum value",
    )?;
    let floats: Vec<Vec<f32>> = request.texts.iter().map(|text| vector(text, dimensions)).collect();
    let tokens: usize = request.texts.iter().map(|text| tokens::count(text)).sum();
    let (embeddings, kind): (Value, &str) = match request.embedding_types {
        None => (json!(floats), "embeddings_floats"),
        Some(types) => {
            require(types == ["float"], "only vectors of floats are simulated")?;
            (json!({"float": floats}), "embeddings_by_type")
        }
    };
    let body = json!({"id": ask.id("", 0), "texts": request.texts, "embeddings": embeddings,
        "response_type": kind});
    Ok(Answer::Counted(body.to_string().into_bytes(), tokens))
}

fn require(holds: bool, what: &str) -> Result<(), Refusal> {
    if holds {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "Malformed input request: {what}, please reformat your input and try again."
    )))
}

#[cfg(test)]
mod tests;
