//! What the tries of one request have come to so far, for its log line and its headers.
//!
//! Tries go on behind a stream that has begun, so the trail is shared between whoever makes them and
//! whoever settles the request.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::state::{EndpointState, Phase};
use crate::table::{Route, Target};

/// The trail of one request.
#[derive(Debug, Default)]
pub(super) struct Trail(Mutex<Steps>);

/// What has been tried.
#[derive(Debug, Clone, Default)]
pub(super) struct Steps {
    /// Who was asked last, or answers.
    pub last: Option<Asked>,
    /// Tries; which of a target's keys were asked with is nobody else's business.
    pub attempts: u32,
    /// `target: what happened` of every try that did not answer, and of every endpoint that was left
    /// for another within a try.
    pub failures: Vec<String>,
}

/// A target that is asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub route: Arc<Route>,
    pub target: Arc<Target>,
    /// What is remembered of the endpoint, if the target has endpoints.
    pub endpoint: Option<Arc<EndpointState>>,
    /// The state of its breaker when it was chosen.
    pub breaker: Phase,
    /// It is not the route's first choice.
    pub fallback: bool,
}

impl Trail {
    /// Looks at it, or adds to it.
    pub fn with<T>(&self, f: impl FnOnce(&mut Steps) -> T) -> T {
        f(&mut self.0.lock())
    }

    /// A target is asked.
    pub fn asks(&self, asked: Asked) {
        self.with(|steps| {
            steps.attempts += 1;
            steps.last = Some(asked);
        });
    }

    /// A target did not answer.
    pub fn failed(&self, target: &str, detail: &str) {
        self.with(|steps| steps.failures.push(format!("{target}: {detail}")));
    }

    /// Every failure in one line.
    pub fn summary(&self) -> String {
        self.with(|steps| steps.failures.join("; "))
    }
}
