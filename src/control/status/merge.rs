//! Puts times into a status and decides whether it has to be written at all.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// How long bad news of a target or a key stand before others are written over them, so that one that
/// comes and goes costs four writes a minute at most. Bad news themselves do not wait.
const HOLD: SignedDuration = SignedDuration::from_secs(30);

/// Puts times to the targets and keys of `wanted`, and keeps for a while what `current` says of them.
///
/// Only what replicas experience is held: what follows from the spec is said at once.
pub(super) fn hold(wanted: &mut Value, current: &Value, now: Timestamp) {
    // What was said of another spec may have been said of another target of the same name.
    let same_spec = newest_generation(current) == newest_generation(wanted);
    for list in ["targets", "keys"] {
        let Some(items) = wanted.get_mut(list).and_then(Value::as_array_mut) else { continue };
        for item in items {
            let before = find(current, list, "name", &item["name"]);
            let Some(before) = before.filter(|before| before["lastTransitionTime"].is_string())
            else {
                item["lastTransitionTime"] = json!(Time(now));
                continue;
            };
            if before["state"] == item["state"] && before.get("reason") == item.get("reason") {
                item["lastTransitionTime"] = before["lastTransitionTime"].clone();
                keep_expiry(item, before, now);
            } else if same_spec && stands(before, item, now) {
                *item = before.clone();
            } else {
                item["lastTransitionTime"] = json!(Time(now));
            }
        }
    }
}

/// Whether `before` is not yet to be replaced by `item`.
fn stands(before: &Value, item: &Value, now: Timestamp) -> bool {
    if before["state"] == "Available" {
        // Replicas that were started anew know nothing, which takes no good word back.
        return item["state"] == "Unknown";
    }
    let of_spec = ["Unresolved", "Unknown"].map(Value::from);
    if of_spec.contains(&before["state"]) || item["state"] == "Unresolved" {
        return false;
    }
    let since = time(before, "lastTransitionTime");
    // A leader before this one may have had another clock.
    since.is_some_and(|since| since <= now && now.duration_since(since) < HOLD)
}

/// Rests are prolonged all the time; the end that was told first stands until it has come.
fn keep_expiry(item: &mut Value, before: &Value, now: Timestamp) {
    let told = time(before, "expiresAt").filter(|told| *told > now);
    if told.is_some() && item.get("expiresAt").is_some() {
        item["expiresAt"] = before["expiresAt"].clone();
    }
}

fn time(item: &Value, field: &str) -> Option<Timestamp> {
    item.get(field)?.as_str()?.parse().ok()
}

/// `wanted` with the times of its conditions: those of `current` where their status is the same, else
/// `now`. `None` if `current` says all of it already, or speaks of a newer generation than
/// `wanted`: then another replica knows more than this one.
pub(super) fn merged(mut wanted: Value, current: &Value, now: Timestamp) -> Option<Value> {
    if newest_generation(current) > newest_generation(&wanted) {
        return None;
    }
    for condition in
        wanted.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten()
    {
        let before = find(current, "conditions", "type", &condition["type"]);
        let since = before
            .filter(|before| before.get("status") == condition.get("status"))
            .and_then(|before| before.get("lastTransitionTime"))
            .filter(|time| time.is_string());
        condition["lastTransitionTime"] = since.cloned().unwrap_or_else(|| json!(Time(now)));
    }
    (!says(current, &wanted)).then_some(wanted)
}

/// The fields of `written` that are not in what was `stored` of it.
pub(super) fn left_out(stored: &Value, written: &Value) -> Vec<String> {
    let fields = written.as_object().into_iter().flatten();
    let missing = fields.filter(|(name, value)| stored.get(name).is_none() && !is_empty(value));
    missing.map(|(name, _)| name.clone()).collect()
}

/// Removes these fields.
pub(super) fn leave_out(status: &mut Value, fields: &BTreeSet<String>) {
    if let Some(status) = status.as_object_mut().filter(|_| !fields.is_empty()) {
        status.retain(|name, _| !fields.contains(name));
    }
}

/// The newest generation that a status speaks of.
pub(super) fn newest_generation(status: &Value) -> Option<i64> {
    let conditions = status.get("conditions")?.as_array()?;
    conditions.iter().filter_map(|one| one.get("observedGeneration")?.as_i64()).max()
}

