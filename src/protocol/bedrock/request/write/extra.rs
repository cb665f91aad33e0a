//! `additionalModelRequestFields`.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{CannotCross, Writer};

/// The `anthropic-beta` values that Bedrock documents; it refuses a request with any other.
const BETAS: &[&str] = &[
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "dev-full-thinking-2025-05-14",
    "effort-2025-11-24",
    "fine-grained-tool-streaming-2025-05-14",
    "interleaved-thinking-2025-05-14",
    "output-128k-2025-02-19",
    "token-efficient-tools-2025-02-19",
    "tool-examples-2025-10-29",
    "tool-search-tool-2025-10-19",
];

/// The members, as they come together.
#[derive(Default)]
pub(super) struct Extra(Map<String, Value>);

impl Extra {
    /// Sets a member.
    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    /// Keeps a member that the client itself wrote for this API; what was translated goes first.
    pub(super) fn keep(&mut self, name: &str, value: &RawValue) {
        if let Ok(value) = serde_json::from_str(value.get()) {
            self.0.entry(name).or_insert(value);
        }
    }

    pub(super) fn into_fields(self) -> Option<Map<String, Value>> {
        (!self.0.is_empty()).then_some(self.0)
    }
}

impl Writer<'_, '_> {
    /// Versions of Anthropic's API that were asked for by header.
    pub(super) fn betas(&mut self, extra: &mut Extra) -> Result<(), CannotCross> {
        let known = |beta: &&String| BETAS.contains(&beta.as_str()) && self.family.takes_claude();
        let (known, lost): (Vec<_>, Vec<_>) = self.request.betas.iter().partition(known);
        if !lost.is_empty() {
            self.crossing.dropped("anthropic-beta")?;
        }
        if !known.is_empty() {
            extra.set("anthropic_beta", json!(known));
        }
        Ok(())
    }
}
