use super::super::Loader;
use super::*;
use crate::api;

const ROUTE: &str = "apiVersion: pilothouse.dev/v1alpha1\nkind: ModelRoute\nmetadata: {name: gpt, namespace: ai}\nspec: {targets: [{name: one, provider: openai}]}\n";
const CONSUMER: &str = "apiVersion: pilothouse.dev/v1alpha1\nkind: Consumer\nmetadata: {name: team, namespace: ai}\nspec: {allowedModels: [\"*\"], apiKeys: [{name: k, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08}]}\n";
const SECRET: &str =
    "apiVersion: v1\nkind: Secret\nmetadata: {name: keys, namespace: ai}\nstringData: {a: b}\n";

fn admission() -> Admission {
    Admission::new(Checker::new(&api::crds(&["Weighted"])).expect("our definitions are understood"))
}

fn files(texts: &[(&str, String)]) -> Loaded {
    let mut loader = Loader::default();
    for (file, text) in texts {
        loader.add(file, text);
    }
    loader.finish()
}

fn all(files_of: &str) -> Loaded {
    files(&[("all", files_of.to_owned())])
}

fn held(admitted: &Admitted) -> (usize, usize, usize) {
    let Snapshot { routes, consumers, secrets, .. } = &admitted.snapshot;
    (routes.len(), consumers.len(), secrets.len())
}

#[test]
fn good_objects_become_a_snapshot() {
    let admitted = admission().admit(all(&[ROUTE, CONSUMER, SECRET].join("---\n")));
    assert_eq!(admitted.findings, []);
    assert_eq!(held(&admitted), (1, 1, 1));
    let route = &admitted.snapshot.routes[0];
    assert_eq!((route.name.to_string(), route.created), ("ai/gpt".to_owned(), None));
    assert_eq!(route.spec["gateway"], "default", "the schema's defaults are in");
}

#[test]
fn labels_of_namespaces_are_kept_for_selectors() {
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: ai, labels: {team: a}}\n";
    let admitted = admission().admit(all(&[ROUTE, namespace].join("---\n")));
    assert_eq!(admitted.snapshot.namespaces["ai"]["team"], "a");
}

#[test]
fn a_refused_edit_keeps_the_route_and_drops_who_may_call() {
    let mut admission = admission();
    admission.admit(all(&[ROUTE, CONSUMER, SECRET].join("---\n")));
    let broken = [ROUTE, CONSUMER, SECRET].join("---\n").replace("}]}", "}], tpyo: 1}");
    let admitted = admission.admit(all(&broken.replace("{a: b}", "{a: 1}")));
    assert_eq!(held(&admitted), (1, 0, 0));
    let said = admitted.findings.iter().filter(|found| found.severity == Severity::Warning);
    let said: Vec<_> = said.map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "all:1: warning ModelRoute ai/gpt: the last good version stays in use until the errors are mended; a restart loses it"
        ]
    );
    let again = admission.admit(all(&broken));
    assert_eq!(held(&again).0, 1, "it stays for as long as it is broken");
}

#[test]
fn what_was_in_a_file_that_cannot_be_read_stays() {
    let mut admission = admission();
    let good = [("a", ROUTE.to_owned()), ("b", CONSUMER.to_owned())];
    admission.admit(files(&good));
    let admitted = admission.admit(files(&[("a", "spec: [".to_owned())]));
    assert_eq!(held(&admitted), (1, 0, 0), "b was taken away, a was broken");
    let admitted = admission.admit(files(&[]));
    assert_eq!(held(&admitted), (0, 0, 0), "removed for good");
}

#[test]
fn what_was_in_a_folder_that_cannot_be_read_stays() {
    let mut admission = admission();
    admission.admit(files(&[("dir/a", ROUTE.to_owned())]));
    let mut loaded = files(&[]);
    loaded.incomplete.insert("dir".into());
    assert_eq!(held(&admission.admit(loaded)), (1, 0, 0));
}

#[test]
fn an_object_moves_from_a_broken_file_to_another() {
    let mut admission = admission();
    admission.admit(files(&[("a", ROUTE.to_owned())]));
    let moved = [("a", "x: [".to_owned()), ("b", ROUTE.to_owned())];
    let admitted = admission.admit(files(&moved));
    assert_eq!(held(&admitted), (1, 0, 0));
    assert_eq!(&*admitted.manifests.values().next().expect("one").file, "b");
}