fn find<'v>(status: &'v Value, list: &str, name: &str, wanted: &Value) -> Option<&'v Value> {
    status.get(list)?.as_array()?.iter().find(|item| item.get(name) == Some(wanted))
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

/// Whether `current` holds exactly `wanted`. The API server may leave out empty lists, and may keep
/// the items of others in an order of its own.
fn says(current: &Value, wanted: &Value) -> bool {
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

    fn target(state: &str, reason: Option<&str>, since: Option<&str>) -> Value {
        let mut target = json!({"name": "a", "state": state});
        if let Some(reason) = reason {
            target["reason"] = reason.into();
        }
        if let Some(since) = since {
            target["lastTransitionTime"] = since.into();
        }
        target
    }

    fn held(before: &Value, item: Value) -> Value {
        let mut wanted =
            Value::Object([("targets".to_owned(), vec![item].into())].into_iter().collect());
        hold(&mut wanted, &json!({"targets": [before]}), now());
        wanted["targets"][0].clone()
    }

    const JUST: &str = "1970-01-01T00:00:31Z";
    const LONG_AGO: &str = "1970-01-01T00:00:30Z";
    const NOW: &str = "1970-01-01T00:01:00Z";

    #[test]
    fn bad_news_stand_for_a_while() {
        let down = target("Unavailable", Some("CircuitBreaker"), Some(JUST));
        assert_eq!(held(&down, target("Available", None, None)), down);
        let down = target("Unavailable", Some("CircuitBreaker"), Some(LONG_AGO));
        let up = target("Available", None, Some(NOW));
        assert_eq!(held(&down, target("Available", None, None)), up);
        let ahead = target("Unavailable", Some("CircuitBreaker"), Some("2000-01-01T00:00:00Z"));
        assert_eq!(held(&ahead, target("Available", None, None)), up, "a clock that ran ahead");
    }

    #[test]
    fn what_is_the_same_keeps_its_time_and_another_reason_is_a_change() {
        let down = target("Unavailable", Some("Throttled"), Some(LONG_AGO));
        assert_eq!(held(&down, target("Unavailable", Some("Throttled"), None)), down);
        let other = held(&down, target("Unavailable", Some("CircuitBreaker"), None));
        assert_eq!(other["lastTransitionTime"], NOW);
    }

    #[test]
    fn bad_news_and_what_follows_from_the_spec_are_said_at_once() {
        for (before, after) in [
            ("Available", "Unavailable"),
            ("Unknown", "Available"),
            ("Unresolved", "Unknown"),
            ("Unavailable", "Unresolved"),
        ] {
            let said = held(&target(before, None, Some(JUST)), target(after, None, None));
            assert_eq!(said, target(after, None, Some(NOW)));
        }
    }

    #[test]
    fn a_good_word_is_not_taken_back_by_those_who_know_nothing() {
        let up = target("Available", None, Some(EARLIER));
        assert_eq!(held(&up, target("Unknown", None, None)), up);
        let mut wanted = json!({
            "conditions": [{"observedGeneration": 2}], "targets": [target("Unknown", None, None)],
        });
        let current = json!({"conditions": [{"observedGeneration": 1}], "targets": [up]});
        hold(&mut wanted, &current, now());
        assert_eq!(wanted["targets"][0]["state"], "Unknown", "it may be another target now");
    }

    #[test]
    fn the_end_of_a_rest_is_told_again_only_once_it_has_come() {
        let key = |expiry: &str| {
            json!({"name": "a", "state": "Resting", "reason": "CredentialFault",
                "expiresAt": expiry, "lastTransitionTime": EARLIER})
        };
        let (soon, later) = ("1970-01-01T00:01:01Z", "1970-01-01T00:09:00Z");
        for (told, expected) in [(soon, soon), (NOW, later)] {
            let mut wanted = json!({"keys": [key(later)]});
            hold(&mut wanted, &json!({"keys": [key(told)]}), now());
            assert_eq!(wanted["keys"][0], key(expected));
        }
    }

    #[test]
    fn the_order_of_a_list_means_nothing() {
        let mut current = json!({"targets": [
            {"name": "a", "state": "Unknown", "lastTransitionTime": EARLIER},
            {"name": "b", "state": "Unknown", "lastTransitionTime": EARLIER},
        ]});
        let written = current.clone();
        current["targets"].as_array_mut().unwrap().reverse();
        assert_eq!(merged(written, &current, now()), None);
    }
}
