//! Which headers cross the gateway, and in which direction.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT,
};

use crate::protocol::bedrock::error_kind;
use crate::protocol::registry::{Framing, ProtocolId};
use crate::table::Caller;

/// The names of the gateway's own headers, and of those it reads.
pub(super) mod names {
    use http::HeaderName;

    use crate::protocol::bedrock::ERROR_TYPE_HEADER;

    pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
    pub const ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
    pub const UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");
    pub const BACKEND: HeaderName = HeaderName::from_static("x-backend");
    pub const HOPS: HeaderName = HeaderName::from_static("x-pilothouse-hops");
    pub const ROUTE: HeaderName = HeaderName::from_static("x-pilothouse-route");
    pub const ATTEMPTS: HeaderName = HeaderName::from_static("x-pilothouse-attempts");
    pub const USED_PROVIDER: HeaderName = HeaderName::from_static("x-used-provider");
    pub const USED_FALLBACK: HeaderName = HeaderName::from_static("x-used-fallback");
    pub const BREAKER_STATE: HeaderName = HeaderName::from_static("x-circuit-breaker-state");
    pub const PROVIDER_TIME: HeaderName = HeaderName::from_static("x-provider-response-time");
    pub const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
    pub const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
    pub const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
    pub const ANTHROPIC_BETA: HeaderName = HeaderName::from_static("anthropic-beta");
    pub const ESTIMATED: HeaderName = HeaderName::from_static("x-pilothouse-estimated");
    pub const WARNINGS: HeaderName = HeaderName::from_static("x-pilothouse-warnings");
    pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
    pub const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
    pub const AMAZON_ERROR_TYPE: HeaderName = HeaderName::from_static(ERROR_TYPE_HEADER);
    pub const GOOGLE_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
}

/// Sent by clients, meant for a target of the same protocol.
const OF_THE_PROTOCOL: &[&str] = &["anthropic-version", "anthropic-beta", "openai-beta"];
/// Sent by clients, meant for any target.
const FORWARDED: &[&str] = &["traceparent", "tracestate", "user-agent", "x-pilothouse-hops"];

/// The version that Anthropic's API requires, where the client did not send one (Anthropic API
/// reference, versioning: the one that every model takes).
const ANTHROPIC_DEFAULT_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// What the gateway calls itself.
pub(super) const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("pilothouse/", env!("CARGO_PKG_VERSION")));

/// The headers of a request to a target, without its key.
pub(super) fn to_target(
    client: &HeaderMap,
    caller: Option<&Caller>,
    protocol: ProtocolId,
    same_protocol: bool,
    stream: Option<Framing>,
) -> HeaderMap {
    // Five of ours, `host`, the key, and what most clients send to be forwarded: the next larger
    // table is twice that.
    let mut headers = HeaderMap::with_capacity(12);
    let forwarded = |name: &str| {
        FORWARDED.contains(&name) || (same_protocol && OF_THE_PROTOCOL.contains(&name))
    };
    for (name, value) in client.iter().filter(|(name, _)| forwarded(name.as_str())) {
        headers.append(name.clone(), value.clone());
    }
    if let Some(given) = client.get(names::IDEMPOTENCY_KEY) {
        headers.insert(names::IDEMPOTENCY_KEY, scoped(given, caller));
    }
    headers.insert(CONTENT_TYPE, JSON);
    let stream = stream.map(|framing| HeaderValue::from_static(framing.media_type()));
    headers.insert(ACCEPT, stream.unwrap_or(JSON));
    // Answers are read as they pass: a compressed stream would have to be unpacked and packed again.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.entry(USER_AGENT).or_insert(AGENT);
    if protocol == ProtocolId::Anthropic {
        headers.entry(names::ANTHROPIC_VERSION).or_insert(ANTHROPIC_DEFAULT_VERSION);
    }
    headers
}

