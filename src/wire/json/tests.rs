use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn object(text: &str) -> Object {
    Object::parse(Bytes::copy_from_slice(text.as_bytes())).expect("an object")
}

fn edited(text: &str, edit: impl FnOnce(&mut ObjectEdit<'_>) -> Result<(), JsonError>) -> String {
    let object = object(text);
    let mut changes = object.edit();
    edit(&mut changes).expect("the change is possible");
    String::from_utf8(changes.finish().to_vec()).expect("UTF-8")
}

#[test]
fn replaces_in_place_and_leaves_every_other_byte() {
    let text = "\n{ \"z\" : 1.00 ,\t\"model\" : \"a\" , \"big\":12345678901234567890123,\r\n \"é\\u00e9\": [ 1 ] } ";
    let expected = text.replace("\"a\"", "\"b\\\"\"");
    assert_eq!(edited(text, |edit| edit.set("model", &json!("b\""))), expected);
}

#[test]
fn removes_first_middle_and_last_with_their_commas() {
    let text = "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3\n}";
    let without =
        |names: &[&str]| edited(text, |edit| names.iter().try_for_each(|name| edit.remove(name)));
    assert_eq!(without(&["a"]), "{\n  \"b\": 2,\n  \"c\": 3\n}");
    assert_eq!(without(&["b"]), "{\n  \"a\": 1,\n  \"c\": 3\n}");
    assert_eq!(
        without(&["c"]),
        "{
  \"a\": 1,
  \"b\": 2
}"
    );
    assert_eq!(without(&["a", "b", "c"]), "{\n}");
    assert_eq!(without(&["nothing"]), text);
}

