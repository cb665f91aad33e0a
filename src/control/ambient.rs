//! Secrets from the gateway's own surroundings: environment variables and files below the
//! credential directory. Only what resources refer to is read, and only what the operator allows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

use super::file_changes::FileChanges;
use super::inventory::Inventory;
use crate::compile::{AmbientSource, References};
use crate::table::SecretText;

/// Bytes of a credential file. A key has a few hundred bytes, a service account's JSON a few
/// thousand; anything larger is not a credential.
const MAX_FILE_SIZE: u64 = 64 << 10;

/// What the operator lets resources read of the gateway's surroundings.
#[derive(Debug, Clone, Default)]
pub struct AmbientConfig {
    /// The only folder whose files may be read (`--credential-dir`).
    pub directory: Option<PathBuf>,
    /// Which environment variables may be read (`--credential-env`).
    pub env: AllowedEnv,
}

/// Which environment variables resources may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedEnv {
    /// Every one: the operator wrote the resources.
    Any,
    /// These.
    Listed(BTreeSet<String>),
}

impl Default for AllowedEnv {
    fn default() -> Self {
        Self::Listed(BTreeSet::new())
    }
}

type Readings = BTreeMap<AmbientSource, Result<SecretText, String>>;

/// Keeps the inventory's readings equal to the surroundings until the sender of `wanted` is gone.
pub(super) async fn run(
    config: AmbientConfig,
    inventory: Arc<Inventory>,
    mut wanted: watch::Receiver<Arc<References>>,
) {
    let config = Arc::new(config);
    let mut changes = FileChanges::new();
    loop {
        let references = wanted.borrow_and_update().clone();
        let has_files = references.ambient.iter().any(|one| matches!(one, AmbientSource::File(_)));
        if has_files {
            changes.watch(config.directory.as_slice());
        }
        let config = config.clone();
        // Files may lie on a slow mount.
        let reading = tokio::task::spawn_blocking(move || config.read(&references));
        if let Ok(readings) = reading.await {
            inventory.replace_ambient(readings);
        }
        tokio::select! {
            () = changes.changed(), if has_files => {}
            more = wanted.changed() => if more.is_err() { return },
        }
    }
}

impl AmbientConfig {
    fn read(&self, references: &References) -> Readings {
        let read = |source: &AmbientSource| match source {
            AmbientSource::Env(name) => self.read_env(name),
            AmbientSource::File(path) => self.read_file(path),
        };
        references.ambient.iter().map(|source| (source.clone(), read(source))).collect()
    }

    fn read_env(&self, name: &str) -> Result<SecretText, String> {
        if let AllowedEnv::Listed(names) = &self.env
            && !names.contains(name)
        {
            return Err(format!(
                "the operator does not allow the variable `{name}`; add it to `--credential-env`"
            ));
        }
        match std::env::var(name) {
            Ok(text) => Ok(SecretText::new(&text)),
            Err(std::env::VarError::NotPresent) => {
                Err(format!("the gateway has no environment variable `{name}`"))
            }
            // The error of the standard library would print the value.
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(format!("the environment variable `{name}` is not UTF-8"))
            }
        }
    }

    fn read_file(&self, path: &str) -> Result<SecretText, String> {
        let Some(directory) = &self.directory else {
            return Err("files are not allowed; set `--credential-dir`".to_owned());
        };
        let relative = Path::new(path);
        if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(format!(
                "`{path}` must be a path below the credential directory, without `..` and not absolute"
            ));
        }
        let outside = || format!("`{path}` leads out of the credential directory");
        let unreadable =
            |error: std::io::Error| format!("`{path}` cannot be read: {}", error.kind());
        let directory = directory.canonicalize().map_err(|error| {
            format!("the credential directory cannot be read: {}", error.kind())
        })?;
        // Links inside the directory are how Secrets are mounted; links out of it are an escape.
        let real = directory.join(relative).canonicalize().map_err(unreadable)?;
        if !real.starts_with(&directory) {
            return Err(outside());
        }
        // Not opened before it is known to be a plain file: opening a pipe would block for ever.
        if !real.metadata().map_err(unreadable)?.is_file() {
            return Err(format!("`{path}` is not a file"));
        }
        let mut text = String::new();
        let file = File::open(&real).map_err(unreadable)?;
        match file.take(MAX_FILE_SIZE + 1).read_to_string(&mut text) {
            Ok(length) if length as u64 > MAX_FILE_SIZE => {
                Err(format!("`{path}` is larger than {} KiB", MAX_FILE_SIZE >> 10))
            }
            Ok(_) => Ok(SecretText::new(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                Err(format!("`{path}` is not UTF-8"))
            }
            Err(error) => Err(unreadable(error)),
        }
    }
}

#[cfg(test)]
mod tests;
