//! Names and ids that Bedrock is stricter about than others.
//!
//! What it would refuse is replaced by something made of a hash, so that the same name becomes the
//! same wherever it stands and whichever replica of the gateway writes it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};

use crate::protocol::dialect::Undo;

/// Longest name of a tool and id of a call.
const LIMIT: usize = 64;
/// Longest name of a document.
const DOCUMENT_LIMIT: usize = 200;
/// Bytes of the hash in a name: enough that no two of a request's tools meet.
const NAME_HASH: usize = 6;
/// Bytes of the hash that is an id.
const ID_HASH: usize = 16;

/// Names that were given in this request.
#[derive(Debug, Default)]
pub(super) struct Names {
    tools: BTreeMap<String, String>,
    documents: BTreeSet<String>,
}

impl Names {
    /// The name of a tool as Bedrock takes it.
    pub(super) fn tool<'a>(&mut self, name: &'a str) -> Cow<'a, str> {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if (1..=LIMIT).contains(&name.len()) && name.chars().all(legal) {
            return Cow::Borrowed(name);
        }
        let kept = name.chars().map(|c| if legal(c) { c } else { '_' });
        let mut short: String = kept.take(LIMIT - 1 - 2 * NAME_HASH).collect();
        short.push('_');
        push_hash(&mut short, name, NAME_HASH);
        self.tools.insert(short.clone(), name.to_owned());
        Cow::Owned(short)
    }

    /// A document's name: without its extension, of letters that Bedrock takes, and the only one of
    /// its kind.
    pub(super) fn document(&mut self, name: Option<&str>) -> String {
        let name = name.unwrap_or_default();
        let stem = match name.rsplit_once('.') {
            Some((stem, extension)) if extension.chars().all(char::is_alphanumeric) => stem,
            _ => name,
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || "-()[]".contains(c);
        let words = stem.split(|c| !legal(c)).filter(|word| !word.is_empty());
        let mut base = words.collect::<Vec<_>>().join(" ");
        // Room for the number that tells it from others.
        base.truncate(DOCUMENT_LIMIT - 8);
        let base = match base.trim() {
            "" => "document",
            base => base,
        };
        let numbered = (1..).map(|number| format!("{base}-{number}"));
        let unique = std::iter::once(base.to_owned())
            .chain(numbered)
            .find(|name| !self.documents.contains(name))
            .expect("there are more numbers than documents");
        self.documents.insert(unique.clone());
        unique
    }

    pub(super) fn into_undo(self) -> Undo {
        Undo { tool_names: self.tools, ..Undo::default() }
    }
}

/// The id of a call as Bedrock takes it: the same for the call and for its result.
pub(super) fn call_id(id: &str) -> Cow<'_, str> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    if (1..=LIMIT).contains(&id.len()) && id.chars().all(legal) {
        return Cow::Borrowed(id);
    }
    let mut short = "call_".to_owned();
    push_hash(&mut short, id, ID_HASH);
    Cow::Owned(short)
}

fn push_hash(out: &mut String, text: &str, bytes: usize) {
    for byte in &digest(&SHA256, text.as_bytes()).as_ref()[..bytes] {
        write!(out, "{byte:02x}").expect("writing to a string cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vector_21_long_names_become_short_and_are_known_again() {
        let mut names = Names::default();
        let long = "a".repeat(70);
        let short = names.tool(&long).into_owned();
        assert_eq!((short.len(), names.tool(&long)), (64, Cow::Owned(short.clone())));
        assert_ne!(names.tool(&"a".repeat(71)), short);
        assert!(names.tool("näme").starts_with("n_me_"));
        assert_eq!(names.tool("plain-name_1"), "plain-name_1");
        assert_eq!(names.into_undo().tool_names.get(&short), Some(&long));
    }

    #[test]
    fn vector_23_documents_have_no_dots_and_no_two_the_same_name() {
        let mut names = Names::default();
        assert_eq!(names.document(Some("Q3.report.pdf")), "Q3 report");
        assert_eq!(names.document(Some("Q3 report.pdf")), "Q3 report-1");
        assert_eq!(names.document(Some("a__b  (1).txt")), "a b (1)");
        assert_eq!(names.document(None), "document");
        assert_eq!(names.document(Some(".pdf")), "document-1");
        assert_eq!(names.document(Some(&"x".repeat(500))).len(), 192);
    }

    #[test]
    fn ids_that_do_not_fit_are_hashed_the_same_way_each_time() {
        assert_eq!(call_id("toolu_01:a.b-c"), "toolu_01:a.b-c");
        let long = "x".repeat(80);
        assert_eq!(call_id(&long), call_id(&long));
        assert!(call_id("call 1").starts_with("call_") && call_id("").len() == 37);
    }
}
