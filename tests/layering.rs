//! Holds the sources to the architecture: who may import whom, how long a file may be, what a
//! module may be called.
//!
//! Separate crates would give the import rules for free; one crate has to be read. A path counts
//! wherever it stands in code that ships (comments, strings and `#[cfg(test)]` do not), written
//! from `crate::` or by climbing up with `super::`.

#[path = "layering/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use source::{Import, imports, shipped_code};

/// What each module below `src/` may import of ours. A row names only modules of rows above it, so
/// the table as a whole cannot hold a cycle.
///
/// Two walls stand in it: `proxy` never names `api`, `compile` or `control`, so that a request
/// cannot depend on Kubernetes; `control` never names `proxy` or `upstream`, so that the controller
/// cannot depend on traffic. They meet in `table::TableCell` alone.
const ALLOWED: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("credential", &[]),
    ("state", &["credential"]),
    ("telemetry", &[]),
    ("balance", &["state"]),
    ("protocol", &["wire"]),
    ("provider", &["protocol"]),
    ("table", &["protocol", "provider", "balance", "state", "credential"]),
    ("api", &[]),
    ("compile", &["api", "table", "protocol", "provider", "balance", "state", "credential"]),
    ("manifest", &["api", "compile", "table"]),
    ("upstream", &["table", "provider", "state", "credential", "telemetry"]),
    // They ask on their own account, not on a request's.
    ("health", &["table", "state", "upstream"]),
    ("load", &["table", "state", "upstream"]),
    (
        "proxy",
        &[
            "table",
            "protocol",
            "provider",
            "balance",
            "state",
            "credential",
            "wire",
            "upstream",
            "telemetry",
        ],
    ),
    ("control", &["api", "compile", "manifest", "table", "state", "telemetry"]),
    // Reports what the controller says of itself.
    ("admin", &["api", "control", "compile", "table", "state", "telemetry"]),
    ("validate", &["manifest", "compile", "api", "table", "state", "balance", "credential"]),
    ("simulate", &[]),
    ("settings", &["api", "telemetry"]),
];

/// Modules that put the others together and are therefore imported by none of them.
const COMPOSERS: &[&str] = &["main", "lib", "app", "cli", "demo"];

/// Crates of the control side, which code on the path of a request must not know.
const KUBERNETES: &[&str] = &["kube", "k8s_openapi"];

/// Modules that must not name [`KUBERNETES`]: what a request touches.
const KUBERNETES_FREE: &[&str] = &[
    "wire",
    "credential",
    "state",
    "balance",
    "protocol",
    "provider",
    "table",
    "upstream",
    "health",
    "load",
    "proxy",
    "telemetry",
];

/// A longer file answers more than one question.
const MAX_LINES: usize = 400;

/// Names that say nothing about what belongs there, so that everything ends up there.
const EMPTY_NAMES: &[&str] =
    &["common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"];

/// One file below `src/`.
struct File {
    /// Relative to the repository.
    path: PathBuf,
    /// Module path from the crate's root: `proxy`, `server` for `src/proxy/server.rs`.
    modules: Vec<String>,
    text: String,
}

impl File {
    /// The module of the table above that it belongs to.
    fn owner(&self) -> &str {
        &self.modules[0]
    }

