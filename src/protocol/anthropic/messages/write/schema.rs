//! JSON schemas in the part of the language that the API enforces.
//!
//! It wants `additionalProperties: false` on every object and knows few constraints on values. The
//! others move into the description, where the model at least reads them; a schema that would mean
//! something else without what is not known cannot be enforced at all.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::protocol::anthropic::messages::fields::Members;

/// Deeper schemas are not looked into: nobody writes them, and each level is read again.
const DEPTH: usize = 32;

/// More references than this between definitions are not followed; real schemas have some dozens.
const REFERENCES: usize = 256;

/// Formats of strings that are enforced.
const FORMATS: &[&str] =
    &["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// A schema, keys in the caller's order.
enum Tree<'a> {
    Object(Vec<(Cow<'a, str>, Tree<'a>)>),
    Array(Vec<Tree<'a>>),
    Text(String),
    Leaf(&'a RawValue),
}

/// The schema in the known part of the language, unchanged if it is of it; `None` if that is not
/// possible.
pub(super) fn reduced(schema: &RawValue) -> Option<Cow<'_, RawValue>> {
    let (tree, changed) = reduce(schema)?;
    if !changed {
        return Some(Cow::Borrowed(schema));
    }
    to_raw_value(&tree).ok().map(Cow::Owned)
}

/// Whether a schema is of the known part of the language as it is.
pub(super) fn fits(schema: &RawValue) -> bool {
    reduce(schema).is_some_and(|(_, changed)| !changed)
}

/// Whether a schema describes an object.
pub(super) fn is_of_object(schema: &RawValue) -> bool {
    serde_json::from_str::<Members<'_>>(schema.get()).is_ok_and(|Members(members)| {
        members.iter().any(|(key, raw)| match &**key {
            "type" => raw.get() == "\"object\"",
            "properties" => true,
            _ => false,
        })
    })
}

fn reduce(schema: &RawValue) -> Option<(Tree<'_>, bool)> {
    let mut reducer = Reducer::default();
    let tree = reducer.schema(schema, 0)?;
    (!reducer.recurses()).then_some((tree, reducer.changed))
}

#[derive(Default)]
struct Reducer {
    changed: bool,
    /// Which definition we are in, if any.
    inside: Option<String>,
    /// Definitions that refer to others.
    references: Vec<(Option<String>, String)>,
}

impl Reducer {
    fn schema<'a>(&mut self, raw: &'a RawValue, depth: usize) -> Option<Tree<'a>> {
        if depth > DEPTH {
            return None;
        }
        let Members(members) = serde_json::from_str(raw.get()).ok()?;
        let mut kept: Vec<(Cow<'a, str>, Tree<'a>)> = Vec::with_capacity(members.len() + 1);
        let mut notes = String::new();
        let (mut closed, mut properties, mut object) = (false, false, false);
        for (key, value) in members {
            let text = value.get();
            let tree = match &*key {
                "type" => {
                    object |= text.contains("\"object\"");
                    Tree::Leaf(value)
                }
                "properties" => {
                    properties = true;
                    self.named(value, depth, false)?
                }
                "$defs" | "definitions" => self.named(value, depth, true)?,
                "additionalProperties" if text == "false" => {
                    closed = true;
                    Tree::Leaf(value)
                }
                // Open on purpose: closing it would be another schema.
                "additionalProperties" => return None,
                "items" => self.schema(value, depth + 1)?,
                "anyOf" => self.list(value, depth)?,
                "oneOf" => {
                    self.changed = true;
                    kept.push(("anyOf".into(), self.list(value, depth)?));
                    continue;
                }
                "$ref" => {
                    let target: String = serde_json::from_str(text).ok()?;
                    let name = target.strip_prefix("#/$defs/");
                    let name = name.or_else(|| target.strip_prefix("#/definitions/"))?;
                    self.references.push((self.inside.clone(), name.to_owned()));
                    Tree::Leaf(value)
                }
                "title" | "description" | "enum" | "const" | "default" | "required" => {
                    Tree::Leaf(value)
                }
                "minItems" if matches!(text, "0" | "1") => Tree::Leaf(value),
                "format" if FORMATS.contains(&text.trim_matches('"')) => Tree::Leaf(value),
                "format" | "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum"
                | "multipleOf" | "minLength" | "maxLength" | "pattern" | "minItems"
                | "maxItems" | "uniqueItems" | "minProperties" | "maxProperties" => {
                    let comma = if notes.is_empty() { "" } else { ", " };
                    // Writing to a string does not fail.
                    let _ = write!(notes, "{comma}{key}: {text}");
                    continue;
                }
                "$schema" | "$id" | "$comment" | "examples" | "example" | "deprecated"
                | "readOnly" | "writeOnly" => {
                    self.changed = true;
                    continue;
                }
                _ => return None,
            };
            kept.push((key, tree));
        }
        if (object || properties) && !closed {
            if !properties {
                return None;
            }
            self.changed = true;
            let no = serde_json::from_str("false").expect("a literal is JSON");
            kept.push(("additionalProperties".into(), Tree::Leaf(no)));
        }
        self.note(&mut kept, &notes);
        Some(Tree::Object(kept))
    }

    /// Moves constraints into the description.
    fn note(&mut self, kept: &mut Vec<(Cow<'_, str>, Tree<'_>)>, notes: &str) {
        if notes.is_empty() {
            return;
        }
        self.changed = true;
        let notes = format!("{{{notes}}}");
        match kept.iter_mut().find(|(key, _)| key == "description") {
            Some((_, tree)) => {
                let said = match tree {
                    Tree::Leaf(raw) => serde_json::from_str(raw.get()).unwrap_or_default(),
                    _ => String::new(),
                };
                *tree = Tree::Text(format!("{said}\n\n{notes}").trim_start().to_owned());
            }
            None => kept.push(("description".into(), Tree::Text(notes))),
        }
    }

    /// Schemas by name.
    fn named<'a>(&mut self, raw: &'a RawValue, depth: usize, defined: bool) -> Option<Tree<'a>> {
        let Members(members) = serde_json::from_str(raw.get()).ok()?;
        let mut schemas = Vec::with_capacity(members.len());
        for (name, value) in members {
            let outer = self.inside.clone();
            if defined {
                self.inside = Some(name.clone().into_owned());
            }
            schemas.push((name, self.schema(value, depth + 1)?));
            self.inside = outer;
        }
        Some(Tree::Object(schemas))
    }

    fn list<'a>(&mut self, raw: &'a RawValue, depth: usize) -> Option<Tree<'a>> {
        let raws: Vec<&'a RawValue> = serde_json::from_str(raw.get()).ok()?;
        raws.into_iter()
            .map(|raw| self.schema(raw, depth + 1))
            .collect::<Option<_>>()
            .map(Tree::Array)
    }

    /// Whether a definition refers to itself, in however many steps: what remains after those that
    /// refer to nothing were taken away, again and again.
    fn recurses(&self) -> bool {
        let inner = self.references.iter().filter_map(|(from, to)| Some((from.as_ref()?, to)));
        let mut open: Vec<(&String, &String)> = inner.collect();
        if open.len() > REFERENCES {
            return true;
        }
        loop {
            let before = open.len();
            let sources: Vec<&String> = open.iter().map(|(from, _)| *from).collect();
            open.retain(|(_, to)| sources.contains(to));
            if open.is_empty() || open.len() == before {
                return !open.is_empty();
            }
        }
    }
}

impl Serialize for Tree<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Self::Array(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Self::Text(text) => text.serialize(serializer),
            Self::Leaf(raw) => raw.serialize(serializer),
        }
    }
}
