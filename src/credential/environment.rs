//! Where the gateway runs: its environment variables and files, which name its own identity.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Environment variables: the process's, or others in a test.
#[derive(Clone, Default)]
pub struct Environment(Option<Arc<HashMap<String, String>>>);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Self(None)
    }

    /// These variables and no others.
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self(Some(Arc::new(variables.into_iter().map(owned).collect())))
    }

    /// A variable's value; an empty one is none, as everywhere in the clouds' own libraries.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let value = match &self.0 {
            Some(variables) => variables.get(name).cloned(),
            None => std::env::var(name).ok(),
        };
        value.filter(|value| !value.is_empty())
    }
}

/// A file's text without the white space around it. The error is what happened, for operators. It
/// is read anew each time: tokens that are mounted into a pod change.
pub(super) async fn read(path: impl Into<PathBuf>) -> Result<String, std::io::Error> {
    let path = path.into();
    let text = tokio::task::spawn_blocking(move || std::fs::read_to_string(path));
    let text = text.await.map_err(std::io::Error::other)??;
    Ok(text.trim().to_owned())
}
