use proptest::prelude::*;
use serde_json::json;

use super::*;

fn values(text: &str) -> Vec<Value> {
    documents(text).into_iter().map(|found| found.expect("well-formed").value).collect()
}

fn errors(text: &str) -> Vec<Malformed> {
    documents(text).into_iter().filter_map(Result::err).collect()
}

#[test]
fn documents_are_cut_where_kubectl_cuts() {
    let text =
        "# head\n---\na: 1\n---   \n# nothing\n--- # said\n---\nb: |\n  x\n  ---\n  y\n---\n";
    assert_eq!(values(text), [json!({"a": 1}), json!({"b": "x\n---\ny\n"})]);
    assert_eq!(values("%YAML 1.2\n---\na: 1\n...\n"), [json!({"a": 1})]);
    assert_eq!(values("--- {a: 1}\n---\r\nb: 2\r\n"), [json!({"a": 1}), json!({"b": 2})]);
    assert_eq!(values("\u{feff}a: 1\n"), [json!({"a": 1})]);
    assert!(values("").is_empty());
}

#[test]
fn words_and_numbers_are_read_as_kubectl_reads_them() {
    let text = "a: yes\nb: off\nc: 0x1f\nd: 012\ne: 1_000\nf: 1e3\ng: 2023-06-01\nh: ~\ni: '012'\nj: 12:30\nl: 1.0\nm: 0.5\nk: !!str 1\n";
    let expected = json!({
        "a": true, "b": false, "c": 31, "d": 10, "e": 1000, "f": 1000, "g": "2023-06-01",
        "h": null, "i": "012", "j": "12:30", "k": "1", "l": 1, "m": 0.5,
    });
    assert_eq!(values(text), [expected]);
}

#[test]
fn json_is_yaml() {
    let text = "{\n\t\"a\": [1, true, null, \"\\u00e9\\ud83d\\ude00\\/\"],\n\t\"b\": {}\n}\n";
    assert_eq!(values(text), [json!({"a": [1, true, null, "é😀/"], "b": {}})]);
}

#[test]
fn anchors_and_merge_keys_are_expanded() {
    let text = "base: &base {x: 1, y: 2}\nuse:\n  <<: *base\n  y: 3\nagain: *base\n";
    assert_eq!(values(text)[0]["use"], json!({"x": 1, "y": 3}));
    assert_eq!(values(text)[0]["again"], json!({"x": 1, "y": 2}));
}

#[test]
fn a_field_is_on_the_line_of_its_key() {
    let text = "# head\n---\nspec:\n  targets:\n  - name: a\n    model:\n      long\n  -\n    name: b\n  flow: {x: 1,\n    y: 2}\n";
    let document = documents(text).remove(0).expect("well-formed");
    let line = |path| document.lines.line_of(path, &document.value);
    assert_eq!(line(""), 3);
    assert_eq!(line("spec.targets"), 4);
    assert_eq!(line("spec.targets[0].model"), 6);
    assert_eq!(line("spec.targets[1].name"), 9);
    assert_eq!(line("spec.targets[b].name"), 9, "items are found by name too");
    assert_eq!(line("spec.flow.y"), 11);
    assert_eq!(line("spec.targets[0].credentialRef.name"), 5, "the innermost part that is there");
    assert_eq!(line("spec.targets[7]"), 4);
}

#[test]
fn a_mistake_in_one_document_does_not_hide_the_others() {
    let text = "a: 1\n---\nb: [\n---\nc: 3\n";
    let found = documents(text);
    assert_eq!(found[0].as_ref().expect("first").value, json!({"a": 1}));
    assert!(matches!(found[1].as_ref(), Err(error) if (3..=4).contains(&error.line)));
    assert_eq!(found[2].as_ref().expect("third").value, json!({"c": 3}));
}

#[test]
fn duplicate_keys_are_refused_with_their_line() {
    let error = errors("x: 0\n---\na:\n  b: 1\n  b: 2\n").remove(0);
    assert_eq!((error.line, error.message.contains("duplicate")), (5, true), "{}", error.message);
    assert_eq!(errors("1: a\n\"1\": b\n").len(), 1, "distinct in YAML, one key in JSON");
}

#[test]
fn bombs_and_towers_are_refused() {
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    assert_eq!(errors(bomb).len(), 1);
    assert_eq!(errors(&"[".repeat(100_000)).len(), 1);
    let tower = format!("a: {}{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(errors(&tower).len(), 1);
    let blocks: Vec<_> = (0..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert_eq!(errors(&blocks.concat()).len(), 1);
}

#[test]
fn the_deepest_document_allowed_fits_the_stack() {
    let depth = MAX_DEPTH - 1;
    let deep = format!("a: {}1{}", "{a: ".repeat(depth), "}".repeat(depth));
    assert_eq!(values(&deep).len(), 1);
}

#[test]
fn an_error_never_shows_a_value() {
    for text in [
        "k: sekrit\n  x: sekrit\n",
        "stringData:\n  a: 1e999999\n",
        "a: \"sekrit\n",
        "a: sekrit: sekrit\n",
        "a: !!int sekrit\n",
        "a: !!bool sekrit\n",
        "a: !!float sekrit\n",
        "a: !!binary sekrit!\n",
        "a: [sekrit\nb: sekrit]]\n",
    ] {
        for error in errors(text) {
            assert!(!error.message.contains("sekrit"), "{}", error.message);
            assert!(!error.message.contains("999999"), "{}", error.message);
            assert!(!error.message.contains(" at line"), "position is apart: {}", error.message);
        }
    }
}

proptest! {
    #[test]
    fn reading_never_panics(text in any::<String>()) {
        documents(&text);
    }

    #[test]
    fn reading_yaml_like_text_never_panics(text in "[-a-c:{}\\[\\],&*!|>#%'\"?~ \t\n\r0-9.<]{0,120}") {
        for document in documents(&text).into_iter().flatten() {
            document.lines.line_of("a[0].b", &document.value);
        }
    }
}
