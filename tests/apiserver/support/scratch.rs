//! A folder that is removed even if this process is killed.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Waits for its input to close, which the system does when the owner is gone however it went.
/// Tried twice: a server that is being killed at that moment may still write a last file.
const REMOVE: &str = r#"read -r _; rm -rf "$1" || { sleep 1; rm -rf "$1"; }"#;

/// A temporary folder, for a value that may live in a `static` and is then never dropped.
pub(crate) struct Scratch {
    path: PathBuf,
    remover: Child,
    held: Option<ChildStdin>,
}

impl Scratch {
    pub(crate) fn new() -> io::Result<Self> {
        let path = tempfile::Builder::new().prefix("pilothouse-ring-").tempdir()?.keep();
        let mut remover = Command::new("sh")
            .args(["-c", REMOVE, "sh"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let held = remover.stdin.take();
        Ok(Self { path, remover, held })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.held.take());
        let _ = self.remover.wait();
    }
}
