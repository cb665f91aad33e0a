//! Messages by their definition: unknown names and wrong types are refused, as Google's JSON reader
//! does it.

use base64::{
    Engine,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::{Map, Value};

use crate::simulate::answer::Refusal;

/// A message: its members.
#[derive(Debug)]
pub(super) struct Message(pub(super) &'static [(&'static str, Kind)]);

/// What a member holds.
#[derive(Debug)]
pub(super) enum Kind {
    /// Anything, kept as it is.
    Any,
    /// Any object, kept as it is.
    Struct,
    Text,
    Bool,
    Number,
    Integer,
    /// Base64 in either alphabet.
    Bytes,
    Texts,
    One(&'static Message),
    /// A list, or its only element.
    Many(&'static Message),
    /// Names that are the caller's own.
    Map(&'static Message),
}

/// Reads a whole message; all names are in camelCase then and all lists are lists.
pub(super) fn read(body: &Value, message: &'static Message) -> Result<Value, Refusal> {
    read_message(body, message, "")
}

fn read_message(value: &Value, message: &'static Message, path: &str) -> Result<Value, Refusal> {
    let Some(object) = value.as_object() else {
        return Err(wrong(path, "an object"));
    };
    let mut read = Map::new();
    for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
        let name = camel(name);
        let Some((_, kind)) = message.0.iter().find(|(known, _)| *known == name) else {
            return Err(unknown(&name, path));
        };
        let inside =
            if path.is_empty() { snake(&name) } else { format!("{path}.{}", snake(&name)) };
        let value = read_kind(value, kind, &inside)?;
        if read.insert(name.clone(), value).is_some() {
            return Err(Refusal::invalid(format!(
                "Invalid JSON payload received. Duplicate field '{name}' at '{path}'."
            )));
        }
    }
    Ok(Value::Object(read))
}

fn read_kind(value: &Value, kind: &'static Kind, path: &str) -> Result<Value, Refusal> {
    let checked = |holds: bool, expected: &str| {
        if holds { Ok(value.clone()) } else { Err(wrong(path, expected)) }
    };
    let number = || match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_f64(),
    };
    match kind {
        Kind::Any => Ok(value.clone()),
        Kind::Struct => checked(value.is_object(), "an object"),
        Kind::Text => checked(value.is_string(), "a string"),
        Kind::Bool => checked(value.is_boolean(), "true or false"),
        Kind::Number => number().map(Value::from).ok_or_else(|| wrong(path, "a number")),
        Kind::Integer => {
            let whole = number().filter(|number| number.fract() == 0.0);
            #[expect(clippy::cast_possible_truncation, reason = "whole, and a test's own")]
            whole.map(|number| Value::from(number as i64)).ok_or_else(|| wrong(path, "an integer"))
        }
        Kind::Bytes => {
            let text = value.as_str().ok_or_else(|| wrong(path, "a string"))?;
            if is_base64(text) {
                Ok(value.clone())
            } else {
                Err(Refusal::invalid(format!(
                    "Invalid value at '{path}' (TYPE_BYTES), Base64 decoding failed."
                )))
            }
        }
        Kind::Texts => {
            let texts = value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
            checked(texts, "a list of strings")
        }
        Kind::One(message) => read_message(value, message, path),
        Kind::Many(message) => {
            let list = match value {
                Value::Array(list) => list.as_slice(),
                one => std::slice::from_ref(one),
            };
            let read = list.iter().enumerate();
            read.map(|(at, one)| read_message(one, message, &format!("{path}[{at}]"))).collect()
        }
        Kind::Map(message) => {
            let object = value.as_object().ok_or_else(|| wrong(path, "an object"))?;
            let read = object.iter().map(|(name, one)| {
                let path = format!("{path}[{name}]");
                Ok((name.clone(), read_message(one, message, &path)?))
            });
            read.collect::<Result<Map<_, _>, _>>().map(Value::Object)
        }
    }
}

pub(super) fn unknown(name: &str, path: &str) -> Refusal {
    let place = if path.is_empty() { String::new() } else { format!(" at '{path}'") };
    Refusal::invalid(format!(
        "Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."
    ))
}

fn wrong(path: &str, expected: &str) -> Refusal {
    Refusal::invalid(format!("Invalid value at '{path}': must be {expected}."))
}

fn is_base64(text: &str) -> bool {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let plain = text.replace('-', "+").replace('_', "/");
    GeneralPurpose::new(&base64::alphabet::STANDARD, config).decode(plain).is_ok()
}

fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut name, part| {
        let mut letters = part.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name + letters.as_str()
    })
}

fn snake(name: &str) -> String {
    name.chars().fold(String::new(), |mut snake, letter| {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
        snake
    })
}
