//! Who is calling.

use std::sync::Arc;

use http::Request;
use http::header::AUTHORIZATION;

use super::error::{ProxyError, Reason};
use super::headers::names;
use crate::table::{Caller, KeyDigest, RouteTable};

/// The caller by the first key that names one; without any, the anonymous caller where there is one.
pub(super) fn identify<B>(
    table: &RouteTable,
    request: &Request<B>,
) -> Result<Arc<Caller>, ProxyError> {
    let mut given = false;
    for key in keys(request) {
        given = true;
        let digest = KeyDigest::of(key.as_bytes());
        if let Some((known, caller)) = table.callers.get_key_value(&digest)
            && known.matches(&digest)
        {
            return Ok(Arc::clone(caller));
        }
    }
    // Most SDKs cannot be made to send no key at all, so a wrong one is no key to a gateway that
    // serves callers without one.
    table.anonymous.clone().ok_or_else(|| refusal(table, given))
}

/// Every text that may be a key, in the order in which the headers are asked.
fn keys<B>(request: &Request<B>) -> impl Iterator<Item = &str> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let authorization = header(AUTHORIZATION).map(|value| {
        let scheme = value.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer "));
        scheme.map_or(value, |_| &value[7..])
    });
    let query = request
        .uri()
        .query()
        .and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("key=")));
    [authorization, header(names::API_KEY), header(names::GOOGLE_API_KEY), query]
        .into_iter()
        .flatten()
        .map(str::trim)
        .filter(|key| !key.is_empty())
}

fn refusal(table: &RouteTable, given: bool) -> ProxyError {
    let message = match (given, table.callers.is_empty()) {
        (_, true) => {
            "this gateway knows no callers yet: create a `Consumer` (pilothouse.dev/v1alpha1) whose \
             `spec.apiKeys` holds your key or its SHA-256, or start it with `--anonymous`"
        }
        (true, false) => "the key belongs to no `Consumer` of this gateway",
        (false, false) => {
            "no key was given: send it as `authorization: Bearer KEY` or `x-api-key: KEY`"
        }
    };
    ProxyError::new(Reason::InvalidApiKey, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::ModelSet;

    fn table(keys: &[&str]) -> RouteTable {
        let mut table = RouteTable::empty();
        for key in keys {
            let caller = Caller {
                namespace: "ns".into(),
                consumer: Some((*key).into()),
                models: ModelSet::default(),
                admitted_everywhere: false,
            };
            table.callers.insert(KeyDigest::of(key.as_bytes()), Arc::new(caller));
        }
        table
    }

    fn name(table: &RouteTable, headers: &[(&str, &str)], uri: &str) -> Option<String> {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let caller = identify(table, &request.body(()).expect("a request")).ok()?;
        caller.consumer.as_deref().map(str::to_owned)
    }

    #[test]
    fn a_key_is_found_wherever_clients_put_it() {
        let table = table(&["k1"]);
        for header in [
            ("authorization", "Bearer k1"),
            ("authorization", "bearer  k1"),
            ("authorization", "k1"),
            ("x-api-key", "k1"),
            ("x-goog-api-key", "k1"),
        ] {
            assert_eq!(name(&table, &[header], "/"), Some("k1".into()), "{header:?}");
        }
        assert_eq!(name(&table, &[], "/?alt=sse&key=k1"), Some("k1".into()));
    }

    #[test]
    fn the_first_header_that_names_a_consumer_wins() {
        let table = table(&["k1", "k2"]);
        let headers = [("authorization", "Bearer unknown"), ("x-api-key", "k2")];
        assert_eq!(name(&table, &headers, "/?key=k1"), Some("k2".into()));
    }

    #[test]
    fn without_any_consumer_the_message_says_how_to_make_one() {
        let request = Request::get("/").body(()).expect("a request");
        let error = identify(&table(&[]), &request).expect_err("nobody is known");
        assert!(error.message.contains("create a `Consumer`"), "{error}");
    }
}
