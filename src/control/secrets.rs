//! One watch for each Secret that is referred to, by its name; no other Secret is ever read.
//!
//! A watch on `metadata.name=NAME` is allowed by a role that names the Secret, and it makes a
//! rotation live at once. Where the operator demands labels, the watch has them as well: a Secret
//! without them never comes here. Values exist only as [`SecretText`](crate::table::SecretText).

mod data;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use kube::runtime::watcher::Config;
use kube::{Api, Client};
use tokio::time::Instant;

use self::data::KeptSecret;
use super::cluster::{Lists, Watched, follow};
use super::inventory::Inventory;
use super::referenced::{Change, Collected, Follow, Known};
use crate::compile::{References, SecretData};
use crate::table::ObjectName;

/// The Secrets that are referred to, as [`referenced::run`](super::referenced::run) follows them.
#[derive(Clone)]
pub(super) struct Secrets {
    pub(super) client: Client,
    /// Labels that they must have, as a label selector.
    pub(super) labels: Option<Arc<str>>,
    pub(super) inventory: Arc<Inventory>,
    pub(super) lists: Lists,
}

impl Follow for Secrets {
    type Scope = ObjectName;

    fn wanted(&self, references: &References) -> BTreeSet<ObjectName> {
        references.secrets.clone()
    }

    fn follow(&self, name: ObjectName) -> impl Future<Output = ()> + Send + 'static {
        self.clone().follow_secret(name)
    }

    fn stopped(&self, name: &ObjectName) {
        self.inventory.forget_source(&source_name(name));
    }

    fn retain(&self, references: &Arc<References>) {
        self.inventory.retain_secrets(&references.secrets);
    }
}

impl Secrets {
    async fn follow_secret(self, name: ObjectName) {
        let source = source_name(&name);
        let api: Api<KeptSecret> = Api::namespaced(self.client, &name.namespace);
        let mut config = Config::default().fields(&format!("metadata.name={}", name.name));
        config.label_selector = self.labels.as_deref().map(str::to_owned);
        let mut reading = Reading::new(name, self.labels, self.inventory.clone());
        follow(api, config, &source, &self.inventory, &self.lists, |event| {
            reading.observe(event, Instant::now());
            ControlFlow::Continue(())
        })
        .await;
    }
}

fn source_name(name: &ObjectName) -> Arc<str> {
    format!("Secret {name}").into()
}

/// What the watch of one Secret has seen.
struct Reading {
    name: ObjectName,
    labels: Option<Arc<str>>,
    inventory: Arc<Inventory>,
    seen: Collected<SecretData>,
}

impl Reading {
    fn new(name: ObjectName, labels: Option<Arc<str>>, inventory: Arc<Inventory>) -> Self {
        Self { name, labels, inventory, seen: Collected::default() }
    }

    fn observe(&mut self, event: Watched<KeptSecret>, now: Instant) {
        let keep = |secret: KeptSecret| Some(secret.into_data(&self.name));
        if matches!(self.seen.observe(event, keep, now), Change::Nothing) {
            return;
        }
        match self.seen.known() {
            Known::Nothing => {}
            Known::Forbidden => self.forbidden(),
            Known::All(found) => match found.values().next() {
                Some(data) => {
                    self.inventory.set_secret(&self.name, data.clone());
                }
                None => self.missing(),
            },
        }
    }

    fn missing(&self) {
        let data = self.labels.clone().map_or(SecretData::Absent, SecretData::Unlabelled);
        if self.inventory.set_secret(&self.name, data) {
            match &self.labels {
                None => tracing::warn!(secret = %self.name, "the Secret does not exist"),
                Some(labels) => tracing::warn!(
                    secret = %self.name,
                    labels = &**labels,
                    "there is no such Secret with the labels that `--secret-label-selector` demands"
                ),
            }
        }
    }

    fn forbidden(&self) {
        if self.inventory.set_secret(&self.name, SecretData::Absent) {
            tracing::warn!(
                secret = %self.name,
                "may not read the Secret; allow `list` and `watch` on it by name"
            );
        }
    }
}

#[cfg(test)]
mod tests;
