//! OpenAI's `/v1/embeddings` as clients speak it.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Input, Purpose, Request};
use crate::protocol::Malformed;
use crate::protocol::dialect::Unreadable;
use crate::protocol::openai::member::{Members, member};

/// Most texts of one request; OpenAI's own limit.
const MOST_TEXTS: usize = 2048;
/// Said by the path, or of no effect on the vectors.
const IGNORED: &[&str] = &["model", "user"];

pub(super) fn read(body: &[u8]) -> Result<Request, Unreadable> {
    let mut members = Members::read(body)?;
    let Some(input) = members.raw("input") else {
        return Err(Unreadable::new("input", "is missing"));
    };
    let mut request = Request { input: read_input(input)?, ..Request::default() };
    request.dimensions = members.take("dimensions")?;
    if request.dimensions == Some(0) {
        return Err(Unreadable::new("dimensions", "should be at least 1"));
    }
    request.base64 = match members.take::<Cow<'_, str>>("encoding_format")?.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => {
            return Err(Unreadable::new("encoding_format", "should be `float` or `base64`"));
        }
    };
    // Not OpenAI's: the name by which OpenAI-speaking servers of such models take it.
    if let Some(raw) = members.raw("input_type") {
        match purpose(raw) {
            Some(purpose) => request.purpose = Some(purpose),
            None => request.beyond.push("input_type".to_owned()),
        }
    }
    let rest = members.rest().map(|(name, _)| name);
    request.beyond.extend(rest.filter(|name| !IGNORED.contains(&name.as_str())));
    Ok(request)
}

fn purpose(raw: &RawValue) -> Option<Purpose> {
    match serde_json::from_str::<Cow<'_, str>>(raw.get()).ok()?.as_ref() {
        "search_document" | "document" | "passage" => Some(Purpose::Document),
        "search_query" | "query" => Some(Purpose::Query),
        "classification" => Some(Purpose::Classification),
        "clustering" => Some(Purpose::Clustering),
        _ => None,
    }
}

fn read_input(raw: &RawValue) -> Result<Input, Unreadable> {
    const EXPECTED: &str = "should be a text or an array of texts";
    let texts: Vec<String> = match raw.get().as_bytes().first() {
        Some(b'"') => vec![member(raw, "input")?],
        Some(b'[') => {
            let items: Vec<&RawValue> = member(raw, "input")?;
            let tokens = |item: &RawValue| item.get().starts_with(['[', '-']) || digit(item);
            if items.len() > MOST_TEXTS && !items.first().is_some_and(|item| digit(item)) {
                let message = format!("should not have more than {MOST_TEXTS} texts");
                return Err(Unreadable::new("input", message));
            }
            if !items.is_empty() && items.iter().all(|item| tokens(item)) {
                return Ok(Input::Tokens);
            }
            let texts = items.iter().enumerate();
            texts
                .map(|(at, item)| member(item, format_args!("input[{at}]")))
                .collect::<Result<_, _>>()?
        }
        _ => return Err(Unreadable::new("input", EXPECTED)),
    };
    if texts.is_empty() {
        return Err(Unreadable::new("input", "should not be empty"));
    }
    match texts.iter().position(String::is_empty) {
        Some(at) => Err(Unreadable::new(format!("input[{at}]"), "should not be empty")),
        None => Ok(Input::Texts(texts)),
    }
}

fn digit(item: &RawValue) -> bool {
    item.get().starts_with(|first: char| first.is_ascii_digit())
}

/// Writes the answer vector by vector, so that no more of it is held than what goes out.
#[derive(Debug)]
pub struct AnswerWriter {
    out: BytesMut,
    written: usize,
    base64: bool,
}

impl AnswerWriter {
    /// The beginning of an answer.
    pub fn new(base64: bool) -> Self {
        let mut out = BytesMut::new();
        out.put_slice(br#"{"object":"list","data":["#);
        Self { out, written: 0, base64 }
    }

    /// How many bytes there are so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether there is nothing yet, which is never.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Appends the next vector, unless it is none.
    pub fn push(&mut self, vector: &RawValue) -> Result<(), Malformed> {
        let Floats(floats) = serde_json::from_str(vector.get()).map_err(|_| Malformed)?;
        let comma = if self.written == 0 { "" } else { "," };
        let head =
            format!(r#"{comma}{{"object":"embedding","index":{},"embedding":"#, self.written);
        self.out.put_slice(head.as_bytes());
        if self.base64 {
            let bytes: Vec<u8> = floats.iter().flat_map(|value| value.to_le_bytes()).collect();
            self.out.put_u8(b'"');
            self.out.put_slice(BASE64_STANDARD.encode(bytes).as_bytes());
            self.out.put_slice(b"\"}");
        } else {
            self.out.put_slice(vector.get().as_bytes());
            self.out.put_u8(b'}');
        }
        self.written += 1;
        Ok(())
    }

    /// The whole answer, in the name of the model that gave it.
    pub fn finish(mut self, model: &str, tokens: u64) -> Bytes {
        let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
        let tail = format!(r#"],"model":{},"usage":{usage}}}"#, Value::from(model));
        self.out.put_slice(tail.as_bytes());
        self.out.freeze()
    }
}

/// A vector: finite numbers, at least one.
struct Floats(Vec<f32>);

impl<'de> Deserialize<'de> for Floats {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;

        impl<'de> Visitor<'de> for Numbers {
            type Value = Floats;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("numbers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Floats, A::Error> {
                let mut floats = Vec::with_capacity(1024);
                while let Some(value) = array.next_element::<f32>()? {
                    if !value.is_finite() {
                        return Err(serde::de::Error::custom("not finite"));
                    }
                    floats.push(value);
                }
                if floats.is_empty() {
                    return Err(serde::de::Error::custom("empty"));
                }
                Ok(Floats(floats))
            }
        }

        deserializer.deserialize_seq(Numbers)
    }
}
