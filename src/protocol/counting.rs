//! How many tokens a prompt has, counted by a provider: how each is asked and how it answers.
//!
//! A count is asked for with a chat request less what is about the answer. What a writer of such
//! requests may leave out changes a count by little, so nothing of it is told; what it refuses cannot
//! be counted there.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::{Value, json};

use super::dialect::{DialectId, TargetView, Unreadable, Written};
use super::neutral::{CannotCross, Compatibility, Crossing, Request};
use super::registry::fill;
use super::{Malformed, read_object};
use crate::wire::json::{JsonError, Object};

/// An API that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountingId {
    /// `/v1/messages/count_tokens`.
    Anthropic,
    /// `/model/{id}/count-tokens` of Amazon Bedrock.
    Bedrock,
    /// `:countTokens` of the Gemini API.
    Gemini,
    /// `/v1/responses/input_tokens`.
    OpenAi,
    /// `:countTokens` of Vertex AI, which takes other members than the Gemini API.
    Vertex,
}

/// What Google's clients may put around a whole request.
const WRAPPERS: [&str; 2] = ["generateContentRequest", "generate_content_request"];

/// Members that say that a part of the prompt is at the provider.
const ELSEWHERE: [&str; 2] = ["previous_response_id", "conversation"];

/// Where Bedrock's profiles answer, before the ids of the models: models are counted for, profiles
/// are not.
const GEOGRAPHIES: &[&str] = &["apac", "au", "ca", "eu", "global", "jp", "us", "us-gov"];

impl CountingId {
    /// The API of the requests whose tokens it counts.
    pub fn dialect(self) -> DialectId {
        match self {
            Self::Anthropic => DialectId::AnthropicMessages,
            Self::Bedrock => DialectId::BedrockConverse,
            Self::Gemini | Self::Vertex => DialectId::Gemini,
            Self::OpenAi => DialectId::OpenAiResponses,
        }
    }

