//! Names and ids that this API takes: others are replaced by ones that are made from them, so that
//! the same name is replaced by the same everywhere and in every request.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};

/// The longest name of a function, as the API reference has it.
const MAX_NAME: usize = 64;
/// The longest id of a call in history that OpenAI takes.
const MAX_CALL_ID: usize = 40;
/// The longest identifier of a user, as the API reference has it.
const MAX_IDENTIFIER: usize = 64;

/// What had to be replaced in one request.
pub(super) struct Names {
    short_ids: bool,
    changed: BTreeMap<String, String>,
}

impl Names {
    /// `short_ids` is whether the server bounds the ids of calls.
    pub(super) fn new(short_ids: bool) -> Self {
        Self { short_ids, changed: BTreeMap::new() }
    }

    /// The name of a function.
    pub(super) fn tool<'a>(&mut self, name: &'a str) -> Cow<'a, str> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(fits) {
            return Cow::Borrowed(name);
        }
        let hash = hash(name, 4);
        let kept = name.chars().map(|c| if fits(c) { c } else { '_' });
        let kept: String = kept.take(MAX_NAME - hash.len() - 1).collect();
        let written = format!("{kept}_{hash}");
        self.changed.insert(written.clone(), name.to_owned());
        Cow::Owned(written)
    }

    /// The id of a call.
    pub(super) fn call<'a>(&self, id: &'a str) -> Cow<'a, str> {
        if id.is_empty() {
            // Some servers give their calls none, and their clients send it back.
            Cow::Borrowed("call")
        } else if self.short_ids && id.len() > MAX_CALL_ID {
            Cow::Owned(format!("call_{}", hash(id, 16)))
        } else {
            Cow::Borrowed(id)
        }
    }

    /// Names of functions as written, with what they were.
    pub(super) fn into_changed(self) -> BTreeMap<String, String> {
        self.changed
    }
}

/// An identifier of a user.
pub(super) fn identifier(user: &str) -> String {
    if user.len() > MAX_IDENTIFIER { hash(user, 32) } else { user.to_owned() }
}

/// The first `bytes` of a text's hash, in hexadecimal.
fn hash(text: &str, bytes: usize) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    let mut hex = String::with_capacity(2 * bytes);
    for byte in digest.as_ref().iter().take(bytes) {
        write!(hex, "{byte:02x}").expect("a string takes whatever is written to it");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_fit_stay() {
        let mut names = Names::new(true);
        assert_eq!(names.tool("get_weather-2"), "get_weather-2");
        assert_eq!(names.call("call_1"), "call_1");
        assert_eq!(names.call(""), "call", "the API takes no empty id");
        assert!(names.into_changed().is_empty());
    }

    #[test]
    fn a_long_name_is_replaced_and_can_be_told() {
        let mut names = Names::new(true);
        let long = "n".repeat(70);
        let written = names.tool(&long).into_owned();
        assert_eq!(written.len(), 64);
        assert_ne!(names.tool(&"n".repeat(71)), written);
        assert_eq!(names.into_changed().get(&written), Some(&long));
    }

    #[test]
    fn vector_48_a_long_call_id_is_the_same_short_one_everywhere() {
        let names = Names::new(true);
        let long = "c".repeat(52);
        let written = names.call(&long);
        assert!(written.len() <= 40);
        assert_eq!(written, names.call(&long));
        assert_eq!(Names::new(false).call(&long), long);
    }
}
