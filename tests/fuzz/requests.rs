//! Requests of clients: read, and written for targets of every API.

use bytes::Bytes;
use http::HeaderValue;
use pilothouse::protocol::dialect::{DialectId, TargetView};
use pilothouse::protocol::estimate::prompt_tokens;
use pilothouse::protocol::neutral::{Compatibility, Crossing, Request};
use pilothouse::protocol::request::RequestFacts;
use pilothouse::provider::registry::PROVIDERS;
use pilothouse::provider::{Provider, models};
use pilothouse::wire::json::Object;

use super::{dialects, operation, shown};

/// One of each family that the facts of models tell apart.
pub(super) const MODELS: [&str; 18] = [
    "unknown-model",
    "claude-opus-5-5",
    "claude-opus-4-7",
    "claude-opus-4-5",
    "claude-sonnet-4",
    "claude-3-7-sonnet",
    "claude-3-haiku",
    "us.anthropic.claude-opus-4-7-v1:0",
    "amazon.nova-pro-v1:0",
    "meta.llama4-maverick-17b-instruct-v1:0",
    "gpt-5.5",
    "gpt-5-mini",
    "o3",
    "gpt-4.1",
    "gemini-3-pro",
    "gemini-2.5-flash",
    "gemini-1.5-pro",
    "mistral-large-latest",
];

/// Reads a request and writes it for a target of some API.
pub fn run(id: DialectId, input: &[u8]) {
    let ([first, second], body) = super::choices(input);
    let dialect = id.dialect();
    if let Ok(object) = Object::parse(Bytes::copy_from_slice(body)) {
        let in_path = operation(id).model_in_path().then_some("in-path");
        let _ = RequestFacts::read(&object, in_path);
        let _ = dialect.holds_foreign_state(body);
    }
    let Ok(request) = dialect.read_request(body) else { return };
    prompt_tokens(&request);
    let compatibilities = [Compatibility::Standard, Compatibility::Lenient, Compatibility::Strict];
    let (compatibility, first) = super::one_of(&compatibilities, first);
    let (model, _) = super::one_of(&MODELS, first);
    let (target, second) = super::one_of(&dialects(), second);
    let protocol = operation(target).protocol;
    let speaking: Vec<&Provider> =
        PROVIDERS.iter().filter(|row| row.protocol == protocol).collect();
    let (provider, _) = super::one_of(&speaking, second);
    write(&request, target, model, provider, compatibility);
}

/// What is written is a request of the target's own API, and settles: what was put right once needs
/// no more of it.
fn write(
    request: &Request,
    target: DialectId,
    model: &str,
    provider: &Provider,
    compatibility: Compatibility,
) {
    let view = TargetView { model, facts: models::facts(model), quirks: &provider.quirks };
    let mut crossing = Crossing::new(compatibility);
    let first = match target.dialect().write_request(request, &view, &mut crossing) {
        Ok(written) => written,
        Err(lost) => {
            assert!(!lost.message.is_empty(), "a refusal says why: {lost:?}");
            return;
        }
    };
    for (name, value) in &first.headers {
        HeaderValue::from_str(value)
            .unwrap_or_else(|error| panic!("{target:?}: header {name}: {error}: {value:?}"));
    }
    let second = write_again(target, &view, &first.body);
    let third = write_again(target, &view, &second);
    assert_eq!(shown(&second), shown(&third), "{target:?} of {}", shown(&first.body));
}

/// Reads what was written for a target as a request of the target's own API, and writes it again.
fn write_again(target: DialectId, view: &TargetView<'_>, body: &Bytes) -> Bytes {
    let text = shown(body);
    if let Err(error) = Object::parse(body.clone()) {
        panic!("{target:?}: what was written {error}: {text}");
    }
    let request = target.dialect().read_request(body);
    let request =
        request.unwrap_or_else(|error| panic!("{target:?}: what was written: {error}: {text}"));
    let mut crossing = Crossing::new(Compatibility::Lenient);
    let written = target.dialect().write_request(&request, view, &mut crossing);
    let written = written
        .unwrap_or_else(|lost| panic!("{target:?}: cannot be written again: {lost}: {text}"));
    written.body
}
