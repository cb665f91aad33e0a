//! What a target says that does not answer: for the gateway, and for the client.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use memchr::memmem;
use tokio::time::timeout;

use super::gather::{Collected, collect};
use super::{Attempt, Failure};
use crate::protocol::error::{ErrorFacts, ErrorView};
use crate::protocol::registry::ProtocolId;
use crate::proxy::classify::{Class, classify, retry_after};
use crate::proxy::headers;
use crate::proxy::respond::told;
use crate::table::Upstream;
use crate::upstream::UpstreamBody;

/// An error body is read up to this size and no longer than this time: it only says what happened.
const ERROR_BODY: usize = 64 * 1024;
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);

impl Attempt<'_> {
    /// Reads what a target says that does not answer.
    pub(super) async fn refused(self, response: Response<UpstreamBody>) -> Failure {
        let (head, mut body) = response.into_parts();
        let reading = collect(&mut body, ERROR_BODY, &self.context.gateway.budget);
        let text = match timeout(ERROR_BODY_TIME, reading).await {
            Ok(Ok(Collected::Whole(text) | Collected::Beginning(text))) => text,
            Ok(Err(_)) | Err(_) => Bytes::new(),
        };
        let Upstream { model, breaker, transport, .. } = self.upstream;
        let errors = transport.errors.unwrap_or(self.prepared.protocol);
        let mut facts = errors.protocol().read_error(&text);
        if facts.kind.is_empty() {
            headers::error_type(&head.headers).unwrap_or_default().clone_into(&mut facts.kind);
        }
        let class = classify(head.status, &facts, model.as_deref(), breaker);
        let headers = headers::from_target(&head.headers);
        // What an account may not use is told with the account's name.
        let is_account = class == Class::ClientFault && head.status == StatusCode::FORBIDDEN;
        if is_account {
            "the gateway's account may not use this model at the provider"
                .clone_into(&mut facts.message);
        }
        let is_translated = self.prepared.is_translated();
        let passed_on = if is_translated || transport.errors.is_some() || is_account {
            self.in_clients_words(class, head.status, &facts, headers)
        } else {
            (head.status, headers, text)
        };
        Failure {
            class,
            detail: describe(class, Some(head.status), &facts),
            retry_after: retry_after(&head.headers, SystemTime::now()).or(facts.retry_after),
            sent: true,
            param: None,
            passed_on: Some(Box::new(passed_on)),
        }
    }

    /// A target's refusal in the client's protocol.
    fn in_clients_words(
        self,
        class: Class,
        status: StatusCode,
        facts: &ErrorFacts,
        mut headers: HeaderMap,
    ) -> (StatusCode, HeaderMap, Bytes) {
        let protocol = self.context.protocol;
        let status = status_for(protocol, status);
        let message = match facts.message.as_str() {
            "" => status.canonical_reason().unwrap_or("the provider gave no reason"),
            // Clients of Anthropic's know it by these words, and shorten their history.
            message if class == Class::TooLong && protocol == ProtocolId::Anthropic => {
                &format!("prompt is too long: {message}")
            }
            message => message,
        };
        let body = protocol.protocol().write_error(&ErrorView {
            status,
            code: told(class).code,
            message,
            param: None,
            request_id: &self.context.request_id,
        });
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.remove(CONTENT_ENCODING);
        (status, headers, body)
    }
}

/// 529 is Anthropic's own word for 503.
fn status_for(client: ProtocolId, status: StatusCode) -> StatusCode {
    match status.as_u16() {
        529 if client != ProtocolId::Anthropic => StatusCode::SERVICE_UNAVAILABLE,
        _ => status,
    }
}

/// Whether a refusal is about the `stream_options` that the gateway added, which some servers do not
/// know. Only if it says so: a request of the client's that is wrong is not asked twice.
pub(super) fn is_ours(failure: &Failure) -> bool {
    let Some((status, _, text)) = failure.passed_on.as_deref() else { return false };
    failure.class == Class::ClientFault
        && matches!(status.as_u16(), 400 | 422)
        && memmem::find(text, b"stream_options").is_some()
}

/// What a message may say of a provider's error. Errors about credentials quote parts of keys and
/// names of accounts: of those only the status is told.
pub(super) fn describe(class: Class, status: Option<StatusCode>, facts: &ErrorFacts) -> String {
    let status = status.map_or_else(String::new, |status| format!("status {} ", status.as_u16()));
    if class == Class::CredentialFault {
        return format!("{status}(the gateway's credential was refused)");
    }
    let named = [&facts.code, &facts.kind].into_iter().find(|text| !text.is_empty());
    match named {
        Some(name) => format!("{status}({name})"),
        None => status.trim_end().to_owned(),
    }
}
