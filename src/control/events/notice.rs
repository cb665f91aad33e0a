//! What is new in a status.

use serde_json::Value;

use crate::api::Reason;

/// One thing that is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    /// Whether somebody should look at it.
    pub(super) warning: bool,
    /// In one word.
    pub(super) reason: String,
    /// What it is about. Events of one object that share reason and action are counted as one, so
    /// each target and key has an action of its own.
    pub(super) action: String,
    /// In a sentence.
    pub(super) note: String,
}

/// Conditions whose False is a person's wish or passes by itself in a moment.
const NO_NEWS: [Reason; 2] = [Reason::Disabled, Reason::Pending];

/// What `after` says that `before` did not. Good news only where the bad was told before.
pub(super) fn notices(before: &Value, after: &Value) -> Vec<Notice> {
    let mut news = Vec::new();
    for condition in items(after, "conditions") {
        let name = text(condition, "type");
        let old = find(before, "conditions", "type", name);
        news.extend(of_condition(name, old, condition));
    }
    for model in items(after, "models").filter(|model| model["state"] == "Conflict") {
        let name = text(model, "name");
        let old = find(before, "models", "name", name);
        if old.is_none_or(|old| old["state"] != "Conflict" || old["owner"] != model["owner"]) {
            news.push(Notice {
                warning: true,
                reason: Reason::Conflict.as_str().to_owned(),
                action: format!("Own {name}").chars().take(MAX_ACTION).collect(),
                note: format!(
                    "the older route `{}` owns the model name `{name}`",
                    text(model, "owner")
                ),
            });
        }
    }
    for target in items(after, "targets") {
        let old = find(before, "targets", "name", text(target, "name"));
        news.extend(of_target(old, target));
    }
    for key in items(after, "keys") {
        let old = find(before, "keys", "name", text(key, "name"));
        news.extend(of_key(old, key));
    }
    news
}

/// Characters of an action: the API server refuses more than 128 bytes, and a name of a model has up
/// to 256.
const MAX_ACTION: usize = 32;

fn of_condition(name: &str, before: Option<&Value>, after: &Value) -> Option<Notice> {
    let holds = after["status"] == "True";
    let was_false = before.is_some_and(|before| before["status"] == "False");
    let reason = text(after, "reason");
    let notice = |warning, note: &str| Notice {
        warning,
        reason: reason.to_owned(),
        action: name.to_owned(),
        note: note.to_owned(),
    };
    if holds {
        let good = || notice(false, &format!("{name} again: {}", text(after, "message")));
        return was_false.then(good);
    }
    let known = was_false && before.is_some_and(|before| before["reason"] == after["reason"]);
    // A name that an older route owns is told by name.
    let told =
        NO_NEWS.iter().any(|one| one.as_str() == reason) || reason == Reason::Conflict.as_str();
    (after["status"] == "False" && !known && !told).then(|| notice(true, text(after, "message")))
}

fn of_target(before: Option<&Value>, after: &Value) -> Option<Notice> {
    let (name, state) = (text(after, "name"), text(after, "state"));
    let old = before.map_or("", |before| text(before, "state"));
    let reason = text(after, "reason");
    let note = match state {
        _ if old == state => return None,
        "Unavailable" => format!("every replica leaves target `{name}` alone: {reason}"),
        "Degraded" => format!("some replicas leave target `{name}` alone: {reason}"),
        "Available" if matches!(old, "Unavailable" | "Degraded") => {
            format!("target `{name}` is asked again by every replica")
        }
        _ => return None,
    };
    Some(Notice {
        warning: state != "Available",
        reason: format!("Target{state}"),
        action: format!("Target {name}"),
        note,
    })
}

fn of_key(before: Option<&Value>, after: &Value) -> Option<Notice> {
    let name = text(after, "name");
    let old = before.map_or("", |before| text(before, "reason"));
    let reason = text(after, "reason");
    if old == reason {
        return None;
    }
    let refused = Reason::CredentialFault.as_str();
    let (warning, word, note) = if reason == refused {
        (true, "KeyRefused", format!("the provider does not accept the key `{name}`"))
    } else if reason == Reason::KeyConflict.as_str() {
        (true, reason, format!("the key `{name}` belongs to another Consumer"))
    } else if old == refused && reason.is_empty() {
        (false, "KeyAccepted", format!("the key `{name}` is used again"))
    } else {
        return None;
    };
    Some(Notice { warning, reason: word.to_owned(), action: format!("Key {name}"), note })
}

