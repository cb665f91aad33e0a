//! From what was read of a Service to the endpoints that may be asked.
//!
//! **Which**: those that are ready, that serve and that do not terminate, each once. While an
//! endpoint moves from one slice to another both may hold it, and the copies may differ: one that
//! says "terminating" is right, because nothing comes back from that; of the others one that says
//! "ready" is.
//!
//! **Whether they may be reached**: who may write EndpointSlices (every tenant with edit rights, in
//! clusters that began before Kubernetes 1.22) may write any address into one: another tenant's pod,
//! the metadata service of the cloud. So a slice is believed about ports and readiness and not about
//! addresses. An address is asked only if it belongs to a pod which the Service selects in its own
//! namespace, as the pod's own status says, which only its kubelet writes; or if the operator lets
//! everybody reach it with `--allow-upstream-cidr`. Pods on their nodes' network have no address of
//! their own and need the latter.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::finding::Fault;
use super::{Selected, Service, ServiceData, Tenancy};
use crate::api::Reason;
use crate::table::ObjectName;

/// The port of a Service, as a target names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port<'a> {
    Name(&'a str),
    Number(u16),
}

/// An endpoint that may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) address: SocketAddr,
    /// UID and name of its pod, where it is one that the Service selects.
    pub(super) pod: Option<(Arc<str>, Arc<str>)>,
}

/// The ports and the endpoints of a Service.
#[derive(Debug)]
pub(super) struct Found {
    /// The number at the Service, for the `host` header.
    pub(super) port: u16,
    pub(super) ready: Vec<Ready>,
}

/// The endpoints of the Service that a target at `path` names. At least one, or a fault.
pub(super) fn find(
    path: &str,
    name: &ObjectName,
    port: Port<'_>,
    read: Option<&ServiceData>,
    tenancy: &Tenancy,
) -> Result<Found, Fault> {
    let service = service(path, name, read)?;
    let port = service.ports.iter().find(|one| match port {
        Port::Name(name) => *one.name == *name,
        Port::Number(number) => one.number == number,
    });
    let Some(port) = port else {
        let message = format!("Service `{name}` has no such port; it has {}", ports(service));
        return Err(Fault::new(Reason::PortNotFound, format!("{path}.port"), message));
    };
    let listed = listed(service, &port.name);
    let ready = listed.iter().filter_map(|address| permitted(*address, service, tenancy));
    let ready = one_family(&ready.collect::<Vec<_>>(), service.prefers_ipv6);
    if !ready.is_empty() {
        return Ok(Found { port: port.number, ready });
    }
    let (reason, message) = match listed.first() {
        None => {
            let message = format!("no endpoint of Service `{name}` is ready: see its pods");
            (Reason::NoReadyEndpoints, message)
        }
        Some(example) => {
            let message = format!(
                "the ready endpoints of Service `{name}` (such as {}) {}, so they need the \
                 operator's `--allow-upstream-cidr`",
                example.ip(),
                unproven(&service.pods),
            );
            (Reason::AddressNotPermitted, message)
        }
    };
    Err(Fault::new(reason, format!("{path}.name"), message))
}

/// The Service itself, if it has endpoints at all.
fn service<'r>(
    path: &str,
    name: &ObjectName,
    read: Option<&'r ServiceData>,
) -> Result<&'r Service, Fault> {
    let (reason, message) = match read {
        Some(ServiceData::Present(service)) if !service.is_external => return Ok(service),
        Some(ServiceData::Present(_)) => {
            let message = format!(
                "Service `{name}` is only another name for a host (`type: ExternalName`) and has \
                 no endpoints: give that host as `baseURL`"
            );
            (Reason::ServiceNotFound, message)
        }
        Some(ServiceData::Absent) => {
            let message =
                format!("there is no Service `{name}`: create it in the route's namespace");
            (Reason::ServiceNotFound, message)
        }
        Some(ServiceData::Forbidden(kind)) => {
            let message = format!(
                "the gateway's role does not let it read the {kind} of Service `{name}`: allow \
                 `list` and `watch` on {kind}"
            );
            (Reason::ServiceNotFound, message)
        }
        None => (Reason::Pending, format!("Service `{name}` has not been read yet")),
    };
    Err(Fault::new(reason, format!("{path}.name"), message))
}

fn ports(service: &Service) -> String {
    let named = service.ports.iter().map(|port| match &*port.name {
        "" => port.number.to_string(),
        name => format!("`{name}` ({})", port.number),
    });
    let named: Vec<_> = named.collect();
    if named.is_empty() { "none".to_owned() } else { named.join(", ") }
}

fn unproven(pods: &Selected) -> &'static str {
    match pods {
        Selected::Nothing => {
            "are not known to be pods of this namespace: the Service has no selector"
        }
        Selected::Unreadable => {
            "are not known to be pods of this namespace: the gateway's role does not let it read pods"
        }
        Selected::Pods(_) => "do not belong to pods that the Service selects",
    }
}

/// The addresses that are ready, sorted and each once.
fn listed(service: &Service, port: &str) -> Vec<SocketAddr> {
    /// What the copies of one endpoint say together.
    #[derive(Default)]
    struct Said {
        ready: bool,
        terminating: bool,
    }
    let mut listed: BTreeMap<(SocketAddr, &str), Said> = BTreeMap::new();
    for slice in service.slices.values() {
        let Some(port) = slice.ports.iter().find(|one| *one.name == *port) else { continue };
        for endpoint in &slice.endpoints {
            let address = SocketAddr::new(endpoint.address.to_canonical(), port.number);
            let said = listed.entry((address, &endpoint.pod)).or_default();
            said.ready |= endpoint.ready && endpoint.serving;
            said.terminating |= endpoint.terminating;
        }
    }
    let usable = listed.into_iter().filter(|(_, said)| said.ready && !said.terminating);
    let mut usable: Vec<_> = usable.map(|((address, _), _)| address).collect();
    usable.dedup();
    usable
}

/// The address as an endpoint, if it may be reached.
fn permitted(address: SocketAddr, service: &Service, tenancy: &Tenancy) -> Option<Ready> {
    let ip = address.ip();
    let pod = match &service.pods {
        Selected::Pods(pods) => pods.iter().find(|(_, pod)| pod.addresses.contains(&ip)),
        Selected::Nothing | Selected::Unreadable => None,
    };
    let allowed = tenancy.private_upstreams.iter().any(|range| range.contains(&ip));
    if !allowed && (pod.is_none() || is_special(ip)) {
        return None;
    }
    Some(Ready { address, pod: pod.map(|(uid, pod)| (Arc::clone(uid), Arc::clone(&pod.name))) })
}

/// Addresses that no pod has, whoever says so: they are the gateway's own host and the cloud's
/// metadata service.
fn is_special(ip: IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    link_local || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast()
}

/// A pod with addresses of both families counts once, with the one that the Service prefers.
fn one_family(ready: &[Ready], ipv6: bool) -> Vec<Ready> {
    let preferred = |one: &Ready| one.address.is_ipv6() == ipv6;
    let again = |one: &Ready| {
        let same = |other: &Ready| {
            preferred(other)
                && other.pod.is_some()
                && other.pod == one.pod
                && other.address.port() == one.address.port()
        };
        !preferred(one) && ready.iter().any(same)
    };
    ready.iter().filter(|one| !again(one)).cloned().collect()
}

#[cfg(test)]
mod tests;
