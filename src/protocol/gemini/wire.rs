//! What requests and answers are written of.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

/// A message.
#[derive(Debug, serde::Serialize)]
pub(super) struct Content<'a> {
    /// `user` or `model`; none in the system's instruction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<&'static str>,
    pub(super) parts: Vec<Part<'a>>,
}

/// A piece of a message: one of its members beside `thought` and `thought_signature`.
#[derive(Debug, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) thought: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) inline_data: Option<Blob<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_data: Option<FileData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function_call: Option<FunctionCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function_response: Option<FunctionResponse<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thought_signature: Option<String>,
}

impl<'a> Part<'a> {
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }

    /// Reasoning, or without any text a signature alone.
    pub(super) fn thought(text: &'a str, signature: Option<String>) -> Self {
        Self { thought: !text.is_empty(), thought_signature: signature, ..Self::text(text) }
    }
}

/// Bytes.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob<'a> {
    pub(super) mime_type: Cow<'a, str>,
    /// Base64.
    pub(super) data: &'a str,
}

/// Bytes that are elsewhere.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mime_type: Option<Cow<'a, str>>,
    pub(super) file_uri: &'a str,
}

/// A call.
#[derive(Debug, serde::Serialize)]
pub(super) struct FunctionCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    pub(super) name: Cow<'a, str>,
    pub(super) args: Cow<'a, RawValue>,
}

/// What a function returned.
#[derive(Debug, serde::Serialize)]
pub(super) struct FunctionResponse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    pub(super) name: Cow<'a, str>,
    pub(super) response: Box<RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<Part<'a>>,
}

/// An object whose members are put in one by one.
#[derive(Debug, Default)]
pub(super) struct Draft(Vec<(String, Box<RawValue>)>);

impl Draft {
    pub(super) fn put(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        // Numbers that JSON cannot write are read from nowhere.
        if let Ok(raw) = serde_json::value::to_raw_value(value) {
            self.0.push((name.to_owned(), raw));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Draft {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// JSON of an object; `None` if the text is anything else.
pub(super) fn object(text: &str) -> Option<&RawValue> {
    serde_json::from_str::<&RawValue>(text).ok().filter(|raw| raw.get().starts_with('{'))
}

/// An object without members.
pub(super) fn empty_object() -> &'static RawValue {
    serde_json::from_str("{}").expect("this is JSON")
}

/// JSON without the space that Google puts between its tokens.
pub(super) fn compact(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let (mut quoted, mut escaped) = (false, false);
    for letter in json.chars() {
        if quoted || !letter.is_ascii_whitespace() {
            text.push(letter);
        }
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_goes_but_not_from_texts() {
        let json = "{\n  \"b\": 1.50,\n \"a\" : [ \"x \\\" y\\\\\", null ]\n}";
        assert_eq!(compact(json), r#"{"b":1.50,"a":["x \" y\\",null]}"#);
    }
}
