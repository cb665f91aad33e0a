//! Where the binaries of the control plane are.

use std::env;
use std::io::{self, Write as _};
use std::path::PathBuf;

/// The folder with the binaries. `None`: there is none, and a person has been told so.
///
/// # Panics
/// In CI, where a ring that is left out must not look like one that passed.
pub(super) fn folder() -> Option<PathBuf> {
    let lacking = match env::var_os("KUBEBUILDER_ASSETS").filter(|folder| !folder.is_empty()) {
        None => "KUBEBUILDER_ASSETS is not set".to_owned(),
        Some(folder) => {
            let folder = PathBuf::from(folder);
            let missing: Vec<&str> = ["etcd", "kube-apiserver", "kubectl"]
                .into_iter()
                .filter(|name| !folder.join(name).is_file())
                .collect();
            if missing.is_empty() {
                return Some(folder);
            }
            format!("KUBEBUILDER_ASSETS={} has no {}", folder.display(), missing.join(", "))
        }
    };
    let message = format!("{lacking}; run `make test-apiserver`, which builds what is missing");
    assert!(env::var_os("CI").is_none_or(|ci| ci.is_empty()), "{message}");
    // Not `eprintln!`, whose text the test runner keeps for tests that fail.
    let _ = writeln!(io::stderr(), "SKIPPED, needs an API server: {message}");
    None
}
