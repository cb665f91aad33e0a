//! JSON objects as bytes of which single members are read and changed.
//!
//! A body that passes from one side to the other in the same protocol must arrive as it was sent:
//! unknown fields, key order, number spelling and white space included. So a body is never decoded
//! and encoded again. [`Object`] checks the whole text once and remembers where each member of the
//! top level is; [`ObjectEdit`] collects changes and writes the new text in one pass, copying
//! everything it was not asked to change.
//!
//! Client input of any size and depth is safe: values that nobody asks for are skipped without
//! recursion, and no tree is built. A member given twice is harmless until it is read or changed;
//! then it is an error, because the two sides might believe different ones.

mod edit;
mod list;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use memchr::{memchr, memrchr};
use serde::de::{Deserialize, Deserializer as _, MapAccess, Visitor};
use serde_json::Deserializer;
use serde_json::value::RawValue;

pub use edit::ObjectEdit;

/// How many members an object may have. Request and response objects have some dozens; a body of
/// nothing but tiny members would cost more memory in bookkeeping than in bytes.
pub const MAX_MEMBERS: usize = 4096;

/// Why a text cannot be read or changed as asked. Never holds a value out of the text.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The text is not UTF-8.
    #[error("is not UTF-8 after byte {valid_up_to}")]
    Encoding {
        /// How many bytes are good.
        valid_up_to: usize,
    },
    /// The text is not JSON.
    #[error("is not valid JSON (line {line}, column {column})")]
    Syntax {
        /// Line of the first mistake, from 1.
        line: usize,
        /// Its column, from 1.
        column: usize,
    },
    /// The text is JSON but no object.
    #[error("must be a JSON object")]
    NotAnObject,
    /// More members than [`MAX_MEMBERS`].
    #[error("must not have more than {MAX_MEMBERS} members")]
    TooManyMembers,
    /// A member that is needed stands there more than once.
    #[error("`{member}` must not be given twice")]
    Duplicate {
        /// The member, dotted where it is nested.
        member: String,
    },
    /// A member that is needed has another type.
    #[error("`{member}` must be {expected}")]
    WrongType {
        /// The member, dotted where it is nested.
        member: String,
        /// What it should be, with its article.
        expected: &'static str,
    },
}

/// A JSON object: its text, and where its members are.
#[derive(Debug, Clone)]
pub struct Object {
    text: Bytes,
    members: Vec<Member>,
}

/// Where a member is in the text; the key with its quotes.
#[derive(Debug, Clone)]
struct Member {
    key: Range<usize>,
    /// The key does not stand there as it is read.
    escaped: bool,
    value: Range<usize>,
}

impl Object {
    /// Reads an object; the whole text is checked.
    pub fn parse(text: Bytes) -> Result<Self, JsonError> {
        let members = members(&text)?;
        Ok(Self { text, members })
    }

    /// The text as it came.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// The text of a member's value, without space around it.
    pub fn raw(&self, name: &str) -> Result<Option<&[u8]>, JsonError> {
        Ok(self.find(name)?.map(|at| self.value(at)))
    }

