//! Counts of tokens: exact where the target counts that would be asked, else estimated.
//!
//! Agents ask for one before most of their requests. So a count takes little time or is given up for
//! an estimate, uses up nobody's turn, and what goes wrong with it says nothing about how the target
//! answers: no breaker, no key and no latency hears of it.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::attempt::{Attempt, Failure, Limits};
use super::body::GatewayBody;
use super::choose::likely;
use super::classify::Class;
use super::context::Context;
use super::endpoint_lease::EndpointLease;
use super::error::{ProxyError, Reason};
use super::exchange::Exchange;
use super::fit::{self, Fit, Fitted};
use super::headers::names;
use super::prepare::Prepared;
use super::resolve::{Resolved, betas};
use super::respond;
use super::trail;
use crate::protocol::counting::CountingId;
use crate::protocol::dialect::{DialectId, TargetView};
use crate::protocol::estimate::prompt_tokens;
use crate::protocol::neutral::{Compatibility, Crossing, Request};
use crate::protocol::registry::{OPERATIONS, Operation};
use crate::state::Phase;
use crate::table::{Target, Upstream};
use crate::wire::json::Object;

/// Longest wait for a count: providers take some 100 ms, and an estimate is there at once.
const LONGEST: Duration = Duration::from_secs(3);
/// A target that did not count rests from it: so long if that may pass soon ...
const REST: Duration = Duration::from_secs(30);
/// ... and so long if it lacks the operation.
const LONG_REST: Duration = Duration::from_secs(600);

/// What came of asking a target.
enum Exact {
    /// Its count, in the client's API.
    Counted(HeaderMap, Bytes),
    /// Its refusal of a request in its own API, which is the caller's to see.
    PassedOn(Class, StatusCode, HeaderMap, Bytes),
}

/// Answers with a count. An estimate is told from it by a header.
pub(super) async fn answer(
    mut exchange: Exchange,
    resolved: &Resolved,
    counting: CountingId,
) -> Response<GatewayBody> {
    let target = asked_by(counting.dialect())
        .and_then(|chat| likely(&resolved.route, resolved.backend, chat, Instant::now()));
    if let Some(target) = target {
        match exact(&mut exchange, resolved, counting, target).await {
            Some(Exact::Counted(headers, body)) => {
                return respond::counted(exchange, headers, body);
            }
            Some(Exact::PassedOn(class, status, headers, body)) => {
                return respond::passed_on(exchange, class, status, headers, body);
            }
            None => exchange.trail.with(|steps| steps.last = None),
        }
    }
    match estimate(resolved, counting, target) {
        Ok(tokens) => {
            let body = counting.write_reply(tokens);
            let mut response = respond::local(exchange, StatusCode::OK, body);
            let headers = response.headers_mut();
            headers.insert(names::ESTIMATED, HeaderValue::from_static("true"));
            response
        }
        Err(error) => respond::refused(exchange, &error),
    }
}

/// The operation by which the counted request will be sent.
fn asked_by(dialect: DialectId) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.dialect == Some(dialect))
}

/// Asks the target; `None` if it does not count, or not now, or not this.
async fn exact(
    exchange: &mut Exchange,
    resolved: &Resolved,
    counting: CountingId,
    target: &Arc<Target>,
) -> Option<Exact> {
    let upstream = target.upstream()?;
    let way = Way::of(upstream)?;
    if !upstream.state.may_count(Instant::now()) {
        return None;
    }
    let asked = match own(resolved, upstream, counting, &way) {
        Some(asked) => asked,
        None => translated(resolved, upstream, counting, &way)?,
    };
    let key = match &upstream.keys {
        Some(pool) => {
            Some(pool.pick(upstream.limited_model(), Instant::now(), &[], resolved.session)?)
        }
        None => None,
    };
    exchange.trail.asks(trail::Asked {
        route: Arc::clone(&resolved.route),
        target: Arc::clone(target),
        endpoint: None,
        breaker: Phase::Closed,
        fallback: false,
    });
    let lease = match &upstream.endpoints {
        None => None,
        Some(endpoints) => {
            Some(EndpointLease::take(target, resolved.session_at(endpoints), &[], Instant::now())?)
        }
    };
    let started = Instant::now();
    let Asked { body, headers, fit, is_own } = asked;
    let answer = {
        let prepared = Prepared {
            protocol: upstream.provider.protocol,
            ..Prepared::as_it_came(resolved.operation, fit, Vec::new())
        };
        let context = Context::of(exchange);
        let attempt = Attempt {
            context: &context,
            upstream,
            lease: lease.as_ref(),
            key: key.as_deref(),
            resolved,
            prepared: &prepared,
            limits: limits(upstream, started),
            alive: &AtomicBool::new(false),
            resuming: None,
        };
        let path = way.path(upstream, resolved);
        attempt.ask_short(&path, is_own && !way.has_door(upstream), body, &headers).await
    };
    exchange.provider_time = Some(started.elapsed());
    let failure = match answer {
        Ok((headers, body)) => match way.counts.read_reply(&body) {
            Ok(_) if is_own => return Some(Exact::Counted(headers, body)),
            Ok(tokens) => return Some(Exact::Counted(headers, counting.write_reply(tokens))),
            Err(_) => Failure::of_another_protocol(),
        },
        Err(failure) => failure,
    };
    exchange.trail.failed(&target.name, &failure.detail);
    match failure.passed_on {
        Some(answer) if is_callers(failure.class, answer.0) => {
            let (status, headers, body) = *answer;
            // In another API's words it may be our fault, and is this prompt's alone.
            is_own.then_some(Exact::PassedOn(failure.class, status, headers, body))
        }
        _ => {
            let rest = match failure.class {
                Class::Throttled => failure.retry_after.unwrap_or(REST).min(LONG_REST),
                Class::ClientFault | Class::Permanent => LONG_REST,
                _ => REST,
            };
            upstream.state.rest_counting(Instant::now() + rest);
            None
        }
    }
}