fn items<'v>(status: &'v Value, list: &str) -> impl Iterator<Item = &'v Value> {
    status.get(list).and_then(Value::as_array).into_iter().flatten()
}

fn find<'v>(status: &'v Value, list: &str, field: &str, name: &str) -> Option<&'v Value> {
    items(status, list).find(|item| item[field] == name)
}

fn text<'v>(item: &'v Value, field: &str) -> &'v str {
    item.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(kind: &str, status: &str, reason: &str) -> Value {
        json!({"conditions": [
            {"type": kind, "status": status, "reason": reason, "message": "so it is"},
        ]})
    }

    fn words(before: &Value, after: &Value) -> Vec<(bool, String)> {
        notices(before, after).into_iter().map(|news| (news.warning, news.reason)).collect()
    }

    #[test]
    fn a_condition_is_news_when_it_fails_and_when_it_holds_again() {
        let good = condition("Programmed", "True", "Programmed");
        let waits = condition("Programmed", "False", "WaitingForReplicas");
        let stale = condition("Programmed", "False", "StaleGeneration");
        assert_eq!(words(&Value::Null, &good), [], "that all is well is no news");
        assert_eq!(words(&Value::Null, &waits), [(true, "WaitingForReplicas".into())]);
        assert_eq!(words(&waits, &waits), []);
        assert_eq!(words(&waits, &stale), [(true, "StaleGeneration".into())]);
        assert_eq!(words(&stale, &good), [(false, "Programmed".into())]);
        let unknown = condition("Programmed", "Unknown", "ReplicasUnknown");
        assert_eq!(words(&good, &unknown), []);
    }

    #[test]
    fn what_a_person_wished_for_is_no_news() {
        let good = condition("Ready", "True", "Ready");
        assert_eq!(words(&good, &condition("Ready", "False", "Disabled")), []);
    }

    #[test]
    fn a_lost_name_is_told_once() {
        let model = |owner: &str| {
            let mut status = condition("Accepted", "False", "Conflict");
            status["models"] = json!([{"name": "gpt", "state": "Conflict", "owner": owner}]);
            status
        };
        assert_eq!(words(&Value::Null, &model("a")), [(true, "Conflict".into())]);
        assert_eq!(words(&model("a"), &model("a")), []);
        assert_eq!(words(&model("a"), &model("b")), [(true, "Conflict".into())]);
        let long = json!({"models": [{"name": "ü".repeat(256), "state": "Conflict"}]});
        assert!(notices(&Value::Null, &long)[0].action.len() <= 128);
    }

    #[test]
    fn a_target_is_news_when_it_is_left_alone_and_when_it_is_back() {
        let target = |state: &str| json!({"targets": [{"name": "a", "state": state}]});
        let tells = |before: &str, after: &str| words(&target(before), &target(after));
        assert_eq!(tells("Available", "Unavailable"), [(true, "TargetUnavailable".into())]);
        assert_eq!(tells("Unknown", "Degraded"), [(true, "TargetDegraded".into())]);
        assert_eq!(tells("Degraded", "Available"), [(false, "TargetAvailable".into())]);
        for quiet in
            [("Unknown", "Available"), ("Unavailable", "Unknown"), ("Degraded", "Degraded")]
        {
            assert_eq!(tells(quiet.0, quiet.1), [], "{quiet:?}");
        }
    }

    #[test]
    fn a_key_is_news_when_it_is_refused_or_somebody_elses() {
        let key = |reason: Option<&str>| match reason {
            Some(reason) => json!({"keys": [{"name": "a", "reason": reason}]}),
            None => json!({"keys": [{"name": "a"}]}),
        };
        let tells = |before, after| words(&key(before), &key(after));
        assert_eq!(tells(None, Some("CredentialFault")), [(true, "KeyRefused".into())]);
        assert_eq!(tells(Some("CredentialFault"), None), [(false, "KeyAccepted".into())]);
        assert_eq!(tells(None, Some("KeyConflict")), [(true, "KeyConflict".into())]);
        assert_eq!(tells(None, Some("Throttled")), []);
    }
}
