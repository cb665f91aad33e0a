//! What one target is asked: the client's request as it came, or the same in the target's protocol.

mod embeddings;

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::Value;

use super::attempt::Failure;
use super::fetch::{pass_with_bytes, wanting};
use super::fit::{self, Fit, Fitted};
use super::resolve::{Resolved, betas};
use crate::protocol::abilities::hold_to;
use crate::protocol::continuation::{Mode, continuation};
use crate::protocol::dialect::{Dialect, DialectId, TargetView, Undo, Written};
use crate::protocol::neutral::{Crossing, Effort, Request, Warning};
use crate::protocol::registry::{Operation, ProtocolId};
use crate::table::{Parameters, Upstream};
use crate::wire::json::{JsonError, Object};

pub(super) use embeddings::Embeddings;

/// What one target is asked.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The target's own operation; the client's, where it is asked for embeddings.
    pub operation: &'static Operation,
    /// What the target speaks.
    pub protocol: ProtocolId,
    /// Set where the operation is not the client's.
    pub translated: Option<Translated>,
    /// The client's request with bytes in the place of URLs, for a vendor that fetches nothing.
    pub inlined: Option<Object>,
    /// Set where embeddings are asked for in another way than the client's.
    pub embeddings: Option<Embeddings>,
    /// What the vendor's own door changes in the head; in the body of a translated request it was
    /// changed already.
    pub fit: Fit,
    /// What is lost on the way.
    pub warnings: Vec<Warning>,
}

impl Prepared {
    /// The client's own request, for the target's operation of the same API.
    pub fn as_it_came(operation: &'static Operation, fit: Fit, warnings: Vec<Warning>) -> Self {
        let protocol = operation.protocol;
        Self {
            operation,
            protocol,
            translated: None,
            inlined: None,
            embeddings: None,
            fit,
            warnings,
        }
    }

    /// Whether the client speaks another API than the target.
    pub fn is_translated(&self) -> bool {
        self.translated.is_some() || self.embeddings.is_some()
    }
}

/// A request in the target's protocol.
#[derive(Debug)]
pub(super) struct Translated {
    pub body: Bytes,
    pub headers: Vec<(&'static str, String)>,
    pub undo: Undo,
    /// How the target's answer is read, and how the client's is written.
    pub provider: &'static dyn Dialect,
    pub client: &'static dyn Dialect,
}

impl std::fmt::Debug for dyn Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.id())
    }
}

/// Prepares the request to go on, in that way, with an answer of which the client has `text`.
pub(super) fn prepare_to_resume(
    resolved: &Resolved,
    upstream: &Upstream,
    text: &str,
    mode: Mode,
) -> Result<Prepared, Failure> {
    let operation = operation(resolved, upstream).ok_or_else(Failure::not_offered)?;
    let dialect = operation.dialect.ok_or_else(Failure::not_offered)?;
    let request = resolved.neutral().ok_or_else(Failure::not_offered)?;
    let request = request.as_ref().map_err(Failure::unreadable)?;
    let request = Cow::Owned(continuation(request, text, mode, dialect));
    let mut crossing = Crossing::new(upstream.compatibility);
    let (translated, fit) = translate(resolved, request, upstream, operation, &mut crossing)?;
    let as_it_came = Prepared::as_it_came(operation, fit, crossing.into_warnings());
    Ok(Prepared { translated: Some(translated), ..as_it_came })
}

/// Prepares the request for `upstream`.
pub(super) fn prepare(resolved: &Resolved, upstream: &Upstream) -> Result<Prepared, Failure> {
    if let Some(api) = upstream.provider.embeddings_for(resolved.operation) {
        return embeddings::prepare(resolved, upstream, api);
    }
    let operation = operation(resolved, upstream).ok_or_else(Failure::not_offered)?;
    let dialect = operation.dialect.map(DialectId::dialect);
    let foreign =
        dialect.is_some_and(|dialect| dialect.holds_foreign_state(resolved.object.text()));
    let mut crossing = Crossing::new(upstream.compatibility);
    if std::ptr::eq(operation, resolved.operation)
        && !foreign
        && let Fitted::Fits(fit) = as_it_came(resolved, upstream, operation, &mut crossing)?
    {
        let inlined = pass_with_bytes(resolved.object.text(), &resolved.files)
            .filter(|_| wanting(resolved, upstream).is_some())
            .map(Object::parse)
            .transpose()
            .map_err(|error| Failure::unsendable(&error))?;
        let warnings = crossing.into_warnings();
        return Ok(Prepared { inlined, ..Prepared::as_it_came(operation, fit, warnings) });
    }
    let mut crossing = Crossing::new(upstream.compatibility);
    let request = resolved.neutral().ok_or_else(Failure::not_offered)?;
    let request = Cow::Borrowed(request.as_ref().map_err(Failure::unreadable)?);
    let (translated, fit) = translate(resolved, request, upstream, operation, &mut crossing)?;
    let warnings = crossing.into_warnings();
    let as_it_came = Prepared::as_it_came(operation, fit, warnings);
    Ok(Prepared { translated: Some(translated), ..as_it_came })
}

/// The operation by which a target is asked this.
pub(super) fn operation(resolved: &Resolved, upstream: &Upstream) -> Option<&'static Operation> {
    let usual = upstream.provider.operation_for(resolved.operation)?;
    // What passes as it came is the client's own choice.
    let translated = !std::ptr::eq(usual, resolved.operation);
    let by_chat = translated && usual.dialect == Some(DialectId::OpenAiChat);
    Some(by_chat.then(|| by_responses(resolved, upstream)).flatten().unwrap_or(usual))
}

