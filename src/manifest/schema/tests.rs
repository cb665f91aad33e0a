use serde_json::json;

use super::super::Loader;
use super::*;
use crate::api;
use crate::manifest::Severity;

/// A definition that uses every keyword.
fn checker() -> Checker {
    let schema = json!({
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "status": {"type": "object", "properties": {"x": {"type": "string", "format": "date-time"}}},
            "spec": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-zé]+$"},
                    "mode": {"type": "string", "enum": ["Fast", "Slow"], "default": "Fast"},
                    "weight": {"type": "integer", "format": "int32", "minimum": 0, "maximum": 10},
                    "wide": {"type": "integer", "format": "int32"},
                    "ratio": {"type": "number", "minimum": 0, "exclusiveMinimum": true, "multipleOf": 0.5},
                    "port": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
                    "maybe": {"type": "string", "nullable": true},
                    "set": {"type": "array", "maxItems": 3, "minItems": 1, "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                    "targets": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name"],
                        "items": {
                            "type": "object",
                            "required": ["name"],
                            "properties": {"name": {"type": "string"}, "weight": {"type": "integer", "default": 1}},
                            "x-kubernetes-validations": [{"rule": "self.weight > 0", "message": "weight must be above 0"}]
                        }
                    },
                    "limits": {"type": "object", "maxProperties": 2, "additionalProperties": {"type": "integer"}},
                    "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    "nested": {
                        "type": "object",
                        "default": {},
                        "properties": {"on": {"type": "boolean", "default": true}}
                    },
                    "one": {"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object",
                            "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
                },
                "x-kubernetes-validations": [
                    {"rule": "self.nested.on || self.mode == 'Slow'", "message": "on may be false only if mode is Slow"},
                    {"rule": "!has(self.weight) || self.weight != 7", "message": "7 is taken; choose another weight", "fieldPath": ".weight"}
                ]
            }
        }
    });
    let crd = json!({
        "metadata": {"name": "consumers.pilothouse.dev"},
        "spec": {
            "group": "pilothouse.dev",
            "scope": "Namespaced",
            "names": {"kind": "Consumer", "plural": "consumers"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]
        }
    });
    Checker::new(&[serde_json::from_value(crd).expect("a definition")]).expect("a schema we know")
}

fn load(text: &str) -> Manifest {
    let mut files = Loader::default();
    files.add("file", text);
    let mut loaded = files.finish();
    assert_eq!(loaded.findings, []);
    loaded.manifests.remove(0)
}

/// What is wrong with a spec, as `line: field: message`.
fn wrong(spec: &str) -> Vec<String> {
    let text = format!(
        "apiVersion: pilothouse.dev/v1alpha1\nkind: Consumer\nmetadata: {{name: a}}\nspec:\n{spec}\n"
    );
    let findings = checker().check(&mut load(&text)).into_iter();
    let errors = findings.filter(|found| found.severity == Severity::Error);
    errors
        .map(|found| format!("{}: {}: {}", found.place.line, found.field, found.message))
        .collect()
}

#[test]
fn our_own_definitions_are_understood() {
    Checker::new(&api::crds(&["Weighted"])).expect("every keyword is checked, every rule is CEL");
}

#[test]
fn a_keyword_that_is_not_checked_refuses_the_definition() {
    let error = |odd: JSONSchemaProps| {
        let mut crds = api::crds(&["Weighted"]);
        let schema =
            crds[0].spec.versions[0].schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut());
        let fields = schema.and_then(|schema| schema.properties.as_mut()).expect("has fields");
        fields.insert("odd".into(), odd);
        Checker::new(&crds).expect_err("nothing would check it").to_string()
    };
    assert_eq!(
        error(JSONSchemaProps { format: Some("ipv4".into()), ..JSONSchemaProps::default() }),
        "ModelRoute: .odd: `ipv4` is not checked outside a cluster"
    );
    assert_eq!(
        error(JSONSchemaProps { pattern: Some(r"^\S+$".into()), ..JSONSchemaProps::default() }),
        r"ModelRoute: .odd: `\S` in a pattern is ASCII to the API server only"
    );
}

