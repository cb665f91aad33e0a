//! Targets that are Services: where they are, and who serves them.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

use super::endpoints::{self, Found, Port, Ready};
use super::finding::Fault;
use super::policy::invalid;
use super::{Input, LastGood, Raw, References, Tenancy, server_metrics};
use crate::api::{ModelRouteSpec, PrefixAffinity, Reason, ServiceScheme, ServiceSpec, TargetSpec};
use crate::balance::affinity::Mark;
use crate::protocol::registry::ProtocolId;
use crate::provider::Provider;
use crate::state::{EndpointIdentity, ServerIdentity, TargetIdentity};
use crate::table::{BaseUrl, BaseUrlError, Endpoint, Endpoints, ObjectName};

/// Where a Service is asked.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) name: ObjectName,
    /// With its name in DNS as the host.
    pub(super) base_url: BaseUrl,
    /// Who serves it; none where DNS is asked.
    pub(super) ready: Vec<Ready>,
}

/// Collects the Services whose endpoints the targets of a route name: those of the version that was
/// good last as well, which is served on if this one cannot be.
pub(super) fn references(
    raw: &Raw,
    tenancy: &Tenancy,
    last_good: &LastGood,
    references: &mut References,
) {
    if tenancy.operator_owned {
        return;
    }
    let named = raw.spec.get("targets").and_then(Value::as_array).into_iter().flatten();
    let named = named.filter_map(|target| target.pointer("/service/name")?.as_str());
    let good = last_good.route(raw).map(|good| &*good.spec.targets);
    let good = good.into_iter().flatten().filter_map(|target| target.service.as_ref());
    for name in named.chain(good.map(|service| service.name.as_str())) {
        references.services.insert(ObjectName::new(raw.name.namespace.clone(), name));
    }
}

/// What the schema says of it, for objects that no API server has checked.
pub(super) fn check(path: &str, spec: &TargetSpec) -> Result<(), Fault> {
    let Some(service) = &spec.service else {
        let limits = spec.limits.as_ref();
        if limits.is_some_and(|limits| limits.max_concurrent_per_endpoint.is_some()) {
            let message = "needs a `service`, whose endpoints are known: use `maxConcurrent`";
            return invalid(format!("{path}.limits.maxConcurrentPerEndpoint"), message);
        }
        if limits.is_some_and(|limits| limits.max_queued_per_endpoint.is_some()) {
            let message = "needs a `service`, whose endpoints can be asked";
            return invalid(format!("{path}.limits.maxQueuedPerEndpoint"), message);
        }
        return Ok(());
    };
    if spec.base_url.is_some()
        || spec.aws.is_some()
        || spec.azure.is_some()
        || spec.google.is_some()
    {
        let message = "says where the target is: give no `baseURL`, `aws`, `azure` or `google`";
        return invalid(format!("{path}.service"), message);
    }
    if spec.health_check.is_some() {
        let message =
            "the endpoints of a `service` are checked by the probes of its pods: remove it";
        return invalid(format!("{path}.healthCheck"), message);
    }
    if port(service).is_none() {
        return invalid(format!("{path}.service.port"), "must be a name or from 1 to 65535");
    }
    server_metrics::check(&format!("{path}.service.metrics"), service.metrics.as_ref())
}

/// Where a Service is asked and who serves it.
pub(super) fn place(
    path: &str,
    spec: &ServiceSpec,
    provider: &Provider,
    namespace: &Arc<str>,
    input: Input<'_>,
) -> Result<Place, Fault> {
    let path = format!("{path}.service");
    if let Some(fields) = provider.placed_by() {
        let message = format!("provider `{}` is at a cloud: give {fields}", provider.name);
        return Err(Fault::new(Reason::UnsupportedValue, path, message));
    }
    let name = ObjectName::new(namespace.clone(), spec.name.as_str());
    let found = match (port(spec), input.tenancy.operator_owned) {
        (Some(port), false) => {
            let read = input.snapshot.services.get(&name);
            endpoints::find(&path, &name, port, read, input.tenancy)?
        }
        (Some(Port::Number(port)), true) => Found { port, ready: Vec::new() },
        (Some(Port::Name(_)) | None, _) => {
            let message = "must be the port's number: DNS knows no names of ports, and there is no \
                           cluster to ask";
            return Err(Fault::new(Reason::UnsupportedValue, format!("{path}.port"), message));
        }
    };
    let scheme = match spec.scheme {
        Some(ServiceScheme::Https) => "https",
        None | Some(ServiceScheme::Http) => "http",
    };
    let below = spec.path.as_deref().unwrap_or_else(|| usual_path(provider));
    let url = format!("{scheme}://{}.{namespace}.svc:{}{below}", spec.name, found.port);
    let base_url = url
        .parse()
        .map_err(|error: BaseUrlError| Fault::new(Reason::Invalid, path, error.to_string()))?;
    Ok(Place { name, base_url, ready: found.ready })
}

/// What stands before the paths of the API that a server speaks, where nothing else is said: what its
/// vendor's own has.
fn usual_path(provider: &Provider) -> &'static str {
    match provider.base_url {
        Some(url) => {
            let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
            rest.find('/').map_or("", |at| &rest[at..])
        }
        None if provider.protocol == ProtocolId::OpenAi => "/v1",
        None => "",
    }
}

fn port(spec: &ServiceSpec) -> Option<Port<'_>> {
    let number = match &spec.port {
        IntOrString::String(name) if name.parse::<u64>().is_err() => {
            return (!name.is_empty()).then_some(Port::Name(name));
        }
        IntOrString::String(number) => number.parse().ok(),
        IntOrString::Int(number) => u16::try_from(*number).ok(),
    };
    number.filter(|number| *number > 0).map(Port::Number)
}

/// The endpoints with what is remembered of each.
pub(super) fn endpoints(
    ready: &[Ready],
    target: &TargetIdentity,
    (route, spec): (&ModelRouteSpec, &TargetSpec),
    input: Input<'_>,
) -> Option<Endpoints> {
    let said =
        route.load_balancing.as_ref().and_then(|spec| spec.endpoints.as_ref()?.prefix_affinity);
    let member = |one: &Ready| {
        let address = one.address.to_string();
        let (uid, name) = match &one.pod {
            Some((uid, name)) => (uid.clone(), name.clone()),
            None => (address.as_str().into(), address.as_str().into()),
        };
        let server = ServerIdentity {
            namespace: target.namespace.clone(),
            pod: uid,
            port: one.address.port(),
        };
        Endpoint {
            address: one.address,
            name,
            mark: Mark::of(&[&server.pod, &address]),
            state: input.state.endpoint(&EndpointIdentity { target: target.clone(), server }),
        }
    };
    (!ready.is_empty()).then(|| Endpoints {
        members: ready.iter().map(member).collect(),
        prefix_affinity: said != Some(PrefixAffinity::None),
        metrics: server_metrics::compile(spec),
    })
}
