//! Blocks of content, as the service model has them.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::simulate::tokens;

/// What an image counts, as in the other APIs.
const IMAGE_TOKENS: usize = 85;

/// A block: a union with exactly one member.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Block {
    Text(String),
    Image(Media),
    Document(Media),
    Audio(Media),
    Video(Media),
    ToolUse(ToolUse),
    ToolResult(ToolResult),
    ReasoningContent(Reasoning),
    CachePoint(CachePoint),
    GuardContent(Unread),
    CitationsContent(Unread),
    SearchResult(Unread),
}

/// What the simulator takes and does not heed.
pub(super) type Unread = serde::de::IgnoredAny;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Media {
    pub(super) format: String,
    pub(super) source: Source,
    /// Of documents.
    pub(super) name: Option<String>,
    #[serde(rename = "context")]
    _context: Option<String>,
    #[serde(rename = "citations")]
    _citations: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Source {
    Bytes(String),
    S3Location(S3Location),
    Text(String),
    Content(Vec<Value>),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct S3Location {
    pub(super) uri: String,
    #[serde(rename = "bucketOwner")]
    _bucket_owner: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolUse {
    #[serde(rename = "toolUseId")]
    pub(super) id: String,
    pub(super) name: String,
    /// The API takes any document, the models only objects.
    #[serde(rename = "input")]
    _input: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolResult {
    #[serde(rename = "toolUseId")]
    pub(super) id: String,
    pub(super) content: Vec<ResultBlock>,
    #[serde(rename = "status")]
    _status: Option<Status>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Status {
    Success,
    Error,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ResultBlock {
    Text(String),
    Json(Map<String, Value>),
    Image(Media),
    Document(Media),
    Video(Media),
    SearchResult(Unread),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Reasoning {
    ReasoningText(ReasoningText),
    RedactedContent(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReasoningText {
    #[serde(rename = "text")]
    _text: String,
    pub(super) signature: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CachePoint {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) ttl: Option<String>,
}

impl Block {
    /// Its text, tool results included.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::ToolResult(result) => {
                let texts = result.content.iter().map(|block| match block {
                    ResultBlock::Text(text) => text.clone(),
                    ResultBlock::Json(object) => Value::Object(object.clone()).to_string(),
                    _ => String::new(),
                });
                texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
            }
            _ => String::new(),
        }
    }

    /// Tokens by the rule of [`crate::simulate::tokens`].
    pub(super) fn tokens(&self) -> usize {
        match self {
            Self::Image(_) => IMAGE_TOKENS,
            block => tokens::count(&block.text()),
        }
    }
}
