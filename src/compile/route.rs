//! ModelRoutes: reading one, and compiling the one that is served.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::credential::Stores;
use super::finding::{Fault, Notes};
use super::grant::{self, Namespaces};
use super::report::{self, Details, ObjectReport, PartReport};
use super::target::{self, Surroundings};
use super::{Input, LastGood, Raw, decode, names, policy};
use crate::api::{
    ConditionType, Duration, Kind, ModelRouteSpec, ModelStatus, Reason, TargetSelection,
};
use crate::balance::{self, Strategy};
use crate::table::{Admission, ModelPattern, Route, Tier};

/// A route with a spec that can be served: its newest, or its last good one.
#[derive(Debug)]
pub(super) struct Accepted<'s> {
    pub(super) raw: &'s Raw,
    pub(super) spec: Arc<ModelRouteSpec>,
    /// The generation of that spec.
    pub(super) generation: i64,
    pub(super) patterns: Vec<ModelPattern>,
    strategy: &'static dyn Strategy,
    admission: Admission,
}

/// Reads a route. Where its spec cannot be read or contradicts itself, the last good one stands in
/// for it, but for the grant: whom the newest spec does not admit for certain is not admitted.
pub(super) fn accept<'s>(
    raw: &'s Raw,
    notes: &mut Notes,
    last_good: &LastGood,
    namespaces: &Namespaces,
) -> Option<Accepted<'s>> {
    for fault in decode::unknown_fields(Kind::ModelRoute, raw) {
        // In a grant it is an error, which is told below.
        if !fault.path.starts_with("spec.allowedNamespaces.") {
            notes.warning(ConditionType::Accepted, fault);
        }
    }
    let own = &raw.name.namespace;
    let admission = decode::grant(Kind::ModelRoute, raw)
        .and_then(|grant| namespaces.admission(grant.as_ref(), own, "spec.allowedNamespaces"));
    let (admission, grant_fault) = match admission {
        Ok(admission) => (admission, None),
        Err(fault) => (grant::nobody(), Some(fault)),
    };
    let spec = match grant_fault {
        None => decode::spec(raw),
        Some(fault) => Err(fault),
    };
    let fault = match spec.and_then(|spec| check(raw, spec)) {
        Ok((spec, patterns, strategy)) => {
            let generation = raw.generation;
            return Some(Accepted {
                raw,
                spec: Arc::new(spec),
                generation,
                patterns,
                strategy,
                admission,
            });
        }
        Err(fault) => fault,
    };
    notes.error(ConditionType::Accepted, fault);
    let good = last_good.of(raw)?;
    // A spec that made sense makes sense still: what is checked here depends on nothing else.
    let (spec, patterns, strategy) = check(raw, ModelRouteSpec::clone(&good.spec)).ok()?;
    let served = match good.generation {
        0 => "the version before it".to_owned(),
        generation => format!("generation {generation}"),
    };
    let message = format!(
        "cannot be served as it is, so {served} is served until it is mended; a restart loses that"
    );
    notes.error(ConditionType::Programmed, Fault::new(Reason::StaleGeneration, "spec", message));
    let generation = good.generation;
    Some(Accepted { raw, spec: Arc::new(spec), generation, patterns, strategy, admission })
}