/// The Responses API, for a request to a model that does not think in chat completions where it may
/// call functions.
fn by_responses(resolved: &Resolved, upstream: &Upstream) -> Option<&'static Operation> {
    let model = upstream.model_for(&resolved.model);
    // A door with paths of its own (Azure's dated API) need not lead there.
    let plain = upstream.transport.doors.is_empty() && upstream.provider.quirks.openai_itself;
    if !plain || !upstream.facts(&model).tools_need_responses {
        return None;
    }
    let request = resolved.neutral()?.as_ref().ok()?;
    let effort = request.reasoning.as_ref().and_then(|reasoning| reasoning.effort);
    let may_think = effort != Some(Effort::None) && !request.tools.is_empty();
    may_think.then(|| upstream.provider.operation_in(DialectId::OpenAiResponses)).flatten()
}

/// What the door of `upstream` changes in the client's own request.
fn as_it_came(
    resolved: &Resolved,
    upstream: &Upstream,
    operation: &Operation,
    crossing: &mut Crossing,
) -> Result<Fitted, Failure> {
    let dialect = operation.dialect.map(DialectId::dialect);
    let Some(dialect) = dialect.filter(|_| !fit::is_plain(upstream, operation)) else {
        return Ok(Fitted::Fits(Fit::default()));
    };
    fit::fit(&resolved.object, betas(&resolved.headers), upstream.provider, dialect, crossing)
        .map_err(|lost| Failure::untranslatable(&lost))
}

fn translate(
    resolved: &Resolved,
    mut request: Cow<'_, Request>,
    upstream: &Upstream,
    operation: &Operation,
    crossing: &mut Crossing,
) -> Result<(Translated, Fit), Failure> {
    let dialect = |operation: &Operation| operation.dialect.map(DialectId::dialect);
    let provider = dialect(operation).ok_or_else(Failure::not_offered)?;
    let client = dialect(resolved.operation).ok_or_else(Failure::not_offered)?;
    let parameters = &upstream.parameters;
    if !parameters.is_empty() {
        apply(parameters, request.to_mut());
    }
    let quirks = &upstream.provider.quirks;
    if !resolved.files.is_empty() {
        resolved.files.inline(request.to_mut(), |kind| provider.wants_bytes(kind, quirks));
    }
    let model = &*upstream.model_for(&resolved.model);
    let facts = upstream.facts(model);
    let target = TargetView { model, facts: &facts, quirks };
    let written = hold_to(&facts, &mut request, client.id(), crossing)
        .and_then(|()| provider.write_request(&request, &target, crossing))
        .map_err(|lost| Failure::untranslatable(&lost))?;
    let fit = Fit::of_written(&written.headers, upstream.provider);
    let body = finished(written.body, upstream, operation, &fit)
        .map_err(|error| Failure::unsendable(&error))?;
    let Written { headers, undo, .. } = written;
    Ok((Translated { body, headers, undo, provider, client }, fit))
}

/// A written body as it goes through the door.
fn finished(
    body: Bytes,
    upstream: &Upstream,
    operation: &Operation,
    fit: &Fit,
) -> Result<Bytes, JsonError> {
    let raw = &upstream.parameters.raw;
    if raw.is_empty() && fit::is_plain(upstream, operation) {
        return Ok(body);
    }
    let object = Object::parse(body)?;
    let mut edit = object.edit();
    fit.change_body(&mut edit, upstream.transport, operation)?;
    edit.merge(raw)?;
    Ok(edit.finish())
}

/// Applies the route's parameters.
fn apply(parameters: &Parameters, request: &mut Request) {
    for name in &parameters.drop {
        set(request, name, None);
    }
    for (name, value) in &parameters.defaults {
        if parameters.drop.contains(name) || !is_set(request, name) {
            set(request, name, Some(value));
        }
    }
    for (name, value) in &parameters.overrides {
        set(request, name, Some(value));
    }
}

fn is_set(request: &Request, name: &str) -> bool {
    match name {
        "temperature" => request.temperature.is_some(),
        "topP" => request.top_p.is_some(),
        "topK" => request.top_k.is_some(),
        "maxOutputTokens" => request.max_output_tokens.is_some(),
        "stop" => !request.stop.is_empty(),
        "seed" => request.seed.is_some(),
        "presencePenalty" => request.presence_penalty.is_some(),
        "frequencyPenalty" => request.frequency_penalty.is_some(),
        "reasoningEffort" => request.reasoning.is_some(),
        "user" => request.user.is_some(),
        _ => false,
    }
}

/// Sets a parameter by its neutral name; the schema has checked the types.
fn set(request: &mut Request, name: &str, value: Option<&Value>) {
    match name {
        "temperature" => request.temperature = value.and_then(Value::as_f64),
        "topP" => request.top_p = value.and_then(Value::as_f64),
        "topK" => request.top_k = value.and_then(Value::as_u64),
        "maxOutputTokens" => request.max_output_tokens = value.and_then(Value::as_u64),
        "stop" => {
            let texts = value.and_then(Value::as_array).into_iter().flatten();
            request.stop = texts.filter_map(Value::as_str).map(str::to_owned).collect();
        }
        "seed" => request.seed = value.and_then(Value::as_i64),
        "presencePenalty" => request.presence_penalty = value.and_then(Value::as_f64),
        "frequencyPenalty" => request.frequency_penalty = value.and_then(Value::as_f64),
        "reasoningEffort" => {
            let effort = value.and_then(Value::as_str).and_then(Effort::parse);
            request.reasoning = effort.map(|effort| crate::protocol::neutral::Reasoning {
                effort: Some(effort),
                ..Default::default()
            });
        }
        "user" => request.user = value.and_then(Value::as_str).map(str::to_owned),
        // The schema has no others.
        _ => {}
    }
}
