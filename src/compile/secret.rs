//! From a reference to the secret text that it means.

use std::path::{Component, Path};
use std::sync::Arc;

use super::finding::Fault;
use super::{AmbientSource, References, SecretData, Snapshot, Tenancy};
use crate::api::{KeySource, Reason, SecretKeyRef};
use crate::table::{ObjectName, SecretText};

/// A place that a value may be taken from.
#[derive(Debug)]
pub(super) enum Source<'a> {
    /// An entry of a Secret.
    Secret(ObjectName, &'a str),
    /// The gateway's own surroundings.
    Ambient(AmbientSource),
}

impl<'a> Source<'a> {
    /// An entry of a Secret beside the object that refers to it.
    pub(super) fn of_secret(namespace: &Arc<str>, secret: &'a SecretKeyRef) -> Self {
        Self::Secret(ObjectName::new(namespace.clone(), secret.name.as_str()), &secret.key)
    }

    /// Where the key of a store in `namespace` is to be taken from, if it may be taken from there.
    pub(super) fn of_key(
        namespace: &Arc<str>,
        source: &'a KeySource,
        tenancy: &Tenancy,
        path: &str,
    ) -> Result<Self, Fault> {
        let ambient = match (&source.secret_key_ref, &source.env, &source.file) {
            (Some(secret), None, None) => return Ok(Self::of_secret(namespace, secret)),
            (None, Some(env), None) => AmbientSource::Env(env.name.as_str().into()),
            (None, None, Some(file)) if stays_inside(&file.path) => {
                AmbientSource::File(file.path.as_str().into())
            }
            (None, None, Some(_)) => {
                let message = "must be relative to the credential directory and must not hold `..`";
                return Err(Fault::new(Reason::Invalid, format!("{path}.file.path"), message));
            }
            _ => {
                let message = "set exactly one of `secretKeyRef`, `env` and `file`";
                return Err(Fault::new(Reason::Invalid, path, message));
            }
        };
        if tenancy.permits_ambient(namespace) {
            return Ok(Self::Ambient(ambient));
        }
        let message = "`env` and `file` are only for stores of the namespace that the operator \
                       chose with `--ambient-credentials-namespace`: use `secretKeyRef`";
        Err(Fault::new(Reason::AmbientNotPermitted, path, message))
    }

    /// Notes what has to be fetched.
    pub(super) fn note(self, references: &mut References) {
        match self {
            // What is no name would be a watch that fails for ever.
            Self::Secret(name, _) if !can_exist(&name.name) => false,
            Self::Secret(name, _) => references.secrets.insert(name),
            Self::Ambient(source) => references.ambient.insert(source),
        };
    }

    /// The text itself.
    pub(super) fn read<'s>(
        &self,
        snapshot: &'s Snapshot,
        path: &str,
    ) -> Result<&'s SecretText, Fault> {
        let fault = |reason, field: &str, message| {
            Err(Fault::new(reason, format!("{path}.{field}"), message))
        };
        match self {
            Self::Secret(name, key) => match snapshot.secrets.get(name) {
                Some(SecretData::Present(data)) => data.get(*key).map_or_else(
                    || {
                        let message = format!("Secret `{}` has no key `{key}`", name.name);
                        fault(Reason::SecretNotFound, "secretKeyRef.key", message)
                    },
                    Ok,
                ),
                Some(SecretData::Absent) => {
                    let message =
                        format!("there is no Secret `{}`, or it may not be read", name.name);
                    fault(Reason::SecretNotFound, "secretKeyRef.name", message)
                }
                Some(SecretData::Unlabelled(labels)) => {
                    let message = format!(
                        "there is no Secret `{name}` with the labels `{labels}`, which this \
                         gateway's operator demands: put them on it"
                    );
                    fault(Reason::SecretNotFound, "secretKeyRef.name", message)
                }
                None if !can_exist(&name.name) => {
                    let message = format!("no Secret can be named `{}`", name.name);
                    fault(Reason::SecretNotFound, "secretKeyRef.name", message)
                }
                None => {
                    let message = format!("Secret `{}` has not been read yet", name.name);
                    fault(Reason::Pending, "secretKeyRef.name", message)
                }
            },
            Self::Ambient(source) => {
                let field = match source {
                    AmbientSource::Env(_) => "env.name",
                    AmbientSource::File(_) => "file.path",
                };
                match snapshot.ambient.get(source) {
                    Some(Ok(text)) => Ok(text),
                    Some(Err(why)) => fault(Reason::SourceUnavailable, field, why.clone()),
                    None => fault(Reason::Pending, field, "has not been read yet".to_owned()),
                }
            }
        }
    }
}

/// Whether an API server would take that name for a Secret (a DNS subdomain of RFC 1123).
fn can_exist(name: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.starts_with(alphanumeric)
        && name.ends_with(alphanumeric)
        && name.len() <= 253
        && name.chars().all(|c| alphanumeric(c) || matches!(c, '-' | '.'))
}

fn stays_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    !path.is_empty() && parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}
