//! From a report of compile to a status as it stands in the API, without times.

use serde_json::{Map, Value, json};

use super::opinion;
use super::programmed::Stated;
use crate::api::{ConditionType, ModelState, ModelStatus, Reason};
use crate::compile::{Details, ObjectReport};
use crate::control::replicas::View;

/// Characters of a condition's message: the API server refuses more than 32768 bytes.
const MAX_MESSAGE: usize = 8000;

/// Names in a column of a terminal's table; the longest that are allowed fit the schema's limit.
const SHOWN_MODELS: usize = 3;

/// Characters of a message in a table, which is read in one line; the conditions have all of it.
const SHOWN_MESSAGE: usize = 300;

/// States of targets and keys that cannot be used now.
const UNUSABLE: [&str; 3] = ["Unavailable", "Resting", "Unresolved"];

/// The status of one object. A ModelRoute is `Programmed` as that says, and not as this replica
/// alone has it.
pub(super) fn status(report: &ObjectReport, view: &View, programmed: Option<Stated>) -> Value {
    let mut programmed = programmed;
    let conditions = report.conditions.iter().map(|one| {
        let everywhere = match one.condition {
            ConditionType::Programmed => programmed.take(),
            _ => None,
        };
        let stated = everywhere.unwrap_or_else(|| one.into());
        condition(one.condition, &stated, report.generation)
    });
    let mut status = Map::new();
    status.insert("conditions".to_owned(), conditions.collect());
    let name = &report.object.name;
    match &report.details {
        Details::Route { models, targets, .. } => {
            let targets = targets.iter().map(|target| opinion::target(view, name, target));
            status.insert("servedModels".to_owned(), served(models).into());
            status.insert("models".to_owned(), json!(models));
            status.insert("targets".to_owned(), targets.collect());
        }
        Details::Store { keys } => {
            let keys = keys.iter().map(|key| opinion::key(view, name, key));
            status.insert("keys".to_owned(), keys.collect());
        }
        Details::Consumer { keys } => {
            status.insert("keys".to_owned(), keys.iter().map(opinion::plain_key).collect());
        }
    }
    Value::Object(status)
}

/// Adds what follows from the states of targets and keys.
pub(super) fn conclude(status: &mut Value) {
    for (list, column) in [("targets", "usableTargets"), ("keys", "usableKeys")] {
        let Some(items) = status[list].as_array() else { continue };
        let usable = items.iter().filter(|item| is_usable(item)).count();
        let rests = !items.is_empty() && items.iter().all(is_refused);
        status[column] = format!("{usable}/{}", items.len()).into();
        if rests {
            all_keys_rest(status);
        }
    }
    if let Some(message) = first_wrong(status) {
        status["message"] = message.into();
    }
}

/// What is wrong first, for one column of a table: a condition's message, else a name that is
/// another's, else a target's or a key's state.
fn first_wrong(status: &Value) -> Option<String> {
    let list = |name: &str| status[name].as_array().into_iter().flatten();
    let text = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
    let condition = list("conditions").find(|one| one["status"] != "True");
    let lost = || {
        let lost = list("models").find(|one| one["state"] == "Conflict")?;
        let [name, owner] = ["name", "owner"].map(|field| text(lost, field));
        Some(format!("the older route `{owner}` owns the model name `{name}`"))
    };
    let message = condition.map(|one| text(one, "message")).or_else(lost).or_else(|| {
        let parts = [("target", "targets"), ("key", "keys")];
        let mut parts =
            parts.iter().flat_map(|(kind, name)| list(name).map(move |one| (kind, one)));
        let (kind, one) = parts.find(|(_, one)| one["reason"].is_string())?;
        let [name, state, reason] = ["name", "state", "reason"].map(|field| text(one, field));
        Some(format!("{kind} `{name}` is {state}: {reason}"))
    })?;
    let shown: String = message.chars().take(SHOWN_MESSAGE).collect();
    Some(if shown.len() < message.len() { shown + "…" } else { shown })
}

fn is_usable(item: &Value) -> bool {
    item["state"].as_str().is_some_and(|state| !UNUSABLE.contains(&state))
}

/// A key that is throttled is one for a moment, and for one model of many.
fn is_refused(item: &Value) -> bool {
    item["state"] == "Resting" && item["reason"] != Reason::Throttled.as_str()
}

