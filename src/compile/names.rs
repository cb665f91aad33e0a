//! Which route owns which model name.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::finding::{Fault, Notes, Severity};
use super::{Raw, Tenancy};
use crate::api::{ConditionType, ModelRouteSpec, ModelState, ModelStatus, Reason};
use crate::table::{ModelPattern, NameScope};

/// The names of a route: those of its spec, or its own.
pub(super) fn of_route(raw: &Raw, spec: &ModelRouteSpec) -> Result<Vec<ModelPattern>, Fault> {
    if spec.models.is_empty() {
        return Ok(vec![ModelPattern::Exact(Box::from(&*raw.name.name))]);
    }
    let mut patterns = Vec::with_capacity(spec.models.len());
    for (index, text) in spec.models.iter().enumerate() {
        let pattern = ModelPattern::parse(text).map_err(|error| {
            Fault::new(Reason::Invalid, format!("spec.models[{index}]"), error.to_string())
        })?;
        if !patterns.contains(&pattern) {
            patterns.push(pattern);
        }
    }
    Ok(patterns)
}

/// The names that a route states whose spec cannot be read as a whole: every entry of its list that
/// is one, or its own name if there is none. What it states it has not given up.
pub(super) fn stated(raw: &Raw) -> Vec<ModelPattern> {
    let models = raw.spec.get("models").and_then(Value::as_array);
    let texts = models.into_iter().flatten().filter_map(Value::as_str);
    let mut patterns = Vec::new();
    for pattern in texts.filter_map(|text| ModelPattern::parse(text).ok()) {
        if !patterns.contains(&pattern) {
            patterns.push(pattern);
        }
    }
    if patterns.is_empty() {
        patterns.push(ModelPattern::Exact(Box::from(&*raw.name.name)));
    }
    patterns
}

/// Who came first. The age of objects from files means nothing, so there only names count.
pub(super) fn by_age(a: &Raw, b: &Raw, tenancy: &Tenancy) -> Ordering {
    let age = |raw: &Raw| {
        let created = raw.created.unwrap_or(i64::MAX);
        if tenancy.operator_owned { 0 } else { created }
    };
    age(a).cmp(&age(b)).then_with(|| a.name.cmp(&b.name))
}

/// Who owns each name of each namespace, by index of the route.
#[derive(Debug, Default)]
pub(super) struct Ownership<'a>(HashMap<&'a Arc<str>, HashMap<&'a ModelPattern, usize>>);

impl<'a> Ownership<'a> {
    /// Gives each name to the first claim: claims come in the order of age.
    pub(super) fn settle(
        claims: impl Iterator<Item = (usize, &'a Raw, &'a [ModelPattern])>,
    ) -> Self {
        let mut owners: HashMap<_, HashMap<_, _>> = HashMap::new();
        for (index, raw, patterns) in claims {
            let scope = owners.entry(&raw.name.namespace).or_default();
            for pattern in patterns {
                scope.entry(pattern).or_insert(index);
            }
        }
        Self(owners)
    }

    /// The names of a route, each with the index of the route that owns it.
    pub(super) fn owners<'p>(
        &self,
        raw: &Raw,
        patterns: &'p [ModelPattern],
    ) -> impl Iterator<Item = (&'p ModelPattern, Option<usize>)> {
        let scope = self.0.get(&raw.name.namespace);
        patterns
            .iter()
            .map(move |pattern| (pattern, scope.and_then(|scope| scope.get(pattern)).copied()))
    }

    /// The scopes of the table.
    pub(super) fn into_scopes(self) -> HashMap<Arc<str>, NameScope> {
        let scope = |names: HashMap<&ModelPattern, usize>| {
            NameScope::new(names.into_iter().map(|(pattern, index)| (pattern.clone(), index)))
        };
        self.0.into_iter().map(|(namespace, names)| (namespace.clone(), scope(names))).collect()
    }
}

/// What the status says of one name.
pub(super) fn status(pattern: &ModelPattern, is_own: bool, owner: &Raw) -> ModelStatus {
    let state = if is_own { ModelState::Owned } else { ModelState::Conflict };
    ModelStatus { name: pattern.to_string(), state, owner: Some(owner.name.name.to_string()) }
}

/// Tells a route which of its names are not its own.
pub(super) fn note_conflicts(models: &[ModelStatus], notes: &mut Notes) {
    let owns_one = models.iter().any(|model| model.state == ModelState::Owned);
    let severity = if owns_one { Severity::Warning } else { Severity::Error };
    for model in models.iter().filter(|model| model.state == ModelState::Conflict) {
        let owner = model.owner.as_deref().unwrap_or_default();
        let message = format!(
            "`{}` belongs to the older ModelRoute `{owner}`: rename or remove one",
            model.name
        );
        let fault = Fault::new(Reason::Conflict, "spec.models", message);
        notes.add(severity, ConditionType::Accepted, fault);
    }
}

/// The names of a route as one text, in an order of their own.
pub(super) fn joined(patterns: &[ModelPattern]) -> Arc<str> {
    let mut sorted: Vec<_> = patterns.iter().collect();
    sorted.sort();
    let texts: Vec<_> = sorted.into_iter().map(ToString::to_string).collect();
    texts.join(",").into()
}
