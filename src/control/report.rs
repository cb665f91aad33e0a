//! What the controller tells the rest of the gateway about itself: plain data, no secret in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::compile::{Finding, ObjectReport};

/// The controller's account of its last compile and of its sources.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The generation of the table that is served; 0 before the first.
    pub generation: u64,
    /// When that table was published.
    pub published_at: Option<SystemTime>,
    /// How long the last compile took.
    pub compile_duration: Duration,
    /// From the first change that the table holds to its publication.
    pub publish_delay: Duration,
    /// Compiles that did not end in a table, which is a fault of ours: the last table is served on.
    pub failed_compiles: u64,
    /// How often a part of the controller failed and was started again, which is a fault of ours too.
    pub failed_parts: u64,
    /// What is wrong with the resources.
    pub findings: Arc<[Finding]>,
    /// What holds for each resource of this gateway, for its status. Reports in a row that say the
    /// same share it.
    pub objects: Arc<[ObjectReport]>,
    /// How many resources there are.
    pub counts: Counts,
    /// Objects and files that cannot be read at all.
    pub skipped: Vec<Skipped>,
    /// How many such were ever met.
    pub skipped_total: u64,
    /// Sources whose first list is not in yet: the first table waits for them.
    pub waiting_for: Vec<Arc<str>>,
    /// How each source is doing, by its name.
    pub sources: BTreeMap<Arc<str>, SourceHealth>,
}

impl Report {
    /// Whether a table has been published.
    pub fn is_published(&self) -> bool {
        self.generation > 0
    }
}

/// How many resources of this gateway there are, and what they refer to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// ModelRoutes.
    pub routes: usize,
    /// CredentialStores.
    pub stores: usize,
    /// Consumers.
    pub consumers: usize,
    /// Secrets that are referred to.
    pub secrets: usize,
}

/// One object or file that cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The source that met it.
    pub source: Arc<str>,
    /// The object or file.
    pub object: String,
    /// Why.
    pub reason: String,
}

/// How one watch, folder or directory is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceHealth {
    /// Complete lists so far, the first included.
    pub lists: u64,
    /// Failures so far.
    pub failures: u64,
    /// Failures since the last answer.
    pub failures_in_a_row: u32,
    /// The last failure.
    pub last_failure: Option<SourceFailure>,
}

/// One failure of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFailure {
    /// When.
    pub at: SystemTime,
    /// What happened.
    pub error: Arc<str>,
}
