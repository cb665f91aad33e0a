//! What is wrong with an object, said so that its owner can mend it.

use std::fmt;

use crate::api::{ConditionType, Kind, Reason};
use crate::table::ObjectName;

/// An object by kind, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace and name.
    pub name: ObjectName,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// How bad it is what is said of an object, a file or a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Something that was asked for does not work.
    Error,
    /// It works, but perhaps not as meant.
    Warning,
    /// Nothing to mend; said of files only.
    Note,
}

impl Severity {
    /// The word for it in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong, on the object that holds the mistake. Sorts by object and field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The object.
    pub object: ObjectRef,
    /// The field, such as `spec.targets[2].credentialRef.name`.
    pub path: String,
    /// How bad it is.
    pub severity: Severity,
    /// The condition that it bears on.
    pub condition: ConditionType,
    /// What it is, in one word.
    pub reason: Reason,
    /// What is wrong and what to do. Never holds a secret.
    pub message: String,
}

/// `ModelRoute ai/gpt: spec.models: message`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.object, self.path, self.message)
    }
}

/// A mistake before it is known which object and condition it is told on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) reason: Reason,
    pub(super) path: String,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(reason: Reason, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason, path: path.into(), message: message.into() }
    }
}

/// The findings about one object, while it is compiled.
#[derive(Debug)]
pub(super) struct Notes {
    object: ObjectRef,
    findings: Vec<Finding>,
}

impl Notes {
    pub(super) fn new(kind: Kind, name: &ObjectName) -> Self {
        Self { object: ObjectRef { kind, name: name.clone() }, findings: Vec::new() }
    }

    pub(super) fn object(&self) -> &ObjectRef {
        &self.object
    }

    pub(super) fn error(&mut self, condition: ConditionType, fault: Fault) {
        self.add(Severity::Error, condition, fault);
    }

    pub(super) fn warning(&mut self, condition: ConditionType, fault: Fault) {
        self.add(Severity::Warning, condition, fault);
    }

    pub(super) fn add(&mut self, severity: Severity, condition: ConditionType, fault: Fault) {
        let Fault { reason, path, message } = fault;
        let object = self.object.clone();
        self.findings.push(Finding { object, path, severity, condition, reason, message });
    }

    /// What bears on that condition, errors first.
    pub(super) fn about(&self, condition: ConditionType) -> Vec<&Finding> {
        let mut found: Vec<_> =
            self.findings.iter().filter(|finding| finding.condition == condition).collect();
        found.sort_by_key(|finding| finding.severity);
        found
    }

    pub(super) fn has_error(&self, condition: ConditionType) -> bool {
        self.findings
            .iter()
            .any(|found| found.condition == condition && found.severity == Severity::Error)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }
}
