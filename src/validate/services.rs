//! Services that routes name: files do not tell them, and only a cluster knows who serves them.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;

use crate::compile::{
    Pod, Selected, Service, ServiceData, ServicePort, Slice, SliceEndpoint, SlicePort, Snapshot,
};
use crate::table::ObjectName;

/// Stands for the address of a pod; one of those that are kept for documents (RFC 5737).
const ADDRESS: [u8; 4] = [192, 0, 2, 1];

/// Puts a Service with one pod in the place of each that a target names, with the port that it names,
/// so that the rest of the target is checked as well.
pub(super) fn assume(snapshot: &mut Snapshot) {
    for raw in &snapshot.routes {
        let targets = raw.spec.get("targets").and_then(Value::as_array);
        for service in targets.into_iter().flatten().filter_map(|target| target.get("service")) {
            let name = service.get("name").and_then(Value::as_str);
            let Some((name, port)) = name.zip(service.get("port").and_then(port)) else { continue };
            let name = ObjectName::new(raw.name.namespace.clone(), name);
            let known = snapshot.services.entry(name).or_insert_with(stand_in);
            if let ServiceData::Present(service) = known {
                add(Arc::make_mut(service), port);
            }
        }
    }
}

fn port(port: &Value) -> Option<ServicePort> {
    let number = match port {
        Value::String(text) => text.parse().ok(),
        number => Some(u16::try_from(number.as_u64()?).ok()?),
    };
    let name =
        number.map_or_else(|| port.as_str().unwrap_or_default().to_owned(), |n| n.to_string());
    Some(ServicePort { name: name.into(), number: number.unwrap_or(80) })
}

fn stand_in() -> ServiceData {
    let pod = Pod { name: "stand-in".into(), addresses: [IpAddr::from(ADDRESS)].into() };
    let endpoint = SliceEndpoint {
        address: ADDRESS.into(),
        pod: "stand-in".into(),
        ready: true,
        serving: true,
        terminating: false,
    };
    let slice = Slice { ports: Vec::new(), endpoints: vec![endpoint] };
    ServiceData::Present(Arc::new(Service {
        slices: [("stand-in".into(), slice)].into(),
        pods: Selected::Pods([("stand-in".into(), pod)].into()),
        ..Service::default()
    }))
}

fn add(service: &mut Service, port: ServicePort) {
    for slice in service.slices.values_mut() {
        slice.ports.push(SlicePort { name: port.name.clone(), number: port.number });
    }
    service.ports.push(port);
}
