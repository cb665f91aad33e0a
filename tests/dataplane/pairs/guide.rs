//! The table of the guide, which is what ran.

use std::fs;
use std::path::Path;

use super::cases::CASES;

const GUIDE: &str = "deploy/guides/protocols.md";
/// Between these stands the table.
const BEGIN: &str = "<!-- pairs: begin; written by `make guides` -->\n";
const END: &str = "<!-- pairs: end -->\n";

/// Compares the table with what the guide has, or writes it anew.
pub fn hold(rows: &[Vec<String>]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(GUIDE);
    let guide = fs::read_to_string(&path).expect("the guide is there");
    let (before, rest) = guide.split_once(BEGIN).expect("the guide has a place for the table");
    let (committed, after) = rest.split_once(END).expect("the place has an end");
    let table = table(rows);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).expect("it may be written");
        return;
    }
    assert!(committed == table, "{GUIDE} is out of date: `make guides`. It should have\n{table}");
}

fn table(rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut head: Vec<String> = ["client", "provider"].map(str::to_owned).to_vec();
    head.extend(CASES.iter().map(|(name, _)| (*name).to_owned()));
    let rule = format!("|{}\n", "---|".repeat(head.len()));
    let body: String = rows.iter().map(|row| line(row)).collect();
    line(&head) + &rule + &body
}