/// How a target is asked for a count.
struct Way {
    counts: CountingId,
    /// The operation of that API, where it is the target's own and clients call it too.
    operation: Option<&'static Operation>,
}

impl Way {
    fn of(upstream: &Upstream) -> Option<Self> {
        let counts = upstream.provider.counts?;
        let operation = OPERATIONS.iter().find(|operation| operation.counts == Some(counts));
        let operation = operation.filter(|row| row.protocol == upstream.provider.protocol);
        let way = Self { counts, operation };
        // A cloud that has doors to an API lets nobody in elsewhere.
        let open = operation.is_none() || upstream.transport.doors.is_empty();
        (open || way.has_door(upstream)).then_some(way)
    }

    fn has_door(&self, upstream: &Upstream) -> bool {
        self.operation.is_some_and(|operation| upstream.transport.door(operation).is_some())
    }

    fn path(&self, upstream: &Upstream, resolved: &Resolved) -> Cow<'static, str> {
        let model = upstream.model_for(&resolved.model);
        match self.operation.filter(|_| self.has_door(upstream)) {
            Some(operation) => upstream.transport.path(operation, &model, false),
            None => self.counts.path(&model),
        }
    }

    /// A body as it goes through the target's door.
    fn through(&self, body: Bytes, upstream: &Upstream, fit: &Fit) -> Option<Bytes> {
        let operation = self.operation.filter(|operation| !fit::is_plain(upstream, operation));
        let Some(operation) = operation else { return Some(body) };
        let object = Object::parse(body).ok()?;
        let mut edit = object.edit();
        fit.change_body(&mut edit, upstream.transport, operation).ok()?;
        Some(edit.finish())
    }
}

/// What a target is asked.
struct Asked {
    body: Bytes,
    headers: Vec<(&'static str, String)>,
    fit: Fit,
    /// It is what the client sent.
    is_own: bool,
}

/// The client's own request, where the target takes it.
fn own(resolved: &Resolved, upstream: &Upstream, counting: CountingId, way: &Way) -> Option<Asked> {
    let dialect = way.counts.dialect().dialect();
    if counting != way.counts || dialect.holds_foreign_state(resolved.object.text()) {
        return None;
    }
    let (betas, mut crossing) = (betas(&resolved.headers), Crossing::new(Compatibility::Lenient));
    let fitted =
        fit::fit(&resolved.object, betas, upstream.provider, dialect, &mut crossing).ok()?;
    let Fitted::Fits(fit) = fitted else { return None };
    let body = counting.readdress(&resolved.object, &upstream.model_for(&resolved.model)).ok()?;
    let body = way.through(body, upstream, &fit)?;
    Some(Asked { body, headers: Vec::new(), fit, is_own: true })
}

/// The same request in the target's API.
fn translated(
    resolved: &Resolved,
    upstream: &Upstream,
    counting: CountingId,
    way: &Way,
) -> Option<Asked> {
    let request = read(resolved, counting).ok()?;
    let model = upstream.model_for(&resolved.model);
    let (facts, quirks) = (upstream.facts(&model), &upstream.provider.quirks);
    let target = TargetView { model: &model, facts: &facts, quirks };
    let written = way.counts.write_request(&request, &target).ok()?;
    let fit = Fit::of_written(&written.headers, upstream.provider);
    let body = way.through(written.body, upstream, &fit)?;
    Some(Asked { body, headers: written.headers, fit, is_own: false })
}

/// Whether a refusal is about what the caller sent, and not about counting.
fn is_callers(class: Class, status: StatusCode) -> bool {
    matches!(class, Class::ClientFault | Class::TooLong | Class::Refused)
        && matches!(status.as_u16(), 400 | 413 | 422)
}

fn limits(upstream: &Upstream, now: Instant) -> Limits {
    let limit = upstream.timeouts.response.unwrap_or(LONGEST).min(LONGEST);
    Limits { give_up: (now + limit).into(), name: "the time for a count" }
}

fn read(resolved: &Resolved, counting: CountingId) -> Result<Request, ProxyError> {
    counting.read_request(&resolved.object).map_err(|error| {
        let invalid = ProxyError::new(Reason::InvalidRequest, error.to_string()).permanent();
        invalid.about(Some(error.param))
    })
}

fn estimate(
    resolved: &Resolved,
    counting: CountingId,
    target: Option<&Arc<Target>>,
) -> Result<u64, ProxyError> {
    let request = read(resolved, counting)?;
    let mut targets = target.into_iter().chain(&resolved.route.targets);
    let percent = targets
        .find_map(|target| target.upstream())
        .and_then(|upstream| upstream.facts(&upstream.model_for(&resolved.model)).token_percent);
    let percent = percent.unwrap_or(100);
    Ok(prompt_tokens(&request).saturating_mul(u64::from(percent)) / 100)
}
