//! The body as a target gets it: the client's bytes, with only those members changed that must be.

use bytes::Bytes;
use serde_json::Value;

use crate::protocol::registry::Operation;
use crate::protocol::request::RequestFacts;
use crate::table::Upstream;
use crate::wire::json::{JsonError, Object, ObjectEdit};

/// A body for one target.
#[derive(Debug)]
pub(super) struct Encoded {
    pub body: Bytes,
    /// Usage was asked for on the gateway's own account: the caller must not see it in the stream.
    pub usage_added: bool,
}

/// Whether a stream's usage is asked for on the gateway's own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UsageInStreams {
    /// Where the client did not and the vendor is known to understand it.
    Added,
    /// Only if the client did.
    AsAsked,
}

/// Writes the body for `upstream`. `model` is the name inside the route, which a target without a
/// model of its own gets; `forced_stream` is set where the path alone asked for a stream.
pub(super) fn encode(
    object: &Object,
    facts: &RequestFacts,
    model: &str,
    forced_stream: bool,
    operation: &Operation,
    upstream: &Upstream,
    usage: UsageInStreams,
) -> Result<Encoded, JsonError> {
    let mut edit = object.edit();
    let wanted = upstream.model.as_deref().unwrap_or(model);
    if facts.model != wanted {
        edit.set("model", &Value::from(wanted))?;
    }
    if forced_stream {
        edit.set("stream", &Value::Bool(true))?;
    }
    if !upstream.parameters.is_empty() {
        apply_parameters(&mut edit, object, operation, upstream)?;
    }
    let usage_added = usage == UsageInStreams::Added
        && facts.stream
        && operation.usage_on_request
        && upstream.provider.stream_usage
        && !facts.include_usage;
    if usage_added {
        edit.set_in("stream_options", "include_usage", &Value::Bool(true))?;
    }
    Ok(Encoded { body: edit.finish(), usage_added })
}

fn apply_parameters(
    edit: &mut ObjectEdit<'_>,
    object: &Object,
    operation: &Operation,
    upstream: &Upstream,
) -> Result<(), JsonError> {
    let parameters = &upstream.parameters;
    for name in &parameters.drop {
        for field in operation.fields(name) {
            edit.remove(field)?;
        }
    }
    for (name, value) in &parameters.defaults {
        let fields = operation.fields(name);
        if parameters.drop.contains(name) || !is_set(object, fields)? {
            set_preferred(edit, operation, upstream, name, value)?;
        }
    }
    for (name, value) in &parameters.overrides {
        for field in operation.fields(name) {
            edit.remove(field)?;
        }
        set_preferred(edit, operation, upstream, name, value)?;
    }
    edit.merge(&parameters.raw)
}

/// Whether the client set one of the spellings.
fn is_set(object: &Object, fields: &[&str]) -> Result<bool, JsonError> {
    for field in fields {
        if object.raw(field)?.is_some_and(|raw| raw != b"null") {
            return Ok(true);
        }
    }
    Ok(false)
}

fn set_preferred(
    edit: &mut ObjectEdit<'_>,
    operation: &Operation,
    upstream: &Upstream,
    name: &str,
    value: &Value,
) -> Result<(), JsonError> {
    let fields = operation.fields(name);
    let vendors = upstream.provider.max_tokens_field;
    match fields.iter().find(|field| **field == vendors).or(fields.first()) {
        Some(field) => edit.set(field, value),
        // The operation has no such parameter: embeddings have no temperature.
        None => Ok(()),
    }
}