#[test]
fn structure_is_checked_with_the_api_servers_words() {
    let cases = [
        ("  name: ok", ""),
        ("  mode: Fast", "4: spec.name: Required value"),
        ("  name: éé", ""),
        ("  name: a", "5: spec.name: Invalid value: should be at least 2 characters long"),
        ("  name: abcde", "5: spec.name: Too long: may not be more than 4 characters"),
        ("  name: A1", "5: spec.name: Invalid value: should match '^[a-zé]+$'"),
        ("  name: 12", "5: spec.name: Invalid value: must be of type string, not number"),
        ("  name: no", "5: spec.name: Invalid value: must be of type string, not boolean"),
        (
            "  name: ok\n  mode: Quick",
            "6: spec.mode: Unsupported value: \"Quick\": supported values: \"Fast\", \"Slow\"",
        ),
        (
            "  name: ok\n  weight: 11",
            "6: spec.weight: Invalid value: 11: should be less than or equal to 10",
        ),
        (
            "  name: ok\n  weight: -1",
            "6: spec.weight: Invalid value: -1: should be greater than or equal to 0",
        ),
        (
            "  name: ok\n  weight: 1.5",
            "6: spec.weight: Invalid value: must be of type integer, not number",
        ),
        ("  name: ok\n  weight: 2e0", ""),
        (
            "  name: ok\n  wide: 3000000000",
            "6: spec.wide: Invalid value: 3000000000: is out of the range of int32",
        ),
        ("  name: ok\n  ratio: 0", "6: spec.ratio: Invalid value: 0: should be greater than 0"),
        (
            "  name: ok\n  ratio: 0.7",
            "6: spec.ratio: Invalid value: 0.7: should be a multiple of 0.5",
        ),
        (
            "  name: ok\n  port: true",
            "6: spec.port: Invalid value: must be of type integer or string, not boolean",
        ),
        ("  name: ok\n  port: http", ""),
        ("  name: ok\n  maybe:", ""),
        ("  name: ok\n  set: [a, b, a]", "6: spec.set[2]: Duplicate value: \"a\""),
        ("  name: ok\n  set: []", "6: spec.set: Invalid value: should have at least 1 items"),
        ("  name: ok\n  set: [a, b, c, d]", "6: spec.set: Too many: 4: must have at most 3 items"),
        (
            "  name: ok\n  targets:\n  - name: a\n  - name: b\n  - name: a",
            "9: spec.targets[2]: Duplicate value: {\"name\":\"a\"}",
        ),
        ("  name: ok\n  targets:\n  - weight: 2", "7: spec.targets[0].name: Required value"),
        (
            "  name: ok\n  limits: {a: 1, b: x}",
            "6: spec.limits[b]: Invalid value: must be of type integer, not string",
        ),
        (
            "  name: ok\n  limits: {a: 1, b: 2, c: 3}",
            "6: spec.limits: Too many: 3: must have at most 2 items",
        ),
        (
            "  name: ok\n  one: {a: p, b: q}",
            "6: spec.one: Invalid value: must validate one and only one schema (oneOf)",
        ),
    ];
    for (spec, expected) in cases {
        assert_eq!(wrong(spec).join("\n"), expected, "{spec}");
    }
}

#[test]
fn unknown_fields_are_errors_with_a_hint() {
    let found = wrong(
        "  name: ok\n  wieght: 1\n  targets:\n  - name: a\n    colour: red\n  open: {any: {thing: 1}}",
    );
    assert_eq!(
        found,
        [
            "9: spec.targets[0].colour: unknown field",
            "6: spec.wieght: unknown field; did you mean \"weight\"?",
        ]
    );
    let found = checker().check(&mut load(
        "apiVersion: pilothouse.dev/v1alpha1\nkind: Consumer\nmetadata: {name: a, label: {}}\nspec: {name: ok}\nspce: {}\n",
    ));
    let found: Vec<_> =
        found.iter().map(|found| format!("{}: {}", found.field, found.message)).collect();
    assert_eq!(
        found,
        [
            "metadata.label: unknown field; did you mean \"labels\"?",
            "spce: unknown field; did you mean \"spec\"?"
        ]
    );
}

