//! YAML text to JSON values, each with the lines it was written on.
//!
//! A text is cut into documents before it is parsed, at the same lines where `kubectl` cuts, so
//! that a mistake in one document does not hide the others.

use std::fmt;
use std::thread::{self, ScopedJoinHandle};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{DuplicateKeyPolicy, NonFiniteFloatPolicy, Options, Spanned};

use super::lines::Lines;

/// Nesting beyond this is an error: nothing Kubernetes stores is half as deep, and the parser
/// recurses on the stack.
const MAX_DEPTH: usize = 64;

/// Values in one document, aliases expanded. A stored object is at most 1.5 MiB, so this is beyond
/// any real one, while an "alias bomb" ends here after milliseconds.
const MAX_NODES: usize = 200_000;

/// Stack of the thread that parses: a level takes up to 45 KiB without optimisation.
const PARSER_STACK: usize = 8 << 20;

/// One document of a text.
#[derive(Debug)]
pub(super) struct Document {
    /// What was written; YAML 1.1 words such as `yes` and octal numbers read as `kubectl` does.
    pub(super) value: Value,
    /// Where each part of it stands.
    pub(super) lines: Lines,
}

/// Why a document is not one.
#[derive(Debug)]
pub(super) struct Malformed {
    /// The line, counted from 1.
    pub(super) line: u32,
    /// What is wrong; never holds a value of the document, which may be a secret.
    pub(super) message: String,
}

/// Reads every document of a text. Empty ones are left out.
pub(super) fn documents(text: &str) -> Vec<Result<Document, Malformed>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Not on the caller's stack, whose size is not ours to know.
    thread::scope(|scope| {
        let parser = thread::Builder::new().stack_size(PARSER_STACK);
        match parser.spawn_scoped(scope, || parse_all(text)).map(ScopedJoinHandle::join) {
            Ok(Ok(documents)) => documents,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(error) => {
                let message = format!("no thread to parse it: {error}");
                vec![Err(Malformed { line: 0, message })]
            }
        }
    })
}

fn parse_all(text: &str) -> Vec<Result<Document, Malformed>> {
    chunks(text).filter_map(|(first_line, chunk)| parse(first_line, chunk).transpose()).collect()
}

/// Cuts a text before each line that begins a document, with the number of its first line.
fn chunks(text: &str) -> impl Iterator<Item = (u32, &str)> {
    let mut rest = text;
    let mut next_line = 1_u32;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let first_line = next_line;
        let mut end = 0;
        for line in rest.split_inclusive('\n') {
            if end > 0 && begins_document(line) {
                break;
            }
            end += line.len();
            next_line = next_line.saturating_add(1);
        }
        let (chunk, after) = rest.split_at(end);
        rest = after;
        Some((first_line, chunk))
    })
    .filter(|(_, chunk)| chunk.lines().any(is_content))
}

fn begins_document(line: &str) -> bool {
    line.strip_prefix("---")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Whether a line is more than a comment, a directive (`%YAML 1.2`) or a document mark: a parser
/// takes a chunk of those alone for a truncated document.
fn is_content(line: &str) -> bool {
    let line = line.strip_prefix("---").unwrap_or(line).trim();
    !(line.is_empty() || line.starts_with(['#', '%']) || line == "...")
}

fn parse(first_line: u32, chunk: &str) -> Result<Option<Document>, Malformed> {
    let node: Node = serde_saphyr::from_str_with_options(chunk, options()).map_err(|error| {
        let line = error.location().and_then(|at| u32::try_from(at.line()).ok()).unwrap_or(1);
        Malformed {
            line: first_line.saturating_add(line.saturating_sub(1)),
            message: describe(&error),
        }
    })?;
    if node.value.is_null() {
        return Ok(None);
    }
    Ok(Some(Document { value: node.value, lines: node.lines.shifted(first_line - 1) }))
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, max_nodes: MAX_NODES },
        duplicate_keys: DuplicateKeyPolicy::Error,
        legacy_octal_numbers: true,
        // Refused by the visitor below: this crate's own message would show the value.
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        // A snippet shows the surrounding lines, which may hold a secret.
        with_snippet: false,
    }
}

/// The error without its position, which is reported apart and counted in the chunk.
fn describe(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let text = text.lines().next().unwrap_or_default();
    let end = text.find(" at line ").unwrap_or(text.len());
    text[..end].to_owned()
}

struct Node {
    value: Value,
    lines: Lines,
}

impl Node {
    fn scalar(value: impl Into<Value>) -> Self {
        Self { value: value.into(), lines: Lines::scalar() }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut spanned = Spanned::<Untold>::deserialize(deserializer)?;
        let node = &mut spanned.value.0;
        node.lines.set_line(line_of(&spanned.referenced));
        Ok(spanned.value.0)
    }
}

fn line_of(at: &serde_saphyr::Location) -> u32 {
    u32::try_from(at.line()).unwrap_or(u32::MAX)
}

/// A node whose own line is not known yet.
struct Untold(Node);

impl<'de> Deserialize<'de> for Untold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor).map(Self)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::scalar(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::scalar(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::scalar(value))
    }

    /// Whole numbers lose their point or exponent, as on their way through `kubectl`.
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && value.abs() <= EXACT {
            #[expect(clippy::cast_possible_truncation, reason = "whole, and at most 2^53")]
            return Ok(Node::scalar(value as i64));
        }
        let number = Number::from_f64(value)
            .ok_or_else(|| E::custom("a number that JSON cannot hold; quote it if it is a text"))?;
        Ok(Node::scalar(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::scalar(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::scalar(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let (mut values, mut lines) = (Vec::new(), Vec::new());
        while let Some(node) = items.next_element::<Node>()? {
            values.push(node.value);
            lines.push(node.lines);
        }
        Ok(Node { value: Value::Array(values), lines: Lines::list(lines) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let (mut values, mut lines) = (Map::new(), Vec::new());
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let mut node = entries.next_value::<Node>()?;
            // A field is on the line of its key: a block value begins a line later.
            node.lines.set_line(line_of(&key.referenced));
            lines.push((key.value.clone().into_boxed_str(), node.lines));
            // Keys that differ in YAML (`1` and `"1"`) may be one in JSON.
            if values.insert(key.value, node.value).is_some() {
                return Err(A::Error::custom("duplicate mapping key"));
            }
        }
        Ok(Node { value: Value::Object(values), lines: Lines::fields(lines) })
    }
}

#[cfg(test)]
mod tests;
