//! A client's object, read member by member.
//!
//! A derived struct would say that something somewhere is no string; a client is to hear which field
//! it is. And what nobody asked for is left over, to be accounted for.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::protocol::dialect::Unreadable;

/// An object and where it stands in the request.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    path: String,
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Fields<'a> {
    /// Reads the object that stands at `path`; the whole request's path is empty.
    pub(super) fn parse(text: &'a str, path: String) -> Result<Self, Unreadable> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Key(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(members)
            }
        }

        match serde_json::Deserializer::from_str(text).deserialize_map(Members) {
            Ok(members) => Ok(Self { path, members }),
            Err(_) if path.is_empty() => Err(Unreadable::new("body", "must be a JSON object")),
            Err(_) => Err(Unreadable::new(path, "must be an object")),
        }
    }

    /// The name of a member, from the root of the request.
    pub(super) fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Where this object stands.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Takes a member out; `null` counts as not given.
    pub(super) fn raw(&mut self, name: &str) -> Result<Option<&'a RawValue>, Unreadable> {
        let mut found = None;
        let mut twice = false;
        self.members.retain(|(member, value)| {
            let hit = member == name;
            if hit {
                twice |= found.replace(*value).is_some();
            }
            !hit
        });
        if twice {
            return Err(Unreadable::new(self.at(name), "must not be given twice"));
        }
        Ok(found.filter(|value| value.get() != "null"))
    }

    /// Takes a member out as something that `expected` describes.
    pub(super) fn read<T: Deserialize<'a>>(
        &mut self,
        name: &str,
        expected: &'static str,
    ) -> Result<Option<T>, Unreadable> {
        let Some(raw) = self.raw(name)? else {
            return Ok(None);
        };
        match serde_json::from_str(raw.get()) {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(Unreadable::new(self.at(name), expected)),
        }
    }

    /// Takes a string out.
    pub(super) fn string(&mut self, name: &str) -> Result<Option<String>, Unreadable> {
        self.read(name, "must be a string")
    }

    /// Takes a string out that has to be there.
    pub(super) fn needed(&mut self, name: &str) -> Result<String, Unreadable> {
        let text = self.string(name)?;
        text.ok_or_else(|| Unreadable::new(self.at(name), "is missing: it must be a string"))
    }

    /// Takes a name or an id out, which has to be there and not be empty.
    pub(super) fn named(&mut self, name: &str) -> Result<String, Unreadable> {
        let text = self.needed(name)?;
        let empty = || Unreadable::new(self.at(name), "must not be empty");
        if text.is_empty() { Err(empty()) } else { Ok(text) }
    }

    /// Takes a number out.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>, Unreadable> {
        self.read(name, "must be a number")
    }

    /// Takes a switch out.
    pub(super) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Unreadable> {
        self.read(name, "must be `true` or `false`")
    }

    /// Takes an object out.
    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, Unreadable> {
        let path = self.at(name);
        self.raw(name)?.map(|raw| Self::parse(raw.get(), path)).transpose()
    }

    /// Takes a list of objects out; empty if it is not given.
    pub(super) fn objects(&mut self, name: &str) -> Result<Vec<Self>, Unreadable> {
        let path = self.at(name);
        self.raw(name)?.map_or_else(|| Ok(Vec::new()), |raw| Self::list(raw, &path))
    }

    /// Reads a list of objects that stands at `path`.
    pub(super) fn list(raw: &'a RawValue, path: &str) -> Result<Vec<Self>, Unreadable> {
        let elements: Vec<&RawValue> = serde_json::from_str(raw.get())
            .map_err(|_| Unreadable::new(path, "must be a list of objects"))?;
        let elements = elements.into_iter().enumerate();
        elements.map(|(i, raw)| Self::parse(raw.get(), format!("{path}[{i}]"))).collect()
    }

    /// What nobody has taken, `null`s left out.
    pub(super) fn rest(self) -> impl Iterator<Item = (String, &'a RawValue)> {
        let filled = self.members.into_iter().filter(|(_, value)| value.get() != "null");
        let path = self.path;
        filled.map(move |(name, value)| {
            let name = if path.is_empty() { name.into_owned() } else { format!("{path}.{name}") };
            (name, value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_wrong_is_named() {
        let text = r#"{"a":{"b":[{"c":1}]},"d":null,"e":1,"e":2,"f":3}"#;
        let mut fields = Fields::parse(text, String::new()).expect("an object");
        assert_eq!(fields.string("d"), Ok(None));
        let twice = fields.string("e").expect_err("given twice");
        assert_eq!(twice.to_string(), "`e` must not be given twice");
        let mut inner = fields.object("a").expect("an object").expect("given");
        let mut list = inner.objects("b").expect("a list");
        let wrong = list[0].string("c").expect_err("a number");
        assert_eq!(wrong.to_string(), "`a.b[0].c` must be a string");
        let rest: Vec<_> = fields.rest().map(|(name, _)| name).collect();
        assert_eq!(rest, ["f"]);
    }

    #[test]
    fn a_list_is_no_object() {
        assert!(Fields::parse("[]", String::new()).is_err());
        let raw: Box<RawValue> = serde_json::from_str("[[]]").expect("JSON");
        let wrong = Fields::list(&raw, "input").expect_err("a list of lists");
        assert_eq!(wrong.to_string(), "`input[0]` must be an object");
    }
}
