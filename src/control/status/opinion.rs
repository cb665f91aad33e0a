//! Targets and keys in a status: what all replicas make of them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::{KeyState, Reason, TargetState};
use crate::compile::PartReport;
use crate::control::replicas::View;
use crate::table::ObjectName;

/// A target of a route.
pub(super) fn target(view: &View, route: &ObjectName, part: &PartReport) -> Value {
    if let Some(fault) = part.fault {
        return item(&part.name, &json!(TargetState::Unresolved), Some(fault));
    }
    let opinion = view.target(route, &part.name);
    // Of several reasons the one that weighs most.
    let reason = opinion.notes.iter().min().and_then(|note| note.against());
    let state = match (reason, opinion.well) {
        (Some(_), 0) => TargetState::Unavailable,
        (Some(_), _) => TargetState::Degraded,
        (None, _) if opinion.asked => TargetState::Available,
        (None, _) => TargetState::Unknown,
    };
    item(&part.name, &json!(state), reason)
}

/// A key of a store.
pub(super) fn key(view: &View, store: &ObjectName, part: &PartReport) -> Value {
    if part.fault.is_some() {
        return plain_key(part);
    }
    let opinion = view.key(store, &part.name);
    let Some(note) = opinion.notes.iter().min_by_key(|note| note.fault) else {
        return plain_key(part);
    };
    let state = if opinion.well == 0 { KeyState::Resting } else { KeyState::Degraded };
    let mut item = item(&part.name, &json!(state), Some(note.fault.reason()));
    let longest = opinion.notes.iter().map(|note| note.until).max().filter(|until| *until > 0);
    if let Some(until) = longest.and_then(|until| Timestamp::from_second(until).ok()) {
        item["expiresAt"] = json!(Time(until));
    }
    item
}

/// A key that nothing can happen to but that it is missing or somebody else's.
pub(super) fn plain_key(part: &PartReport) -> Value {
    let state = if part.fault.is_none() { KeyState::Available } else { KeyState::Unresolved };
    item(&part.name, &json!(state), part.fault)
}

fn item(name: &str, state: &Value, reason: Option<Reason>) -> Value {
    match reason {
        None => json!({"name": name, "state": state}),
        Some(reason) => json!({"name": name, "state": state, "reason": reason.as_str()}),
    }
}
