//! One compiled ModelRoute.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderName;

use super::{Caller, Hedging, ModelPattern, RetryPolicy, Target};
use crate::balance::Strategy;

/// Namespace and name of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectName {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name in it.
    pub name: Arc<str>,
}

impl ObjectName {
    /// Puts the two together.
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Callers of which namespaces a route answers. Selectors are resolved when the table is compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Every namespace.
    All,
    /// These namespaces.
    Namespaces(BTreeSet<Arc<str>>),
}

/// What names the session of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Affinity {
    /// What agents and SDKs send by themselves.
    Auto,
    /// A header.
    Header(HeaderName),
    /// Whose key it is.
    Consumer,
    /// The end user that the body names.
    User,
}

/// The targets of one priority, by their index in [`Route::targets`].
#[derive(Debug)]
pub struct Tier {
    /// Lower is tried first.
    pub priority: i32,
    /// Resolved targets of weight above 0.
    pub members: Vec<usize>,
    turn: AtomicU64,
}

impl Tier {
    /// A tier whose turn starts at `turn`: at random, so that replicas do not move in step.
    pub fn new(priority: i32, members: Vec<usize>, turn: u64) -> Self {
        Self { priority, members, turn: AtomicU64::new(turn) }
    }

    /// The number of this pick, for strategies that take turns.
    pub fn next_turn(&self) -> u64 {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }
}

/// One compiled ModelRoute.
#[derive(Debug)]
pub struct Route {
    /// The object it was compiled from.
    pub name: ObjectName,
    /// `namespace/name` as it stands in headers, logs and metric labels.
    pub label: Arc<str>,
    /// `metadata.generation` of the spec that is served, or that cannot be.
    pub observed_generation: i64,
    /// When the object was made, in seconds since 1970; 0 for objects from files.
    pub created: i64,
    /// The names that the spec states, whether owned or lost to an older route.
    pub models: Arc<[ModelPattern]>,
    /// Who is answered.
    pub admission: Admission,
    /// Whether `x-backend` may pick a target.
    pub target_selection: bool,
    /// How a target is chosen inside a tier.
    pub strategy: &'static dyn Strategy,
    /// What names the session of a request; `None` if nothing does, or if there is nothing to choose
    /// from.
    pub affinity: Option<Affinity>,
    /// Why its spec cannot be served, with the object and the field. Such a route keeps its names,
    /// so that no other one answers for them, and has no target.
    pub unreadable: Option<Arc<str>>,
    /// Every target of the spec in its order, resolved or not.
    pub targets: Vec<Arc<Target>>,
    /// The usable targets by priority, the lowest number first.
    pub tiers: Vec<Tier>,
    /// A stream without output is answered with its 200 after this long all the same.
    pub commit_after: Duration,
    /// All tries together, up to the first output of a stream.
    pub request_timeout: Duration,
    /// When a request is tried again.
    pub retry: RetryPolicy,
    /// When the next target is asked as well.
    pub hedging: Option<Hedging>,
    /// Whether another target goes on where a stream broke off.
    pub resume: bool,
    /// Routes of the same namespace that answer when no target here does, in their order.
    pub fallbacks: Vec<Arc<str>>,
    /// Routes of the same namespace for prompts that are too long here, in their order.
    pub longer: Vec<Arc<str>>,
}

impl Route {
    /// Whether the caller may be answered.
    pub fn admits(&self, caller: &Caller) -> bool {
        caller.admitted_everywhere
            || match &self.admission {
                Admission::All => true,
                Admission::Namespaces(names) => names.contains(&caller.namespace),
            }
    }

    /// Whether the spec names `model`, exactly or by a pattern.
    pub fn serves(&self, model: &str) -> bool {
        self.models.iter().any(|pattern| pattern.matches(model))
    }

    /// Its first exact name: what a target without a model is asked for in a fallback.
    pub fn exact_name(&self) -> Option<&str> {
        self.models.iter().find_map(|pattern| match pattern {
            ModelPattern::Exact(name) => Some(&**name),
            ModelPattern::Prefix(_) | ModelPattern::Suffix(_) => None,
        })
    }

    /// The target of that name.
    pub fn target(&self, name: &str) -> Option<&Arc<Target>> {
        self.targets.iter().find(|target| *target.name == *name)
    }
}
