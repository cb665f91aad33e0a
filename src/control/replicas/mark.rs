//! Short names for things that every replica knows, alike on all of them and no secret.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bits of a mark. Among 10,000 things two share one once in some five million installations, and
/// what then goes wrong is one line of a status; every byte more is in each Lease many times.
const BITS: u32 = 48;

/// Stands for a route, a target or a key in what replicas tell each other. Made of names and uids
/// alone, never of a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::control) struct Mark(u64);

impl Mark {
    /// The mark of what these texts name together.
    pub(super) fn of(texts: &[&str]) -> Self {
        let mut digest = Context::new(&SHA256);
        for text in texts {
            // With its length, so that `ab`, `c` is not `a`, `bc`.
            digest.update(&(text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
        }
        let digest = digest.finish();
        let first = digest.as_ref().iter().take(8);
        Self(first.fold(0, |bits, byte| bits << 8 | u64::from(*byte)) >> (u64::BITS - BITS))
    }

    /// All of its bits, evenly spread.
    pub(super) fn bits(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$x}", self.0, width = BITS as usize / 4)
    }
}

impl Serialize for Mark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mark {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_everywhere_and_for_ever() {
        let mark = Mark::of(&["ai", "gpt"]);
        assert_eq!(mark, Mark::of(&["ai", "gpt"]));
        assert_ne!(mark, Mark::of(&["a", "igpt"]));
        let text = serde_json::to_string(&mark).unwrap();
        // Replicas of two versions run side by side during an upgrade.
        assert_eq!(text, "\"c740db25ab72\"");
        assert_eq!(serde_json::from_str::<Mark>(&text).unwrap(), mark);
    }
}