/// A store whose every key was refused can be read and not used.
fn all_keys_rest(status: &mut Value) {
    let conditions = status["conditions"].as_array_mut().into_iter().flatten();
    for condition in conditions.filter(|one| one["type"] == ConditionType::Ready.as_str()) {
        condition["status"] = "False".into();
        condition["reason"] = Reason::KeysResting.as_str().into();
        condition["message"] =
            "the provider has refused every key; `status.keys` says since when".into();
    }
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

fn condition(condition: ConditionType, stated: &Stated, generation: i64) -> Value {
    json!({
        "type": condition.as_str(),
        "status": stated.status,
        "observedGeneration": generation,
        "reason": stated.reason.as_str(),
        "message": stated.message.chars().take(MAX_MESSAGE).collect::<String>(),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::api::Kind;
    use crate::compile::{ConditionReport, ObjectRef, PartReport};
    use crate::control::replicas::Fleet;
    use crate::table::{ObjectName, RouteTable};

    /// A route of one good and one bad target.
    pub(in crate::control::status) fn report() -> ObjectReport {
        let part = |name: &str, fault| PartReport { name: name.to_owned(), fault };
        let condition = |condition, holds, reason| ConditionReport {
            condition,
            holds,
            reason,
            message: if holds { String::new() } else { "no such Secret".to_owned() },
        };
        ObjectReport {
            object: ObjectRef { kind: Kind::ModelRoute, name: ObjectName::new("ai", "gpt") },
            uid: "u".into(),
            generation: 4,
            conditions: vec![
                condition(ConditionType::ResolvedRefs, false, Reason::SecretNotFound),
                condition(ConditionType::Programmed, true, Reason::Programmed),
            ],
            details: Details::Route {
                served_generation: Some(4),
                models: vec![ModelStatus {
                    name: "gpt".to_owned(),
                    state: ModelState::Conflict,
                    owner: Some("older".to_owned()),
                }],
                targets: vec![part("a", None), part("b", Some(Reason::SecretNotFound))],
            },
        }
    }

    fn alone() -> View {
        let fleet = Fleet::Read([].into());
        View::new(RouteTable::empty().into(), &[], &fleet, true).expect("the others were read")
    }

    #[test]
    fn a_route_tells_its_names_and_targets() {
        let waits = Stated {
            status: "False",
            reason: Reason::WaitingForReplicas,
            message: "for one".to_owned(),
        };
        let mut status = status(&report(), &alone(), Some(waits));
        conclude(&mut status);
        assert_eq!(
            status,
            json!({
                "conditions": [
                    {
                        "type": "ResolvedRefs", "status": "False", "observedGeneration": 4,
                        "reason": "SecretNotFound", "message": "no such Secret",
                    },
                    {
                        "type": "Programmed", "status": "False", "observedGeneration": 4,
                        "reason": "WaitingForReplicas", "message": "for one",
                    },
                ],
                "servedModels": "",
                "models": [{"name": "gpt", "state": "Conflict", "owner": "older"}],
                "targets": [
                    {"name": "a", "state": "Unknown"},
                    {"name": "b", "state": "Unresolved", "reason": "SecretNotFound"},
                ],
                "usableTargets": "1/2",
                "message": "no such Secret",
            })
        );
    }

    #[test]
    fn a_table_shows_what_is_wrong_first() {
        let shown = |accepted: &str, programmed: &str, target: Value| {
            let condition = |kind: &str, status: &str, message: &str| json!({"type": kind, "status": status, "message": message});
            let mut status = json!({
                "conditions": [
                    condition("Accepted", accepted, "the name is another's"),
                    condition("Programmed", programmed, &"ä".repeat(SHOWN_MESSAGE + 1)),
                ],
                "targets": [{"name": "a", "state": "Available"}, target],
            });
            conclude(&mut status);
            status["message"].as_str().map(str::to_owned)
        };
        let well = json!({"name": "b", "state": "Unknown"});
        let open = json!({"name": "b", "state": "Degraded", "reason": "CircuitBreaker"});
        assert_eq!(shown("True", "True", well.clone()), None, "all is well");
        let target = "target `b` is Degraded: CircuitBreaker";
        assert_eq!(shown("True", "True", open.clone()).as_deref(), Some(target));
        assert_eq!(shown("False", "Unknown", open).as_deref(), Some("the name is another's"));
        let long = shown("True", "Unknown", well).expect("something is wrong");
        assert_eq!(long.chars().count(), SHOWN_MESSAGE + 1);
        assert!(long.ends_with("ä…"), "{long}");
    }

    #[test]
    fn a_store_whose_every_key_was_refused_is_not_ready() {
        let ready = |states: &[&str]| {
            let keys: Vec<_> = states.iter().map(|state| json!({"state": state})).collect();
            let mut status =
                json!({"conditions": [{"type": "Ready", "status": "True"}], "keys": keys});
            conclude(&mut status);
            (status["conditions"][0]["status"] == "True", status["usableKeys"].clone())
        };
        assert_eq!(ready(&["Resting", "Resting"]), (false, "0/2".into()));
        assert_eq!(ready(&["Resting", "Degraded", "Unresolved"]), (true, "1/3".into()));
        let mut throttled = json!({
            "conditions": [{"type": "Ready", "status": "True"}],
            "keys": [{"state": "Resting", "reason": "Throttled"}],
        });
        conclude(&mut throttled);
        assert_eq!(throttled["conditions"][0]["status"], "True", "for a moment only");
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
        let mut long = report();
        long.conditions[0].message = "ä".repeat(2 * MAX_MESSAGE);
        let status = status(&long, &alone(), None);
        let message = status["conditions"][0]["message"].as_str().unwrap();
        assert_eq!(message.chars().count(), MAX_MESSAGE);
        assert!(message.len() <= 32768);
    }
}
