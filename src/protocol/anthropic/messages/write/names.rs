//! Names of tools and ids of calls, in letters that the API takes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::neutral::{Part, Request};

/// The longest name of a tool, by the API's reference.
const NAME_LIMIT: usize = 128;

/// The names that had to be changed, as the client knows them, with what is written.
#[derive(Debug, Default)]
pub(super) struct ToolNames<'a> {
    written: BTreeMap<&'a str, String>,
}

impl<'a> ToolNames<'a> {
    /// Every name that a request says: of its tools, and of calls in its history.
    pub(super) fn of(request: &'a Request) -> Self {
        let parts = request.turns.iter().flat_map(|turn| &turn.parts);
        let called = parts.filter_map(|part| match part {
            Part::ToolCall { name, .. } => Some(&**name),
            _ => None,
        });
        let names: BTreeSet<&str> =
            request.tools.iter().map(|tool| &*tool.name).chain(called).collect();
        let mut written: BTreeMap<&str, String> = BTreeMap::new();
        for name in names.iter().filter(|name| !is_plain(name, NAME_LIMIT)) {
            written.insert(name, changed(name));
        }
        Self { written }
    }

    /// How a name is written.
    pub(super) fn written<'s>(&'s self, name: &'s str) -> &'s str {
        self.written.get(name).map_or(name, String::as_str)
    }

    /// What the answer's names were.
    pub(super) fn into_undo(self) -> BTreeMap<String, String> {
        self.written.into_iter().map(|(name, written)| (written, name.to_owned())).collect()
    }
}

fn is_plain(text: &str, limit: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !text.is_empty() && text.len() <= limit && text.bytes().all(plain)
}

fn plain(text: &str) -> String {
    let letter = |letter: char| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => letter,
        _ => '_',
    };
    text.chars().map(letter).collect()
}

/// A name that is taken, and that two different names do not share: its beginning and its hash
/// (FNV-1a, which gives the same in every replica and every release).
fn changed(name: &str) -> String {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut short = plain(name);
    // Sixteen digits of the hash, and a line between.
    short.truncate(NAME_LIMIT - 17);
    format!("{short}_{hash:016x}")
}

/// An id of a call. Calls and their results go through here alike, so they still agree.
pub(super) fn call_id(id: &str) -> Cow<'_, str> {
    match id {
        "" => Cow::Borrowed("call"),
        id if is_plain(id, usize::MAX) => Cow::Borrowed(id),
        id => Cow::Owned(plain(id)),
    }
}
