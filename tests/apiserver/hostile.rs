//! A hostile tenant tries what it can, while another is served.
//!
//! One gateway, started as an installation starts it: with no range of addresses allowed and under
//! the rights of the chart. Tenant A is served; tenant B may write objects of ours, Services,
//! EndpointSlices, Secrets and pods in its own namespace, and call. Each abuse has to be refused, in
//! words that B can read; [`Scene::ends_well`] then sees that A was not harmed and that nothing of A's
//! has reached B. `deploy/guides/security.md` lists them all by name, and the test below holds the
//! list to that.
//!
//! What takes no objects of a tenant is tried in `tests/dataplane/`.

mod addresses;
mod callers;
mod headers;
mod keys;
mod names;
mod pods;
mod scene;
mod surroundings;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use scene::Scene;

/// Where the table of attempts stands in the guide.
const SECTION: &str = "## Abuses, tried";

/// The text in backticks of each row's last cell.
fn named_in_the_guide() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(root.join("deploy/guides/security.md")).expect("the guide");
    let (_, section) = guide.split_once(SECTION).expect("the guide has the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    let last_cells = rows.filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
    last_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let below = entries.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] });
    below.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The functions that are tests in the files below a folder.
fn tests_below(folder: &str) -> BTreeSet<String> {
    let texts = rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).into_iter();
    let texts = texts.map(|file| fs::read_to_string(file).expect("UTF-8"));
    let mut found = BTreeSet::new();
    for text in texts {
        let marks = ["#[test]", "#[tokio::test"];
        for test in marks.iter().flat_map(|mark| text.split(mark).skip(1)) {
            let name = test.split_once("fn ").and_then(|(_, rest)| rest.split_once('('));
            found.extend(name.map(|(name, _)| name.to_owned()));
        }
    }
    found
}

#[test]
fn every_abuse_is_in_the_guide_and_every_one_of_the_guide_is_tried() {
    let named = named_in_the_guide();
    assert!(named.len() > 20, "the table was not found: {named:?}");
    let tests: BTreeSet<_> = tests_below("tests").union(&tests_below("src")).cloned().collect();
    for name in &named {
        assert!(tests.contains(name), "the guide names `{name}`, which is no test");
    }
    for test in tests_below("tests/apiserver/hostile") {
        assert!(named.contains(&test), "`{test}` is not in the guide");
    }
}
