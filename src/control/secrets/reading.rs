//! What one watch of Secrets has seen, handed on as far as it is referred to.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use super::data::KeptSecret;
use crate::compile::SecretData;
use crate::control::cluster::Watched;
use crate::control::inventory::Inventory;
use crate::control::referenced::{Change, Collected, Known};
use crate::table::ObjectName;

/// What one watch has seen.
pub(super) struct Reading {
    namespace: Arc<str>,
    /// The labels that it asks for, if any.
    labels: Option<Arc<str>>,
    inventory: Arc<Inventory>,
    /// The names that are referred to.
    named: BTreeSet<Arc<str>>,
    seen: Collected<SecretData>,
}

impl Reading {
    pub(super) fn new(
        namespace: Arc<str>,
        labels: Option<Arc<str>>,
        inventory: Arc<Inventory>,
    ) -> Self {
        Self { namespace, labels, inventory, named: BTreeSet::new(), seen: Collected::default() }
    }

    /// Takes over which names are referred to.
    pub(super) fn name(&mut self, named: BTreeSet<Arc<str>>) {
        let before = std::mem::replace(&mut self.named, named);
        for name in before.difference(&self.named) {
            self.inventory.forget_secret(&ObjectName::new(self.namespace.clone(), name.clone()));
        }
        self.publish(self.named.difference(&before));
    }

    pub(super) fn observe(&mut self, event: Watched<KeptSecret>, now: Instant) {
        let namespace = &self.namespace;
        let keep = |secret: KeptSecret| Some(secret.into_data(namespace));
        match self.seen.observe(event, keep, now) {
            Change::Nothing => {}
            Change::Everything => self.publish(&self.named),
            Change::One(name, _) => self.publish(self.named.get(&name)),
        }
    }

    fn publish<'n>(&self, names: impl IntoIterator<Item = &'n Arc<str>>) {
        for name in names {
            let name = &ObjectName::new(self.namespace.clone(), name.clone());
            match self.seen.known() {
                Known::Nothing => {}
                Known::Forbidden => self.forbidden(name),
                Known::All(found) => match found.get(&name.name) {
                    Some(data) => {
                        self.inventory.set_secret(name, data.clone());
                    }
                    None => self.missing(name),
                },
            }
        }
    }

    fn missing(&self, name: &ObjectName) {
        let data = self.labels.clone().map_or(SecretData::Absent, SecretData::Unlabelled);
        if self.inventory.set_secret(name, data) {
            match &self.labels {
                None => tracing::warn!(secret = %name, "the Secret does not exist"),
                Some(labels) => tracing::warn!(
                    secret = %name,
                    labels = &**labels,
                    "there is no such Secret with the labels that this gateway asks for"
                ),
            }
        }
    }

    fn forbidden(&self, name: &ObjectName) {
        if self.inventory.set_secret(name, SecretData::Absent) {
            tracing::warn!(
                secret = %name,
                "may not read the Secret; allow `list` and `watch` on it by its name, or with \
                 `--secret-watch Labelled` on all of the namespace"
            );
        }
    }
}
