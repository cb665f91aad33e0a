//! What is shown to users, in `deploy/examples/` and README.md, is what `pilothouse validate` calls
//! right.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The example whose servers are in the cluster, which an operator has to permit.
const PRIVATE: &str = "self-hosted.yaml";
/// The example that uses what the gateway runs as, likewise.
const OWN: &str = "vertex-own.yaml";
/// The example that asks each endpoint of a Service, of which files tell nothing.
const ENDPOINTS: &str = "in-cluster-models.yaml";

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
    paths.retain(|path| !path.ends_with(PRIVATE) && !path.ends_with(OWN));
    assert_valid(&paths, &[]);
}

#[test]
fn the_others_are_valid_with_permission() {
    let own = ["--ambient-credentials-namespace", "ai"];
    assert_valid(&examples(), &["--allow-private-upstreams", own[0], own[1]]);
}

#[test]
fn they_are_valid_as_files_to_serve() {
    let mut paths = examples();
    paths.retain(|path| !path.ends_with(ENDPOINTS));
    assert_valid(&paths, &["--rules", "files"]);
}

/// What a ConfigMap holds under `routes.yaml`, and a Secret for what the sidecar of a namespace names.
fn sidecar_files() -> [PathBuf; 2] {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let manifest = include_str!("../deploy/sidecar/files.yaml");
    let (_, block) = manifest.split_once("routes.yaml: |\n").expect("a block of routes");
    let lines = block.lines().take_while(|line| line.starts_with("    "));
    let routes: String = lines.flat_map(|line| [&line[4..], "\n"]).collect();
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: openai}\n\
                  stringData: {key: not-a-key-of-any-provider}\n";
    [("routes", routes.as_str()), ("secret", secret)].map(|(name, text)| {
        let path = folder.join(format!("sidecar-{name}.yaml"));
        fs::write(&path, text).expect("a file that may be written");
        path
    })
}

#[test]
fn what_compose_and_sidecars_serve_is_valid() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let [routes, secret] = sidecar_files();
    assert_valid(&[deploy.join("compose")], &["--rules", "files"]);
    assert_valid(&[routes], &["--rules", "files"]);
    assert_valid(&[deploy.join("sidecar/namespace.yaml"), secret], &["--gateway-name", "sidecar"]);
}

/// The YAML of README.md: fenced as such, or given to a command up to `END`.
fn shown_in_the_readme() -> Vec<String> {
    let text = include_str!("../README.md");
    let fenced = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let given = text.split("<<'END'\n").skip(1).filter_map(|rest| rest.split("\nEND\n").next());
    fenced.chain(given).map(str::to_owned).collect()
}

#[test]
fn what_the_readme_shows_is_valid() {
    let shown = shown_in_the_readme();
    assert_eq!(shown.len(), 3, "a route in full, one from files, one on Kubernetes");
    for yaml in shown {
        let mut validate = Command::new(env!("CARGO_BIN_EXE_pilothouse"))
            .args(["validate", "--allow-private-upstreams"])
            .args(["--ambient-credentials-namespace", "default", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut stdin = validate.stdin.take().expect("piped above");
        stdin.write_all(yaml.as_bytes()).expect("it reads what it is given");
        drop(stdin);
        let output = validate.wait_with_output().expect("it ends");
        let findings = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{findings}\nin\n{yaml}");
    }
}
