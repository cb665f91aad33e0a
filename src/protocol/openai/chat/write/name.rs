//! Names of tools and ids of calls that fit where their characters and length are limited.
//!
//! What does not fit is replaced by something made from a hash of it, so that every request of a
//! conversation, on any replica, replaces it by the same.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::super::hash::hash;
use crate::protocol::dialect::Quirks;

/// OpenAI's limit on names of functions: `^[a-zA-Z0-9_-]{1,64}$`.
const MAX_NAME: usize = 64;
/// OpenAI's limit on ids of calls in a conversation.
const MAX_OPENAI_ID: usize = 40;
/// The limit of other servers that have one.
const MAX_ID: usize = 64;
/// What Mistral takes, and nothing shorter or longer.
const MISTRAL_ID: usize = 9;
/// Digits of the hash behind a shortened text: 48 bits never meet inside one request.
const HASH_DIGITS: usize = 12;

/// Names and ids of one request.
pub(super) struct Names {
    id_limit: usize,
    exact_ids: bool,
    changed: BTreeMap<String, String>,
}

impl Names {
    pub fn new(quirks: &Quirks) -> Self {
        let id_limit = if quirks.openai_itself { MAX_OPENAI_ID } else { MAX_ID };
        Self { id_limit, exact_ids: quirks.nine_character_ids, changed: BTreeMap::new() }
    }

    /// A tool's name for the target.
    pub fn tool<'a>(&mut self, name: &'a str) -> Cow<'a, str> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.len() <= MAX_NAME && name.chars().all(allowed) {
            return Cow::Borrowed(name);
        }
        let readable: String = name
            .chars()
            .take(MAX_NAME - HASH_DIGITS - 1)
            .map(|c| if allowed(c) { c } else { '_' })
            .collect();
        let written = format!("{readable}_{}", hash(name, HASH_DIGITS));
        self.changed.insert(written.clone(), name.to_owned());
        Cow::Owned(written)
    }

    /// A call's id for the target. Only the request's own consistency matters, so that there is
    /// nothing to undo.
    pub fn call<'a>(&self, id: &'a str) -> Cow<'a, str> {
        if self.exact_ids {
            let fits = id.len() == MISTRAL_ID && id.chars().all(|c| c.is_ascii_alphanumeric());
            return if fits { Cow::Borrowed(id) } else { Cow::Owned(hash(id, MISTRAL_ID)) };
        }
        shortened(id, self.id_limit)
    }

    /// The names that were changed: as written, as the client knows them.
    pub fn into_changed(self) -> BTreeMap<String, String> {
        self.changed
    }
}

/// The text if it has at most so many bytes, else as much of its beginning and a hash of it.
pub(super) fn shortened(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit {
        return Cow::Borrowed(text);
    }
    let room = limit - HASH_DIGITS - 1;
    let cut = (0..=room).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    Cow::Owned(format!("{}_{}", &text[..cut], hash(text, HASH_DIGITS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_replaced_the_same_way_each_time() {
        let openai = Quirks { openai_itself: true, ..Quirks::COMPATIBLE };
        let mut names = Names::new(&openai);
        assert_eq!(names.tool("fit_-1"), "fit_-1");
        let long = "x".repeat(70);
        let written = names.tool(&long).into_owned();
        assert!(written.len() <= 64 && names.tool(&long) == written);
        assert_ne!(names.tool("a.b"), names.tool("a:b"));
        assert_eq!(names.into_changed().get(&written), Some(&long));
    }

    #[test]
    fn vector_48_a_long_id_is_shortened() {
        let openai = Quirks { openai_itself: true, ..Quirks::COMPATIBLE };
        let names = Names::new(&openai);
        let id = "i".repeat(52);
        assert_eq!(names.call(&id).len(), 40);
        assert_eq!(names.call(&id), names.call(&id));
        assert_eq!(names.call("call_1"), "call_1");
        let mistral = Quirks { nine_character_ids: true, ..Quirks::COMPATIBLE };
        let names = Names::new(&mistral);
        assert_eq!(names.call("toolu_1").len(), 9);
        assert_eq!(names.call("abcdefgh9"), "abcdefgh9");
    }
}
