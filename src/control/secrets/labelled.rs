//! One watch for each namespace in which a Secret is referred to, of those that have a label.
//!
//! Every watch is a connection of its own and a stream at the API server: with a thousand Secrets and
//! ten replicas that makes ten thousand. The price is the role, which has to allow the reading of all
//! Secrets of the namespace, and that the values of what is labelled and not referred to come here.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::Api;
use kube::runtime::watcher::Config;
use parking_lot::Mutex;
use tokio::sync::watch;
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
pub(in crate::control) struct Labelled {
    reader: Reader,
    /// Labels that they must have, as a label selector.
    labels: Arc<str>,
    /// What is referred to, for the namespaces that are watched already.
    told: watch::Sender<Arc<References>>,
}

impl Labelled {
    pub(in crate::control) fn new(reader: Reader, labels: Arc<str>) -> Self {
        Self { reader, labels, told: watch::channel(Arc::default()).0 }
    }
}

impl Follow for Labelled {
    /// A namespace.
    type Scope = Arc<str>;

    fn wanted(&self, references: &References) -> BTreeSet<Arc<str>> {
        references.secrets.iter().map(|name| name.namespace.clone()).collect()
    }

    fn follow(&self, namespace: Arc<str>) -> impl Future<Output = ()> + Send + 'static {
        let Reader { client, inventory, lists } = self.reader.clone();
        let (labels, mut told) = (self.labels.clone(), self.told.subscribe());
        let reading = Reading::new(namespace.clone(), Some(labels.clone()), inventory.clone());
        let reading = Mutex::new(reading);
        async move {
            let names = async {
                loop {
                    let here = names_in(&namespace, &told.borrow_and_update());
                    reading.lock().name(here);
                    if told.changed().await.is_err() {
                        return;
                    }
                }
            };
            let api: Api<KeptSecret> = Api::namespaced(client, &namespace);
            let config = Config::default().labels(&labels);
            let source = source_name(&namespace);
            let read = follow(api, config, &source, &inventory, &lists, |event| {
                reading.lock().observe(event, Instant::now());
            });
            tokio::join!(names, read);
        }
    }

    fn stopped(&self, namespace: &Arc<str>) {
        self.reader.inventory.forget_source(&source_name(namespace));
    }

    fn retain(&self, references: &Arc<References>) {
        // Of a namespace that is watched, the watch forgets: it alone knows what it has handed on.
        let wanted = self.wanted(references);
        self.reader.inventory.retain_secrets(|name| wanted.contains(&name.namespace));
        self.told.send_replace(references.clone());
    }
}

fn names_in(namespace: &Arc<str>, references: &References) -> BTreeSet<Arc<str>> {
    let here = references.secrets.range(ObjectName::new(namespace.clone(), "")..);
    let here = here.take_while(|name| name.namespace == *namespace);
    here.map(|name| name.name.clone()).collect()
}

fn source_name(namespace: &str) -> Arc<str> {
    format!("Secrets in {namespace}").into()
}
