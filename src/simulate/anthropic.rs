//! Anthropic's endpoints.

pub(super) mod messages;
pub(super) mod models;

use serde::de::DeserializeOwned;

use super::{answer::Refusal, endpoint::Ask};

/// The header without which Anthropic answers nothing.
const VERSION_HEADER: &str = "anthropic-version";

fn check_version(ask: &Ask<'_>) -> Result<(), Refusal> {
    match ask.headers.get(VERSION_HEADER).and_then(|version| version.to_str().ok()) {
        Some("2023-06-01" | "2026-10-21") => Ok(()),
        Some(other) => Err(Refusal::invalid(format!(
            "anthropic-version: \"{other}\" is not a valid version; use \"2023-06-01\" or \
             \"2026-10-21\""
        ))),
        None => Err(Refusal::invalid("anthropic-version: header is required")),
    }
}

/// Reads a request's body, after the checks that all endpoints share.
fn read<T: DeserializeOwned>(ask: &Ask<'_>) -> Result<T, Refusal> {
    check_version(ask)?;
    let request = serde_json::from_slice(ask.body).map_err(|error| {
        Refusal::invalid(format!("The request body is not valid JSON for this endpoint: {error}"))
    })?;
    if ask.model.is_empty() {
        return Err(Refusal::invalid("model: Field required"));
    }
    Ok(request)
}
