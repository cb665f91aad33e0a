//! From JSON Schema to Google's subset, for models that know no other.
//!
//! The subset has no references, no constants, no lists of types and no `allOf`; each of its nodes
//! has a type, each array says of what, and words of an enum are strings.

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::tree::{Json, Object, member};

/// The most nodes that references may unfold to: far more than any tool has, and a bound on schemas
/// that are made to explode.
const MOST_NODES: usize = 5000;
/// The most levels of nodes. Deeper ones are cut; Google's own bound is near.
const MOST_LEVELS: usize = 48;

/// Keywords that mean the same in both.
const SHARED: &[&str] = &[
    "title",
    "description",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
    "pattern",
];

/// The schema in the subset; `None` if it is no schema of an object's kind.
pub(in crate::protocol::gemini) fn reduced(schema: &RawValue) -> Option<Box<RawValue>> {
    let root = serde_json::from_str::<Json>(schema.get()).ok()?;
    root.as_object()?;
    let mut reducer = Reducer { root: &root, open: Vec::new(), level: 0, nodes: 0 };
    to_raw_value(&Json::Object(reducer.node(&root))).ok()
}

/// Whether the reduced schema of a function's parameters says that there are none.
pub(in crate::protocol::gemini) fn takes_nothing(reduced: &RawValue) -> bool {
    serde_json::from_str::<Json>(reduced.get()).ok().as_ref().and_then(Json::as_object).is_some_and(
        |schema| type_of(schema) == Some("OBJECT") && member(schema, "properties").is_none(),
    )
}

struct Reducer<'s> {
    root: &'s Json,
    /// References that are being unfolded.
    open: Vec<&'s str>,
    level: usize,
    nodes: usize,
}

impl<'s> Reducer<'s> {
    fn node(&mut self, schema: &'s Json) -> Object {
        self.nodes += 1;
        if self.nodes > MOST_NODES || self.level > MOST_LEVELS {
            return typed("OBJECT");
        }
        // `true` and `{}` allow anything, which the subset cannot say.
        let Some(members) = schema.as_object() else { return typed("STRING") };
        self.level += 1;
        let node = match member(members, "$ref").and_then(Json::as_str) {
            Some(reference) => self.reference(reference, members),
            None => self.plain(members),
        };
        self.level -= 1;
        node
    }

    fn reference(&mut self, reference: &'s str, members: &'s Object) -> Object {
        let target = pointed_at(self.root, reference);
        let mut node = match target {
            Some(target) if !self.open.contains(&reference) => {
                self.open.push(reference);
                let node = self.node(target);
                self.open.pop();
                node
            }
            // What holds itself is cut where it begins again.
            _ => typed("OBJECT"),
        };
        if let Some(description) = member(members, "description") {
            node.retain(|(name, _)| name != "description");
            node.push(("description".to_owned(), description.clone()));
        }
        node
    }

    fn plain(&mut self, members: &'s Object) -> Object {
        let mut node = Object::new();
        let mut nullable =
            member(members, "nullable").and_then(Json::as_scalar) == Some(&Value::Bool(true));
        for (name, value) in members {
            match (name.as_str(), value) {
                ("type", Json::Scalar(Value::String(word))) => match word.as_str() {
                    "null" => nullable = true,
                    word => put(&mut node, "type", Json::text(&word.to_ascii_uppercase())),
                },
                ("type", Json::List(words)) => self.types(words, members, &mut node, &mut nullable),
                ("const", Json::Scalar(Value::Null)) => nullable = true,
                ("const", Json::Scalar(value)) => {
                    put(&mut node, "enum", Json::List(vec![Json::text(&word(value))]));
                }
                ("enum", Json::List(values)) => words(values, &mut node, &mut nullable),
                ("format", Json::Scalar(Value::String(format)))
                    if matches!(format.as_str(), "enum" | "date-time") =>
                {
                    put(&mut node, "format", value.clone());
                }
                ("properties", Json::Object(properties)) if !properties.is_empty() => {
                    let reduce = |(name, one): &'s (String, Json)| {
                        (name.clone(), Json::Object(self.node(one)))
                    };
                    let properties = properties.iter().map(reduce).collect();
                    put(&mut node, "properties", Json::Object(properties));
                }
                ("items", items) if items.as_list().is_none() => {
                    let items = self.node(items);
                    put(&mut node, "items", Json::Object(items));
                }
                ("items" | "prefixItems", Json::List(tuple)) => {
                    if let Some(first) = tuple.first() {
                        let items = self.node(first);
                        put(&mut node, "items", Json::Object(items));
                    }
                }
                ("required", Json::List(_)) => put(&mut node, "required", value.clone()),
                ("anyOf" | "oneOf", Json::List(choices)) => {
                    self.any_of(choices, &mut node, &mut nullable);
                }
                ("allOf", Json::List(parts)) => {
                    for part in parts {
                        let part = self.node(part);
                        merge(&mut node, part);
                    }
                }
                (shared, Json::Scalar(_)) if SHARED.contains(&shared) => {
                    put(&mut node, shared, value.clone());
                }
                _ => {}
            }
        }
        complete(&mut node);
        if nullable {
            put(&mut node, "nullable", Json::Scalar(true.into()));
        }
        node
    }

    /// A list of types: one beside `null` is that one, several are alternatives.
    fn types(
        &mut self,
        words: &'s [Json],
        members: &'s Object,
        node: &mut Object,
        nullable: &mut bool,
    ) {
        let named: Vec<&str> = words.iter().filter_map(Json::as_str).collect();
        *nullable |= named.contains(&"null");
        let named: Vec<&str> = named.into_iter().filter(|word| *word != "null").collect();
        match named.as_slice() {
            [] => {}
            [only] => put(node, "type", Json::text(&only.to_ascii_uppercase())),
            several => {
                let alternatives = several.iter().map(|word| {
                    let mut one = typed(&word.to_ascii_uppercase());
                    if let ("array", Some(items)) = (*word, member(members, "items")) {
                        one.push(("items".to_owned(), Json::Object(self.node(items))));
                    }
                    complete(&mut one);
                    Json::Object(one)
                });
                let alternatives = alternatives.collect();
                put(node, "anyOf", Json::List(alternatives));
            }
        }
    }

    /// Alternatives, of which `null` is said otherwise and a single other one is the node itself.
    fn any_of(&mut self, choices: &'s [Json], node: &mut Object, nullable: &mut bool) {
        let is_null = |choice: &Json| {
            let word = choice.as_object().and_then(|choice| member(choice, "type"));
            word.and_then(Json::as_str) == Some("null")
        };
        *nullable |= choices.iter().any(is_null);
        let mut reduced: Vec<Object> = Vec::new();
        for choice in choices.iter().filter(|choice| !is_null(choice)) {
            reduced.push(self.node(choice));
        }
        if reduced.len() == 1 {
            merge(node, reduced.remove(0));
        } else if !reduced.is_empty() {
            put(node, "anyOf", Json::List(reduced.into_iter().map(Json::Object).collect()));
        }
    }
}

