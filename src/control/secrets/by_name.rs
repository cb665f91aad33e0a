//! One watch for each Secret that is referred to, by its name.
//!
//! A watch on `metadata.name=NAME` is allowed by a role that names the Secret, and nothing that is not
//! referred to ever comes here.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::Api;
use kube::runtime::watcher::Config;
use tokio::time::Instant;

use super::Reader;
use super::data::KeptSecret;
use super::reading::Reading;
use crate::compile::References;
use crate::control::cluster::follow;
use crate::control::referenced::Follow;
use crate::table::ObjectName;

/// The Secrets that are referred to, as [`referenced::run`](crate::control::referenced::run) follows
/// them.
#[derive(Clone)]
pub(in crate::control) struct ByName {
    pub(in crate::control) reader: Reader,
    /// Labels that they must have, as a label selector.
    pub(in crate::control) labels: Option<Arc<str>>,
}

impl Follow for ByName {
    type Scope = ObjectName;

    fn wanted(&self, references: &References) -> BTreeSet<ObjectName> {
        references.secrets.clone()
    }

    fn follow(&self, name: ObjectName) -> impl Future<Output = ()> + Send + 'static {
        self.clone().follow_secret(name)
    }

    fn stopped(&self, name: &ObjectName) {
        self.reader.inventory.forget_source(&source_name(name));
    }

    fn retain(&self, references: &Arc<References>) {
        self.reader.inventory.retain_secrets(|name| references.secrets.contains(name));
    }
}

impl ByName {
    async fn follow_secret(self, name: ObjectName) {
        let source = source_name(&name);
        let Reader { client, inventory, lists } = self.reader;
        let api: Api<KeptSecret> = Api::namespaced(client, &name.namespace);
        let mut config = Config::default().fields(&format!("metadata.name={}", name.name));
        config.label_selector = self.labels.as_deref().map(str::to_owned);
        let mut reading = Reading::new(name.namespace, self.labels, inventory.clone());
        reading.name(BTreeSet::from([name.name]));
        follow(api, config, &source, &inventory, &lists, |event| {
            reading.observe(event, Instant::now());
        })
        .await;
    }
}

fn source_name(name: &ObjectName) -> Arc<str> {
    format!("Secret {name}").into()
}
