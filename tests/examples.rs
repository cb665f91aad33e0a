//! Everything in `deploy/examples/` is what `pilothouse validate` calls right.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The example whose servers are in the cluster, which an operator has to permit.
const PRIVATE: &str = "self-hosted.yaml";

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples");
    let entries = fs::read_dir(&folder).expect("deploy/examples is there");
    entries.map(|entry| entry.expect("a readable entry").path()).collect()
}

#[track_caller]
fn assert_valid(paths: &[PathBuf], flags: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_pilothouse"))
        .args(["validate", "--deny-warnings"])
        .args(flags)
        .args(paths)
        .output()
        .expect("the binary starts");
    let [findings, complaint] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{findings}{complaint}");
}

#[test]
fn they_are_valid_in_a_cluster_without_permissions() {
    let mut paths = examples();
    paths.retain(|path| !path.ends_with(PRIVATE));
    assert_valid(&paths, &[]);
}

#[test]
fn private_upstreams_are_valid_with_permission() {
    assert_valid(&examples(), &["--allow-private-upstreams"]);
}

#[test]
fn they_are_valid_as_files_to_serve() {
    assert_valid(&examples(), &["--rules", "files"]);
}
