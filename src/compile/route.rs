//! ModelRoutes: reading one, and compiling the one that is served.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::credential::Stores;
use super::finding::{Fault, Notes};
use super::grant;
use super::report::{self, Details, ObjectReport, PartReport};
use super::target::{self, Surroundings};
use super::{Input, LastGood, Raw, balancing, decode, failover, names, policy};
use crate::api::{
    ConditionType, Duration, Kind, ModelRouteSpec, ModelStatus, OnInterruption, Reason,
    TargetSelection,
};
use crate::balance::{self, Strategy};
use crate::table::{Admission, ModelPattern, ObjectName, Route, Target, Tier};

/// Said of a route that was never good.
const NOT_SERVED: &str = "the spec is not valid and no version before it is known, so its names \
                          answer 503 until it is mended";

/// A route that has been read, as far as it can be.
#[derive(Debug)]
pub(super) struct Accepted<'s> {
    pub(super) raw: &'s Raw,
    /// What is served of it; or, where nothing of it ever made sense, what is wrong with it.
    pub(super) served: Result<Served, Fault>,
    pub(super) patterns: Arc<[ModelPattern]>,
    admission: Admission,
    /// Nothing is to be said of the spec, so that nothing is lost by not reading it again.
    pub(super) is_faultless: bool,
}

/// A spec that can be served: the newest, or the last good one.
#[derive(Debug, Clone)]
pub(super) struct Served {
    pub(super) spec: Arc<ModelRouteSpec>,
    pub(super) generation: i64,
    patterns: Arc<[ModelPattern]>,
    strategy: &'static dyn Strategy,
}

/// Reads a route. Where its spec cannot be read or contradicts itself, the last good one stands in
/// for it, but for the grant: whom the newest spec does not admit for certain is not admitted.
/// Without a last good one the route keeps its names and answers nothing: a broken edit must not
/// hand a name to another route because a replica was restarted.
pub(super) fn accept<'s>(raw: &'s Raw, notes: &mut Notes, input: Input<'_>) -> Accepted<'s> {
    let read = input.last_good.faultless(raw);
    if read.is_none() {
        note_unknown_fields(raw, notes);
    }
    let own = &raw.name.namespace;
    let admission = decode::grant(Kind::ModelRoute, raw).and_then(|grant| {
        input.namespaces.admission(grant.as_ref(), own, "spec.allowedNamespaces")
    });
    let (admission, grant_fault) = match admission {
        Ok(admission) => (admission, None),
        Err(fault) => (grant::nobody(), Some(fault)),
    };
    let served = match (grant_fault, read) {
        (Some(fault), _) => Err(fault),
        (None, Some(read)) => Ok(read.clone()),
        (None, None) => decode::spec(raw).and_then(|spec| check(raw, spec)),
    };
    let (served, patterns) = match served {
        Ok(served) => {
            let (patterns, is_faultless) = (served.patterns.clone(), notes.is_empty());
            return Accepted { raw, served: Ok(served), patterns, admission, is_faultless };
        }
        Err(fault) => {
            notes.error(ConditionType::Accepted, fault.clone());
            match stand_in(raw, notes, input.last_good) {
                Some(served) => (Ok(served.clone()), served.patterns.clone()),
                None => (Err(fault), names::stated(raw).into()),
            }
        }
    };
    Accepted { raw, served, patterns, admission, is_faultless: false }
}

fn note_unknown_fields(raw: &Raw, notes: &mut Notes) {
    for fault in decode::unknown_fields(Kind::ModelRoute, raw) {
        // In a grant it is an error, which is told for the grant.
        if !fault.path.starts_with("spec.allowedNamespaces.") {
            notes.warning(ConditionType::Accepted, fault);
        }
    }
}

/// The last good version of a route that cannot be served as it is.
fn stand_in<'g>(raw: &Raw, notes: &mut Notes, last_good: &'g LastGood) -> Option<&'g Served> {
    let good = last_good.route(raw)?;
    let version = match good.generation {
        0 => "the version before it".to_owned(),
        generation => format!("generation {generation}"),
    };
    let message = format!(
        "cannot be served as it is, so {version} is served until it is mended; a restart loses that"
    );
    notes.error(ConditionType::Programmed, Fault::new(Reason::StaleGeneration, "spec", message));
    Some(good)
}

