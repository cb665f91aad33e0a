//! Whom an object admits: selectors become sets of namespaces.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Snapshot;
use super::finding::Fault;
use crate::api::{AllowedNamespaces, NamespacesFrom, Reason};
use crate::table::Admission;

/// The label that Kubernetes puts on every namespace, and that nobody can change.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The namespaces that are known, with their labels.
#[derive(Debug)]
pub(super) struct Namespaces(BTreeMap<Arc<str>, BTreeMap<String, String>>);

impl Namespaces {
    /// Those whose labels are known, and those that objects are in: of these at least the name is
    /// certain. A namespace whose labels nobody could read fits no other selector.
    pub(super) fn new(snapshot: &Snapshot) -> Self {
        let mut namespaces = snapshot.namespaces.clone();
        let raws = [&snapshot.routes, &snapshot.stores, &snapshot.consumers];
        for raw in raws.into_iter().flatten() {
            if !namespaces.contains_key(&raw.name.namespace) {
                namespaces.insert(raw.name.namespace.clone(), BTreeMap::new());
            }
        }
        for (name, labels) in &mut namespaces {
            labels.insert(NAME_LABEL.to_owned(), name.to_string());
        }
        Self(namespaces)
    }

    /// The namespaces that `grant` of an object in `own` admits. `path` is where the grant stands.
    pub(super) fn admission(
        &self,
        grant: Option<&AllowedNamespaces>,
        own: &Arc<str>,
        path: &str,
    ) -> Result<Admission, Fault> {
        let invalid = |message: &str| Err(Fault::new(Reason::Invalid, path, message));
        let Some(grant) = grant else { return Ok(only(own)) };
        let names = grant.names.as_deref().unwrap_or_default();
        if (grant.from == NamespacesFrom::Names) == names.is_empty() {
            return invalid("`names` is set if and only if `from` is `Names`");
        }
        if (grant.from == NamespacesFrom::Selector) != grant.selector.is_some() {
            return invalid("`selector` is set if and only if `from` is `Selector`");
        }
        Ok(match (grant.from, &grant.selector) {
            (NamespacesFrom::All, _) => Admission::All,
            (NamespacesFrom::Names, _) => {
                Admission::Namespaces(names.iter().map(|name| Arc::from(name.as_str())).collect())
            }
            (NamespacesFrom::Selector, Some(selector)) if selector.is_empty() => {
                return invalid("`selector` is empty: give `matchLabels` or `matchExpressions`");
            }
            (NamespacesFrom::Selector, Some(selector)) => {
                let selected = self.0.iter().filter(|(_, labels)| selector.selects(labels));
                Admission::Namespaces(selected.map(|(name, _)| name.clone()).collect())
            }
            (NamespacesFrom::Same | NamespacesFrom::Selector, _) => only(own),
        })
    }
}

/// The admission of the object's own namespace alone.
pub(super) fn only(own: &Arc<str>) -> Admission {
    Admission::Namespaces(BTreeSet::from([own.clone()]))
}

/// The admission of nobody, where a grant cannot be read.
pub(super) fn nobody() -> Admission {
    Admission::Namespaces(BTreeSet::new())
}

/// Whether `namespace` is admitted.
pub(super) fn admits(admission: &Admission, namespace: &Arc<str>) -> bool {
    match admission {
        Admission::All => true,
        Admission::Namespaces(names) => names.contains(namespace),
    }
}
