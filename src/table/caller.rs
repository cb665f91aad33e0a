//! Who is asking: a Consumer as the data plane sees it.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::{constant_time, digest};

use super::ModelPattern;

/// SHA-256 of a client key. Keys are long random strings, so a plain digest is enough: there is no
/// dictionary to try, and a lookup by digest leaks nothing about a key by its timing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// The digest of a presented or configured key.
    pub fn of(key: &[u8]) -> Self {
        let digest = digest::digest(&digest::SHA256, key);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }

    /// A digest that was computed elsewhere.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Compares without stopping at the first difference.
    pub fn matches(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(..)")
    }
}

/// One caller: a Consumer that presented its key, or the anonymous caller.
#[derive(Debug)]
pub struct Caller {
    /// The namespace whose names the caller may use first.
    pub namespace: Arc<str>,
    /// The Consumer's name; `None` for the anonymous caller.
    pub consumer: Option<Arc<str>>,
    /// What the caller may ask for.
    pub models: ModelSet,
    /// Set for the anonymous caller of a gateway whose operator owns every manifest: every route
    /// admits it, whatever its `allowedNamespaces` says.
    pub admitted_everywhere: bool,
}

/// A set of model names given by exact names and patterns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelSet(Vec<ModelPattern>);

impl ModelSet {
    /// The set of all names that match one of `patterns`.
    pub fn new(patterns: Vec<ModelPattern>) -> Self {
        Self(patterns)
    }

    /// Whether `model` is in the set.
    pub fn allows(&self, model: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(model))
    }
}
