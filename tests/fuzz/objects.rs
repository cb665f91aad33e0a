//! JSON objects that are edited as bytes: what was not edited arrives as it was sent.

use std::fmt;

use bytes::Bytes;
use pilothouse::protocol::request::RequestFacts;
use pilothouse::wire::json::{MAX_MEMBERS, Object};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::shown;

/// A name that no input is likely to have.
const NEW: &str = "added by the gateway";

/// The members of an object in their order, as another reader finds them.
struct Members<'t>(Vec<(&'t RawValue, &'t RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

fn members(text: &[u8]) -> Option<Vec<(&str, &str)>> {
    let read: Members<'_> = serde_json::from_slice(text).ok()?;
    Some(read.0.into_iter().map(|(key, value)| (key.get(), value.get())).collect())
}

/// Reads an object, and changes one member of it in every way.
pub fn run(input: &[u8]) {
    let ([first, second], text) = super::choices(input);
    let before = members(text);
    let object = match Object::parse(Bytes::copy_from_slice(text)) {
        Ok(object) => object,
        Err(error) => {
            let read = before.is_some_and(|members| members.len() <= MAX_MEMBERS);
            assert!(!read, "{error}, but it is an object: {}", shown(text));
            return;
        }
    };
    let before = before.unwrap_or_else(|| panic!("it is no object: {}", shown(text)));
    assert_eq!(object.edit().finish(), text, "an edit of nothing changes nothing");
    let _ = RequestFacts::read(&object, None);
    let _ = RequestFacts::read(&object, Some("model"));

    let names = before.iter().filter_map(|(key, _)| serde_json::from_str::<String>(key).ok());
    let mut names: Vec<String> = names.collect();
    names.push(NEW.into());
    let name = &names[usize::from(first) % names.len()];
    let value = json!({"a": [1, "b"]});

    let mut edit = object.edit();
    if edit.set(name, &value).is_ok() {
        let after = check(&before, &edit.finish(), name, Some(&value.to_string()));
        assert!(after, "a member that was set is there");
    }
    let mut edit = object.edit();
    if edit.remove(name).is_ok() {
        let after = check(&before, &edit.finish(), name, None);
        assert!(!after, "a member that was removed is gone");
    }
    let mut edit = object.edit();
    let inner = &names[usize::from(second) % names.len()];
    if edit.set_in(name, inner, &value).is_ok() {
        let _ = edit.remove_in(name, inner);
        check(&before, &edit.finish(), name, None);
    }
    let mut edit = object.edit();
    let paths = [&[&**name, inner][..], &[name, "*", inner], &[name, "*", "*", inner]];
    if paths.iter().all(|path| edit.remove_at(path).is_ok()) {
        check(&before, &edit.finish(), name, None);
    }
    let mut edit = object.edit();
    let mut patch = serde_json::Map::new();
    patch.insert(name.clone(), json!({inner.clone(): {"x": null, "y": 1}}));
    if edit.set_default(name, &Value::Null).is_ok() && edit.merge(&patch).is_ok() {
        check(&before, &edit.finish(), name, None);
    }
}

/// Every other member is what it was, in its order. Whether the member that was changed is there.
fn check(before: &[(&str, &str)], after: &Bytes, changed: &str, value: Option<&str>) -> bool {
    let is_changed =
        |key: &str| serde_json::from_str::<String>(key).is_ok_and(|key| key == changed);
    let after = members(after).unwrap_or_else(|| panic!("no object: {}", shown(after)));
    let kept = |members: &[(&str, &str)]| -> Vec<(String, String)> {
        let kept = members.iter().filter(|(key, _)| !is_changed(key));
        kept.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    assert_eq!(kept(before), kept(&after), "other members than `{changed}` were changed");
    let found = after.iter().find(|(key, _)| is_changed(key)).map(|(_, value)| *value);
    if let (Some(found), Some(value)) = (found, value) {
        assert_eq!(found, value, "`{changed}` is not what was set");
    }
    found.is_some()
}
