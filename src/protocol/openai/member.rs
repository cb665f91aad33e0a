//! Members of a client's request, read so that a wrong one is named.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::dialect::Unreadable;
use crate::protocol::neutral::request::Beyond;

/// The members of a request's object, taken out one by one; what is left over is unknown.
pub(in crate::protocol) struct Members<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Members<'a> {
    pub fn read(body: &'a [u8]) -> Result<Self, Unreadable> {
        match serde_json::from_slice(body) {
            Ok(members) => Ok(Self(members)),
            Err(_) => Err(Unreadable::new("body", "should be a JSON object")),
        }
    }

    /// Takes a member as it is. `null` is absent.
    pub fn raw(&mut self, name: &str) -> Option<&'a RawValue> {
        self.0.remove(name).filter(|raw| raw.get() != "null")
    }

    /// Takes a member.
    pub fn take<T: Deserialize<'a>>(&mut self, name: &str) -> Result<Option<T>, Unreadable> {
        self.raw(name).map(|raw| member(raw, name)).transpose()
    }

    /// Takes a member that is beyond the neutral form.
    pub fn beyond(&mut self, name: &str, essential: bool) -> Option<Beyond> {
        self.raw(name).map(|raw| beyond(name, essential, Some(raw)))
    }

    /// What nobody has taken, but for `null`s.
    pub fn rest(self) -> impl Iterator<Item = (String, &'a RawValue)> {
        self.0.into_iter().filter(|(_, raw)| raw.get() != "null")
    }
}

/// An entry of what is beyond the neutral form.
pub(super) fn beyond(
    field: impl Into<String>,
    essential: bool,
    value: Option<&RawValue>,
) -> Beyond {
    Beyond { field: field.into(), essential, value: value.map(ToOwned::to_owned) }
}

/// Reads a member that stands at `path`.
pub(in crate::protocol) fn member<'a, T: Deserialize<'a>>(
    raw: &'a RawValue,
    path: impl Display,
) -> Result<T, Unreadable> {
    serde_json::from_str(raw.get()).or_else(|_| {
        // Read again for the place of the mistake: only who made one pays for that.
        let mut reader = serde_json::Deserializer::from_str(raw.get());
        serde_path_to_error::deserialize(&mut reader)
            .map_err(|error| unreadable(path.to_string(), &error))
    })
}

/// Reads an object that stands at `path`. serde alone would fill a struct from an array too.
pub(super) fn object<'a, T: Deserialize<'a>>(
    raw: &'a RawValue,
    path: impl Display,
) -> Result<T, Unreadable> {
    if !raw.get().starts_with('{') {
        return Err(Unreadable::new(path.to_string(), "should be an object"));
    }
    member(raw, path)
}

fn unreadable(
    mut param: String,
    error: &serde_path_to_error::Error<serde_json::Error>,
) -> Unreadable {
    let inner = error.path().to_string();
    if inner != "." {
        if !inner.starts_with('[') {
            param.push('.');
        }
        param.push_str(&inner);
    }
    let said = error.inner().to_string();
    let said = said.rsplit_once(" at line ").map_or(&*said, |(said, _)| said);
    if let Some(name) = said.strip_prefix("missing field `") {
        param.push('.');
        param.push_str(name.trim_end_matches('`'));
        return Unreadable::new(param, "is missing");
    }
    if said.starts_with("duplicate field `") {
        return Unreadable::new(param, format!("has a {said}"));
    }
    // What stands before is the client's text, which a message need not repeat.
    match said.rsplit_once(", expected ") {
        Some((_, expected)) => Unreadable::new(param, format!("should be {}", plain(expected))),
        None => Unreadable::new(param, "is not valid"),
    }
}

/// serde's words for a type in those of JSON.
fn plain(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not negative",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a sequence" => "an array",
        "a map" => "an object",
        rust if rust.starts_with("struct ") => "an object",
        words => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, Debug)]
    struct Outer<'a> {
        #[serde(borrow)]
        #[expect(dead_code, reason = "read, not used")]
        list: Vec<Inner<'a>>,
    }

    #[derive(Deserialize, Debug)]
    #[expect(dead_code, reason = "read, not used")]
    struct Inner<'a> {
        count: u64,
        #[serde(borrow)]
        raw: Option<&'a RawValue>,
    }

    fn says(text: &str) -> String {
        let raw: &RawValue = serde_json::from_str(text).expect("JSON");
        object::<Outer<'_>>(raw, "m").expect_err("wrong").to_string()
    }

    #[test]
    fn a_mistake_is_named_by_place_and_remedy() {
        assert_eq!(
            says(r#"{"list":[{"count":1,"raw":{"a":1}},{"count":"secret, expected x"}]}"#),
            "`m.list[1].count` should be a whole number, not negative"
        );
        assert_eq!(says(r#"{"list":[{}]}"#), "`m.list[0].count` is missing");
        assert_eq!(says(r#"{"list":{}}"#), "`m.list` should be an array");
        assert_eq!(
            says(r#"{"list":[{"count":1,"count":2}]}"#),
            "`m.list[0]` has a duplicate field `count`"
        );
        assert_eq!(says("[[]]"), "`m` should be an object");
    }

    #[test]
    fn null_is_absent() {
        let mut members = Members::read(br#"{"a":null,"b":null,"c":1}"#).expect("an object");
        assert_eq!(members.take::<u64>("a"), Ok(None));
        let rest: Vec<String> = members.rest().map(|(name, _)| name).collect();
        assert_eq!(rest, ["c"]);
        assert!(Members::read(b"[]").is_err());
    }
}