#[test]
fn defaults_are_filled_in_and_misplaced_nulls_removed() {
    let mut manifest = load(
        "apiVersion: pilothouse.dev/v1alpha1\nkind: Consumer\nmetadata: {name: a}\nstatus: {x: 1}\nspec:\n  name: ok\n  mode:\n  maybe:\n  weight: null\n  targets: [{name: t}]\n",
    );
    assert_eq!(checker().check(&mut manifest), []);
    assert_eq!(
        manifest.value["spec"],
        json!({
            "name": "ok", "mode": "Fast", "maybe": null, "nested": {"on": true},
            "targets": [{"name": "t", "weight": 1}],
        })
    );
    assert_eq!(manifest.value.get("status"), None);
}

#[test]
fn cel_rules_run_on_the_defaulted_object() {
    assert_eq!(
        wrong("  name: ok\n  nested: {on: false}"),
        ["4: spec: on may be false only if mode is Slow"]
    );
    assert_eq!(wrong("  name: ok\n  nested: {on: false}\n  mode: Slow"), Vec::<String>::new());
    assert_eq!(
        wrong("  name: ok\n  weight: 7"),
        ["6: spec.weight: 7 is taken; choose another weight"]
    );
    assert_eq!(
        wrong("  name: ok\n  targets:\n  - name: a\n  - name: b\n    weight: 0"),
        ["8: spec.targets[1]: weight must be above 0"]
    );
}

#[test]
fn rules_wait_until_the_structure_is_right_and_that_is_said() {
    let mut manifest = load(
        "apiVersion: pilothouse.dev/v1alpha1\nkind: Consumer\nmetadata: {name: a}\nspec: {weight: 7}\n",
    );
    let found: Vec<_> = checker().check(&mut manifest).iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "file:4: error Consumer default/a: spec.name: Required value",
            "file:1: note Consumer default/a: some rules were not checked; mend its errors first",
        ]
    );
}

#[test]
fn names_labels_and_annotations_are_checked() {
    let cases = [
        ("{name: Ab}", "metadata.name: Invalid value: \"Ab\": a lowercase RFC 1123 subdomain"),
        ("{name: a.b-c}", ""),
        (
            "{name: a, namespace: a.b}",
            "metadata.namespace: Invalid value: \"a.b\": a lowercase RFC 1123 label",
        ),
        ("{name: a, labels: {x: 1}}", "metadata.labels[x]: must be a string; quote it"),
        ("{name: a, labels: {x: a b}}", "metadata.labels[x]: Invalid value: a label is"),
        ("{name: a, labels: {a.b/c: d, e: '', f: null}}", ""),
        (
            "{name: a, annotations: {'a b': x}}",
            "metadata.annotations[a b]: Invalid value: a key is",
        ),
        ("{name: a, annotations: [x]}", "metadata.annotations: must be a map of strings"),
    ];
    for (metadata, expected) in cases {
        let mut manifest = load(&format!("apiVersion: v1\nkind: Secret\nmetadata: {metadata}\n"));
        let found = checker().check(&mut manifest);
        let found = found.first().map(|found| format!("{}: {}", found.field, found.message));
        let found = found.unwrap_or_default();
        assert!(found.starts_with(expected) && found.is_empty() == expected.is_empty(), "{found}");
    }
    let long = "a".repeat(64);
    let mut manifest =
        load(&format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {long}}}\n"));
    assert_eq!(
        checker().check(&mut manifest)[0].message,
        "Too long: may not be more than 63 bytes"
    );
}

#[test]
fn a_key_in_the_wrong_field_is_not_shown() {
    let spec =
        "  name: sk-sekrit-sekrit\n  weight: sk-sekrit\n  mode: [sk-sekrit]\n  targets: sk-sekrit";
    for found in wrong(spec) {
        assert!(!found.contains("targets") || !found.contains("sekrit"), "{found}");
        assert!(!found.contains("weight") || !found.contains("sekrit"), "{found}");
        assert!(!found.contains("name") || !found.contains("sekrit"), "{found}");
    }
}
