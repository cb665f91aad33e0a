//! What a caller may know of the routes: the list of models, and their health.

use std::time::Instant;

use bytes::Bytes;
use serde_json::{Value, json};

use super::error::{ProxyError, Reason};
use crate::protocol::registry::ProtocolId;
use crate::table::{Caller, Route, RouteTable, Standing, Target};

/// Anthropic's page sizes (API reference, list models).
const DEFAULT_PAGE: usize = 20;
const LARGEST_PAGE: usize = 1000;

/// `GET /v1/models`, in the shape of the client's protocol.
pub(super) fn list(
    table: &RouteTable,
    caller: &Caller,
    protocol: ProtocolId,
    query: Option<&str>,
) -> Result<Bytes, ProxyError> {
    let models = table.models(caller);
    let body = match protocol {
        ProtocolId::OpenAi | ProtocolId::Bedrock => {
            let data: Vec<Value> = models.iter().map(|(id, route)| openai(id, route)).collect();
            json!({"object": "list", "data": data})
        }
        ProtocolId::Anthropic => {
            let models: Vec<_> = models.iter().map(|(id, route)| (&**id, route.created)).collect();
            anthropic_page(&models, query)?
        }
        ProtocolId::Gemini => {
            let models: Vec<Value> = models.iter().map(|(id, _)| gemini(id)).collect();
            json!({"models": models})
        }
    };
    Ok(Bytes::from(body.to_string()))
}

/// `GET /v1/models/{id}`. An id may hold slashes, raw or encoded.
pub(super) fn retrieve(
    table: &RouteTable,
    caller: &Caller,
    protocol: ProtocolId,
    id: &str,
) -> Result<Bytes, ProxyError> {
    let id = decode_path(id);
    let unknown = || {
        let message = format!("there is no model `{id}` for this key");
        ProxyError::new(Reason::ModelNotFound, message).permanent()
    };
    if !caller.models.allows(&id) {
        return Err(unknown());
    }
    let (route, _) = table.resolve(caller, &id).ok_or_else(unknown)?;
    let body = match protocol {
        ProtocolId::OpenAi | ProtocolId::Bedrock => openai(&id, route),
        ProtocolId::Anthropic => anthropic(&id, route.created),
        ProtocolId::Gemini => gemini(&id),
    };
    Ok(Bytes::from(body.to_string()))
}

fn openai(id: &str, route: &Route) -> Value {
    json!({"id": id, "object": "model", "created": route.created, "owned_by": &*route.label})
}

fn anthropic(id: &str, created: i64) -> Value {
    let created = jiff::Timestamp::from_second(created).unwrap_or_default().to_string();
    // Its SDKs want a word on the model's life; what a route serves can be called.
    json!({"type": "model", "id": id, "display_name": id, "created_at": created,
        "lifecycle": "active"})
}

fn gemini(id: &str) -> Value {
    let methods = ["generateContent", "streamGenerateContent", "countTokens"];
    json!({"name": format!("models/{id}"), "displayName": id, "supportedGenerationMethods": methods})
}

/// A page by `limit`, `after_id` and `before_id`.
fn anthropic_page(models: &[(&str, i64)], query: Option<&str>) -> Result<Value, ProxyError> {
    let argument = |name: &str| {
        let pairs = query.unwrap_or_default().split('&');
        pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)
    };
    let limit = match argument("limit") {
        None => DEFAULT_PAGE,
        Some((_, text)) => {
            text.parse().ok().filter(|limit| (1..=LARGEST_PAGE).contains(limit)).ok_or_else(
                || {
                    let message = format!("`limit` must be a number from 1 to {LARGEST_PAGE}");
                    ProxyError::new(Reason::InvalidRequest, message).permanent()
                },
            )?
        }
    };
    // The list is sorted, so that an id that is gone by now still has its place.
    let start = argument("after_id")
        .map_or(0, |(_, after)| models.partition_point(|(id, _)| *id <= &*decode_path(after)));
    let end = argument("before_id").map_or(models.len(), |(_, before)| {
        models.partition_point(|(id, _)| *id < &*decode_path(before))
    });
    let rest = models.get(start..end.max(start)).unwrap_or_default();
    let backwards = argument("before_id").is_some() && argument("after_id").is_none();
    let cut = rest.len().saturating_sub(limit);
    let page = if backwards { &rest[cut..] } else { &rest[..rest.len() - cut] };
    Ok(json!({
        "data": page.iter().map(|(id, created)| anthropic(id, *created)).collect::<Vec<_>>(),
        "has_more": cut > 0,
        "first_id": page.first().map(|(id, _)| id),
        "last_id": page.last().map(|(id, _)| id),
    }))
}

/// Undoes percent-encoding (RFC 3986, section 2.1); what is no valid encoding stays as it is.
fn decode_path(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let decoded = match (first, tail) {
            (b'%', [high, low, ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                digit(high)
                    .zip(digit(low))
                    .and_then(|(high, low)| u8::try_from(high * 16 + low).ok())
            }
            _ => None,
        };
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// `GET /health/detailed`: the caller's routes and whether their targets can be asked.
pub(super) fn health(table: &RouteTable, caller: &Caller) -> Bytes {
    let now = Instant::now();
    let routes: Vec<Value> = table
        .routes
        .iter()
        .filter(|route| route.admits(caller))
        .filter(|route| route.models.iter().any(|model| caller.models.allows(&model.to_string())))
        .map(|route| {
            let targets: Vec<Value> =
                route.targets.iter().map(|target| target_health(target, now)).collect();
            let available = targets.iter().any(|target| target["state"] == "available");
            json!({
                "route": &*route.label,
                "models": route.models.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "status": if available { "ok" } else { "unavailable" },
                "targets": targets,
            })
        })
        .collect();
    let ok = routes.iter().all(|route| route["status"] == "ok");
    let body = json!({
        "status": if ok { "ok" } else { "degraded" },
        "generation": table.generation,
        "routes": routes,
    });
    Bytes::from(body.to_string())
}

fn target_health(target: &Target, now: Instant) -> Value {
    let state = match target.standing(now) {
        Standing::Closed => "available",
        // Why it is unresolved may name objects of other namespaces; the route's owner reads it in
        // status.
        other => other.as_str(),
    };
    json!({"name": &*target.name, "state": state})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> (Vec<String>, bool) {
        let body =
            anthropic_page(&[("a", 0), ("b", 0), ("c", 0), ("d", 0)], Some(query)).expect("a page");
        let ids = body["data"].as_array().expect("a list");
        let ids = ids.iter().map(|model| model["id"].as_str().expect("an id").to_owned());
        (ids.collect(), body["has_more"].as_bool().expect("a flag"))
    }

    #[test]
    fn pages_go_forwards_and_backwards() {
        let ids = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        assert_eq!(page("limit=3"), (ids("abc"), true));
        assert_eq!(page("limit=3&after_id=c"), (ids("d"), false));
        assert_eq!(page("limit=2&before_id=d"), (ids("bc"), true));
        assert_eq!(page("after_id=zz"), (ids(""), false));
        assert!(anthropic_page(&[], Some("limit=0")).is_err());
    }

    #[test]
    fn ids_with_slashes_are_read_in_both_spellings() {
        assert_eq!(decode_path("meta-llama%2FLlama-3"), "meta-llama/Llama-3");
        assert_eq!(decode_path("meta-llama/Llama-3"), "meta-llama/Llama-3");
        assert_eq!(decode_path("100%"), "100%");
        assert_eq!(decode_path("%zz%4"), "%zz%4");
    }
}
