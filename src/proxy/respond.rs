//! The head of every answer: what the gateway says about itself and about the target.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use http::{Response, StatusCode};

use super::attempt::Answer;
use super::body::GatewayBody;
use super::classify::Class;
use super::error::{ProxyError, Reason};
use super::exchange::{Exchange, Outcome};
use super::failover::{Answered, Failover, Search};
use super::headers::names;
use super::relay::StreamBody;
use super::trail::Asked;
use crate::protocol::bedrock::error_type;
use crate::protocol::error::ErrorView;
use crate::protocol::registry::ProtocolId;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// nginx and its kin hold back what they proxy; this asks them not to.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The answer of a target.
pub(super) fn answered(
    mut exchange: Exchange,
    answered: Answered,
    failover: Box<Failover>,
) -> Response<GatewayBody> {
    let Answered { answer, mut guard, provider_time } = answered;
    exchange.provider_time = Some(provider_time);
    match answer {
        Answer::Reply { status, mut headers, body, usage } => {
            about_target(&exchange, &mut headers);
            exchange.usage = usage;
            exchange.response_bytes = body.len() as u64;
            guard.first_output();
            guard.used(usage);
            guard.record(Class::Success);
            exchange.settle(Outcome::Answered(status));
            response(status, headers, GatewayBody::full(body))
        }
        Answer::LongReply { mut headers, held, rest } => {
            about_target(&exchange, &mut headers);
            guard.first_output();
            let body = StreamBody::plain(rest, held, exchange, guard);
            response(StatusCode::OK, headers, GatewayBody::Stream(Box::new(body)))
        }
        Answer::Stream { mut headers, held, progress, events } => {
            about_target(&exchange, &mut headers);
            about_streams(&mut headers);
            let body = StreamBody::events(events, held, progress, exchange, guard, failover);
            response(StatusCode::OK, headers, GatewayBody::Stream(Box::new(body)))
        }
    }
}

/// The beginning of a stream of which it is not known yet who answers it: the client has waited long
/// enough for a sign of life.
pub(super) fn searching(exchange: Exchange, search: Search) -> Response<GatewayBody> {
    let mut headers = HeaderMap::with_capacity(8);
    about_request(&exchange, &mut headers);
    if let Some(operation) = exchange.operation {
        let media_type = HeaderValue::from_static(operation.framing.media_type());
        headers.insert(CONTENT_TYPE, media_type);
    }
    about_streams(&mut headers);
    let body = StreamBody::searching(search, exchange);
    response(StatusCode::OK, headers, GatewayBody::Stream(Box::new(body)))
}

fn about_streams(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
}

