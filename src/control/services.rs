//! The Services that targets name, with who serves them.
//!
//! In each namespace in which a route names a Service there are three watches: of its Services (which
//! ports they have, and which pods they select), of its EndpointSlices (which endpoints are ready),
//! and of pods (which addresses are really theirs; why that is asked is told in
//! `compile::endpoints`).
//!
//! **Three for a namespace, not for a Service.** Every watch is a stream and a buffer at the API
//! server, from each replica, and every change in a namespace is compared with the selectors of all
//! its watches there; a list by labels reads the whole namespace anyway. With a thousand Services and
//! ten replicas that would be 30,000 watches. The price is paid here: Services and slices come that
//! nobody names. They are few and change seldom, and what is kept of each is some hundred
//! bytes. It is kept, not dropped: else every route that comes to name a Service would need a new
//! list of its namespace, and would be served only after that.
//!
//! **Pods** are another matter: there may be thousands, of 10 KiB each, and each tells several times of its
//! start and its end. So their watch asks for no more than is needed as long as labels can
//! say that: see [`Selection`]. Of a pod only its name, its labels, its addresses and whether it runs are kept.
//!
//! What is not allowed is refused for a namespace at a time and tried again there, and one that no
//! route names a Service of is let go.

mod objects;
mod reading;
mod selection;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use self::objects::{KeptPod, KeptService, SERVICE_NAME};
use self::reading::Reading;
use self::selection::Selection;
use super::cluster::{Lists, follow};
use super::inventory::Inventory;
use super::referenced::Follow;
use crate::compile::References;

/// Between two lists of the pods of a namespace for other labels: whoever changes Services or routes all
/// the time has them listed no more often.
const RELIST_AFTER: Duration = Duration::from_millis(200);

/// The Services that are referred to, as [`referenced::run`](super::referenced::run) follows them.
#[derive(Clone)]
pub(super) struct Services {
    client: Client,
    inventory: Arc<Inventory>,
    lists: Lists,
    /// What is referred to, for the namespaces that are watched already.
    told: watch::Sender<Arc<References>>,
}

impl Services {
    pub(super) fn new(client: Client, inventory: Arc<Inventory>, lists: Lists) -> Self {
        Self { client, inventory, lists, told: watch::channel(Arc::default()).0 }
    }
}

impl Follow for Services {
    /// A namespace.
    type Scope = Arc<str>;

    fn wanted(&self, references: &References) -> BTreeSet<Arc<str>> {
        references.services.iter().map(|name| name.namespace.clone()).collect()
    }

    fn follow(&self, namespace: Arc<str>) -> impl Future<Output = ()> + Send + 'static {
        let (selection, selected) = watch::channel(None);
        let reading = Reading::new(namespace.clone(), self.inventory.clone(), selection);
        let told = self.told.subscribe();
        let watches = Watches { services: self.clone(), namespace, reading: Mutex::new(reading) };
        async move {
            // In one task, so that none of them acts on what another has just made void.
            tokio::join!(
                watches.names(told),
                watches.services(),
                watches.slices(),
                watches.pods(selected)
            );
        }
    }

    fn stopped(&self, namespace: &Arc<str>) {
        for source in sources(namespace) {
            self.inventory.forget_source(&source);
        }
    }

    fn retain(&self, references: &Arc<References>) {
        // Of a namespace that is watched, the watch forgets: it alone knows what it has handed on.
        self.inventory.retain_services(&self.wanted(references));
        self.told.send_replace(references.clone());
    }
}

/// What the three watches are called in logs and metrics.
fn sources(namespace: &str) -> [Arc<str>; 3] {
    ["Services", "EndpointSlices", "Pods"].map(|what| format!("{what} in {namespace}").into())
}

/// The three watches of one namespace.
struct Watches {
    services: Services,
    namespace: Arc<str>,
    reading: Mutex<Reading>,
}

impl Watches {
    /// Which Services are referred to.
    async fn names(&self, mut told: watch::Receiver<Arc<References>>) {
        loop {
            let references = told.borrow_and_update().clone();
            self.reading.lock().name(&references);
            if told.changed().await.is_err() {
                return;
            }
        }
    }

    async fn services(&self) {
        let api: Api<KeptService> =
            Api::namespaced_with(self.client(), &self.namespace, &objects::service());
        let [source, ..] = sources(&self.namespace);
        let Services { inventory, lists, .. } = &self.services;
        follow(api, Config::default(), &source, inventory, lists, |event| {
            self.reading.lock().saw_service(event, Instant::now());
        })
        .await;
    }

    async fn slices(&self) {
        let api: Api<EndpointSlice> = Api::namespaced(self.client(), &self.namespace);
        let [_, source, _] = sources(&self.namespace);
        let Services { inventory, lists, .. } = &self.services;
        // Those without the label belong to no Service.
        follow(api, Config::default().labels(SERVICE_NAME), &source, inventory, lists, |event| {
            self.reading.lock().saw_slice(event, Instant::now());
        })
        .await;
    }

    /// The pods, by one selection after another.
    async fn pods(&self, mut selected: watch::Receiver<Option<Selection>>) {
        let [.., source] = sources(&self.namespace);
        let Services { inventory, lists, .. } = &self.services;
        loop {
            let selection = selected.borrow_and_update().clone();
            let since = selection.as_ref().map(|_| Instant::now());
            let watching = async {
                let Some(selection) = selection else {
                    inventory.forget_source(&source);
                    return std::future::pending().await;
                };
                let api: Api<KeptPod> =
                    Api::namespaced_with(self.client(), &self.namespace, &objects::pod());
                follow(api, selection.config(), &source, inventory, lists, |event| {
                    self.reading.lock().saw_pod(event, Instant::now());
                })
                .await;
            };
            // At once, or the end of its list would pass for the end of one for the other labels.
            tokio::select! {
                biased;
                changed = selected.changed() => if changed.is_err() { return },
                () = watching => return,
            }
            if let Some(since) = since {
                tokio::time::sleep_until(since + RELIST_AFTER).await;
            }
        }
    }

    fn client(&self) -> Client {
        self.services.client.clone()
    }
}

#[cfg(test)]
mod tests;
