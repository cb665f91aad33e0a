//! The compiled routing table: everything a request needs to know, decided beforehand.
//!
//! A table never changes; a new one replaces it whole through [`TableCell`]. Several tables are
//! alive at once while old streams finish, so nothing here may assume there is only one. What must
//! be remembered across tables is in [`crate::state`] and is only pointed at from here.

mod address;
mod caller;
mod cell;
mod endpoints;
mod health_check;
mod key;
mod names;
mod policy;
mod route;
mod server_metrics;
mod standing;
mod target;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

pub use address::AddressPolicy;
pub use caller::{Caller, KeyDigest, ModelSet};
pub use cell::TableCell;
pub use endpoints::{Endpoint, Endpoints};
pub use health_check::HealthCheck;
pub use key::{Key, KeyPool, KeySelection, Proof, SecretText};
pub use names::{ModelPattern, NameScope, PatternError};
pub use policy::{Hedging, Parameters, RetryPolicy, TargetRetry, Timeouts};
pub use route::{Admission, Affinity, ObjectName, Route, Tier};
pub use server_metrics::ServerMetrics;
pub use standing::Standing;
pub use target::{BaseUrl, BaseUrlError, Resolution, Target, Upstream};

/// The whole routing decision of one moment.
#[derive(Debug)]
pub struct RouteTable {
    /// Rises by one with every publication of this process; 0 is the empty table before the first.
    pub generation: u64,
    /// When this table was compiled.
    pub compiled_at: SystemTime,
    /// Every route, ordered by namespace and name; [`NameScope`]s hold indexes into it.
    pub routes: Vec<Arc<Route>>,
    /// Which route owns which name, by namespace.
    pub scopes: HashMap<Arc<str>, NameScope>,
    /// Namespaces whose names everybody may use, in the order in which they are asked.
    pub shared: Vec<Arc<str>>,
    /// Callers by the SHA-256 of their key.
    pub callers: HashMap<KeyDigest, Arc<Caller>>,
    /// Who a request without a key is, where the operator allows such requests.
    pub anonymous: Option<Arc<Caller>>,
}

impl RouteTable {
    /// The table before anything was compiled: it knows no route and no caller.
    pub fn empty() -> Self {
        Self {
            generation: 0,
            compiled_at: SystemTime::UNIX_EPOCH,
            routes: Vec::new(),
            scopes: HashMap::new(),
            shared: Vec::new(),
            callers: HashMap::new(),
            anonymous: None,
        }
    }

    /// Finds the route that answers `model` for `caller`, and the name inside that route.
    ///
    /// The caller's own namespace is asked first, then each shared namespace, then the namespace
    /// that a `namespace/model` prefix names. A route that does not admit the caller is passed
    /// over, so that to this caller it does not exist.
    pub fn resolve<'m>(&self, caller: &Caller, model: &'m str) -> Option<(&Arc<Route>, &'m str)> {
        let own = std::iter::once(&caller.namespace);
        let shared = self.shared.iter().filter(|ns| **ns != caller.namespace);
        if let Some(route) = own.chain(shared).find_map(|ns| self.in_scope(ns, caller, model)) {
            return Some((route, model));
        }
        let (namespace, rest) = model.split_once('/')?;
        self.in_scope(namespace, caller, rest).map(|route| (route, rest))
    }

    /// The route `namespace/name` itself, if it admits the caller.
    pub fn route(&self, caller: &Caller, namespace: &str, name: &str) -> Option<&Arc<Route>> {
        let at = self
            .routes
            .binary_search_by(|route| {
                (&*route.name.namespace, &*route.name.name).cmp(&(namespace, name))
            })
            .ok()?;
        self.routes.get(at).filter(|route| route.admits(caller))
    }

    /// The exact names this caller may ask for, sorted and without repeats, each with its route.
    ///
    /// A name of a namespace that is neither the caller's own nor shared is listed in the
    /// `namespace/model` form in which it has to be asked for.
    pub fn models(&self, caller: &Caller) -> Vec<(String, &Arc<Route>)> {
        let mut listed: Vec<(String, &Arc<Route>)> = Vec::new();
        for (namespace, scope) in &self.scopes {
            let plain = *namespace == caller.namespace || self.shared.contains(namespace);
            for (name, index) in scope.exact_names() {
                let asked = if plain { name.to_owned() } else { format!("{namespace}/{name}") };
                if !caller.models.allows(&asked) {
                    continue;
                }
                if let Some((route, _)) = self.resolve(caller, &asked)
                    && Arc::ptr_eq(route, &self.routes[index])
                {
                    listed.push((asked, route));
                }
            }
        }
        listed.sort_by(|a, b| a.0.cmp(&b.0));
        listed.dedup_by(|a, b| a.0 == b.0);
        listed
    }

    fn in_scope(&self, namespace: &str, caller: &Caller, model: &str) -> Option<&Arc<Route>> {
        let scope = self.scopes.get(namespace)?;
        scope.matches(model).map(|index| &self.routes[index]).find(|route| route.admits(caller))
    }
}
