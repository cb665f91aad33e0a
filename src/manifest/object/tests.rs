use super::super::Loader;
use super::*;

fn load(text: &str) -> Loaded {
    let mut loader = Loader::default();
    loader.add("file", text);
    loader.finish()
}

fn findings(text: &str) -> Vec<String> {
    load(text).findings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_list_is_opened_and_keeps_its_lines() {
    let loaded = load(
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: ai}\n\
         - apiVersion: pilothouse.dev/v1alpha1\n  kind: ModelRoute\n  metadata:\n    name: gpt\n    namespace: ai\n  spec:\n    models: []\n",
    );
    let places: Vec<_> = loaded.manifests.iter().map(|found| format!("{found:?}")).collect();
    assert_eq!(places, ["Namespace ai (file:4)", "ModelRoute ai/gpt (file:7)"]);
    assert_eq!(loaded.manifests[1].place("spec.models").line, 13);
    assert_eq!(
        findings("kind: List\napiVersion: v1\n"),
        ["file:1: error: items: a List needs `items`, a list of objects"]
    );
}

#[test]
fn other_kinds_are_noted_and_left_out() {
    let found = findings("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n");
    assert_eq!(found, ["file:1: note Deployment web: is of a kind that is not read here"]);
    let found =
        load("apiVersion: example.com/v1\nkind: Secret\nmetadata: {name: a, namespace: b}\n");
    assert_eq!(found.findings[0].severity, Severity::Note, "a Secret of another group");
}

#[test]
fn our_kinds_in_the_wrong_words_are_errors() {
    let wanted = "pilothouse.dev/v1alpha1 has ModelRoute, CredentialStore, Consumer";
    assert_eq!(
        findings("apiVersion: pilothouse.dev/v1alpha1\nkind: ModelRout\nmetadata: {name: a}\n"),
        [format!(
            "file:2: error: kind: no matches for kind \"ModelRout\" in version \"pilothouse.dev/v1alpha1\"; {wanted}"
        )]
    );
    assert_eq!(
        findings("apiVersion: v1\nkind: Consumer\nmetadata: {name: a}\n"),
        [format!(
            "file:2: error: kind: no matches for kind \"Consumer\" in version \"v1\"; {wanted}"
        )]
    );
}

#[test]
fn an_object_needs_an_identity() {
    let cases = [
        (
            "kind: Secret\n",
            "file:1: error: apiVersion: Required value: must be a string such as `v1`",
        ),
        (
            "apiVersion: v1\nkind: yes\n",
            "file:2: error: kind: Required value: must be a string such as `ModelRoute`",
        ),
        ("apiVersion: v1\nkind: Secret\n", "file:1: error: metadata.name: Required value"),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: 1}\n",
            "file:3: error: metadata.name: must be a string; quote it",
        ),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {generateName: a-}\n",
            "file:3: error: metadata.name: generateName works in a cluster only; give it a name",
        ),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: 1}\n",
            "file:3: error: metadata.namespace: must be a string; quote it",
        ),
        ("just text\n", "file:1: error: is not an object with `apiVersion`, `kind` and `metadata`"),
        ("- a\n", "file:1: error: is not an object with `apiVersion`, `kind` and `metadata`"),
    ];
    for (text, expected) in cases {
        assert_eq!(findings(text), [expected], "{text}");
        assert!(!load(text).incomplete.is_empty());
    }
}

#[test]
fn an_empty_namespace_is_the_default_one() {
    let loaded = load("apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: ''}\n");
    assert_eq!(loaded.manifests[0].name.to_string(), "default/a");
}