    /// Where a provider is asked to count for `model`, below its base URL.
    pub fn path(self, model: &str) -> Cow<'static, str> {
        match self {
            Self::Anthropic => Cow::Borrowed("/v1/messages/count_tokens"),
            Self::Bedrock => fill("/model/{model}/count-tokens", counted_model(model)),
            Self::Gemini => fill("/models/{model}:countTokens", model),
            Self::OpenAi => Cow::Borrowed("/responses/input_tokens"),
            Self::Vertex => fill("/publishers/google/models/{model}:countTokens", model),
        }
    }

    /// Reads what a client wants to be counted.
    pub fn read_request(self, object: &Object) -> Result<Request, Unreadable> {
        let wrong = |error: JsonError| Unreadable::new("body", error.to_string());
        let inside = match self {
            Self::Gemini | Self::Vertex => wrapped(object).map_err(wrong)?,
            Self::Bedrock => {
                let input = object.object("input").map_err(wrong)?;
                let converse = input.map(|input| input.object("converse")).transpose();
                let converse = converse.map_err(wrong)?.flatten();
                let message = "must hold `converse`: bodies of single models are not read";
                Some(converse.ok_or_else(|| Unreadable::new("input", message))?)
            }
            Self::Anthropic | Self::OpenAi => None,
        };
        let request =
            self.dialect().dialect().read_request(inside.as_ref().unwrap_or(object).text())?;
        // The prompt is not all here.
        match request.beyond.iter().find(|one| ELSEWHERE.contains(&&*one.field)) {
            Some(one) => {
                let message = "is known to its provider alone: send the whole conversation";
                Err(Unreadable::new(one.field.clone(), message))
            }
            None => Ok(request),
        }
    }

    /// A client's request of this API for another model of it.
    pub fn readdress(self, object: &Object, model: &str) -> Result<Bytes, JsonError> {
        let mut edit = object.edit();
        match self {
            Self::Anthropic | Self::OpenAi => edit.set("model", &Value::from(model))?,
            Self::Gemini => {
                for wrapper in WRAPPERS {
                    if object.object(wrapper)?.is_some() {
                        let model = Value::from(format!("models/{model}"));
                        edit.set_in(wrapper, "model", &model)?;
                    }
                }
            }
            Self::Bedrock | Self::Vertex => {}
        }
        Ok(edit.finish())
    }

    /// Writes a request for a provider of this API.
    pub fn write_request(
        self,
        request: &Request,
        target: &TargetView<'_>,
    ) -> Result<Written, CannotCross> {
        let mut crossing = Crossing::new(Compatibility::Standard);
        let mut written = self.dialect().dialect().write_request(request, target, &mut crossing)?;
        let unlikely = |_| CannotCross::new("body", "cannot be written for counting");
        let object = Object::parse(written.body).map_err(unlikely)?;
        written.body = match self {
            Self::Anthropic => only(&object, ANTHROPIC),
            Self::OpenAi => only(&object, OPENAI),
            Self::Vertex => only(&object, VERTEX),
            Self::Bedrock => around(r#"{"input":{"converse":"#, only(&object, BEDROCK), "}}"),
            Self::Gemini => {
                let mut edit = object.edit();
                let model = Value::from(format!("models/{}", target.model));
                edit.set("model", &model).map_err(unlikely)?;
                around(r#"{"generateContentRequest":"#, Ok(edit.finish()), "}")
            }
        }
        .map_err(unlikely)?;
        Ok(written)
    }

    /// Reads a provider's count.
    pub fn read_reply(self, body: &[u8]) -> Result<u64, Malformed> {
        let reply: Counts = read_object(body)?;
        let count = match self {
            Self::Anthropic | Self::OpenAi => reply.input_tokens,
            Self::Bedrock => reply.bedrock,
            // Google's JSON leaves a zero out.
            Self::Gemini | Self::Vertex => return Ok(reply.google.unwrap_or(0)),
        };
        count.ok_or(Malformed)
    }

    /// Writes a count for a client.
    pub fn write_reply(self, tokens: u64) -> Bytes {
        let body = match self {
            Self::Anthropic => json!({"input_tokens": tokens}),
            Self::Bedrock => json!({"inputTokens": tokens}),
            Self::Gemini | Self::Vertex => json!({"totalTokens": tokens}),
            Self::OpenAi => json!({"object": "response.input_tokens", "input_tokens": tokens}),
        };
        Bytes::from(body.to_string())
    }
}

#[derive(Deserialize)]
struct Counts {
    input_tokens: Option<u64>,
    #[serde(rename = "inputTokens")]
    bedrock: Option<u64>,
    #[serde(rename = "totalTokens")]
    google: Option<u64>,
}

/// What each API takes for a count, of a request of its own.
const ANTHROPIC: &[&str] =
    &["model", "system", "messages", "tools", "tool_choice", "thinking", "output_config"];
const OPENAI: &[&str] = &[
    "model",
    "instructions",
    "input",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "text",
];
const VERTEX: &[&str] = &["contents", "systemInstruction", "tools"];
const BEDROCK: &[&str] = &["messages", "system", "toolConfig"];

fn wrapped(object: &Object) -> Result<Option<Object>, JsonError> {
    for wrapper in WRAPPERS {
        if let Some(inside) = object.object(wrapper)? {
            return Ok(Some(inside));
        }
    }
    Ok(None)
}

/// An object of those members.
fn only(object: &Object, names: &[&str]) -> Result<Bytes, JsonError> {
    let mut out = BytesMut::with_capacity(object.text().len());
    for name in names {
        if let Some(value) = object.raw(name)? {
            out.put_slice(if out.is_empty() { b"{\"" } else { b",\"" });
            out.put_slice(name.as_bytes());
            out.put_slice(b"\":");
            out.put_slice(value);
        }
    }
    if out.is_empty() {
        out.put_u8(b'{');
    }
    out.put_u8(b'}');
    Ok(out.freeze())
}

fn around(before: &str, body: Result<Bytes, JsonError>, after: &str) -> Result<Bytes, JsonError> {
    Ok(Bytes::from([before.as_bytes(), &body?, after.as_bytes()].concat()))
}

/// The model behind a profile of several regions.
fn counted_model(id: &str) -> &str {
    match id.split_once('.') {
        Some((geography, model)) if GEOGRAPHIES.contains(&geography) => model,
        _ => id,
    }
}

#[cfg(test)]
mod tests;
