//! What the watches of one namespace have seen, put together by Service.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use tokio::sync::watch;
use tokio::time::Instant;

use super::objects::{self, Facts, KeptPod, KeptService, OwnedSlice, PodFacts};
use super::selection::Selection;
use crate::compile::{References, Selected, Service, ServiceData, Slice};
use crate::control::cluster::Watched;
use crate::control::inventory::Inventory;
use crate::control::referenced::{Change, Collected, Known};
use crate::table::ObjectName;

/// The names of some Services of the namespace.
type Names = BTreeSet<Arc<str>>;

/// What the watches of one namespace have seen.
pub(super) struct Reading {
    namespace: Arc<str>,
    inventory: Arc<Inventory>,
    /// The Services that are referred to.
    named: Names,
    services: Collected<Facts>,
    slices: Collected<OwnedSlice>,
    pods: Collected<PodFacts>,
    /// Which pods are known. After a change of what is wanted it is the former selection, until a
    /// list of the new one is complete.
    covered: Option<Selection>,
    /// Which pods are to be watched: none while no Service selects any.
    selection: watch::Sender<Option<Selection>>,
}

impl Reading {
    pub(super) fn new(
        namespace: Arc<str>,
        inventory: Arc<Inventory>,
        selection: watch::Sender<Option<Selection>>,
    ) -> Self {
        Self {
            namespace,
            inventory,
            named: Names::new(),
            services: Collected::default(),
            slices: Collected::default(),
            pods: Collected::default(),
            covered: None,
            selection,
        }
    }

    /// Takes over which Services are referred to.
    pub(super) fn name(&mut self, references: &References) {
        let first = ObjectName::new(self.namespace.clone(), "");
        let here = references.services.range(first..);
        let here = here.take_while(|name| name.namespace == self.namespace);
        let before = std::mem::replace(&mut self.named, here.map(|one| one.name.clone()).collect());
        if before == self.named {
            return;
        }
        for dropped in before.difference(&self.named) {
            // It may have been handed on after all others forgot it.
            self.inventory.forget_service(&self.object(dropped));
        }
        self.select();
        self.publish(&self.named.difference(&before).cloned().collect());
    }

    pub(super) fn saw_service(&mut self, event: Watched<KeptService>, now: Instant) {
        let change = self.services.observe(event, |one| Some(objects::facts(one)), now);
        let names = match change {
            Change::Nothing => return,
            Change::Everything => self.named.clone(),
            Change::One(name, _) => Names::from([name]),
        };
        self.select();
        self.publish(&names);
    }

    pub(super) fn saw_slice(&mut self, event: Watched<EndpointSlice>, now: Instant) {
        let names = match self.slices.observe(event, objects::slice, now) {
            Change::Nothing => return,
            Change::Everything => self.named.clone(),
            Change::One(name, before) => {
                let versions = before.as_ref().into_iter().chain(self.slices.get(&name));
                versions.map(|slice| slice.service.clone()).collect()
            }
        };
        self.publish(&names);
    }

    pub(super) fn saw_pod(&mut self, event: Watched<KeptPod>, now: Instant) {
        let complete = matches!(event, Watched::ListEnd);
        let change = self.pods.observe(event, objects::pod_facts, now);
        if complete {
            self.covered.clone_from(&self.selection.borrow());
        }
        let names = match change {
            Change::Nothing => return,
            Change::Everything => self.named.clone(),
            Change::One(name, before) => {
                let versions = before.as_ref().into_iter().chain(self.pods.get(&name));
                self.listing(&versions.flat_map(|one| &one.pod.addresses).copied().collect())
            }
        };
        self.publish(&names);
    }

    /// The Services whose slices list any of these addresses.
    fn listing(&self, addresses: &BTreeSet<IpAddr>) -> Names {
        let slices = self.slices.objects().map(|(_, slice)| slice);
        let listing = slices.filter(|one| {
            one.slice.endpoints.iter().any(|endpoint| addresses.contains(&endpoint.address))
        });
        listing.map(|slice| slice.service.clone()).collect()
    }

