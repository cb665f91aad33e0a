//! One target of a route: who is asked, where, and with which keys.

use std::sync::Arc;

use super::address::{self, Address};
use super::credential::Stores;
use super::finding::{Fault, Notes};
use super::{
    Input, capabilities, failover, grant, health_check, host, limits, policy, server_metrics,
    service,
};
use crate::api::{self, ConditionType, ModelRouteSpec, Reason, TargetSpec};
use crate::balance::affinity::Mark;
use crate::credential::aws::host::AwsHost;
use crate::protocol::neutral::Compatibility;
use crate::provider::{self, Provider};
use crate::state::TargetIdentity;
use crate::table::{KeyPool, ObjectName, Resolution, Target, Upstream};

/// What the targets of one route have in common.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) route: &'a ObjectName,
    pub(super) spec: &'a ModelRouteSpec,
    /// The route's names as one text, which stands for the upstream model where a target names none.
    pub(super) names: &'a Arc<str>,
    pub(super) stores: &'a Stores,
    pub(super) input: Input<'a>,
}

/// Compiles one target. Whatever is wrong with it stays with it.
pub(super) fn compile(
    around: &Surroundings<'_>,
    index: usize,
    spec: &TargetSpec,
    notes: &mut Notes,
) -> (Target, Option<Reason>) {
    let path = format!("spec.targets[{index}]");
    let mut fault = None;
    let resolution = match resolve(around, &path, spec, notes) {
        Ok(upstream) => Resolution::Ready(upstream),
        Err(found) => {
            fault = Some(found.reason);
            let message = format!("ModelRoute {}: {}: {}", around.route, found.path, found.message);
            let reason = found.reason.as_str();
            super::note_unread(notes, ConditionType::ResolvedRefs, found);
            Resolution::Unresolved { reason, message: message.into() }
        }
    };
    let target = Target {
        name: spec.name.as_str().into(),
        priority: spec.priority,
        weight: spec.weight.unsigned_abs(),
        mark: mark(spec, &resolution),
        resolution,
    };
    (target, fault)
}

/// What tells a target from others when sessions are divided: who answers, and the name, since two
/// that ask the same one may ask it differently.
fn mark(spec: &TargetSpec, resolution: &Resolution) -> Mark {
    match resolution {
        Resolution::Ready(upstream) => {
            let id = upstream.state.identity();
            Mark::of(&[&id.base_url, id.protocol, &id.model, &id.credential, &spec.name])
        }
        Resolution::Unresolved { .. } => Mark::of(&[&spec.name]),
    }
}

fn resolve(
    around: &Surroundings<'_>,
    path: &str,
    spec: &TargetSpec,
    notes: &mut Notes,
) -> Result<Upstream, Fault> {
    if let Some((index, name)) = policy::unknown_drop(spec.parameters.as_ref()) {
        let message = format!("`{name}` is no parameter that this version knows");
        let path = format!("{path}.parameters.drop[{index}]");
        return Err(Fault::new(Reason::UnsupportedValue, path, message));
    }
    let provider = provider::registry::find(&spec.provider)
        .ok_or_else(|| unknown_provider(path, &spec.provider))?;
    let own = &around.route.namespace;
    let Address { base_url, transport, query, service } =
        address::resolve(path, spec, provider, own, around.input)?;
    let service_name = service.as_ref().map(|(name, _)| name);
    let to = host::Destination { url: &base_url, service: service_name };
    let keys = keys(around, path, spec, provider, to, notes)?;
    let model: Option<Arc<str>> =
        spec.model.as_deref().map(|model| transport.spelling.spell(model).into());
    let identity = TargetIdentity {
        namespace: around.route.namespace.clone(),
        base_url: base_url.to_string().into(),
        protocol: provider.protocol.as_str(),
        model: model.clone().unwrap_or_else(|| around.names.clone()),
        credential: keys.as_ref().map_or_else(|| "".into(), |pool| pool.store.to_string().into()),
    };
    let route = around.spec;
    let endpoints = service
        .and_then(|(_, ready)| service::endpoints(&ready, &identity, (route, spec), around.input));
    if endpoints.is_none() {
        server_metrics::warn_without_endpoints(path, spec, notes);
    }
    Ok(Upstream {
        provider,
        transport,
        base_url,
        query,
        model,
        keys,
        timeouts: policy::timeouts(route.timeouts.as_ref(), spec.timeouts.as_ref()),
        retry: failover::of_target(route.retry.as_ref(), spec.retry.as_ref()),
        breaker: policy::breaker(route.circuit_breaker.as_ref(), spec.circuit_breaker.as_ref()),
        limits: limits::limits(spec.limits.as_ref(), endpoints.is_some()),
        endpoints,
        parameters: policy::parameters(route.parameters.as_ref(), spec),
        compatibility: match spec.compatibility {
            api::Compatibility::Standard => Compatibility::Standard,
            api::Compatibility::Strict => Compatibility::Strict,
            api::Compatibility::Lenient => Compatibility::Lenient,
        },
        corrections: capabilities::corrections(spec.capabilities.as_ref()),
        health_check: spec.health_check.as_ref().and_then(health_check::compile),
        state: around.input.state.target(&identity),
    })
}

