//! Services, EndpointSlices and pods as they come over the watch, and what is kept of each.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use kube::core::{ApiResource, NotUsed, Object};
use serde::Deserialize;

use crate::compile::{Pod, ServicePort, Slice, SliceEndpoint, SlicePort};

/// The label by which slices name their Service.
pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// A Service, without its status.
pub(super) type KeptService = Object<v1::ServiceSpec, NotUsed>;

/// A pod, without nearly everything: what its containers are given is nobody's business here.
pub(super) type KeptPod = Object<KeptPodSpec, KeptPodStatus>;

#[derive(Deserialize, Debug, Clone, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeptPodSpec {
    #[serde(default)]
    host_network: bool,
}

#[derive(Deserialize, Debug, Clone, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeptPodStatus {
    phase: Option<String>,
    #[serde(rename = "podIPs", default)]
    pod_ips: Vec<v1::PodIP>,
}

/// How Services are addressed at an API server.
pub(super) fn service() -> ApiResource {
    ApiResource::erase::<v1::Service>(&())
}

/// The same of pods.
pub(super) fn pod() -> ApiResource {
    ApiResource::erase::<v1::Pod>(&())
}

/// What is kept of a Service itself.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) ports: Vec<ServicePort>,
    pub(super) is_external: bool,
    pub(super) prefers_ipv6: bool,
    /// The labels of its pods; none if it selects nothing.
    pub(super) selector: Option<BTreeMap<String, String>>,
}

/// A slice and the Service that it is of.
#[derive(Debug)]
pub(super) struct OwnedSlice {
    pub(super) service: Arc<str>,
    pub(super) slice: Slice,
}

/// What is kept of a pod.
#[derive(Debug)]
pub(super) struct PodFacts {
    pub(super) uid: Arc<str>,
    labels: BTreeMap<String, String>,
    pub(super) pod: Pod,
}

impl PodFacts {
    pub(super) fn is_selected_by(&self, selector: &BTreeMap<String, String>) -> bool {
        selector.iter().all(|(label, value)| self.labels.get(label) == Some(value))
    }
}

pub(super) fn facts(object: KeptService) -> Facts {
    let spec = object.spec;
    let ports = spec.ports.into_iter().flatten().filter_map(|port| {
        let number = u16::try_from(port.port).ok()?;
        Some(ServicePort { name: port.name.unwrap_or_default().into(), number })
    });
    Facts {
        ports: ports.collect(),
        is_external: spec.type_.as_deref() == Some("ExternalName"),
        prefers_ipv6: spec.ip_families.is_some_and(|all| all.first().is_some_and(|f| f == "IPv6")),
        selector: spec.selector.filter(|labels| !labels.is_empty()),
    }
}

/// A slice; none whose addresses are names, which no Service with endpoints has.
pub(super) fn slice(object: EndpointSlice) -> Option<OwnedSlice> {
    if object.address_type == "FQDN" {
        return None;
    }
    let ports = object.ports.into_iter().flatten().filter_map(|port| {
        let number = u16::try_from(port.port?).ok()?;
        Some(SlicePort { name: port.name.unwrap_or_default().into(), number })
    });
    let endpoints = object.endpoints.into_iter().filter_map(endpoint);
    let slice = Slice { ports: ports.collect(), endpoints: endpoints.collect() };
    let service = object.metadata.labels?.remove(SERVICE_NAME)?;
    Some(OwnedSlice { service: service.into(), slice })
}

fn endpoint(endpoint: Endpoint) -> Option<SliceEndpoint> {
    let address = address(endpoint.addresses.first()?)?;
    let conditions = endpoint.conditions.unwrap_or_default();
    // What is not said is to be taken so, by the API's own words.
    let ready = conditions.ready.unwrap_or(true);
    Some(SliceEndpoint {
        address,
        pod: endpoint.target_ref.and_then(|pod| pod.uid).unwrap_or_default().into(),
        ready,
        serving: conditions.serving.unwrap_or(ready),
        terminating: conditions.terminating.unwrap_or(false),
    })
}

/// A pod while its addresses are its own: one that has ended may have given them up already, and one
/// on its node's network has the node's.
pub(super) fn pod_facts(object: KeptPod) -> Option<PodFacts> {
    let (metadata, status) = (object.metadata, object.status?);
    let runs = status.phase.as_deref() == Some("Running") && metadata.deletion_timestamp.is_none();
    if !runs || object.spec.host_network {
        return None;
    }
    let addresses = status.pod_ips.iter().filter_map(|one| address(&one.ip));
    let pod = Pod { name: metadata.name?.into(), addresses: addresses.collect() };
    let labels = metadata.labels.unwrap_or_default();
    Some(PodFacts { uid: metadata.uid?.into(), labels, pod })
}

/// An address, in one spelling: slices and pods are compared by it.
fn address(text: &str) -> Option<IpAddr> {
    Some(text.parse::<IpAddr>().ok()?.to_canonical())
}
