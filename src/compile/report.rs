//! What compile says about each object: the material of its status.

use std::fmt::Write;
use std::sync::Arc;

use super::finding::{Notes, ObjectRef};
use crate::api::{ConditionType, ModelStatus, Reason};

/// Findings that a condition's message lists before it only counts the rest. A message is read in
/// a terminal; all findings are in the log.
const LISTED: usize = 5;

/// Said of what follows from a spec that could not be read.
pub(super) const UNREAD: &str = "the spec is not valid, so nothing of it is in use";

/// How one object fares, as far as this replica can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectReport {
    /// The object.
    pub object: ObjectRef,
    /// Its `metadata.uid`, empty for objects from files.
    pub uid: Arc<str>,
    /// The `metadata.generation` that was looked at.
    pub generation: i64,
    /// Its conditions: Accepted, ResolvedRefs and Programmed for a ModelRoute (Programmed: by this
    /// replica), Accepted and Ready for the others.
    pub conditions: Vec<ConditionReport>,
    /// What else its status tells.
    pub details: Details,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionReport {
    /// Which.
    pub condition: ConditionType,
    /// Whether its status is True.
    pub holds: bool,
    /// In one word.
    pub reason: Reason,
    /// In a sentence that names fields and says what to do.
    pub message: String,
}

/// What is told of an object besides its conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Details {
    /// Of a ModelRoute.
    Route {
        /// The generation that is served; `None` if nothing is.
        served_generation: Option<i64>,
        /// Its names and their owners.
        models: Vec<ModelStatus>,
        /// Its targets in their order.
        targets: Vec<PartReport>,
    },
    /// Of a CredentialStore.
    Store {
        /// Its keys in their order.
        keys: Vec<PartReport>,
    },
    /// Of a Consumer.
    Consumer {
        /// Its keys in their order.
        keys: Vec<PartReport>,
    },
}

/// Whether a target or a key can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartReport {
    /// Its name.
    pub name: String,
    /// Why it cannot be used; `None` if it can.
    pub fault: Option<Reason>,
}

/// A condition with the findings that bear on it for a message.
pub(super) fn condition(
    notes: &Notes,
    condition: ConditionType,
    holds: bool,
    good: (Reason, &str),
    bad: (Reason, &str),
) -> ConditionReport {
    let findings = notes.about(condition);
    let reason = match (holds, findings.first()) {
        (true, _) => good.0,
        (false, Some(finding)) => finding.reason,
        (false, None) => bad.0,
    };
    let mut message = String::new();
    for finding in findings.iter().take(LISTED) {
        let separator = if message.is_empty() { "" } else { "; " };
        // Writing to a String cannot fail.
        let _ = write!(message, "{separator}{}: {}", finding.path, finding.message);
    }
    if findings.len() > LISTED {
        let _ = write!(message, "; and {} more", findings.len() - LISTED);
    }
    if message.is_empty() {
        message.push_str(if holds { good.1 } else { bad.1 });
    }
    ConditionReport { condition, holds, reason, message }
}
