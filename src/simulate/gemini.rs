//! Google's endpoints, as the Gemini API and Vertex AI have them.
//!
//! They are as strict as Google: unknown names, empty parts, results in the wrong place and missing
//! signatures are refused in Google's words.

mod definition;
mod embed;
mod generate;
mod models;
mod path;
mod prompt;
mod rules;
mod settings;
mod shape;

use serde_json::{Value, json};

use self::path::Method;
pub(super) use self::path::Path;
use super::{
    answer::{Answer, Refusal},
    endpoint::Ask,
};

/// What one of the endpoints is asked.
#[derive(Clone, Copy)]
struct Call<'a> {
    ask: &'a Ask<'a>,
    path: &'a Path,
}

pub(super) fn answer(ask: &Ask<'_>, path: &Path) -> Result<Answer, Refusal> {
    let call = Call { ask, path };
    match path.method {
        Method::List => models::list(ask),
        Method::Get => models::one(ask, &path.model),
        Method::Generate => generate::answer(call, false),
        Method::Stream => generate::answer(call, true),
        Method::Count => count(call),
        Method::Embed => embed::one(call),
        Method::EmbedBatch => embed::batch(call),
        Method::Predict => embed::predict(call),
    }
}

/// Reads and checks a request; all its names are in camelCase then.
fn read(call: Call<'_>) -> Result<Value, Refusal> {
    let body: Value = serde_json::from_slice(call.ask.body)
        .map_err(|error| Refusal::invalid(format!("Invalid JSON payload received. {error}")))?;
    let request = shape::read(&body, &definition::REQUEST)?;
    rules::check(&request, call)?;
    settings::check(&request, call)?;
    Ok(request)
}

fn count(call: Call<'_>) -> Result<Answer, Refusal> {
    let body: Value = serde_json::from_slice(call.ask.body).unwrap_or_default();
    let request = if call.path.vertex {
        shape::read(&body, &definition::COUNT_ON_VERTEX)?
    } else {
        let read = shape::read(&body, &definition::COUNT)?;
        match read.get("generateContentRequest") {
            Some(_) if read.get("contents").is_some() => {
                let what = "only one of contents and generate_content_request can be set";
                return Err(Refusal::invalid(what));
            }
            Some(inner) if inner["model"] != *format!("models/{}", call.path.model) => {
                return Err(rules::refused("model", "must be the model that is counted for"));
            }
            Some(inner) => inner.clone(),
            None => read,
        }
    };
    rules::check(&request, call)?;
    Ok(Answer::json(&json!({"totalTokens": prompt::read(&request).tokens})))
}

impl Call<'_> {
    /// Whether the model is of this generation (`gemini-3`).
    fn is(self, generation: &str) -> bool {
        self.ask.model.starts_with(generation)
    }

    /// Whether the model is known to have no ids of calls where it is asked.
    fn lacks_ids(self) -> bool {
        self.path.vertex && self.is_old()
    }

    /// Whether the model is older than Gemini 3.
    fn is_old(self) -> bool {
        self.is("gemini-1") || self.is("gemini-2")
    }
}

#[cfg(test)]
mod tests;
