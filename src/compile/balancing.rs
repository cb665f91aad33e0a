//! How targets of one priority share the traffic, and what names a session.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderName;

use super::finding::Fault;
use crate::api::{ModelRouteSpec, Reason, SessionAffinitySpec, SessionAffinityType};
use crate::balance::{Strategy, registry};
use crate::table::{Affinity, KeySelection, Target};

/// The strategy that a route names, or the default.
pub(super) fn strategy(spec: &ModelRouteSpec) -> Result<&'static dyn Strategy, Fault> {
    let name = spec.load_balancing.as_ref().and_then(|spec| spec.strategy.as_deref());
    let name = name.unwrap_or(registry::DEFAULT);
    registry::find(name).map(|row| row.strategy).ok_or_else(|| {
        let known: Vec<_> = registry::STRATEGIES.iter().map(|row| row.name).collect();
        let message = format!("`{name}` is no strategy: use one of {}", known.join(", "));
        Fault::new(Reason::UnsupportedValue, "spec.loadBalancing.strategy", message)
    })
}

/// What the schema says of sessions, for objects that no API server has checked.
pub(super) fn check(spec: &ModelRouteSpec) -> Result<(), Fault> {
    let Some(spec) = said(spec) else { return Ok(()) };
    let path = "spec.loadBalancing.sessionAffinity.header";
    let fault = |path: &str, message| Err(Fault::new(Reason::Invalid, path, message));
    match (spec.kind, &spec.header) {
        (SessionAffinityType::Header, None) => fault(path, "is missing: name the header"),
        (SessionAffinityType::Header, Some(_)) if header(spec).is_none() => {
            fault(&format!("{path}.name"), "is no name of a header")
        }
        (SessionAffinityType::Header, Some(_)) | (_, None) => Ok(()),
        (_, Some(_)) => fault(path, "must be set only where `type` is Header"),
    }
}

/// What names the session of a request, where there is a choice that it can decide: of a target in
/// a tier, of an endpoint of a Service, or of a key in a pool.
pub(super) fn affinity(
    spec: &ModelRouteSpec,
    targets: &[Arc<Target>],
    tiers: &BTreeMap<i32, Vec<usize>>,
) -> Option<Affinity> {
    let takes_turns = |target: &Arc<Target>| {
        let pool = target.upstream().and_then(|upstream| upstream.keys.as_ref());
        pool.is_some_and(|pool| pool.selection == KeySelection::RoundRobin && pool.keys.len() > 1)
    };
    let has_endpoints = |target: &Arc<Target>| {
        let endpoints = target.upstream().and_then(|upstream| upstream.endpoints.as_ref());
        endpoints.is_some_and(|endpoints| endpoints.members.len() > 1)
    };
    let is_choice = tiers.values().any(|members| members.len() > 1)
        || targets.iter().any(|target| takes_turns(target) || has_endpoints(target));
    if !is_choice {
        return None;
    }
    let Some(spec) = said(spec) else { return Some(Affinity::Auto) };
    match spec.kind {
        SessionAffinityType::Auto => Some(Affinity::Auto),
        SessionAffinityType::None => None,
        SessionAffinityType::Header => header(spec).map(Affinity::Header),
        SessionAffinityType::Consumer => Some(Affinity::Consumer),
        SessionAffinityType::User => Some(Affinity::User),
    }
}

fn said(spec: &ModelRouteSpec) -> Option<&SessionAffinitySpec> {
    spec.load_balancing.as_ref()?.session_affinity.as_ref()
}

fn header(spec: &SessionAffinitySpec) -> Option<HeaderName> {
    HeaderName::from_bytes(spec.header.as_ref()?.name.as_bytes()).ok()
}
