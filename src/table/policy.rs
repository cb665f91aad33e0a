//! What a route decides about its requests: limits in time, and parameters.

use std::time::Duration;

use serde_json::{Map, Value};

/// Limits in time, merged field by field: target over route over built-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP and TLS handshake.
    pub connect: Duration,
    /// Streams: from sending the request to the first generated output.
    pub first_token: Duration,
    /// Streams: between two pieces of text or tool arguments.
    pub idle: Duration,
    /// Streams: the same while only preamble or reasoning is open. Models think for minutes.
    pub thinking_idle: Duration,
    /// A plain reply, which comes only when all of it has been generated.
    pub response: Duration,
    /// All tries together, up to the first output of a stream.
    pub request: Duration,
}

impl Timeouts {
    /// What holds where neither target nor route says anything.
    pub const BUILT_IN: Self = Self {
        connect: Duration::from_secs(5),
        first_token: Duration::from_secs(10),
        idle: Duration::from_secs(30),
        thinking_idle: Duration::from_secs(300),
        response: Duration::from_secs(120),
        request: Duration::from_secs(600),
    };
}

/// What is added to, replaced in and taken out of a request, under the neutral form's names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters {
    /// Set where the client set nothing. Neutral names, e.g. `maxOutputTokens`.
    pub defaults: Map<String, Value>,
    /// Set whatever the client said. Neutral names.
    pub overrides: Map<String, Value>,
    /// Taken out. Neutral names.
    pub drop: Vec<String>,
    /// Merged last into the upstream's own JSON, under the upstream's own names.
    pub raw: Map<String, Value>,
}

impl Parameters {
    /// Whether a body passes unchanged.
    pub fn is_empty(&self) -> bool {
        self.defaults.is_empty()
            && self.overrides.is_empty()
            && self.drop.is_empty()
            && self.raw.is_empty()
    }
}
