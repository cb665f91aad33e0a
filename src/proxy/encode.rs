//! The body as a target gets it: the client's bytes, with only those members changed that must be.

use bytes::Bytes;
use serde_json::Value;

use super::prepare::Prepared;
use super::resolve::Resolved;
use crate::protocol::registry::Operation;
use crate::table::Upstream;
use crate::wire::json::{JsonError, Object, ObjectEdit};

/// Whether the gateway asks for usage on its own account; the caller must not see it in the stream.
pub(super) fn adds_usage(resolved: &Resolved, upstream: &Upstream) -> bool {
    resolved.streams()
        && resolved.operation.usage_on_request
        && upstream.provider.quirks.stream_usage
        && !resolved.facts.include_usage
        && !upstream.state.refuses_stream_options()
}

/// Writes the body for `upstream` from `object`, which is the client's; `add_usage` asks for usage in
/// the stream.
pub(super) fn encode(
    object: &Object,
    resolved: &Resolved,
    upstream: &Upstream,
    prepared: &Prepared,
    add_usage: bool,
) -> Result<Bytes, JsonError> {
    let operation = resolved.operation;
    let wanted = &*upstream.model_for(&resolved.model);
    // Some bodies repeat what stands in their path.
    let readdressed = match operation.embeds {
        Some(client) => client.readdress(object, wanted)?.map(Object::parse).transpose()?,
        None => None,
    };
    let object = readdressed.as_ref().unwrap_or(object);
    let mut edit = object.edit();
    let in_path = operation.model_in_path();
    if resolved.facts.model != wanted && !in_path {
        edit.set("model", &Value::from(wanted))?;
    }
    if resolved.forced_stream && !in_path {
        edit.set("stream", &Value::Bool(true))?;
    }
    if !upstream.parameters.is_empty() {
        apply_parameters(&mut edit, object, operation, upstream)?;
    }
    prepared.fit.change_body(&mut edit, upstream.transport, operation)?;
    edit.merge(&upstream.parameters.raw)?;
    if add_usage {
        edit.set_in("stream_options", "include_usage", &Value::Bool(true))?;
    }
    Ok(edit.finish())
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
            remove(edit, field)?;
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
            remove(edit, field)?;
        }
        set_preferred(edit, operation, upstream, name, value)?;
    }
    Ok(())
}

fn remove(edit: &mut ObjectEdit<'_>, field: &str) -> Result<(), JsonError> {
    match field.split_once('.') {
        None => edit.remove(field),
        Some((outer, field)) => edit.remove_in(outer, field),
    }
}

/// Whether the client set one of the spellings.
fn is_set(object: &Object, fields: &[&str]) -> Result<bool, JsonError> {
    for field in fields {
        let set = match field.split_once('.') {
            None => object.raw(field)?.is_some_and(|raw| raw != b"null"),
            Some((outer, field)) => match object.object(outer)? {
                Some(outer) => outer.raw(field)?.is_some_and(|raw| raw != b"null"),
                None => false,
            },
        };
        if set {
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
    let vendors = upstream.provider.quirks.max_tokens_field;
    match fields.iter().find(|field| **field == vendors).or(fields.first()) {
        Some(field) => match field.split_once('.') {
            None => edit.set(field, value),
            Some((outer, field)) => edit.set_in(outer, field, value),
        },
        // The operation has no such parameter: embeddings have no temperature.
        None => Ok(()),
    }
}
