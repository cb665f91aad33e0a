//! Identities of Google Cloud.

use std::sync::Arc;

use super::Compiled;
use super::identity::Parts;
use crate::api::{GoogleCredentials, Reason};
use crate::compile::finding::Notes;
use crate::compile::{Input, Raw};
use crate::credential::google::{Google, ServiceAccountKey};
use crate::provider::Cloud;
use crate::table::SecretText;

/// The service account that a store has the key of, or what the gateway runs as.
pub(super) fn compile(
    raw: &Raw,
    credentials: &GoogleCredentials,
    input: Input<'_>,
    notes: &mut Notes,
) -> Compiled {
    const KEY: &str = "serviceAccountKey";

    let mut parts = Parts::new(raw, "spec.google", input);
    let Some(source) = &credentials.service_account_key else {
        parts.ambient("`serviceAccountKey`");
        return parts.finish(Cloud::Google, || Arc::new(Google::of_gateway()), notes);
    };
    let parse = |json: &SecretText| ServiceAccountKey::parse(json.expose());
    // Parsed for every table, although an identity is made once: a bad key has to be told each time.
    match parts.secret(KEY, Some(source)).map(parse) {
        Some(Ok(key)) => parts.finish(Cloud::Google, || Arc::new(Google::of_key(key)), notes),
        Some(Err(error)) => {
            parts.fault(Reason::InvalidKey, KEY, error.to_string());
            parts.unusable(notes)
        }
        None => parts.unusable(notes),
    }
}