#[test]
fn appends_after_the_last_member() {
    assert_eq!(edited("{}", |edit| edit.set("a", &json!(1))), r#"{"a":1}"#);
    assert_eq!(edited("{ }", |edit| edit.set("a", &json!(1))), r#"{"a":1 }"#);
    assert_eq!(
        edited("{\"a\": 1\n}", |edit| edit.set("b\n", &json!({}))),
        "{\"a\": 1,\"b\\n\":{}\n}"
    );
    let replaced = edited(r#"{"a":1}"#, |edit| {
        edit.remove("a")?;
        edit.set("b", &json!(2))
    });
    assert_eq!(replaced, r#"{"b":2}"#);
}

#[test]
fn later_changes_see_earlier_ones() {
    let text = edited(r#"{"a":1,"o":{"x":1}}"#, |edit| {
        edit.remove("a")?;
        edit.set("a", &json!(2))?;
        edit.set_default("a", &json!(3))?;
        edit.set("n", &json!(1))?;
        edit.remove("n")?;
        edit.set("o", &json!({"y": 2}))?;
        edit.set_in("o", "z", &json!(3))
    });
    assert_eq!(text, r#"{"a":2,"o":{"y":2,"z":3}}"#);
}

#[test]
fn nothing_changed_is_the_same_memory() {
    let object = object(r#"{"model":"a","o":{"x":1}}"#);
    let mut edit = object.edit();
    edit.set("model", &json!("a")).expect("a single member");
    edit.set_default("model", &json!("b")).expect("a single member");
    edit.set_in("o", "x", &json!(1)).expect("an object");
    edit.remove("none").expect("nothing to remove");
    edit.remove_in("o", "none").expect("nothing to remove");
    let patch = json!({"o": {"x": 1}, "none": null});
    edit.merge(patch.as_object().expect("an object")).expect("an object");
    assert_eq!(edit.finish().as_ptr(), object.text().as_ptr());
}

#[test]
fn set_in_makes_the_object_it_needs() {
    let include = |text: &str| {
        edited(text, |edit| edit.set_in("stream_options", "include_usage", &json!(true)))
    };
    assert_eq!(include("{}"), r#"{"stream_options":{"include_usage":true}}"#);
    assert_eq!(
        include(r#"{"stream_options":null}"#),
        r#"{"stream_options":{"include_usage":true}}"#
    );
    assert_eq!(
        include(r#"{"stream_options":{ "x":1.0, "include_usage" : false }}"#),
        r#"{"stream_options":{ "x":1.0, "include_usage" : true }}"#,
    );
}

#[test]
fn names_the_member_that_stands_in_the_way() {
    let message = |text: &str| {
        let object = object(text);
        let error = object.edit().set_in("o", "x", &json!(1)).expect_err("not possible");
        error.to_string()
    };
    assert_eq!(message(r#"{"o":5}"#), "`o` must be an object");
    assert_eq!(message(r#"{"o":{},"o":{}}"#), "`o` must not be given twice");
    assert_eq!(message(r#"{"o":{"x":1,"x":2}}"#), "`o.x` must not be given twice");
    assert_eq!(
        object(r#"{"stream":"yes"}"#).boolean("stream").expect_err("a string").to_string(),
        "`stream` must be `true` or `false`",
    );
}

#[test]
fn a_doubled_member_is_harmless_until_it_is_touched() {
    let text = r#"{"x":1,"x":2,"model":"a"}"#;
    assert_eq!(edited(text, |edit| edit.set("model", &json!("b"))), text.replace("\"a\"", "\"b\""));
    assert!(matches!(object(text).raw("x"), Err(JsonError::Duplicate { member }) if member == "x"));
    // An escape does not hide one.
    assert!(object(r#"{"model":"a","mod\u0065l":"b"}"#).string("model").is_err());
}

#[test]
fn reads_members() {
    let text = r#"{"s":"plain","e":"\u0061\n","n":null,"b":true,"o":{"x":[1]},"i":7,"\ud800":0}"#;
    let object = object(text);
    let string = |name| object.string(name).expect("a string or nothing");
    assert!(matches!(string("s"), Some(Cow::Borrowed("plain"))));
    assert_eq!(string("e").as_deref(), Some("a\n"));
    assert_eq!((string("n"), string("none")), (None, None));
    assert_eq!(object.boolean("b").expect("a boolean"), Some(true));
    assert_eq!(object.get::<u32>("i", "a number").expect("a number"), Some(7));
    let inner = object.object("o").expect("an object").expect("it is there");
    assert_eq!(inner.raw("x").expect("once"), Some(&b"[1]"[..]));
    assert!(object.object("n").expect("null").is_none());
    assert!(object.object("i").is_err() && object.string("i").is_err());
}

#[test]
fn says_what_is_wrong_with_a_text() {
    let message = |text: &[u8]| {
        Object::parse(Bytes::copy_from_slice(text)).expect_err("no object").to_string()
    };
    assert_eq!(message(b"{\"a\":1,}"), "is not valid JSON (line 1, column 8)");
    assert_eq!(message(b"{} x"), "is not valid JSON (line 1, column 4)");
    assert_eq!(message(b"[]"), "must be a JSON object");
    assert_eq!(message(b"{\"\xFF\":1}"), "is not UTF-8 after byte 2");
    assert!(message(b"").starts_with("is not valid JSON"));
    let many = (0..=MAX_MEMBERS).map(|n| format!("\"{n}\":0")).collect::<Vec<_>>().join(",");
    assert_eq!(message(format!("{{{many}}}").as_bytes()), "must not have more than 4096 members");
}

#[test]
fn depth_does_not_overflow_the_stack() {
    const DEPTH: usize = 5_000_000;
    let nested = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    assert!(Object::parse(nested.clone().into()).is_err());
    let text = edited(&format!(r#"{{"deep":{nested},"model":"a"}}"#), |edit| {
        edit.set("model", &json!("b"))
    });
    assert!(text.ends_with(r#"],"model":"b"}"#));
    let objects = format!("{}0{}", "{\"a\":".repeat(DEPTH), "}".repeat(DEPTH));
    assert!(edited(&objects, |edit| edit.set("b", &json!(1))).ends_with(r#"},"b":1}"#));
}

#[test]
fn merges_as_rfc_7396_says() {
    // The cases of its appendix A whose target and patch are objects.
    for (target, patch, result) in [
        (r#"{"a":"b"}"#, json!({"a":"c"}), r#"{"a":"c"}"#),
        (r#"{"a":"b"}"#, json!({"b":"c"}), r#"{"a":"b","b":"c"}"#),
        (r#"{"a":"b"}"#, json!({"a":null}), "{}"),
        (r#"{"a":"b","b":"c"}"#, json!({"a":null}), r#"{"b":"c"}"#),
        (r#"{"a":["b"]}"#, json!({"a":"c"}), r#"{"a":"c"}"#),
        (r#"{"a":"c"}"#, json!({"a":["b"]}), r#"{"a":["b"]}"#),
        (r#"{"a":{"b":"c"}}"#, json!({"a":{"b":"d","c":null}}), r#"{"a":{"b":"d"}}"#),
        (r#"{"a":[{"b":"c"}]}"#, json!({"a":[1]}), r#"{"a":[1]}"#),
        (r#"{"e":null}"#, json!({"a":1}), r#"{"e":null,"a":1}"#),
        ("{}", json!({"a":{"bb":{"ccc":null}}}), r#"{"a":{"bb":{}}}"#),
    ] {
        let patch = patch.as_object().expect("an object");
        assert_eq!(edited(target, |edit| edit.merge(patch)), result, "{target} + {patch:?}");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-c\"\\\\,{}\\[\\]: é]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            members_of(inner).prop_map(Value::from),
        ]
    })
}

fn members_of(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    // Few names, so that changes meet members.
    proptest::collection::btree_map("[a-d\"]", value, 0..5)
        .prop_map(|members| members.into_iter().collect())
}

#[derive(Debug, Clone)]
enum Op {
    Set(String, Value),
    SetDefault(String, Value),
    Remove(String),
    SetIn(String, String, Value),
    RemoveIn(String, String),
    Merge(Map<String, Value>),
}

fn op() -> impl Strategy<Value = Op> {
    let name = || "[a-d\"]";
    prop_oneof![
        (name(), value()).prop_map(|(name, value)| Op::Set(name, value)),
        (name(), value()).prop_map(|(name, value)| Op::SetDefault(name, value)),
        name().prop_map(Op::Remove),
        (name(), name(), value()).prop_map(|(outer, name, value)| Op::SetIn(outer, name, value)),
        (name(), name()).prop_map(|(outer, name)| Op::RemoveIn(outer, name)),
        members_of(value()).prop_map(Op::Merge),
    ]
}

/// What an operation means for the decoded object; whether it is possible.
fn apply(model: &mut Map<String, Value>, op: &Op) -> bool {
    match op {
        Op::Set(name, value) => {
            model.insert(name.clone(), value.clone());
        }
        Op::SetDefault(name, value) => {
            if model.get(name).is_none_or(Value::is_null) {
                model.insert(name.clone(), value.clone());
            }
        }
        Op::Remove(name) => {
            model.remove(name);
        }
        Op::SetIn(outer, name, value) => {
            let object = model.entry(outer.clone()).or_insert(Value::Null);
            if object.is_null() {
                *object = json!({});
            }
            let Some(object) = object.as_object_mut() else { return false };
            object.insert(name.clone(), value.clone());
        }
        Op::RemoveIn(outer, name) => {
            if let Some(object) = model.get_mut(outer).and_then(Value::as_object_mut) {
                object.remove(name);
            }
        }
        Op::Merge(patch) => merge(model, patch),
    }
    true
}

fn merge(model: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                model.remove(name);
            }
            Value::Object(patch) => {
                let object = model.entry(name.clone()).or_insert(Value::Null);
                if !object.is_object() {
                    *object = json!({});
                }
                merge(object.as_object_mut().expect("made one"), patch);
            }
            value => {
                model.insert(name.clone(), value.clone());
            }
        }
    }
}

proptest! {
    #[test]
    fn edits_mean_what_they_mean_to_a_tree(
        start in members_of(value()),
        pretty in any::<bool>(),
        ops in proptest::collection::vec(op(), 0..8),
    ) {
        let mut model = start.clone();
        let start = Value::from(start);
        let text = if pretty { format!("{start:#}") } else { start.to_string() };
        let object = object(&text);
        let mut edit = object.edit();
        for op in &ops {
            let done = match op {
                Op::Set(name, value) => edit.set(name, value),
                Op::SetDefault(name, value) => edit.set_default(name, value),
                Op::Remove(name) => edit.remove(name),
                Op::SetIn(outer, name, value) => edit.set_in(outer, name, value),
                Op::RemoveIn(outer, name) => edit.remove_in(outer, name),
                Op::Merge(patch) => edit.merge(patch),
            };
            prop_assert_eq!(done.is_ok(), apply(&mut model, op), "{:?}", op);
        }
        let out = edit.finish();
        let read: Value = serde_json::from_slice(&out).expect("valid JSON");
        prop_assert_eq!(&read, &Value::from(model.clone()), "{:?}", out);
        if model == *start.as_object().expect("an object") && ops.is_empty() {
            prop_assert_eq!(out, text);
        }
    }

    // No `e`: a number out of range is text to us and an error to a tree.
    #[test]
    fn accepts_the_objects_that_serde_json_accepts(text in "[{}\\[\\]\",:a1 \\\\nul.-]{0,16}") {
        let tree = serde_json::from_str::<Map<String, Value>>(&text);
        prop_assert_eq!(Object::parse(text.into()).is_ok(), tree.is_ok());
    }

    #[test]
    fn arbitrary_bytes_never_panic(text in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(object) = Object::parse(text.into()) {
            object.edit().finish();
        }
    }
}

#[test]
fn a_member_is_taken_out_wherever_its_path_leads() {
    let removed = |text: &'static str, path: &[&str]| {
        let object = Object::parse(Bytes::from_static(text.as_bytes())).expect("an object");
        let mut edit = object.edit();
        edit.remove_at(path).expect("it can be read");
        String::from_utf8(edit.finish().to_vec()).expect("text")
    };
    let path = ["system", "*", "cache", "scope"];
    assert_eq!(
        removed(
            r#"{"a": 1.0, "system": [ {"cache":{"x":1, "scope":"s"}} , {"cache":{}}, 3]}"#,
            &path
        ),
        r#"{"a": 1.0, "system": [ {"cache":{"x":1}} , {"cache":{}}, 3]}"#,
    );
    for alone in [
        r#"{"system":"text"}"#,
        r#"{"system":[{"cache":"scope"},["scope"],{"scope":1}]}"#,
        r#"{"system":{"cache":{"scope":1}}}"#,
        "{}",
    ] {
        assert_eq!(removed(alone, &path), alone);
    }
    assert_eq!(
        removed(r#"{"x":[[{"y":1}],[{"y":2,"z":3}]]}"#, &["x", "*", "*", "y"]),
        r#"{"x":[[{}],[{"z":3}]]}"#
    );
    let twice = Object::parse(Bytes::from_static(br#"{"x":[{"y":1,"y":2}]}"#)).expect("an object");
    let error = twice.edit().remove_at(&["x", "*", "y"]).expect_err("which of them?");
    assert_eq!(error.to_string(), "`x.y` must not be given twice");
}

#[test]
fn any_of_some_names_is_found_in_one_pass() {
    let object = |text: &'static str| Object::parse(text.into()).expect("an object");
    let names = ["a", "b"];
    for (text, found) in [
        ("{}", None),
        (r#"{"x":1,"a":null}"#, None),
        (r#"{"x":1,"b":1,"a":2}"#, Some("b")),
        (r#"{"a":null,"\u0062":1}"#, Some("b")),
    ] {
        assert_eq!(object(text).any_of(&names).expect("once"), found, "{text}");
    }
    let twice = object(r#"{"b":1,"a":1,"b":2}"#).any_of(&names).expect_err("given twice");
    assert_eq!(twice.to_string(), "`b` must not be given twice");
}
