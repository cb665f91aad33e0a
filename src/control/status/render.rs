//! From a report of compile to a status as it stands in the API, without times.

use serde_json::{Map, Value, json};

use crate::api::{KeyState, ModelState, ModelStatus, TargetState};
use crate::compile::{ConditionReport, Details, ObjectReport, PartReport};

/// Characters of a condition's message: the API server refuses more than 32768 bytes.
const MAX_MESSAGE: usize = 8000;

/// Names in a column of a terminal's table; the longest that are allowed fit the schema's limit.
const SHOWN_MODELS: usize = 3;

/// The status of one object.
pub(super) fn status(report: &ObjectReport) -> Value {
    let conditions = report.conditions.iter().map(|one| condition(one, report.generation));
    let mut status = Map::new();
    status.insert("conditions".to_owned(), conditions.collect());
    match &report.details {
        Details::Route { models, targets, .. } => {
            let usable = targets.iter().filter(|target| target.fault.is_none()).count();
            status.insert("servedModels".to_owned(), served(models).into());
            status.insert("models".to_owned(), json!(models));
            status.insert("targets".to_owned(), targets.iter().map(target).collect());
            let usable = format!("{usable}/{}", targets.len());
            status.insert("usableTargets".to_owned(), usable.into());
        }
        Details::Store { keys } => {
            status.insert("keys".to_owned(), keys.iter().map(key).collect());
        }
        Details::Consumer { .. } => {}
    }
    Value::Object(status)
}

/// The names of a route for one column of a table. A column cannot list: it shows the first item.
fn served(models: &[ModelStatus]) -> String {
    let owned: Vec<&str> = models
        .iter()
        .filter(|model| model.state == ModelState::Owned)
        .map(|model| model.name.as_str())
        .collect();
    let shown = owned[..owned.len().min(SHOWN_MODELS)].join(",");
    match owned.len() - owned.len().min(SHOWN_MODELS) {
        0 => shown,
        more => format!("{shown},+{more}"),
    }
}

fn condition(report: &ConditionReport, generation: i64) -> Value {
    json!({
        "type": report.condition.as_str(),
        "status": if report.holds { "True" } else { "False" },
        "observedGeneration": generation,
        "reason": report.reason.as_str(),
        "message": report.message.chars().take(MAX_MESSAGE).collect::<String>(),
    })
}

/// That a target can be asked does not mean that it answers, which this replica alone cannot say.
fn target(part: &PartReport) -> Value {
    let state = if part.fault.is_none() { TargetState::Unknown } else { TargetState::Unresolved };
    with_reason(part, &json!(state))
}

fn key(part: &PartReport) -> Value {
    let state = if part.fault.is_none() { KeyState::Available } else { KeyState::Unresolved };
    with_reason(part, &json!(state))
}

fn with_reason(part: &PartReport, state: &Value) -> Value {
    match part.fault {
        None => json!({"name": part.name, "state": state}),
        Some(reason) => json!({"name": part.name, "state": state, "reason": reason.as_str()}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{ConditionType, Kind, Reason};
    use crate::compile::ObjectRef;
    use crate::table::ObjectName;

    fn report(details: Details) -> ObjectReport {
        ObjectReport {
            object: ObjectRef { kind: Kind::ModelRoute, name: ObjectName::new("ai", "gpt") },
            uid: "u".into(),
            generation: 4,
            conditions: vec![ConditionReport {
                condition: ConditionType::ResolvedRefs,
                holds: false,
                reason: Reason::SecretNotFound,
                message: "spec.targets[0]: no".to_owned(),
            }],
            details,
        }
    }

    #[test]
    fn a_route_tells_its_names_and_targets() {
        let part = |name: &str, fault| PartReport { name: name.to_owned(), fault };
        let details = Details::Route {
            served_generation: Some(4),
            models: vec![ModelStatus {
                name: "gpt".to_owned(),
                state: ModelState::Conflict,
                owner: Some("older".to_owned()),
            }],
            targets: vec![part("a", None), part("b", Some(Reason::SecretNotFound))],
        };
        assert_eq!(
            status(&report(details)),
            json!({
                "conditions": [{
                    "type": "ResolvedRefs", "status": "False", "observedGeneration": 4,
                    "reason": "SecretNotFound", "message": "spec.targets[0]: no",
                }],
                "servedModels": "",
                "models": [{"name": "gpt", "state": "Conflict", "owner": "older"}],
                "targets": [
                    {"name": "a", "state": "Unknown"},
                    {"name": "b", "state": "Unresolved", "reason": "SecretNotFound"},
                ],
                "usableTargets": "1/2",
            })
        );
    }

    #[test]
    fn a_column_shows_the_names_that_are_owned() {
        let model = |name: &str, state| ModelStatus { name: name.to_owned(), state, owner: None };
        let mut models = vec![
            model("a", ModelState::Owned),
            model("b", ModelState::Conflict),
            model("c-*", ModelState::Owned),
        ];
        assert_eq!(served(&models), "a,c-*");
        models.extend(["d", "e", "f"].map(|name| model(name, ModelState::Owned)));
        assert_eq!(served(&models), "a,c-*,d,+2");
    }

    #[test]
    fn a_message_is_cut_between_characters() {
        let mut long = report(Details::Consumer { keys: Vec::new() });
        long.conditions[0].message = "ä".repeat(2 * MAX_MESSAGE);
        let status = status(&long);
        let message = status["conditions"][0]["message"].as_str().unwrap();
        assert_eq!(message.chars().count(), MAX_MESSAGE);
        assert!(message.len() <= 32768);
    }
}
