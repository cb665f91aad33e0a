//! Puts times into a status and decides whether it has to be written at all.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

/// The list, the field that names an item, and the field whose change is a transition.
const TIMED: [(&str, &str, &str); 2] =
    [("conditions", "type", "status"), ("targets", "name", "state")];

/// `wanted` with the times of its transitions: those of `current` where nothing changed, else
/// `now`. `None` if `current` says all of it already, or speaks of a newer generation than
/// `wanted`: then another replica knows more than this one.
pub(super) fn merged(mut wanted: Value, current: &Value, now: Timestamp) -> Option<Value> {
    if newest_generation(current) > newest_generation(&wanted) {
        return None;
    }
    for (list, name, state) in TIMED {
        let Some(items) = wanted.get_mut(list).and_then(Value::as_array_mut) else { continue };
        for item in items {
            let before = find(current, list, name, &item[name]);
            let since = before
                .filter(|before| before.get(state) == item.get(state))
                .and_then(|before| before.get("lastTransitionTime"))
                .filter(|time| time.is_string());
            item["lastTransitionTime"] = since.cloned().unwrap_or_else(|| json!(Time(now)));
        }
    }
    (!says(current, &wanted)).then_some(wanted)
}

fn newest_generation(status: &Value) -> Option<i64> {
    let conditions = status.get("conditions")?.as_array()?;
    conditions.iter().filter_map(|one| one.get("observedGeneration")?.as_i64()).max()
}

fn find<'v>(status: &'v Value, list: &str, name: &str, wanted: &Value) -> Option<&'v Value> {
    status.get(list)?.as_array()?.iter().find(|item| item.get(name) == Some(wanted))
}

/// Whether `current` holds exactly `wanted`. The API server may leave out empty lists, and may keep
/// the items of others in an order of its own.
fn says(current: &Value, wanted: &Value) -> bool {
    let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    let Some(fields) = wanted.as_object() else { return false };
    let held = fields.iter().all(|(name, value)| match (current.get(name), value) {
        (Some(Value::Array(held)), Value::Array(wanted)) => {
            held.len() == wanted.len() && wanted.iter().all(|item| held.contains(item))
        }
        (Some(held), wanted) => held == wanted,
        (None, wanted) => is_empty(wanted),
    });
    let Some(current) = current.as_object() else { return held && fields.values().all(is_empty) };
    held && current.keys().all(|name| fields.contains_key(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EARLIER: &str = "1970-01-01T00:00:01Z";

    fn now() -> Timestamp {
        Timestamp::from_second(60).unwrap()
    }

    fn wanted(status: &str, generation: i64) -> Value {
        json!({
            "conditions": [{
                "type": "Accepted", "status": status, "observedGeneration": generation,
                "reason": "Accepted", "message": "",
            }],
            "models": [],
        })
    }

    fn current(status: &str, generation: i64) -> Value {
        let mut current = wanted(status, generation);
        current["conditions"][0]["lastTransitionTime"] = EARLIER.into();
        current.as_object_mut().unwrap().remove("models");
        current
    }

    #[test]
    fn the_same_status_is_not_written_again() {
        assert_eq!(merged(wanted("True", 1), &current("True", 1), now()), None);
    }

    #[test]
    fn the_first_status_is_written_with_the_time() {
        let written = merged(wanted("True", 1), &Value::Null, now()).unwrap();
        assert_eq!(written["conditions"][0]["lastTransitionTime"], "1970-01-01T00:01:00Z");
    }

    #[test]
    fn a_time_changes_only_with_the_status() {
        let written = merged(wanted("True", 2), &current("True", 1), now()).unwrap();
        assert_eq!(written["conditions"][0]["lastTransitionTime"], EARLIER);
        let written = merged(wanted("False", 2), &current("True", 1), now()).unwrap();
        assert_eq!(written["conditions"][0]["lastTransitionTime"], "1970-01-01T00:01:00Z");
    }

    #[test]
    fn a_newer_generation_is_not_overwritten() {
        assert_eq!(merged(wanted("False", 1), &current("True", 2), now()), None);
    }

    #[test]
    fn what_is_no_longer_said_is_taken_away() {
        let mut said = current("True", 1);
        said["targets"] = json!([{"name": "old", "state": "Unknown"}]);
        assert!(merged(wanted("True", 1), &said, now()).is_some());
    }

    #[test]
    fn a_target_keeps_its_time_by_name() {
        let mut current = json!({"targets": [
            {"name": "a", "state": "Unknown", "lastTransitionTime": EARLIER},
            {"name": "b", "state": "Unknown", "lastTransitionTime": EARLIER},
        ]});
        let wanted = json!({"targets": [
            {"name": "b", "state": "Unresolved"}, {"name": "a", "state": "Unknown"},
        ]});
        let written = merged(wanted, &current, now()).unwrap();
        assert_eq!(written["targets"][0]["lastTransitionTime"], "1970-01-01T00:01:00Z");
        assert_eq!(written["targets"][1]["lastTransitionTime"], EARLIER);
        current = written.clone();
        current["targets"].as_array_mut().unwrap().reverse();
        assert_eq!(merged(written, &current, now()), None, "the order of a list means nothing");
    }
}