/// A target's own refusal.
pub(super) fn passed_on(
    mut exchange: Exchange,
    class: Class,
    status: StatusCode,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response<GatewayBody> {
    about_target(&exchange, &mut headers);
    about_error(&exchange, status, &mut headers);
    exchange.response_bytes = body.len() as u64;
    exchange.settle(Outcome::PassedOn(status, class));
    response(status, headers, GatewayBody::full(body))
}

/// A count of tokens that a target gave.
pub(super) fn counted(
    mut exchange: Exchange,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response<GatewayBody> {
    headers.insert(CONTENT_TYPE, JSON);
    about_target(&exchange, &mut headers);
    exchange.response_bytes = body.len() as u64;
    exchange.settle(Outcome::Answered(StatusCode::OK));
    response(StatusCode::OK, headers, GatewayBody::full(body))
}

/// An answer that the gateway gives by itself.
pub(super) fn local(
    mut exchange: Exchange,
    status: StatusCode,
    body: Bytes,
) -> Response<GatewayBody> {
    let mut headers = HeaderMap::with_capacity(4);
    if !body.is_empty() {
        headers.insert(CONTENT_TYPE, JSON);
    }
    about_request(&exchange, &mut headers);
    exchange.response_bytes = body.len() as u64;
    exchange.settle(Outcome::Local(status));
    response(status, headers, GatewayBody::full(body))
}

/// An error of the gateway's own, in the shape of the client's protocol.
pub(super) fn refused(mut exchange: Exchange, error: &ProxyError) -> Response<GatewayBody> {
    let status = error.reason.status();
    let body = exchange.protocol.protocol().write_error(&ErrorView {
        status,
        code: error.reason.as_str(),
        message: &error.message,
        param: error.param.as_deref(),
        request_id: &exchange.request_id,
    });
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CONTENT_TYPE, JSON);
    about_request(&exchange, &mut headers);
    about_error(&exchange, status, &mut headers);
    about_attempts(&exchange, &mut headers);
    if let Some(after) = error.retry_after {
        say_retry_after(&mut headers, after);
    }
    if let Some(encodings) = error.accept_encoding {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encodings));
    }
    if error.permanent {
        headers.insert(names::SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    exchange.response_bytes = body.len() as u64;
    exchange.settle(Outcome::Refused(error.reason));
    response(status, headers, GatewayBody::full(body))
}

/// What a client is told of a failure that a provider reported in place of a status.
pub(super) struct Told {
    pub reason: Reason,
    /// The error's code.
    pub code: &'static str,
    /// For the message, after what happened.
    pub cause: &'static str,
}

/// What a client is told of a failure of that class inside a stream. It decides by that whether to
/// wait, to change its request, or to give up.
pub(super) fn told(class: Class) -> Told {
    let (reason, cause) = match class {
        Class::Throttled | Class::Overloaded => {
            (Reason::Throttled, ": too many requests or tokens, try again later")
        }
        Class::CredentialFault => {
            (Reason::ProviderCredential, ": the gateway's credential was refused")
        }
        Class::Unproven => (Reason::ProviderCredential, ": the gateway has no token for it"),
        Class::TimedOut => (Reason::ProviderTimeout, ": it was too slow"),
        Class::ClientFault | Class::Untranslatable => {
            (Reason::InvalidRequest, ": the request is not valid there")
        }
        Class::TooLong => (Reason::InvalidRequest, ": the prompt is longer than the context"),
        Class::Refused => (Reason::InvalidRequest, ": the content was refused by its policy"),
        Class::Exhausted => (Reason::Overloaded, ": the gateway's memory for bodies is used up"),
        Class::Success | Class::Failure | Class::Permanent | Class::Mismatch | Class::Cancelled => {
            (Reason::ProviderFailed, "")
        }
    };
    let code = match class {
        // OpenAI's own words for it, which its SDKs' users look for.
        Class::TooLong => "context_length_exceeded",
        Class::Refused => "content_filter",
        _ => reason.as_str(),
    };
    Told { reason, code, cause }
}

/// Whole seconds, rounded up so that nobody comes too early, and milliseconds for those who read
/// them (the official OpenAI SDKs do).
fn say_retry_after(headers: &mut HeaderMap, after: Duration) {
    let seconds = after.as_millis().div_ceil(1000).max(1);
    if let Ok(value) = HeaderValue::from_str(itoa::Buffer::new().format(seconds)) {
        headers.insert(RETRY_AFTER, value);
    }
    if let Ok(value) = HeaderValue::from_str(itoa::Buffer::new().format(after.as_millis())) {
        headers.insert(names::RETRY_AFTER_MS, value);
    }
}

fn response(status: StatusCode, headers: HeaderMap, body: GatewayBody) -> Response<GatewayBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn about_request(exchange: &Exchange, headers: &mut HeaderMap) {
    if let Ok(id) = HeaderValue::from_str(&exchange.request_id) {
        // Anthropic's SDKs look for the id under their own name; a provider's own id stays.
        if exchange.protocol == ProtocolId::Anthropic {
            headers.entry(names::ANTHROPIC_REQUEST_ID).or_insert_with(|| id.clone());
        }
        headers.insert(names::REQUEST_ID, id);
    }
    if let Some(route) = &exchange.route
        && let Ok(label) = HeaderValue::from_str(&route.label)
    {
        headers.insert(names::ROUTE, label);
    }
}

/// AWS's SDKs look for the type of an error here, and for other clients it says nothing.
fn about_error(exchange: &Exchange, status: StatusCode, headers: &mut HeaderMap) {
    if exchange.protocol == ProtocolId::Bedrock {
        let kind = || HeaderValue::from_static(error_type(status));
        headers.entry(names::AMAZON_ERROR_TYPE).or_insert_with(kind);
    } else {
        headers.remove(names::AMAZON_ERROR_TYPE);
    }
}

fn about_attempts(exchange: &Exchange, headers: &mut HeaderMap) {
    let attempts = exchange.trail.with(|steps| steps.attempts);
    if attempts > 0
        && let Ok(attempts) = HeaderValue::from_str(itoa::Buffer::new().format(attempts))
    {
        headers.insert(names::ATTEMPTS, attempts);
    }
}

fn about_target(exchange: &Exchange, headers: &mut HeaderMap) {
    about_request(exchange, headers);
    about_attempts(exchange, headers);
    exchange.trail.with(|steps| {
        let Some(Asked { route, target, breaker, fallback, .. }) = &steps.last else { return };
        let is_called = exchange.route.as_ref().is_some_and(|called| Arc::ptr_eq(called, route));
        if !is_called && let Ok(label) = HeaderValue::from_str(&route.label) {
            headers.insert(names::ROUTE, label);
        }
        if let Ok(name) = HeaderValue::from_str(&target.name) {
            headers.insert(names::USED_PROVIDER, name);
        }
        let fallback = HeaderValue::from_static(if *fallback { "true" } else { "false" });
        headers.insert(names::USED_FALLBACK, fallback);
        headers.insert(names::BREAKER_STATE, HeaderValue::from_static(breaker.as_str()));
    });
    if let Some(time) = exchange.provider_time
        && let Ok(ms) = HeaderValue::from_str(itoa::Buffer::new().format(time.as_millis()))
    {
        headers.insert(names::PROVIDER_TIME, ms);
    }
}