fn unknown_provider(path: &str, name: &str) -> Fault {
    let known: Vec<_> = provider::registry::PROVIDERS.iter().map(|row| row.name).collect();
    let message = format!(
        "there is no provider `{name}`: use `openai-compatible` or `anthropic-compatible` with a \
         `baseURL`, or one of {}",
        known.join(", ")
    );
    Fault::new(Reason::UnknownProvider, format!("{path}.provider"), message)
}

fn keys(
    around: &Surroundings<'_>,
    path: &str,
    spec: &TargetSpec,
    provider: &Provider,
    to: host::Destination<'_>,
    notes: &mut Notes,
) -> Result<Option<Arc<KeyPool>>, Fault> {
    let path = format!("{path}.credentialRef");
    let Some(reference) = &spec.credential_ref else {
        if !provider.key_optional {
            let message = format!(
                "provider `{}` wants a key, and none is sent: name a CredentialStore",
                provider.name
            );
            let fault = Fault::new(Reason::NoCredential, path, message);
            notes.warning(ConditionType::ResolvedRefs, fault);
        }
        return Ok(None);
    };
    let own = &around.route.namespace;
    let namespace = reference.namespace.as_deref().map_or_else(|| own.clone(), Into::into);
    let name = ObjectName::new(namespace, reference.name.as_str());
    let store = around.stores.get(&name).filter(|store| grant::admits(&store.admission, own));
    let Some(store) = store else {
        // One message for what is missing and what is forbidden: whether another tenant has a store
        // of that name is nobody's business.
        let message = format!(
            "there is no CredentialStore `{name}` that admits namespace `{own}`: create it, or \
             list the namespace in its `spec.allowedNamespaces`"
        );
        return Err(Fault::new(Reason::RefNotPermitted, format!("{path}.name"), message));
    };
    let Some(pool) = &store.pool else {
        if store.pending {
            let message = format!("the keys of CredentialStore `{name}` have not been read yet");
            return Err(Fault::new(Reason::Pending, format!("{path}.name"), message));
        }
        let message = format!("CredentialStore `{name}` has no usable key: see its status");
        return Err(Fault::new(Reason::NoUsableKey, format!("{path}.name"), message));
    };
    if let Some(cloud) = pool.cloud.filter(|_| store.hosts.is_empty())
        && provider.cloud != Some(cloud)
    {
        let message = format!(
            "CredentialStore `{name}` is an identity of {}, which provider `{}` does not take",
            cloud.title(),
            provider.name
        );
        return Err(Fault::new(Reason::DestinationNotAllowed, path, message));
    }
    let url = to.url;
    if !host::may_receive(&store.hosts, provider, to, around.input.tenancy) {
        let entry = match to.service {
            Some(service) => format!("service/{service}"),
            None => host::entry_for(url),
        };
        let message = format!(
            "the keys of CredentialStore `{name}` may not be sent to `{entry}`: list it in the \
             store's `spec.allowedHosts`"
        );
        return Err(Fault::new(Reason::DestinationNotAllowed, path, message));
    }
    if store.wants_region && AwsHost::read(url.host()).is_none() {
        let message = format!(
            "CredentialStore `{name}` gives no region of AWS and neither does the host `{}`: set \
             the store's `spec.aws.region`",
            url.host()
        );
        return Err(Fault::new(Reason::RegionRequired, path, message));
    }
    Ok(Some(pool.clone()))
}
