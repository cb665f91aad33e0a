//! Kubernetes manifests from files: what an API server would hold if they were applied to it.
//!
//! ```text
//!  paths ─ files ─ yaml ─ object ─► Manifest ─ schema::Checker ─► Admission ─► compile::Snapshot
//!                    └────────┴─► Finding ◄────────┘
//! ```
//!
//! `serve --manifests` and `pilothouse validate` both read through here, so that both see what
//! `kubectl apply` would have sent and both refuse what the API server would have refused. One bad
//! file, document or object never hides another. Values of Secrets are in no [`Finding`].

mod admission;
mod files;
mod finding;
mod lines;
mod object;
pub mod schema;
mod secret;
mod yaml;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::table::ObjectName;

pub use crate::compile::Severity;
pub use admission::{Admission, Admitted};
pub use files::{Loaded, Loader, MAX_FILE_SIZE, load};
pub use finding::{Finding, ObjectRef, Place};

/// The kinds that are read; every other one is left out with a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Where requests for some models go.
    ModelRoute,
    /// The keys of an upstream.
    CredentialStore,
    /// Who may call.
    Consumer,
    /// Keys, of core/v1.
    Secret,
    /// Labels that selectors look at, of core/v1; belongs to no namespace.
    Namespace,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::ModelRoute, Self::CredentialStore, Self::Consumer, Self::Secret, Self::Namespace];

    /// The name as manifests write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ModelRoute => "ModelRoute",
            Self::CredentialStore => "CredentialStore",
            Self::Consumer => "Consumer",
            Self::Secret => "Secret",
            Self::Namespace => "Namespace",
        }
    }

    /// The `apiVersion` it is read in.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::ModelRoute | Self::CredentialStore | Self::Consumer => object::OUR_VERSION,
            Self::Secret | Self::Namespace => "v1",
        }
    }
}

/// What makes an object one: at most one of the same kind and name may exist.
pub type Identity = (Kind, ObjectName);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One object, and where it was written.
#[derive(Clone)]
pub struct Manifest {
    /// What it is.
    pub kind: Kind,
    /// Namespace (`default` if none is written, empty for a Namespace) and name.
    pub name: ObjectName,
    /// The whole object. [`schema::Checker::check`] adds the defaults of its schema.
    pub value: Value,
    /// The file as the user named it.
    pub file: Arc<str>,
    lines: lines::Lines,
}

impl Manifest {
    /// The place of a field such as `spec.targets[2].model`, or of the innermost part around it
    /// that was written; of the object itself if `field` is empty.
    pub fn place(&self, field: &str) -> Place {
        Place { file: self.file.clone(), line: self.lines.line_of(field, &self.value) }
    }

    /// The value of a field such as `spec.targets[2].model`.
    pub fn field(&self, field: &str) -> Option<&Value> {
        lines::value_at(field, &self.value)
    }

    /// What makes it one object.
    pub fn identity(&self) -> Identity {
        (self.kind, self.name.clone())
    }

    /// Its kind and name, to speak of it.
    pub fn object(&self) -> ObjectRef {
        ObjectRef { kind: self.kind.name().into(), name: self.name.clone() }
    }

    /// An error in a field, or in the whole object if `field` is empty.
    pub fn error(&self, field: impl Into<String>, message: impl Into<String>) -> Finding {
        self.finding(Severity::Error, field.into(), message.into())
    }

    /// A warning about a field, or about the whole object if `field` is empty.
    pub fn warning(&self, field: impl Into<String>, message: impl Into<String>) -> Finding {
        self.finding(Severity::Warning, field.into(), message.into())
    }

    /// A note about a field, or about the whole object if `field` is empty.
    pub fn note(&self, field: impl Into<String>, message: impl Into<String>) -> Finding {
        self.finding(Severity::Note, field.into(), message.into())
    }

    /// What is to be said of a field, or of the whole object if `field` is empty.
    pub fn finding(&self, severity: Severity, field: String, message: String) -> Finding {
        Finding { severity, place: self.place(&field), object: Some(self.object()), field, message }
    }
}

/// Without the value, which may be a Secret's.
impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.object(), self.place(""))
    }
}