/// An idempotency key that is the caller's own. Callers share the gateway's key at the provider: one
/// that used another's idempotency key would be given that one's answer.
fn scoped(given: &HeaderValue, caller: Option<&Caller>) -> HeaderValue {
    let mut digest = digest::Context::new(&digest::SHA256);
    let namespace = caller.map_or("", |caller| &*caller.namespace);
    let consumer = caller.and_then(|caller| caller.consumer.as_deref()).unwrap_or_default();
    // Neither a name in Kubernetes nor a header holds a zero byte.
    for part in [namespace.as_bytes(), consumer.as_bytes(), given.as_bytes()] {
        digest.update(part);
        digest.update(b"\0");
    }
    let mut text = String::with_capacity(64);
    for byte in digest.finish().as_ref() {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    HeaderValue::try_from(text).unwrap_or_else(|_| given.clone())
}

/// Answered by targets, passed to the client as they are.
fn passes_to_client(name: &str) -> bool {
    matches!(
        name,
        "retry-after"
            | "retry-after-ms"
            | "x-should-retry"
            | "openai-processing-ms"
            | "openai-model"
            | "openai-version"
            | "x-generation-id"
            | "request-id"
            | "x-amzn-errortype"
    ) || name.starts_with("x-ratelimit-")
        || name.starts_with("anthropic-ratelimit-")
        || name.starts_with("anthropic-priority-")
}

/// The headers of a target's answer that the client may see.
pub(super) fn from_target(target: &HeaderMap) -> HeaderMap {
    // Those, and about eight of ours.
    let mut headers = HeaderMap::with_capacity(target.len() + 8);
    for (name, value) in target {
        // `identity` says that there is none.
        let encodes = name == CONTENT_ENCODING && *value != "identity";
        if name == CONTENT_TYPE || encodes || passes_to_client(name.as_str()) {
            headers.append(name.clone(), value.clone());
        } else if name == names::REQUEST_ID {
            headers.insert(names::UPSTREAM_REQUEST_ID, value.clone());
        }
    }
    headers
}

/// The type of an error that AWS tells in the head alone.
pub(super) fn error_type(target: &HeaderMap) -> Option<&str> {
    let value = target.get(names::AMAZON_ERROR_TYPE)?.to_str().ok()?;
    Some(error_kind(value))
}

/// The query that may go to a target: everything but a key of ours.
pub(super) fn query_to_target(query: Option<&str>) -> Option<String> {
    let kept: Vec<&str> =
        query?.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("key=")).collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::ModelSet;

    #[test]
    fn client_credentials_and_cookies_stay_here() {
        let mut client = HeaderMap::new();
        for name in ["authorization", "x-api-key", "x-goog-api-key", "cookie", "x-forwarded-for"] {
            client.insert(name, HeaderValue::from_static("secret"));
        }
        client.insert("anthropic-beta", HeaderValue::from_static("a"));
        client.append("anthropic-beta", HeaderValue::from_static("b"));
        let sent = to_target(&client, None, ProtocolId::Anthropic, true, None);
        assert!(sent.values().all(|value| value != "secret"), "{sent:?}");
        assert_eq!(sent.get_all("anthropic-beta").iter().count(), 2);
        assert_eq!(sent["anthropic-version"], "2023-06-01");
    }

    #[test]
    fn an_idempotency_key_is_the_callers_own() {
        let mut client = HeaderMap::new();
        client.insert(names::IDEMPOTENCY_KEY, HeaderValue::from_static("1"));
        let sent = |namespace: &str, consumer: &str| {
            let caller = Caller {
                namespace: namespace.into(),
                consumer: Some(consumer.into()),
                models: ModelSet::default(),
                admitted_everywhere: false,
            };
            let sent = to_target(&client, Some(&caller), ProtocolId::OpenAi, true, None);
            sent[names::IDEMPOTENCY_KEY].clone()
        };
        assert_eq!(sent("a", "x"), sent("a", "x"), "a repetition is one");
        assert_eq!(sent("a", "x").len(), 64);
        assert_ne!(sent("a", "x"), sent("a", "y"));
        assert_ne!(sent("a", "x"), sent("b", "x"));
        assert_ne!(sent("a", "x"), sent("ax", ""));
    }

    #[test]
    fn a_key_in_the_query_stays_here() {
        assert_eq!(query_to_target(Some("beta=true&key=s3cret")), Some("beta=true".into()));
        assert_eq!(query_to_target(Some("key=s3cret")), None);
        assert_eq!(query_to_target(None), None);
    }

    #[test]
    fn a_targets_cookies_and_organisation_stay_there() {
        let mut target = HeaderMap::new();
        for name in ["set-cookie", "openai-organization", "cf-ray", "x-envoy-upstream", "server"] {
            target.insert(name, HeaderValue::from_static("x"));
        }
        target.insert("x-ratelimit-remaining-tokens", HeaderValue::from_static("1"));
        target.insert("x-request-id", HeaderValue::from_static("theirs"));
        let passed = from_target(&target);
        assert_eq!(passed.len(), 2);
        assert_eq!(passed["x-upstream-request-id"], "theirs");
    }
}
