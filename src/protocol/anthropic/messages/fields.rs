//! Members of a client's JSON, read one by one so that each mistake can be named.
//!
//! Derived types would say neither which block of which message was wrong, nor which members nobody
//! asked for; and what is the caller's own (schemas, input of tools) has to stay text.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::protocol::dialect::Unreadable;

/// The members of an object that were not asked for yet.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    path: String,
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// `content` and whatever else may be plain text or blocks.
#[derive(Debug)]
pub(super) enum Content<'a> {
    Text(String),
    Blocks(Vec<Fields<'a>>),
}

impl<'a> Fields<'a> {
    /// The members of a body.
    pub(super) fn of_body(body: &'a [u8]) -> Result<Self, Unreadable> {
        let invalid = || Unreadable::new("body", "must be a JSON object");
        let text = std::str::from_utf8(body).map_err(|_| invalid())?;
        let raw = serde_json::from_str::<&RawValue>(text).map_err(|_| invalid())?;
        Self::of(raw, String::new()).map_err(|_| invalid())
    }

    /// The members of the object at `path`.
    pub(super) fn of(raw: &'a RawValue, path: String) -> Result<Self, Unreadable> {
        match serde_json::from_str::<Members<'a>>(raw.get()) {
            Ok(Members(members)) => {
                let fields = Self { path, members };
                fields.unambiguous()?;
                Ok(fields)
            }
            Err(_) => Err(Unreadable::new(path, "must be an object")),
        }
    }

    /// Two members of one name may be read differently by two readers.
    fn unambiguous(&self) -> Result<(), Unreadable> {
        let mut names: Vec<&str> = self.members.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(self.wrong(pair[0], "must not be given twice")),
            None => Ok(()),
        }
    }

    /// Where this object is.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Where a member of it is.
    pub(super) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A member is not what it should be.
    pub(super) fn wrong(&self, name: &str, message: impl Into<Cow<'static, str>>) -> Unreadable {
        Unreadable::new(self.path_of(name), message)
    }

    /// Takes a member out; `null` counts as not given.
    pub(super) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let at = self.members.iter().position(|(member, _)| member == name)?;
        Some(self.members.remove(at).1).filter(|raw| raw.get() != "null")
    }

    /// Takes a member of a simple type.
    fn get<T: Deserialize<'a>>(
        &mut self,
        name: &str,
        expected: &'static str,
    ) -> Result<Option<T>, Unreadable> {
        let Some(raw) = self.take(name) else { return Ok(None) };
        serde_json::from_str(raw.get()).map(Some).map_err(|_| self.wrong(name, expected))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Unreadable> {
        self.get(name, "must be a string")
    }

    /// A string that must be there.
    pub(super) fn needed_text(&mut self, name: &str) -> Result<String, Unreadable> {
        let given = self.text(name)?;
        given.ok_or_else(|| self.wrong(name, "is missing: it must be a string"))
    }

    /// A name or an id, which must be there and not be empty.
    pub(super) fn needed_name(&mut self, name: &str) -> Result<String, Unreadable> {
        let given = self.needed_text(name)?;
        if given.is_empty() { Err(self.wrong(name, "must not be empty")) } else { Ok(given) }
    }

    pub(super) fn texts(&mut self, name: &str) -> Result<Vec<String>, Unreadable> {
        Ok(self.get(name, "must be an array of strings")?.unwrap_or_default())
    }

    pub(super) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Unreadable> {
        self.get(name, "must be `true` or `false`")
    }

    pub(super) fn count(&mut self, name: &str) -> Result<Option<u64>, Unreadable> {
        self.get(name, "must be a whole number that is not negative")
    }

    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>, Unreadable> {
        self.get(name, "must be a number")
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Option<Fields<'a>>, Unreadable> {
        let path = self.path_of(name);
        self.take(name).map(|raw| Fields::of(raw, path)).transpose()
    }

    /// An array of objects.
    pub(super) fn list(&mut self, name: &str) -> Result<Option<Vec<Fields<'a>>>, Unreadable> {
        let Some(items) = self.get::<Vec<&'a RawValue>>(name, "must be an array of objects")?
        else {
            return Ok(None);
        };
        let path = self.path_of(name);
        let items = items.into_iter().enumerate();
        items
            .map(|(at, raw)| Fields::of(raw, format!("{path}[{at}]")))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// Plain text or blocks.
    pub(super) fn content(&mut self, name: &str) -> Result<Option<Content<'a>>, Unreadable> {
        match self.members.iter().find(|(member, _)| member == name) {
            Some((_, raw)) if raw.get().starts_with('"') => Ok(self.text(name)?.map(Content::Text)),
            Some((_, raw)) if raw.get().starts_with('[') || raw.get() == "null" => {
                Ok(self.list(name)?.map(Content::Blocks))
            }
            Some(_) => Err(self.wrong(name, "must be a string or an array of content blocks")),
            None => Ok(None),
        }
    }

    /// What nobody asked for.
    pub(super) fn rest(self) -> impl Iterator<Item = (Cow<'a, str>, &'a RawValue)> {
        self.members.into_iter().filter(|(_, raw)| raw.get() != "null")
    }
}

/// The members of an object in their order.
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

/// `Cow` alone always copies.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Read)
    }
}
