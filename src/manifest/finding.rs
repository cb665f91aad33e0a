//! What is wrong, with what, and where.
//!
//! Not the findings of [`crate::compile`], which end on an object of ours and one of its conditions:
//! these end on a line of a file, whatever that file holds.

use std::fmt;
use std::sync::Arc;

use crate::compile::Severity;
use crate::table::ObjectName;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// The line, counted from 1; 0 for the file as a whole.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

/// An object, by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef {
    /// Its kind; not always one that is read.
    pub kind: Arc<str>,
    /// Its namespace, empty if it is in none, and its name.
    pub name: ObjectName,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.name.namespace {
            "" => write!(f, "{} {}", self.kind, self.name.name),
            _ => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// One thing to say about a manifest. Sorts by place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where it is.
    pub place: Place,
    /// How bad it is.
    pub severity: Severity,
    /// The object it is about, if it is about one.
    pub object: Option<ObjectRef>,
    /// The field, such as `spec.targets[2].model`; empty for the whole object.
    pub field: String,
    /// What is wrong and what to do, without repeating place, object and field.
    pub message: String,
}

impl Finding {
    /// A finding about a file or one of its lines.
    pub fn of_file(severity: Severity, place: Place, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { place, severity, object: None, field: String::new(), message }
    }
}

/// `file:line: error ModelRoute ai/gpt: spec.models: message`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.severity)?;
        if let Some(object) = &self.object {
            write!(f, " {object}")?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.message)
    }
}
