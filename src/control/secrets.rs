//! One watch for each Secret that is referred to, by its name; no other Secret is ever read.
//!
//! A watch on `metadata.name=NAME` is allowed by a role that names the Secret, and it makes a
//! rotation live at once. Values exist only as [`SecretText`](crate::table::SecretText).

mod data;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use kube::runtime::watcher::Config;
use kube::{Api, Client};
use tokio::time::Instant;

use self::data::KeptSecret;
use super::cluster::{Watched, follow, status_code};
use super::inventory::Inventory;
use super::referenced::Follow;
use crate::compile::{References, SecretData};
use crate::table::ObjectName;

/// A Secret that was read is given up only when the API server has refused it for so long: one
/// that has just started refuses everything until its caches of roles are filled.
const REFUSAL_GRACE: Duration = Duration::from_secs(60);

/// The Secrets that are referred to, as [`referenced::run`](super::referenced::run) follows them.
pub(super) struct Secrets {
    pub(super) client: Client,
    pub(super) inventory: Arc<Inventory>,
}

impl Follow for Secrets {
    fn wanted<'r>(&self, references: &'r References) -> &'r BTreeSet<ObjectName> {
        &references.secrets
    }

    fn follow(&self, name: ObjectName) -> impl Future<Output = ()> + Send + 'static {
        follow_secret(self.client.clone(), name, self.inventory.clone())
    }

    fn stopped(&self, name: &ObjectName) {
        self.inventory.forget_source(&source_name(name));
    }

    fn retain(&self, wanted: &BTreeSet<ObjectName>) {
        self.inventory.retain_secrets(wanted);
    }
}

fn source_name(name: &ObjectName) -> Arc<str> {
    format!("Secret {name}").into()
}

async fn follow_secret(client: Client, name: ObjectName, inventory: Arc<Inventory>) {
    let source = source_name(&name);
    let api: Api<KeptSecret> = Api::namespaced(client, &name.namespace);
    let config = Config::default().fields(&format!("metadata.name={}", name.name));
    let mut reading = Reading { name, inventory: inventory.clone(), listed: None, refused: None };
    follow(api, config, &source, &inventory, |event| {
        reading.observe(event, Instant::now());
        ControlFlow::Continue(())
    })
    .await;
}

/// What the watch of one Secret has seen.
struct Reading {
    name: ObjectName,
    inventory: Arc<Inventory>,
    /// The Secret, while a list is under way.
    listed: Option<KeptSecret>,
    /// Since when the API server has refused it.
    refused: Option<Instant>,
}

impl Reading {
    fn observe(&mut self, event: Watched<KeptSecret>, now: Instant) {
        match event {
            Watched::Listing => self.listed = None,
            Watched::Listed(secret) => self.listed = Some(secret),
            Watched::ListEnd => {
                let listed = self.listed.take();
                self.found(listed);
            }
            Watched::Applied(secret) => self.found(Some(secret)),
            Watched::Deleted(_) => self.found(None),
            Watched::Failed(error) => {
                if status_code(&error) == Some(403) {
                    self.forbidden(now);
                }
            }
        }
    }

    fn found(&mut self, secret: Option<KeptSecret>) {
        self.refused = None;
        let data = secret.map_or(SecretData::Absent, |secret| secret.into_data(&self.name));
        let is_absent = matches!(data, SecretData::Absent);
        if self.inventory.set_secret(&self.name, data) && is_absent {
            tracing::warn!(secret = %self.name, "the Secret does not exist");
        }
    }

    fn forbidden(&mut self, now: Instant) {
        let since = *self.refused.get_or_insert(now);
        let patient =
            self.inventory.has_secret(&self.name) && now.duration_since(since) < REFUSAL_GRACE;
        if !patient && self.inventory.set_secret(&self.name, SecretData::Absent) {
            tracing::warn!(
                secret = %self.name,
                "may not read the Secret; allow `list` and `watch` on it by name"
            );
        }
    }
}

#[cfg(test)]
mod tests;