fn typed(word: &str) -> Object {
    vec![("type".to_owned(), Json::text(word))]
}

fn type_of(node: &Object) -> Option<&str> {
    member(node, "type").and_then(Json::as_str)
}

/// Sets a member unless it is there.
fn put(node: &mut Object, name: &str, value: Json) {
    if member(node, name).is_none() {
        node.push((name.to_owned(), value));
    }
}

/// The text of a constant.
fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn words(values: &[Json], node: &mut Object, nullable: &mut bool) {
    let scalars = values.iter().filter_map(Json::as_scalar);
    let (nulls, scalars): (Vec<&Value>, Vec<&Value>) = scalars.partition(|value| value.is_null());
    *nullable |= !nulls.is_empty();
    if !scalars.is_empty() {
        let list = scalars.into_iter().map(|value| Json::text(&word(value)));
        put(node, "enum", Json::List(list.collect()));
    }
}

/// Gives a node what the subset demands.
fn complete(node: &mut Object) {
    if member(node, "enum").is_some() {
        // Only strings can be listed, so whatever the type was, it is one now.
        node.retain(|(name, _)| name != "type");
        node.insert(0, ("type".to_owned(), Json::text("STRING")));
    }
    if type_of(node).is_none() && member(node, "anyOf").is_none() {
        let word = match () {
            () if member(node, "properties").is_some() => "OBJECT",
            () if member(node, "items").is_some() => "ARRAY",
            () => "STRING",
        };
        node.insert(0, ("type".to_owned(), Json::text(word)));
    }
    if type_of(node) == Some("ARRAY") {
        put(node, "items", Json::Object(typed("STRING")));
    }
    require_what_is_there(node);
}

/// A property that is required must be listed.
fn require_what_is_there(node: &mut Object) {
    let properties = member(node, "properties").and_then(Json::as_object);
    let known: Vec<String> =
        properties.into_iter().flatten().map(|(name, _)| name.clone()).collect();
    for (name, value) in node.iter_mut() {
        if let ("required", Json::List(list)) = (name.as_str(), value) {
            list.retain(|one| one.as_str().is_some_and(|one| known.iter().any(|name| name == one)));
        }
    }
    node.retain(|(name, value)| name != "required" || value.as_list() != Some(&[]));
}

/// Joins a node into another: properties and requirements add up, of everything else the first
/// counts.
fn merge(node: &mut Object, other: Object) {
    for (name, value) in other {
        let old = node.iter_mut().find(|(known, _)| *known == name).map(|(_, old)| old);
        match (name.as_str(), old, value) {
            ("properties", Some(Json::Object(old)), Json::Object(new)) => {
                for (name, value) in new {
                    put(old, &name, value);
                }
            }
            ("required", Some(Json::List(old)), Json::List(new)) => {
                for one in new {
                    if !old.contains(&one) {
                        old.push(one);
                    }
                }
            }
            (_, Some(_), _) => {}
            (_, None, value) => node.push((name, value)),
        }
    }
}

/// What a reference inside the schema (`#/$defs/x`) points at.
fn pointed_at<'s>(root: &'s Json, reference: &str) -> Option<&'s Json> {
    let mut steps = reference.strip_prefix('#')?.split('/');
    steps.next().filter(|before| before.is_empty())?;
    steps.try_fold(root, |at, step| {
        let step = step.replace("~1", "/").replace("~0", "~");
        match at {
            Json::Object(members) => member(members, &step),
            Json::List(list) => list.get(step.parse::<usize>().ok()?),
            Json::Scalar(_) => None,
        }
    })
}

#[cfg(test)]
mod tests;
