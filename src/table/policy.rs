//! What a route decides about its requests: limits in time, and parameters.

use std::time::Duration;

use serde_json::{Map, Value};

/// Limits in time, merged field by field: target over route over built-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP and TLS handshake.
    pub connect: Duration,
    /// Streams: from sending the request to the first generated output; `None` follows what the
    /// target usually needs.
    pub first_token: Option<Duration>,
    /// Streams: between two pieces of text or tool arguments.
    pub idle: Duration,
    /// Streams: the same while only preamble or reasoning is open. Models think for minutes.
    pub thinking_idle: Duration,
    /// A plain reply, which comes only when all of it has been generated; `None` follows what the
    /// target usually needs.
    pub response: Option<Duration>,
    /// All tries together, up to the first output of a stream.
    pub request: Duration,
}

impl Timeouts {
    /// What holds where neither target nor route says anything.
    pub const BUILT_IN: Self = Self {
        connect: Duration::from_secs(5),
        first_token: None,
        idle: Duration::from_secs(30),
        thinking_idle: Duration::from_secs(300),
        response: None,
        request: Duration::from_secs(600),
    };
}

/// When a request is tried again at one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetRetry {
    /// Tries of one request, the first included.
    pub per_target: u32,
    /// The wait before the second try; twice as long before each further one.
    pub backoff: Duration,
    /// No wait is longer.
    pub max_backoff: Duration,
    /// A target that asks to be left alone for this long or less is waited for.
    pub max_retry_after: Duration,
}

impl TargetRetry {
    /// What holds where neither target nor route says anything.
    pub const BUILT_IN: Self = Self {
        per_target: 2,
        // Long enough for a connection to be set up anew or a pod to be replaced behind its service,
        // short enough that a caller does not notice.
        backoff: Duration::from_millis(250),
        max_backoff: Duration::from_secs(5),
        // A person waits that long without wondering; another target answers sooner than that.
        max_retry_after: Duration::from_secs(3),
    };
}

/// When a request of a route is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries at all targets together.
    pub max_attempts: Option<u32>,
    /// Whether it may be sent again after a target has got it.
    pub repeatable: bool,
}

/// When the next target is asked as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hedging {
    /// After this long without output.
    After(Duration),
    /// Once so many percent of the target's answers would have come.
    Percentile(u32),
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
