//! What was read of a Service, as plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// A Service that is referred to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceData {
    /// It, and what belongs to it.
    Present(Arc<Service>),
    /// There is none of that name.
    Absent,
    /// The gateway's role does not let it read this kind.
    Forbidden(&'static str),
}

/// A Service and what belongs to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// `spec.type` is `ExternalName`: it is another name for a host and has no endpoints.
    pub is_external: bool,
    /// Whether its first family of addresses is IPv6.
    pub prefers_ipv6: bool,
    /// Its EndpointSlices by their names.
    pub slices: BTreeMap<Arc<str>, Slice>,
    /// The pods that its selector selects.
    pub pods: Selected,
}

/// A port of a Service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name; empty where the Service has only this one.
    pub name: Arc<str>,
    /// Its number at the Service.
    pub number: u16,
}

/// The pods of a Service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Selected {
    /// It selects none: its slices are written by somebody.
    #[default]
    Nothing,
    /// The gateway's role does not let it read pods.
    Unreadable,
    /// Those of them whose addresses are in the slices, by their UIDs.
    Pods(BTreeMap<Arc<str>, Pod>),
}

/// What is known of a pod from itself: its kubelet says it, and nobody who may only edit a namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: Arc<str>,
    /// Its own addresses. A pod on its node's network has none of its own.
    pub addresses: BTreeSet<IpAddr>,
}

/// An EndpointSlice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slice {
    /// The ports that all its endpoints have.
    pub ports: Vec<SlicePort>,
    /// Its endpoints.
    pub endpoints: Vec<SliceEndpoint>,
}

/// A port in an EndpointSlice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlicePort {
    /// The name of the Service's port.
    pub name: Arc<str>,
    /// Its number at the pods.
    pub number: u16,
}

/// An endpoint in an EndpointSlice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceEndpoint {
    /// Its address. A slice may list several; all mean the same, and the first is to be used.
    pub address: IpAddr,
    /// The UID of the pod that it is said to be, empty for none: what tells it from one that had
    /// the address before. Nothing else is believed of it.
    pub pod: Arc<str>,
    /// It takes requests: its probe says so, or the Service wants unready ones as well.
    pub ready: bool,
    /// Its probe says that it serves.
    pub serving: bool,
    /// It is about to end.
    pub terminating: bool,
}