    /// `foo/tests.rs` and what lies below it are compiled for tests only.
    fn is_test(&self) -> bool {
        self.modules.iter().any(|name| name == "tests")
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(directory: &str) -> Vec<File> {
    let mut found = Vec::new();
    let mut open = vec![root().join(directory)];
    while let Some(directory_path) = open.pop() {
        for entry in fs::read_dir(&directory_path).expect("a readable directory") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("UTF-8 source");
                let relative = path.strip_prefix(root()).expect("below the root").to_owned();
                let modules = relative
                    .with_extension("")
                    .iter()
                    .skip(1)
                    .map(|part| part.to_string_lossy().into_owned())
                    .collect();
                found.push(File { path: relative, modules, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no Rust files below `{directory}`");
    found
}

fn allowed(owner: &str) -> Option<&'static [&'static str]> {
    ALLOWED.iter().find(|(name, _)| *name == owner).map(|(_, targets)| *targets)
}

#[test]
fn the_table_of_allowed_imports_is_acyclic() {
    for (at, (name, targets)) in ALLOWED.iter().enumerate() {
        for target in *targets {
            assert!(
                ALLOWED[..at].iter().any(|(above, _)| above == target),
                "`{name}` may import `{target}`, whose row has to stand above it"
            );
        }
    }
}

#[test]
fn every_module_has_a_row_and_every_row_a_module() {
    let rows: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    let files = rust_files("src");
    let modules: BTreeSet<&str> =
        files.iter().map(File::owner).filter(|owner| !COMPOSERS.contains(owner)).collect();
    assert_eq!(modules, rows, "modules below src/ (left) and rows of the table (right) differ");
}

#[test]
fn imports_run_one_way() {
    let modules: BTreeSet<&str> =
        ALLOWED.iter().map(|(name, _)| *name).chain(COMPOSERS.iter().copied()).collect();
    let mut faults = Vec::new();
    for file in rust_files("src").iter().filter(|file| !file.is_test()) {
        let owner = file.owner();
        let Some(targets) = allowed(owner) else { continue };
        for Import { line, module } in imports(&shipped_code(&file.text), file.modules.len()) {
            let at = format!("{}:{line}", file.path.display());
            if module == "*" {
                faults.push(format!("{at}: imports everything: name what is used"));
            } else if module != owner
                && modules.contains(module.as_str())
                && !targets.contains(&module.as_str())
            {
                faults.push(format!("{at}: `{owner}` must not import `{module}`"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\nsee the table in tests/layering.rs\n", faults.join("\n"));
}

#[test]
fn what_a_request_touches_knows_no_kubernetes() {
    let mut faults = Vec::new();
    for file in rust_files("src").iter().filter(|file| !file.is_test()) {
        if !KUBERNETES_FREE.contains(&file.owner()) {
            continue;
        }
        for (line, name) in source::path_roots(&shipped_code(&file.text)) {
            if KUBERNETES.contains(&name.as_str()) {
                let (path, owner) = (file.path.display(), file.owner());
                faults.push(format!("{path}:{line}: `{owner}` must not name `{name}`"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn files_are_short_and_their_names_say_something() {
    let mut faults = Vec::new();
    for file in rust_files("src").iter().chain(&rust_files("tests")) {
        let path = file.path.display();
        let lines = file.text.lines().count();
        if lines > MAX_LINES {
            faults.push(format!("{path}: {lines} lines, more than {MAX_LINES}"));
        }
        for name in &file.modules {
            if name == "mod" {
                faults.push(format!("{path}: put `foo.rs` beside `foo/` instead of `mod.rs`"));
            }
            if name.split('_').any(|word| EMPTY_NAMES.contains(&word)) {
                faults.push(format!("{path}: `{name}` does not say what belongs there"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// The reader itself, on the ways in which a path can be written.
#[test]
fn the_reader_finds_paths_however_they_are_written() {
    let text = r##"
        //! crate::control in a comment
        use crate::table::{Route, Tier};
        use crate::{balance::Pick, state};
        use super::super::upstream::Pool;
        use super::sibling;
        const TEXT: &str = "crate::proxy";
        const RAW: &str = r#"say "crate::proxy" "#;
        const QUOTE: char = '"';
        fn f<'a>(x: &'a crate::wire::Frame) { crate::api::name(x) }
        #[cfg(test)]
        mod tests { use crate::simulate::Fault; fn g() { if true { } } }
        pub(crate) fn after() { kube::api::x(); my_kube::y() }
    "##;
    let code = shipped_code(text);
    let found: BTreeMap<String, usize> =
        imports(&code, 2).into_iter().map(|import| (import.module, import.line)).collect();
    let expected =
        [("api", 10), ("balance", 4), ("state", 4), ("table", 3), ("upstream", 5), ("wire", 10)];
    assert_eq!(found, expected.into_iter().map(|(name, line)| (name.to_owned(), line)).collect());
    assert!(source::path_roots(&code).contains(&(13, "kube".to_owned())));
}
