//! `embedContent`, `batchEmbedContents` and, on Vertex AI, `predict`.

use serde_json::{Value, json};

use super::{
    Call,
    rules::list,
    shape::{
        self,
        Kind::{Bool, Integer, Many, One, Text},
        Message,
    },
};
use crate::simulate::{
    answer::{Answer, Refusal},
    tokens,
    vector::vector,
};

/// Length of a vector when none is asked for: that of Google's larger models, and of the others.
const DIMENSIONS: usize = 3072;
const FEWER_DIMENSIONS: usize = 768;
/// Most requests of one batch.
const MOST: usize = 100;
/// Most instances, and most tokens of all together, of one prediction.
const MOST_INSTANCES: usize = 250;
const MOST_TOKENS: usize = 20_000;

static CONTENT: Message = Message(&[("role", Text), ("parts", Many(&PART))]);
static PART: Message = Message(&[("text", Text)]);

static ONE: Message = Message(&[
    ("model", Text),
    ("content", One(&CONTENT)),
    ("taskType", Text),
    ("title", Text),
    ("outputDimensionality", Integer),
]);

static BATCH: Message = Message(&[("requests", Many(&ONE))]);

static VERTEX_ONE: Message =
    Message(&[("content", One(&CONTENT)), ("embedContentConfig", One(&VERTEX_CONFIG))]);

static VERTEX_CONFIG: Message = Message(&[
    ("taskType", Text),
    ("title", Text),
    ("outputDimensionality", Integer),
    ("autoTruncate", Bool),
]);

static PREDICT: Message =
    Message(&[("instances", Many(&INSTANCE)), ("parameters", One(&PARAMETERS))]);

/// In camelCase as all names that were read; Google's own have an underscore here.
static INSTANCE: Message = Message(&[("content", Text), ("taskType", Text), ("title", Text)]);

static PARAMETERS: Message = Message(&[("autoTruncate", Bool), ("outputDimensionality", Integer)]);

pub(super) fn one(call: Call<'_>) -> Result<Answer, Refusal> {
    let request = read(call, if call.path.vertex { &VERTEX_ONE } else { &ONE })?;
    let config = if call.path.vertex { &request["embedContentConfig"] } else { &request };
    let text = text(&request["content"])?;
    check_task(config)?;
    let values = vector(&text, dimensions(config, DIMENSIONS)?);
    let mut answer = json!({"embedding": {"values": values}});
    if call.path.vertex {
        answer["usageMetadata"] = json!({"promptTokenCount": tokens::count(&text)});
    }
    Ok(Answer::json(&answer))
}

pub(super) fn batch(call: Call<'_>) -> Result<Answer, Refusal> {
    let request = read(call, &BATCH)?;
    let requests = list(&request, "requests");
    if requests.is_empty() {
        return Err(refused("requests", "must not be empty"));
    }
    if requests.len() > MOST {
        return Err(refused("requests", "at most 100 requests can be in one batch"));
    }
    let model = format!("models/{}", call.path.model);
    let embeddings = requests.iter().enumerate().map(|(at, one)| {
        if one["model"] != *model {
            let path = format!("requests[{at}].model");
            return Err(refused(&path, "must match the model of the batch"));
        }
        check_task(one)?;
        Ok(json!({"values": vector(&text(&one["content"])?, dimensions(one, DIMENSIONS)?)}))
    });
    let embeddings = embeddings.collect::<Result<Vec<Value>, Refusal>>()?;
    Ok(Answer::json(&json!({"embeddings": embeddings})))
}

pub(super) fn predict(call: Call<'_>) -> Result<Answer, Refusal> {
    let request = read(call, &PREDICT)?;
    let instances = list(&request, "instances");
    let most = if call.is("gemini-embedding-001") { 1 } else { MOST_INSTANCES };
    if instances.is_empty() || instances.len() > most {
        let count = instances.len();
        return Err(Refusal::invalid(format!(
            "{count} instance(s) is not allowed. Min: 1. Max allowed: {most}"
        )));
    }
    let parameters = &request["parameters"];
    let (mut total, mut predictions) = (0, Vec::new());
    for instance in instances {
        check_task(instance)?;
        let text = instance["content"].as_str().filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| Refusal::invalid("The text content is empty."))?;
        let count = tokens::count(text);
        total += count;
        let values = vector(text, dimensions(parameters, FEWER_DIMENSIONS)?);
        let statistics = json!({"token_count": count, "truncated": false});
        predictions.push(json!({"embeddings": {"values": values, "statistics": statistics}}));
    }
    if total > MOST_TOKENS {
        return Err(Refusal::invalid(format!(
            "Unable to submit request because the input token count is {total} but the model \
             supports up to {MOST_TOKENS}."
        )));
    }
    Ok(Answer::json(&json!({"predictions": predictions})))
}

fn read(call: Call<'_>, message: &'static Message) -> Result<Value, Refusal> {
    let body: Value = serde_json::from_slice(call.ask.body)
        .map_err(|error| Refusal::invalid(format!("Invalid JSON payload received. {error}")))?;
    shape::read(&body, message)
}

fn text(content: &Value) -> Result<String, Refusal> {
    let parts = list(content, "parts").iter().filter_map(|part| part["text"].as_str());
    let text = parts.collect::<Vec<_>>().join("\n");
    if text.is_empty() { Err(refused("content", "contents is not specified")) } else { Ok(text) }
}

fn dimensions(config: &Value, usual: usize) -> Result<usize, Refusal> {
    let Some(wanted) = config.get("outputDimensionality") else { return Ok(usual) };
    let wanted = wanted.as_u64().and_then(|wanted| usize::try_from(wanted).ok());
    wanted
        .filter(|wanted| (1..=usual).contains(wanted))
        .ok_or_else(|| refused("output_dimensionality", &format!("must be from 1 to {usual}")))
}

fn check_task(config: &Value) -> Result<(), Refusal> {
    const TASKS: [&str; 8] = [
        "SEMANTIC_SIMILARITY",
        "RETRIEVAL_DOCUMENT",
        "RETRIEVAL_QUERY",
        "CLASSIFICATION",
        "CLUSTERING",
        "QUESTION_ANSWERING",
        "FACT_VERIFICATION",
        "CODE_RETRIEVAL_QUERY",
    ];
    match config.get("taskType").and_then(Value::as_str) {
        Some(task) if !TASKS.contains(&task) => {
            Err(Refusal::invalid(format!("Invalid value at 'task_type': \"{task}\"")))
        }
        _ => Ok(()),
    }
}

fn refused(path: &str, what: &str) -> Refusal {
    Refusal::invalid(format!("* BatchEmbedContentsRequest.{path}: {what}\n"))
}
