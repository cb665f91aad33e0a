//! Members deep in a text, of objects in lists: taken out without building a tree.

use std::fmt;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::Deserializer;
use serde_json::value::RawValue;

use super::{JsonError, Object};

/// Stands for each element of a list in a path.
const EACH: &str = "*";

/// `value` without the member at the end of `path`; `None` if it has none.
///
/// Recursion goes as deep as the path, which is the caller's.
pub(super) fn without(value: &Bytes, path: &[&str]) -> Result<Option<Bytes>, JsonError> {
    match (path, value.first()) {
        ([EACH, path @ ..], Some(b'[')) => without_in_each(value, path),
        ([name, ..], Some(b'{')) if *name != EACH => {
            let object = Object::parse(value.clone())?;
            let mut edit = object.edit();
            edit.remove_at(path)?;
            let changed = edit.finish();
            // To take something out makes it shorter.
            Ok((changed.len() < value.len()).then_some(changed))
        }
        _ => Ok(None),
    }
}

fn without_in_each(list: &Bytes, path: &[&str]) -> Result<Option<Bytes>, JsonError> {
    // Part of an object that was checked as a whole.
    let text = std::str::from_utf8(list)
        .map_err(|error| JsonError::Encoding { valid_up_to: error.valid_up_to() })?;
    let each = Each { list, text, path };
    let changes = Deserializer::from_str(text)
        .deserialize_seq(each)
        .map_err(|error| JsonError::Syntax { line: error.line(), column: error.column() })??;
    if changes.is_empty() {
        return Ok(None);
    }
    let mut out = BytesMut::with_capacity(list.len());
    let mut copied = 0;
    for (place, changed) in changes {
        out.extend_from_slice(&list[copied..place.start]);
        out.extend_from_slice(&changed);
        copied = place.end;
    }
    out.extend_from_slice(&list[copied..]);
    Ok(Some(out.freeze()))
}

/// Notes where elements come out different: memory goes by those, not by the length of the list.
struct Each<'a> {
    list: &'a Bytes,
    text: &'a str,
    path: &'a [&'a str],
}

impl<'a> Visitor<'a> for Each<'a> {
    type Value = Result<Vec<(Range<usize>, Bytes)>, JsonError>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let (mut changes, mut failed) = (Vec::new(), None);
        while let Some(element) = elements.next_element::<&'a RawValue>()? {
            let start = element.get().as_ptr().addr() - self.text.as_ptr().addr();
            let place = start..start + element.get().len();
            match without(&self.list.slice(place.clone()), self.path) {
                Ok(Some(changed)) => changes.push((place, changed)),
                Ok(None) => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Ok(failed.map_or(Ok(changes), Err))
    }
}
