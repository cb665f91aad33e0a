//! Counts of tokens for callers whose targets do not count: estimated here.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};

use super::body::GatewayBody;
use super::choose::can_serve;
use super::error::{ProxyError, Reason};
use super::exchange::Exchange;
use super::headers::names;
use super::resolve::Resolved;
use super::respond;
use crate::protocol::dialect::DialectId;
use crate::protocol::estimate::prompt_tokens;

/// The dialect of the prompt, if this asks for a count and no target of the route can give one.
pub(super) fn to_estimate(resolved: &Resolved) -> Option<DialectId> {
    let dialect = resolved.operation.counts?;
    let mut upstreams = resolved.route.targets.iter().filter_map(|target| target.upstream());
    (!upstreams.any(|upstream| can_serve(upstream, resolved.operation))).then_some(dialect)
}

/// Answers with an estimate, which a header tells from a count.
pub(super) fn answer(
    exchange: Exchange,
    resolved: &Resolved,
    dialect: DialectId,
) -> Response<GatewayBody> {
    match estimate(resolved, dialect) {
        Ok(tokens) => {
            let body = Bytes::from(format!("{{\"input_tokens\":{tokens}}}"));
            let mut response = respond::local(exchange, StatusCode::OK, body);
            let headers = response.headers_mut();
            headers.insert(names::ESTIMATED, HeaderValue::from_static("true"));
            response
        }
        Err(error) => respond::refused(exchange, &error),
    }
}

fn estimate(resolved: &Resolved, dialect: DialectId) -> Result<u64, ProxyError> {
    let invalid = |message: String| ProxyError::new(Reason::InvalidRequest, message).permanent();
    let request = dialect
        .dialect()
        .read_request(resolved.object.text())
        .map_err(|error| invalid(error.to_string()).about(Some(error.param)))?;
    let first = resolved.route.targets.iter().find_map(|target| target.upstream());
    let percent = first.and_then(|upstream| {
        let model = upstream.model.as_deref().unwrap_or(&resolved.model);
        upstream.facts(model).token_percent
    });
    let percent = percent.unwrap_or(100);
    Ok(prompt_tokens(&request).saturating_mul(u64::from(percent)) / 100)
}
