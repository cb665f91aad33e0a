//! Texts that users, clients and providers write into fields, flags, paths and headers.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue};
use pilothouse::api;
use pilothouse::protocol::registry::{OPERATIONS, operation};
use pilothouse::provider::models;
use pilothouse::provider::registry::{PROVIDERS, find};
use pilothouse::proxy::retry_after;
use pilothouse::simulate::Fault;
use pilothouse::table::{BaseUrl, ModelPattern};

/// Reads a text as everything that a text can be.
pub fn run(input: &[u8]) {
    header(input);
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(duration) = text.parse::<api::Duration>() {
        let written = duration.to_string();
        assert_eq!(written.parse(), Ok(duration), "{text} is {written}");
    }
    if let Ok(url) = text.parse::<BaseUrl>() {
        let written = url.to_string();
        assert_eq!(written.parse().as_ref(), Ok(&url), "{text} is {written}");
        let _ = (url.host(), url.port());
        for row in OPERATIONS {
            let _ = url.request_target(&row.request_path(text, true), Some(text));
        }
        for row in PROVIDERS {
            row.owns_host(url.host());
        }
    }
    if let Ok(pattern) = ModelPattern::parse(text) {
        pattern.matches(text);
        pattern.matches("claude-opus-4-7");
    }
    if let Some(called) = operation(text) {
        let model = called.model.unwrap_or_default();
        let path = called.operation.request_path(&model, called.streamed);
        assert!(path.is_ascii(), "a path is: {path}");
    }
    path(text);
    let _ = (models::facts(text), find(text), text.parse::<Fault>());
    for row in PROVIDERS {
        row.owns_host(text);
    }
}

/// Any name of a model survives its way through a path.
fn path(model: &str) {
    if model.is_empty() {
        return;
    }
    for row in OPERATIONS.iter().filter(|row| row.model_in_path()) {
        let upstream = row.request_path(model, false);
        let own = row.path.replace(row.upstream_path, &upstream);
        let called = operation(&own).unwrap_or_else(|| panic!("nothing is at {own}"));
        assert_eq!(called.model.as_deref(), Some(model), "{own}");
        assert_eq!(called.operation, row, "{own}");
    }
}

/// What a provider asks for in `retry-after`.
fn header(bytes: &[u8]) {
    const DAY: Duration = Duration::from_secs(86_400);

    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    for name in ["retry-after", "retry-after-ms"] {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.clone());
        for now in [SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40)] {
            let asked = retry_after(&headers, now);
            assert!(asked.is_none_or(|asked| asked <= DAY), "{value:?} is {asked:?}");
        }
    }
}
