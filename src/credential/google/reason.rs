//! Why Google's crate has no token, for operators: by kind, status and the names of errors. Its own
//! texts hold whole answers of issuers, which may hold anything.

use std::error::Error;
use std::io;

use google_cloud_auth::build_errors::Error as Unbuilt;
use google_cloud_auth::errors::CredentialsError;
use google_cloud_gax::error::Error as Exchange;
use serde_json::Value;

use crate::credential::refusal::{names, told};

/// Why there are no credentials at all.
pub(super) fn unbuilt(error: &Unbuilt) -> String {
    if error.is_loading() {
        // This one holds nothing but the path and what the system says.
        error.to_string()
    } else if error.is_unknown_type() {
        "the type of the credentials file is none that is known".to_owned()
    } else {
        "the credentials file is no JSON, or lacks a part of its type".to_owned()
    }
}

/// Why credentials gave no token.
pub(super) fn unproved(error: &CredentialsError) -> String {
    let mut known: Option<String> = None;
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        // The innermost knows best.
        known = read(error).or(known);
        cause = error.source();
    }
    known.unwrap_or_else(|| {
        let reason = if error.is_transient() {
            "an issuer could not be reached, or is busy"
        } else {
            "an issuer refused, or gave an answer that cannot be read"
        };
        reason.to_owned()
    })
}

fn read(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        // The system's words, or those of TLS.
        return Some(format!("an issuer could not be reached: {error}"));
    }
    if let Some(error) = error.downcast_ref::<Exchange>() {
        let status = error.http_status_code()?;
        let body = error.http_payload().and_then(|body| serde_json::from_slice(body).ok());
        return Some(format!("an issuer answered {}", told(status, &body.unwrap_or_default())));
    }
    // An answer stands in the text and nowhere else.
    let text = error.downcast_ref::<CredentialsError>()?.to_string();
    let body = text.get(text.find('{')?..=text.rfind('}')?)?;
    let names = names(&serde_json::from_str::<Value>(body).ok()?);
    (!names.is_empty()).then(|| format!("an issuer answered {}", names.join(", ")))
}
