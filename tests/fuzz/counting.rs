//! Prompts whose tokens are to be counted, and counts.

use bytes::Bytes;
use pilothouse::protocol::counting::CountingId;
use pilothouse::protocol::dialect::TargetView;
use pilothouse::protocol::neutral::Request;
use pilothouse::provider::registry::PROVIDERS;
use pilothouse::provider::{Provider, models};
use pilothouse::wire::json::Object;

use super::requests::MODELS;
use super::shown;

/// Reads an input as the request of a client and as the answer of a provider.
pub fn run(input: &[u8]) {
    let ([first, second], body) = super::choices(input);
    let (client, left) = super::one_of(&all(), first);
    count(client, body);
    let Ok(object) = Object::parse(Bytes::copy_from_slice(body)) else { return };
    readdress(client, &object);
    let Ok(request) = client.read_request(&object) else { return };
    let counting: Vec<&Provider> = PROVIDERS.iter().filter(|row| row.counts.is_some()).collect();
    let (provider, _) = super::one_of(&counting, second);
    let (model, _) = super::one_of(&MODELS, left);
    let target = TargetView { model, facts: models::facts(model), quirks: &provider.quirks };
    write(&request, provider.counts.expect("it counts"), &target);
}

/// Every API that counts.
pub(super) fn all() -> Vec<CountingId> {
    let mut all: Vec<CountingId> = Vec::new();
    for id in PROVIDERS.iter().filter_map(|row| row.counts) {
        if !all.contains(&id) {
            all.push(id);
        }
    }
    all
}

/// What is written is a request for a count in the target's own API, and settles.
fn write(request: &Request, counts: CountingId, target: &TargetView<'_>) {
    let Ok(first) = counts.write_request(request, target) else { return };
    let second = write_again(counts, target, &first.body);
    let third = write_again(counts, target, &second);
    assert_eq!(shown(&second), shown(&third), "{counts:?} of {}", shown(&first.body));
}

fn write_again(counts: CountingId, target: &TargetView<'_>, body: &Bytes) -> Bytes {
    let text = shown(body);
    let object = Object::parse(body.clone());
    let object = object.unwrap_or_else(|error| panic!("{counts:?}: {error}: {text}"));
    let request = counts.read_request(&object);
    let request = request.unwrap_or_else(|error| panic!("{counts:?}: {error}: {text}"));
    let written = counts.write_request(&request, target);
    written.unwrap_or_else(|lost| panic!("{counts:?}: {lost}: {text}")).body
}

/// A request for another model is an object still, and names no other.
fn readdress(client: CountingId, object: &Object) {
    let Ok(text) = client.readdress(object, "new") else { return };
    let changed = Object::parse(text.clone())
        .unwrap_or_else(|error| panic!("{client:?}: {error}: {}", shown(&text)));
    if matches!(client, CountingId::Anthropic | CountingId::OpenAi) {
        let named = matches!(changed.raw("model"), Ok(Some(b"\"new\"")));
        assert!(named, "{client:?}: {}", shown(&text));
    }
}

/// A count is what it was when it has been told and read again.
fn count(counts: CountingId, body: &[u8]) {
    let Ok(tokens) = counts.read_reply(body) else { return };
    assert_eq!(counts.read_reply(&counts.write_reply(tokens)), Ok(tokens), "{counts:?}");
}
