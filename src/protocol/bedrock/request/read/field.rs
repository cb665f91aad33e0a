//! A value of the request that knows where it stands.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Beyond, Members, Unreadable};

/// A value and its place.
#[derive(Debug)]
pub(super) struct Field<'a> {
    /// Its place, as errors name it: `messages[2].content[0].text`; empty for the body.
    place: String,
    /// Where its own name begins in there.
    name: usize,
    raw: &'a RawValue,
}

/// An object's members that are not null.
#[derive(Debug)]
pub(super) struct Object<'a> {
    place: String,
    members: Members<'a>,
}

/// Reads a value of any type.
pub(super) fn parse<'a, T: Deserialize<'a>>(field: &Field<'a>) -> Result<T, Unreadable> {
    let mut json = serde_json::Deserializer::from_str(field.raw.get());
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let inner = error.path().to_string();
        let place = match (&*inner, field.place()) {
            (".", place) => place.to_owned(),
            (inner, "body") => inner.to_owned(),
            (inner, place) => format!("{place}.{inner}"),
        };
        Unreadable::new(place, format!("is not what it should be: {}", error.inner()))
    })
}

impl<'a> Field<'a> {
    /// The body.
    pub(super) fn root(raw: &'a RawValue) -> Self {
        Self { place: String::new(), name: 0, raw }
    }

    /// Its place.
    pub(super) fn place(&self) -> &str {
        if self.place.is_empty() { "body" } else { &self.place }
    }

    /// Its name in the object that it is a member of.
    pub(super) fn name(&self) -> &str {
        &self.place[self.name..]
    }

    /// Its bytes.
    pub(super) fn raw(&self) -> &'a RawValue {
        self.raw
    }

    /// An error about it.
    pub(super) fn wrong(&self, message: impl Into<Cow<'static, str>>) -> Unreadable {
        Unreadable::new(self.place(), message)
    }

    /// As a member that the neutral form has no place for.
    pub(super) fn beyond(&self, essential: bool) -> Beyond {
        Beyond { field: self.place.clone(), essential, value: Some(self.raw.to_owned()) }
    }

    /// A string.
    pub(super) fn text(&self) -> Result<Cow<'a, str>, Unreadable> {
        #[derive(Deserialize)]
        struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
        let read: Result<Text<'a>, _> = serde_json::from_str(self.raw.get());
        read.map(|text| text.0).map_err(|_| self.wrong("should be a string"))
    }

    /// A name or an id, which is a string that is not empty.
    pub(super) fn word(&self) -> Result<String, Unreadable> {
        let text = self.text()?;
        if text.is_empty() { Err(self.wrong("should not be empty")) } else { Ok(text.into_owned()) }
    }

    /// A JSON schema, which is an object.
    pub(super) fn schema(&self) -> Result<Box<RawValue>, Unreadable> {
        if !self.raw.get().starts_with('{') {
            return Err(self.wrong("should be a JSON schema, which is an object"));
        }
        Ok(self.raw.to_owned())
    }

    /// A number of things.
    pub(super) fn count(&self) -> Result<u64, Unreadable> {
        self.simple("should be a whole number that is not negative")
    }

    /// A number.
    pub(super) fn number(&self) -> Result<f64, Unreadable> {
        self.simple("should be a number")
    }

    /// True or false.
    pub(super) fn flag(&self) -> Result<bool, Unreadable> {
        self.simple("should be true or false")
    }

    fn simple<T: Deserialize<'a>>(&self, expected: &'static str) -> Result<T, Unreadable> {
        serde_json::from_str(self.raw.get()).map_err(|_| self.wrong(expected))
    }

    /// An array.
    pub(super) fn items(&self) -> Result<Vec<Field<'a>>, Unreadable> {
        let items: Vec<&'a RawValue> = self.simple("should be an array")?;
        let numbered = items.into_iter().enumerate().map(|(index, raw)| {
            let place = format!("{}[{index}]", self.place);
            Field { name: place.len(), place, raw }
        });
        Ok(numbered.collect())
    }

    /// An object, by the names of its members.
    pub(super) fn by_name(&self) -> Result<Object<'a>, Unreadable> {
        // serde would fill a map from nothing but an object, so this is no array.
        let mut members: Members<'a> = self.simple("should be an object")?;
        members.retain(|_, raw| raw.get() != "null");
        Ok(Object { place: self.place.clone(), members })
    }

    /// An object's members.
    pub(super) fn members(&self) -> Result<impl Iterator<Item = Field<'a>>, Unreadable> {
        let Object { place, members } = self.by_name()?;
        Ok(members.into_iter().map(move |(name, raw)| member(&place, &name, raw)))
    }

    /// The one member of a union.
    pub(super) fn only_member(&self) -> Result<Field<'a>, Unreadable> {
        let mut members = self.members()?;
        match (members.next(), members.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(self.wrong("should be an object with exactly one member")),
        }
    }
}

impl<'a> Object<'a> {
    /// A member that may be absent.
    pub(super) fn optional(&self, name: &str) -> Option<Field<'a>> {
        self.members.get(name).map(|raw| member(&self.place, name, raw))
    }

    /// A member that must be there.
    pub(super) fn required(&self, name: &str) -> Result<Field<'a>, Unreadable> {
        self.optional(name).ok_or_else(|| {
            let place = if self.place.is_empty() {
                name.to_owned()
            } else {
                format!("{}.{name}", self.place)
            };
            Unreadable::new(place, "is missing")
        })
    }
}

fn member<'a>(parent: &str, name: &str, raw: &'a RawValue) -> Field<'a> {
    let dot = if parent.is_empty() { "" } else { "." };
    let start = parent.len() + dot.len();
    Field { place: format!("{parent}{dot}{name}"), name: start, raw }
}
