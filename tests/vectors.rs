//! Golden vectors: a hundred bugs that gateways had in translation, each as an input and what every
//! protocol must make of it.
//!
//! `tests/vectors/NNN-what-it-is/` holds `vector.json` (the input, once) and one file for each
//! protocol that it is written in. Its own is among them: where one protocol is on both sides bytes
//! pass as they are, but the neutral form must not lose anything either. `UPDATE_VECTORS=1` writes
//! those files anew: whoever does that reads each of them, or the golden file enshrines a bug. A
//! vector about bytes on the wire stands where that is tested and only names its test here.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

#[path = "vectors/cross.rs"]
mod cross;
#[path = "vectors/dialect.rs"]
mod dialect;
#[path = "vectors/layout.rs"]
mod layout;
#[path = "vectors/vector.rs"]
mod vector;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use pilothouse::protocol::dialect::DialectId;
use pilothouse::protocol::registry::OPERATIONS;
use serde_json::Value;

use cross::cross;
use dialect::name;
use layout::{layout, minified};
use vector::{Kind, all};

/// How many vectors the reference has.
const VECTORS: u32 = 100;

fn dialects() -> Vec<DialectId> {
    let mut dialects: Vec<_> = OPERATIONS.iter().filter_map(|row| row.dialect).collect();
    dialects.sort_unstable();
    dialects.dedup();
    dialects
}

#[test]
fn every_number_has_a_vector() {
    let vectors = all();
    let present: BTreeSet<u32> = vectors.iter().map(|vector| vector.number).collect();
    let wanted: BTreeSet<u32> = (1..=VECTORS).collect();
    let missing: Vec<_> = wanted.difference(&present).collect();
    let unknown: Vec<_> = present.difference(&wanted).collect();
    assert!(missing.is_empty(), "no vector has the numbers {missing:?}");
    assert!(unknown.is_empty(), "the reference has no numbers {unknown:?}");
    for vector in &vectors {
        let number = format!("{:03}-", vector.number);
        assert!(vector.folder_name().starts_with(&number), "{}", vector.folder.display());
        assert!(!vector.title.is_empty() && !vector.source.is_empty(), "{}", vector.folder_name());
    }
    let not_built: Vec<_> = vectors.iter().filter(|vector| vector.kind == Kind::Missing).collect();
    for vector in &not_built {
        let why = vector.why.as_deref().expect("a vector that is missing says why");
        println!("{}: not built: {why}", vector.folder_name());
    }
    println!("{} of {VECTORS} vectors wait for what is not built", not_built.len());
}

#[test]
fn every_input_becomes_what_each_protocol_expects() {
    let update = std::env::var_os("UPDATE_VECTORS").is_some();
    let mut wrong = Vec::new();
    for vector in all() {
        let mut used = BTreeSet::from(["vector.json".to_owned()]);
        for dialect in vector.written_in(&dialects()) {
            let file = format!("{}.json", name(dialect));
            let path = vector.folder.join(&file);
            used.insert(file);
            let crossed = cross(&vector, dialect);
            for verbatim in &vector.verbatim {
                if !minified(&crossed.text).contains(&minified(verbatim)) {
                    wrong.push(format!("{} lacks the text {verbatim}", path.display()));
                }
            }
            if update {
                fs::write(&path, layout(&crossed.outcome)).unwrap();
            }
            wrong.extend(difference(&path, &crossed.outcome));
        }
        for entry in fs::read_dir(&vector.folder).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            assert!(used.contains(&file), "{}/{file} is not used", vector.folder.display());
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n\n{}", wrong.len(), wrong.join("\n"));
}

fn difference(path: &Path, outcome: &Value) -> Option<String> {
    let Ok(text) = fs::read_to_string(path) else {
        return Some(format!("{} is missing", path.display()));
    };
    let expected: Value = serde_json::from_str(&text).unwrap();
    (expected != *outcome).then(|| {
        let (expected, outcome) = (layout(&expected), layout(outcome));
        format!("{}\nexpected {expected}but it is {outcome}", path.display())
    })
}

#[test]
fn every_dialect_is_read_and_written() {
    let mut read = BTreeSet::new();
    let mut written = BTreeSet::new();
    for vector in all().iter().filter(|vector| vector.is_data()) {
        read.insert((vector.from(), vector.kind));
        written.extend(vector.written_in(&dialects()).map(|dialect| (dialect, vector.kind)));
    }
    for dialect in dialects() {
        for kind in [Kind::Request, Kind::Reply, Kind::Stream] {
            assert!(read.contains(&(dialect, kind)), "no {kind:?} of {dialect:?} is an input");
            assert!(written.contains(&(dialect, kind)), "no {kind:?} is written as {dialect:?}");
        }
    }
}

#[test]
fn tests_that_stand_elsewhere_exist() {
    for vector in all() {
        let named = !vector.tests.is_empty() || vector.kind != Kind::Elsewhere;
        assert!(named, "{} names no test", vector.folder_name());
        for test in &vector.tests {
            let (file, function) = test.split_once("::").expect("FILE::FUNCTION");
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            let source = fs::read_to_string(&source).expect(file);
            assert!(is_test(&source, function), "{}: no test {test}", vector.folder_name());
        }
    }
}

/// Whether `function` is a test in `source`: its attributes stand right above it.
fn is_test(source: &str, function: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let named = format!("fn {function}(");
    let Some(at) = lines.iter().position(|line| line.contains(&named)) else { return false };
    let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
    attributes.into_iter().any(|line| line.contains("test"))
}