    /// The first member that has one of these names; `null` counts as not given. In one pass, since most
    /// objects have none of them.
    pub fn any_of<'n>(&self, names: &[&'n str]) -> Result<Option<&'n str>, JsonError> {
        let mut first = None;
        for member in &self.members {
            let Some(name) = names.iter().find(|name| member.is_named(name, &self.text)) else {
                continue;
            };
            if self.text[member.value.clone()] == *b"null" {
                continue;
            }
            match first {
                None => first = Some(*name),
                Some(first) if first == *name => {
                    return Err(JsonError::Duplicate { member: (*name).to_owned() });
                }
                Some(_) => {}
            }
        }
        Ok(first)
    }

    /// A member as a string; `null` counts as not given. Borrowed unless it holds an escape.
    pub fn string(&self, name: &str) -> Result<Option<Cow<'_, str>>, JsonError> {
        const EXPECTED: &str = "a string";
        let plain = self
            .raw(name)?
            .and_then(|value| value.strip_prefix(b"\"")?.strip_suffix(b"\""))
            .filter(|inner| memchr(b'\\', inner).is_none())
            .and_then(|inner| std::str::from_utf8(inner).ok());
        match plain {
            Some(text) => Ok(Some(Cow::Borrowed(text))),
            None => Ok(self.get(name, EXPECTED)?.map(Cow::Owned)),
        }
    }

    /// A member as `true` or `false`; `null` counts as not given.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, JsonError> {
        self.get(name, "`true` or `false`")
    }

    /// A member as an object of its own, sharing the text; `null` counts as not given.
    pub fn object(&self, name: &str) -> Result<Option<Self>, JsonError> {
        match self.find(name)? {
            Some(at) if self.value(at) != b"null" => {
                nested(self.text.slice(self.members[at].value.clone()), name).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// A member as whatever `T` is; `null` counts as not given. `expected` is what the error says,
    /// with its article (`a number`).
    ///
    /// Meant for small types: a `T` that keeps everything it reads is as large as the client likes.
    pub fn get<'t, T: Deserialize<'t>>(
        &'t self,
        name: &str,
        expected: &'static str,
    ) -> Result<Option<T>, JsonError> {
        let Some(value) = self.raw(name)? else { return Ok(None) };
        serde_json::from_slice(value)
            .map_err(|_| JsonError::WrongType { member: name.to_owned(), expected })
    }

    /// Begins a change. The object itself stays, to be changed in another way for the next target.
    pub fn edit(&self) -> ObjectEdit<'_> {
        ObjectEdit::new(self)
    }

    fn value(&self, at: usize) -> &[u8] {
        &self.text[self.members[at].value.clone()]
    }

    fn find(&self, name: &str) -> Result<Option<usize>, JsonError> {
        let mut found = None;
        for (at, member) in self.members.iter().enumerate() {
            if member.is_named(name, &self.text) && found.replace(at).is_some() {
                return Err(JsonError::Duplicate { member: name.to_owned() });
            }
        }
        Ok(found)
    }

    /// Where the members begin: after the opening brace, before which only space can stand.
    fn begin(&self) -> usize {
        memchr(b'{', &self.text).map_or(0, |brace| brace + 1)
    }

    /// Where the closing brace is, after which only space can stand.
    fn end(&self) -> usize {
        memrchr(b'}', &self.text).unwrap_or(self.text.len())
    }
}

impl JsonError {
    /// The same mistake, seen from the object that holds the object it is in.
    fn inside(self, outer: &str) -> Self {
        let nested = |member: String| format!("{outer}.{member}");
        match self {
            Self::Duplicate { member } => Self::Duplicate { member: nested(member) },
            Self::WrongType { member, expected } => {
                Self::WrongType { member: nested(member), expected }
            }
            Self::NotAnObject => {
                Self::WrongType { member: outer.to_owned(), expected: "an object" }
            }
            other => other,
        }
    }
}

/// A member's value as an object.
fn nested(value: Bytes, name: &str) -> Result<Object, JsonError> {
    Object::parse(value).map_err(|error| error.inside(name))
}

impl Member {
    /// Whether its key spells `name`. An escaped spelling is the same name to whoever reads it.
    fn is_named(&self, name: &str, text: &[u8]) -> bool {
        if !self.escaped {
            // Most differ in their lengths, which are at hand.
            return self.key.len() == name.len() + 2
                && text[self.key.start + 1..self.key.end - 1] == *name.as_bytes();
        }
        // A key with half a surrogate pair is no string, and so nobody's name.
        serde_json::from_slice::<String>(&text[self.key.clone()]).is_ok_and(|key| key == name)
    }
}

fn members(text: &[u8]) -> Result<Vec<Member>, JsonError> {
    let text = std::str::from_utf8(text)
        .map_err(|error| JsonError::Encoding { valid_up_to: error.valid_up_to() })?;
    let syntax = |error: serde_json::Error| match error.classify() {
        serde_json::error::Category::Data => JsonError::NotAnObject,
        _ => JsonError::Syntax { line: error.line(), column: error.column() },
    };
    let mut reader = Deserializer::from_str(text);
    let members = reader.deserialize_map(Members { text }).map_err(syntax)?;
    let members = members.ok_or(JsonError::TooManyMembers)?;
    reader.end().map_err(syntax)?;
    Ok(members)
}

/// Notes where the members are; `None` if there are too many.
struct Members<'t> {
    text: &'t str,
}

impl<'t> Visitor<'t> for Members<'t> {
    type Value = Option<Vec<Member>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        // Both are read raw: the text is checked, nothing is decoded or copied, and however deep a
        // value goes, skipping it does not recurse.
        let mut members = Vec::with_capacity(16);
        while let Some((key, value)) = map.next_entry::<&'t RawValue, &'t RawValue>()? {
            if members.len() < MAX_MEMBERS {
                let escaped = memchr(b'\\', key.get().as_bytes()).is_some();
                members.push(Member { key: self.span(key), escaped, value: self.span(value) });
            } else {
                members.clear();
                while map.next_entry::<&RawValue, &RawValue>()?.is_some() {}
                return Ok(None);
            }
        }
        Ok(Some(members))
    }
}

impl Members<'_> {
    fn span(&self, part: &RawValue) -> Range<usize> {
        let start = part.get().as_ptr().addr() - self.text.as_ptr().addr();
        start..start + part.get().len()
    }
}

#[cfg(test)]
mod tests;