type Checked = (ModelRouteSpec, Vec<ModelPattern>, &'static dyn Strategy);

/// What makes a spec unfit as a whole, and not just one target of it.
fn check(raw: &Raw, spec: ModelRouteSpec) -> Result<Checked, Fault> {
    let patterns = names::of_route(raw, &spec)?;
    if spec.targets.is_empty() {
        let message = "must hold at least one target";
        return Err(Fault::new(Reason::Invalid, "spec.targets", message));
    }
    let mut seen = HashSet::new();
    for (index, target) in spec.targets.iter().enumerate() {
        let path = format!("spec.targets[{index}]");
        if !seen.insert(&target.name) {
            let message = format!("another target is named `{}`: names must differ", target.name);
            return Err(Fault::new(Reason::Invalid, format!("{path}.name"), message));
        }
        if target.weight < 0 {
            let message = "must not be negative";
            return Err(Fault::new(Reason::Invalid, format!("{path}.weight"), message));
        }
    }
    if let Some((index, name)) = policy::unknown_drop(spec.parameters.as_ref()) {
        let path = format!("spec.parameters.drop[{index}]");
        let message = format!("`{name}` is no parameter that this version knows");
        return Err(Fault::new(Reason::UnsupportedValue, path, message));
    }
    policy::check(&spec)?;
    let strategy = strategy(&spec)?;
    Ok((spec, patterns, strategy))
}

fn strategy(spec: &ModelRouteSpec) -> Result<&'static dyn Strategy, Fault> {
    let name = spec.load_balancing.as_ref().and_then(|spec| spec.strategy.as_deref());
    let name = name.unwrap_or(balance::registry::DEFAULT);
    balance::registry::find(name).map(|row| row.strategy).ok_or_else(|| {
        let known: Vec<_> = balance::registry::STRATEGIES.iter().map(|row| row.name).collect();
        let message = format!("`{name}` is no strategy: use one of {}", known.join(", "));
        Fault::new(Reason::UnsupportedValue, "spec.loadBalancing.strategy", message)
    })
}

/// Compiles a route, whose names are settled already.
pub(super) fn compile(
    accepted: &Accepted<'_>,
    models: Vec<ModelStatus>,
    input: Input<'_>,
    stores: &Stores,
    notes: &mut Notes,
) -> (Route, ObjectReport) {
    names::note_conflicts(&models, notes);
    let Accepted { raw, spec, .. } = accepted;
    let around = Surroundings {
        route: &raw.name,
        spec,
        names: &names::joined(&accepted.patterns),
        stores,
        input,
    };
    let mut targets = Vec::with_capacity(spec.targets.len());
    let mut parts = Vec::with_capacity(spec.targets.len());
    let mut tiers: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for (index, spec) in spec.targets.iter().enumerate() {
        let (target, fault) = target::compile(&around, index, spec, notes);
        if fault.is_none() && target.weight > 0 {
            tiers.entry(target.priority).or_default().push(index);
        }
        parts.push(PartReport { name: spec.name.clone(), fault });
        targets.push(Arc::new(target));
    }
    let tier = |(priority, members)| Tier::new(priority, members, fastrand::u64(..));
    let streaming = spec.streaming.as_ref();
    let route = Route {
        name: raw.name.clone(),
        label: raw.name.to_string().into(),
        observed_generation: accepted.generation,
        created: raw.created.unwrap_or(0),
        models: accepted.patterns.clone(),
        admission: accepted.admission.clone(),
        target_selection: spec.target_selection == TargetSelection::Allowed,
        strategy: accepted.strategy,
        targets,
        tiers: tiers.into_iter().map(tier).collect(),
        commit_after: streaming
            .and_then(|streaming| streaming.commit_after)
            .map_or(policy::COMMIT_AFTER, Duration::get),
        request_timeout: policy::request_timeout(spec.timeouts.as_ref()),
    };
    let report = report(raw, notes, Some(accepted.generation), models, parts);
    (route, report)
}

/// The report of a route.
pub(super) fn report(
    raw: &Raw,
    notes: &Notes,
    served_generation: Option<i64>,
    models: Vec<ModelStatus>,
    targets: Vec<PartReport>,
) -> ObjectReport {
    let resolved = targets.iter().all(|target| target.fault.is_none()) && !targets.is_empty();
    let has_error = |condition| notes.has_error(condition);
    let conditions = vec![
        report::condition(
            notes,
            ConditionType::Accepted,
            !has_error(ConditionType::Accepted),
            (Reason::Accepted, "the spec is valid"),
            (Reason::Invalid, ""),
        ),
        report::condition(
            notes,
            ConditionType::ResolvedRefs,
            resolved,
            (Reason::ResolvedRefs, "every target can be asked"),
            (Reason::Pending, report::UNREAD),
        ),
        report::condition(
            notes,
            ConditionType::Programmed,
            served_generation.is_some() && !has_error(ConditionType::Programmed),
            (Reason::Programmed, "this generation is served"),
            (Reason::Invalid, report::UNREAD),
        ),
    ];
    ObjectReport {
        object: notes.object().clone(),
        uid: raw.uid.clone(),
        generation: raw.generation,
        conditions,
        details: Details::Route { served_generation, models, targets },
    }
}
