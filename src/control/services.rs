//! The Services that targets name, with who serves them.
//!
//! For each of them three watches in its namespace: the Service itself by its name (which ports it
//! has, and which pods it selects), its EndpointSlices by the label that names it (which endpoints
//! are ready), and the pods that it selects by their labels (which addresses are really theirs; why
//! that is asked is told in `compile::endpoints`). Of a pod only its name, its addresses and whether
//! it runs are kept.

mod collected;
mod objects;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use self::collected::{Collected, Known};
use self::objects::{Facts, KeptPod, KeptService};
use super::cluster::follow;
use super::inventory::Inventory;
use super::referenced::Follow;
use crate::compile::{Pod, References, Selected, Service, ServiceData, Slice};
use crate::table::ObjectName;

/// The label by which slices name their Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The Services that are referred to, as [`referenced::run`](super::referenced::run) follows them.
pub(super) struct Services {
    pub(super) client: Client,
    pub(super) inventory: Arc<Inventory>,
}

impl Follow for Services {
    fn wanted<'r>(&self, references: &'r References) -> &'r BTreeSet<ObjectName> {
        &references.services
    }

    fn follow(&self, name: ObjectName) -> impl Future<Output = ()> + Send + 'static {
        let (selector, selected) = watch::channel(None);
        let reading = Reading { selector, ..Reading::new(&name, &self.inventory) };
        let watches = Watches { client: self.client.clone(), name, reading: Mutex::new(reading) };
        async move {
            tokio::join!(watches.service(), watches.slices(), watches.pods(selected));
        }
    }

    fn stopped(&self, name: &ObjectName) {
        for source in sources(name) {
            self.inventory.forget_source(&source);
        }
    }

    fn retain(&self, wanted: &BTreeSet<ObjectName>) {
        self.inventory.retain_services(wanted);
    }
}

/// What the three watches are called in logs and metrics.
fn sources(name: &ObjectName) -> [Arc<str>; 3] {
    ["Service", "EndpointSlices of Service", "Pods of Service"]
        .map(|what| format!("{what} {name}").into())
}

/// The three watches of one Service.
struct Watches {
    client: Client,
    name: ObjectName,
    reading: Mutex<Reading>,
}

impl Watches {
    async fn service(&self) {
        let api: Api<KeptService> =
            Api::namespaced_with(self.client.clone(), &self.name.namespace, &objects::service());
        let config = Config::default().fields(&format!("metadata.name={}", self.name.name));
        let [source, ..] = sources(&self.name);
        let inventory = self.inventory();
        follow(api, config, &source, &inventory, |event| {
            self.update(|reading| {
                reading.service.observe(event, |one| Some(objects::facts(one)), Instant::now());
            });
            ControlFlow::Continue(())
        })
        .await;
    }

    async fn slices(&self) {
        let api: Api<EndpointSlice> = Api::namespaced(self.client.clone(), &self.name.namespace);
        let config = Config::default().labels(&format!("{SERVICE_NAME}={}", self.name.name));
        let [_, source, _] = sources(&self.name);
        let inventory = self.inventory();
        follow(api, config, &source, &inventory, |event| {
            self.update(|reading| {
                reading.slices.observe(event, objects::slice, Instant::now());
            });
            ControlFlow::Continue(())
        })
        .await;
    }

    /// The pods, by one selector after another: an edited Service selects others.
    async fn pods(&self, mut selected: watch::Receiver<Option<Arc<str>>>) {
        let [.., source] = sources(&self.name);
        let inventory = self.inventory();
        loop {
            let selector = selected.borrow_and_update().clone();
            let watching = async {
                let Some(selector) = selector else { return std::future::pending().await };
                let api: Api<KeptPod> = Api::namespaced_with(
                    self.client.clone(),
                    &self.name.namespace,
                    &objects::pod(),
                );
                let config = Config::default().labels(&selector);
                follow(api, config, &source, &inventory, |event| {
                    self.update(|reading| {
                        reading.pods.observe(event, objects::pod_of, Instant::now());
                    });
                    ControlFlow::Continue(())
                })
                .await;
            };
            tokio::select! {
                biased;
                changed = selected.changed() => if changed.is_err() { return },
                () = watching => return,
            }
        }
    }

    fn inventory(&self) -> Arc<Inventory> {
        self.reading.lock().inventory.clone()
    }

    fn update(&self, change: impl FnOnce(&mut Reading)) {
        let mut reading = self.reading.lock();
        change(&mut reading);
        reading.publish();
    }
}

/// What the watches of one Service have seen.
struct Reading {
    name: ObjectName,
    inventory: Arc<Inventory>,
    service: Collected<Facts>,
    slices: Collected<Slice>,
    pods: Collected<(Arc<str>, Pod)>,
    /// Which pods are to be watched: none while the Service selects none.
    selector: watch::Sender<Option<Arc<str>>>,
}

impl Reading {
    fn new(name: &ObjectName, inventory: &Arc<Inventory>) -> Self {
        Self {
            name: name.clone(),
            inventory: inventory.clone(),
            service: Collected::default(),
            slices: Collected::default(),
            pods: Collected::default(),
            selector: watch::channel(None).0,
        }
    }

    /// Hands on what is known, once that is whole: a part of it would read as endpoints that went.
    fn publish(&mut self) {
        let facts = match self.service.known() {
            Known::Nothing => return,
            Known::Forbidden => None,
            Known::All(found) => found.values().next().cloned(),
        };
        self.select(facts.as_ref().and_then(|facts| facts.selector.clone()));
        if let Some(data) = self.data(facts) {
            self.inventory.set_service(&self.name, data);
        }
    }

    /// Other pods are wanted: what is known of the last ones is of no use.
    fn select(&mut self, selector: Option<Arc<str>>) {
        let pods = &mut self.pods;
        self.selector.send_if_modified(|last| {
            let changed = *last != selector;
            if changed {
                *last = selector;
                *pods = Collected::default();
            }
            changed
        });
    }

    fn data(&self, facts: Option<Facts>) -> Option<ServiceData> {
        let Some(facts) = facts else {
            let forbidden = matches!(self.service.known(), Known::Forbidden);
            return Some(if forbidden {
                ServiceData::Forbidden("services")
            } else {
                ServiceData::Absent
            });
        };
        let slices = match self.slices.known() {
            Known::Nothing => return None,
            Known::Forbidden => return Some(ServiceData::Forbidden("endpointslices")),
            Known::All(slices) => slices.clone(),
        };
        let pods = match (&facts.selector, self.pods.known()) {
            (None, _) => Selected::Nothing,
            (Some(_), Known::Nothing) => return None,
            (Some(_), Known::Forbidden) => Selected::Unreadable,
            (Some(_), Known::All(pods)) => Selected::Pods(pods.values().cloned().collect()),
        };
        let Facts { ports, is_external, prefers_ipv6, .. } = facts;
        let service = Service { ports, is_external, prefers_ipv6, slices, pods };
        Some(ServiceData::Present(Arc::new(service)))
    }
}

#[cfg(test)]
mod tests;