    /// Other pods may be wanted. What is known of the last ones serves until those have been read.
    fn select(&mut self) {
        let wanted = match self.services.known() {
            Known::Nothing => return,
            Known::Forbidden => None,
            Known::All(found) => {
                let named = self.named.iter().filter_map(|name| found.get(name));
                let wanted = Selection::covering(named.filter_map(|facts| facts.selector.as_ref()));
                // Some values more than are needed by now cost less than another list.
                if let (Some(running), Some(wanted)) = (&*self.selection.borrow(), &wanted)
                    && running.includes(wanted)
                {
                    return;
                }
                wanted
            }
        };
        if wanted.is_none() {
            (self.pods, self.covered) = (Collected::default(), None);
        }
        self.selection.send_if_modified(|selection| {
            let changed = *selection != wanted;
            *selection = wanted;
            changed
        });
    }

    /// Hands on what is known of these Services, as far as they are referred to and it is whole: a
    /// part of it would read as endpoints that went.
    fn publish(&self, names: &Names) {
        let names: BTreeSet<_> = names.intersection(&self.named).collect();
        if names.is_empty() {
            return;
        }
        // In one pass over what there is, however many of them: they may be thousands.
        let mut slices: BTreeMap<&Arc<str>, Vec<(&Arc<str>, &Slice)>> = BTreeMap::new();
        for (name, slice) in self.slices.objects() {
            if names.contains(&slice.service) {
                slices.entry(&slice.service).or_default().push((name, &slice.slice));
            }
        }
        let listed = slices.values().flatten().flat_map(|(_, slice)| &slice.endpoints);
        let listed: BTreeSet<IpAddr> = listed.map(|endpoint| endpoint.address).collect();
        let mut pods: BTreeMap<IpAddr, Vec<&PodFacts>> = BTreeMap::new();
        for (_, pod) in self.pods.objects() {
            for address in pod.pod.addresses.intersection(&listed) {
                pods.entry(*address).or_default().push(pod);
            }
        }
        for name in names {
            let slices = slices.get(name).map_or(&[][..], Vec::as_slice);
            if let Some(data) = self.data(name, slices, &pods) {
                self.inventory.set_service(&self.object(name), data);
            }
        }
    }

    /// One Service, with its slices out of those of the namespace, and its pods out of those at
    /// their addresses.
    fn data(
        &self,
        name: &str,
        slices: &[(&Arc<str>, &Slice)],
        pods: &BTreeMap<IpAddr, Vec<&PodFacts>>,
    ) -> Option<ServiceData> {
        let facts = match self.services.known() {
            Known::Nothing => return None,
            Known::Forbidden => return Some(ServiceData::Forbidden("services")),
            Known::All(found) => found.get(name),
        };
        let Some(facts) = facts else { return Some(ServiceData::Absent) };
        match self.slices.known() {
            Known::Nothing => return None,
            Known::Forbidden => return Some(ServiceData::Forbidden("endpointslices")),
            Known::All(_) => {}
        }
        let pods = match (&facts.selector, self.pods.known()) {
            (None, _) => Selected::Nothing,
            (Some(_), Known::Forbidden) => Selected::Unreadable,
            (Some(selector), Known::All(_)) if self.covers(selector) => {
                let listed = slices.iter().flat_map(|(_, slice)| &slice.endpoints);
                let found = listed.filter_map(|endpoint| pods.get(&endpoint.address)).flatten();
                let selected = found.filter(|pod| pod.is_selected_by(selector));
                Selected::Pods(selected.map(|pod| (pod.uid.clone(), pod.pod.clone())).collect())
            }
            (Some(_), Known::All(_) | Known::Nothing) => return None,
        };
        let service = Service {
            ports: facts.ports.clone(),
            is_external: facts.is_external,
            prefers_ipv6: facts.prefers_ipv6,
            slices: slices
                .iter()
                .map(|(name, slice)| ((*name).clone(), (*slice).clone()))
                .collect(),
            pods,
        };
        Some(ServiceData::Present(Arc::new(service)))
    }

    fn covers(&self, selector: &BTreeMap<String, String>) -> bool {
        self.covered.as_ref().is_some_and(|covered| covered.covers(selector))
    }

    fn object(&self, name: &Arc<str>) -> ObjectName {
        ObjectName::new(self.namespace.clone(), name.clone())
    }
}
