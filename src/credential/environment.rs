//! Where the gateway runs: its environment variables, which name its own identity.

use std::collections::HashMap;
use std::fmt;
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