/// Refuses what makes a spec unfit as a whole, and not just one target of it.
fn check(raw: &Raw, spec: ModelRouteSpec) -> Result<Served, Fault> {
    let patterns = names::of_route(raw, &spec)?.into();
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
    let strategy = balancing::strategy(&spec)?;
    balancing::check(&spec)?;
    Ok(Served { spec: Arc::new(spec), generation: raw.generation, patterns, strategy })
}

/// Compiles a route, whose names are settled already.
pub(super) fn compile(
    accepted: &Accepted<'_>,
    models: Vec<ModelStatus>,
    input: Input<'_>,
    stores: &Stores,
    exists: impl Fn(&ObjectName) -> bool,
    notes: &mut Notes,
) -> (Route, ObjectReport) {
    names::note_conflicts(&models, notes);
    if let Ok(served) = &accepted.served {
        failover::note_missing(served.spec.fallback.as_ref(), &accepted.raw.name, exists, notes);
    }
    let (targets, parts) = match &accepted.served {
        Ok(served) => targets(accepted, &served.spec, input, stores, notes),
        Err(_) => (Vec::new(), Vec::new()),
    };
    let report = report(accepted, notes, models, parts);
    (route(accepted, targets), report)
}

fn targets(
    accepted: &Accepted<'_>,
    spec: &ModelRouteSpec,
    input: Input<'_>,
    stores: &Stores,
    notes: &mut Notes,
) -> (Vec<Arc<Target>>, Vec<PartReport>) {
    let names = &names::joined(&accepted.patterns);
    let around = Surroundings { route: &accepted.raw.name, spec, names, stores, input };
    let compiled = spec.targets.iter().enumerate().map(|(index, spec)| {
        let (target, fault) = target::compile(&around, index, spec, notes);
        (Arc::new(target), PartReport { name: spec.name.clone(), fault })
    });
    compiled.unzip()
}

fn route(accepted: &Accepted<'_>, targets: Vec<Arc<Target>>) -> Route {
    let Accepted { raw, served, patterns, admission, .. } = accepted;
    let (spec, generation, strategy, unreadable) = match served {
        Ok(served) => (Some(&*served.spec), served.generation, served.strategy, None),
        Err(Fault { path, message, .. }) => {
            let message = format!("ModelRoute {}: {path}: {message}", raw.name);
            // Any strategy does where there is nothing to choose from.
            (None, raw.generation, balance::registry::STRATEGIES[0].strategy, Some(message.into()))
        }
    };
    let mut tiers: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for (index, target) in targets.iter().enumerate() {
        if target.upstream().is_some() && target.weight > 0 {
            tiers.entry(target.priority).or_default().push(index);
        }
    }
    let fallback = spec.and_then(|spec| spec.fallback.as_ref());
    let affinity = spec.and_then(|spec| balancing::affinity(spec, &targets, &tiers));
    let tier = |(priority, members)| Tier::new(priority, members, fastrand::u64(..));
    Route {
        name: raw.name.clone(),
        label: raw.name.to_string().into(),
        observed_generation: generation,
        created: raw.created.unwrap_or(0),
        models: patterns.clone(),
        admission: admission.clone(),
        target_selection: spec
            .is_some_and(|spec| spec.target_selection == TargetSelection::Allowed),
        strategy,
        affinity,
        unreadable,
        targets,
        tiers: tiers.into_iter().map(tier).collect(),
        commit_after: spec
            .and_then(|spec| spec.streaming.as_ref()?.commit_after)
            .map_or(policy::COMMIT_AFTER, Duration::get),
        request_timeout: policy::request_timeout(spec.and_then(|spec| spec.timeouts.as_ref())),
        retry: failover::of_route(spec.and_then(|spec| spec.retry.as_ref())),
        hedging: failover::hedging(spec.and_then(|spec| spec.hedging.as_ref())),
        resume: spec.and_then(|spec| spec.streaming.as_ref()?.on_interruption)
            != Some(OnInterruption::Error),
        fallbacks: failover::names(fallback.map(|fallback| &*fallback.routes)),
        longer: failover::names(fallback.map(|fallback| &*fallback.context_window)),
    }
}

fn report(
    accepted: &Accepted<'_>,
    notes: &Notes,
    models: Vec<ModelStatus>,
    targets: Vec<PartReport>,
) -> ObjectReport {
    let raw = accepted.raw;
    let served_generation = accepted.served.as_ref().ok().map(|served| served.generation);
    let has_error = |condition| notes.has_error(condition);
    let resolved = targets.iter().all(|target| target.fault.is_none())
        && !targets.is_empty()
        && !has_error(ConditionType::ResolvedRefs);
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
            (Reason::Invalid, NOT_SERVED),
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
