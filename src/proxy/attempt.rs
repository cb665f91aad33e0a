//! One try at one target, up to the point at which its answer goes out.

use std::future::poll_fn;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use tokio::time::{Instant, timeout, timeout_at};

use super::classify::{Class, classify, classify_in_band, retry_after};
use super::encode::{UsageInStreams, encode};
use super::events::{EventStream, Progress, StreamFault};
use super::headers;
use super::resolve::Resolved;
use crate::protocol::error::ErrorFacts;
use crate::protocol::usage::Usage;
use crate::table::{Key, Upstream};
use crate::upstream::{Client, ConnectError, SendError, UpstreamBody, authorize};

/// A plain reply is held up to this size, so that one that breaks off can still fail over; longer
/// ones (large batches of embeddings) pass as they come.
const HELD_REPLY: usize = 4 * 1024 * 1024;
/// A preamble is held up to this size; a Responses stream repeats its whole request in it.
const HELD_PREAMBLE: usize = 1024 * 1024;
/// An error body is read up to this size and no longer than this time: it only says what happened.
const ERROR_BODY: usize = 64 * 1024;
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);

/// An answer that goes to the client.
#[derive(Debug)]
pub(super) enum Answer {
    /// A whole reply.
    Reply { status: StatusCode, headers: HeaderMap, body: Bytes, usage: Usage },
    /// A reply too long to be held: its beginning and the rest.
    LongReply { headers: HeaderMap, held: Bytes, rest: UpstreamBody },
    /// A stream that has reached its commit.
    Stream { headers: HeaderMap, held: Bytes, progress: Progress, events: Box<EventStream> },
}

/// A try that did not answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub class: Class,
    /// For messages; without anything a provider said about a credential.
    pub detail: String,
    pub retry_after: Option<Duration>,
    /// It is about something that the client did not send.
    pub refuses_addition: bool,
    /// The target's own answer, for failures that are the caller's to see.
    pub passed_on: Option<Box<(StatusCode, HeaderMap, Bytes)>>,
}

impl Failure {
    /// Every key began to rest between choosing the target and asking it.
    pub(super) fn keys_resting() -> Self {
        Self::new(Class::Throttled, "its keys are resting")
    }

    fn new(class: Class, detail: impl Into<String>) -> Self {
        Self {
            class,
            detail: detail.into(),
            retry_after: None,
            refuses_addition: false,
            passed_on: None,
        }
    }
}

/// When a try has to be given up or committed to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The latest moment for a whole plain reply, or for the first output of a stream.
    pub give_up: Instant,
    /// What is said when that moment passes: the name of the limit.
    pub name: &'static str,
    /// A stream without output is answered all the same from then on.
    pub commit: Instant,
}

/// Asks the target once, with one key. A refusal of what the gateway had added to the request is
/// not the caller's to see: the target is asked once more without it.
pub(super) async fn ask(
    client: &Client,
    upstream: &Upstream,
    key: Option<&Key>,
    resolved: &Resolved,
    limits: Limits,
) -> Result<Answer, Failure> {
    match ask_for(client, upstream, key, resolved, UsageInStreams::Added, limits).await {
        Err(failure) if failure.refuses_addition => {
            ask_for(client, upstream, key, resolved, UsageInStreams::AsAsked, limits).await
        }
        result => result,
    }
}

async fn ask_for(
    client: &Client,
    upstream: &Upstream,
    key: Option<&Key>,
    resolved: &Resolved,
    usage: UsageInStreams,
    limits: Limits,
) -> Result<Answer, Failure> {
    let (request, usage_added) = request(upstream, key, resolved, usage)?;
    let sending = client.send(&upstream.base_url, request, upstream.timeouts.connect);
    let response = match timeout_at(limits.give_up, sending).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(unsent(&error)),
        Err(_) => return Err(too_slow(limits)),
    };
    if !response.status().is_success() {
        return Err(refused(response, upstream, resolved, usage_added).await);
    }
    let streamed = is_event_stream(response.headers());
    match (resolved.streams(), streamed) {
        (true, true) => stream(response, upstream, resolved, usage_added, limits).await,
        (false, false) => reply(response, upstream, resolved, limits).await,
        (true, false) => Err(not_a_stream(response, upstream, resolved, limits).await),
        (false, true) => {
            Err(Failure::new(Class::Failure, "answered a plain request with a stream"))
        }
    }
}

fn request(
    upstream: &Upstream,
    key: Option<&Key>,
    resolved: &Resolved,
    usage: UsageInStreams,
) -> Result<(Request<Bytes>, bool), Failure> {
    let encoded = encode(
        &resolved.object,
        &resolved.facts,
        &resolved.model,
        resolved.forced_stream,
        resolved.operation,
        upstream,
        usage,
    )
    // The body was read before: what is left is a member that a parameter of the route meets and
    // that the client gave twice or in another type.
    .map_err(|error| {
        Failure::new(Class::ClientFault, format!("the request cannot be sent: {error}"))
    })?;
    let target = upstream
        .base_url
        .request_target(resolved.operation.upstream_path, resolved.query.as_deref())
        .ok_or_else(|| Failure::new(Class::ClientFault, "the query is not valid in a URL"))?;
    let mut request = Request::new(encoded.body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from(target);
    *request.headers_mut() =
        headers::to_target(&resolved.headers, resolved.operation.protocol, resolved.streams());
    if let Some(key) = key {
        authorize(request.headers_mut(), upstream.provider.auth, key);
    }
    Ok((request, encoded.usage_added))
}

fn unsent(error: &SendError) -> Failure {
    let class = match error {
        SendError::Connect(ConnectError::Timeout(_)) => Class::TimedOut,
        SendError::Connect(ConnectError::Exhausted(_)) => Class::Exhausted,
        SendError::Connect(_) | SendError::Broken(_) => Class::Failure,
    };
    Failure::new(class, error.to_string())
}

fn too_slow(limits: Limits) -> Failure {
    Failure::new(Class::TimedOut, format!("gave no answer within `{}`", limits.name))
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media_type.is_some_and(|text| {
        text.get(..17).is_some_and(|start| start.eq_ignore_ascii_case("text/event-stream"))
    }) && !headers.contains_key(CONTENT_ENCODING)
}

/// Reads what a target says that does not answer.
async fn refused(
    response: Response<UpstreamBody>,
    upstream: &Upstream,
    resolved: &Resolved,
    usage_added: bool,
) -> Failure {
    let (head, mut body) = response.into_parts();
    let reading = collect(&mut body, ERROR_BODY);
    let text = match timeout(ERROR_BODY_TIME, reading).await {
        Ok(Ok(Collected::Whole(text) | Collected::Beginning(text))) => text,
        Ok(Err(_)) | Err(_) => Bytes::new(),
    };
    let facts = resolved.operation.protocol.protocol().read_error(&text);
    let class = classify(head.status, &facts, upstream.model.as_deref(), &upstream.breaker);
    let names_addition = facts.mentions("stream_options") || facts.mentions("include_usage");
    Failure {
        class,
        refuses_addition: usage_added && class == Class::ClientFault && names_addition,
        detail: describe(class, Some(head.status), &facts),
        retry_after: retry_after(&head.headers, SystemTime::now()),
        passed_on: Some(Box::new((head.status, headers::from_target(&head.headers), text))),
    }
}

/// What a message may say of a provider's error. Errors about credentials quote parts of keys and
/// names of accounts: of those only the status is told.
fn describe(class: Class, status: Option<StatusCode>, facts: &ErrorFacts) -> String {
    let status = status.map_or_else(String::new, |status| format!("status {} ", status.as_u16()));
    if class == Class::CredentialFault {
        return format!("{status}(the gateway's credential was refused)");
    }
    let named = [&facts.code, &facts.kind].into_iter().find(|text| !text.is_empty());
    match named {
        Some(name) => format!("{status}({name})"),
        None => status.trim_end().to_owned(),
    }
}

/// A plain answer to a request for a stream: an error in disguise, most often.
async fn not_a_stream(
    response: Response<UpstreamBody>,
    upstream: &Upstream,
    resolved: &Resolved,
    limits: Limits,
) -> Failure {
    match reply(response, upstream, resolved, limits).await {
        Err(failure) => failure,
        Ok(_) => Failure::new(Class::Failure, "answered a request for a stream without one"),
    }
}

async fn reply(
    response: Response<UpstreamBody>,
    upstream: &Upstream,
    resolved: &Resolved,
    limits: Limits,
) -> Result<Answer, Failure> {
    let (head, mut body) = response.into_parts();
    let headers = headers::from_target(&head.headers);
    let collected = match timeout_at(limits.give_up, collect(&mut body, HELD_REPLY)).await {
        Ok(Ok(collected)) => collected,
        Ok(Err(error)) => {
            return Err(Failure::new(Class::Failure, format!("broke off its reply: {error}")));
        }
        Err(_) => return Err(too_slow(limits)),
    };
    let text = match collected {
        Collected::Whole(text) => text,
        Collected::Beginning(held) => return Ok(Answer::LongReply { headers, held, rest: body }),
    };
    if headers.contains_key(CONTENT_ENCODING) {
        // Compressed although nobody asked for it; the client may be able to read it.
        return Ok(Answer::Reply {
            status: head.status,
            headers,
            body: text,
            usage: Usage::default(),
        });
    }
    let read =
        resolved.operation.answers.read_reply(&text).map_err(|_| {
            Failure::new(Class::Failure, "sent a reply that is not of its protocol")
        })?;
    match read.error {
        Some(facts) => {
            let class = classify_in_band(&facts, upstream.model.as_deref(), &upstream.breaker);
            Err(in_band(class, &facts, headers, text))
        }
        None => Ok(Answer::Reply { status: head.status, headers, body: text, usage: read.usage }),
    }
}

/// A failure that came without a status of its own; if it is the caller's fault, it is shown as one.
fn in_band(class: Class, facts: &ErrorFacts, headers: HeaderMap, text: Bytes) -> Failure {
    Failure {
        class,
        detail: describe(class, None, facts),
        retry_after: None,
        refuses_addition: false,
        passed_on: Some(Box::new((StatusCode::BAD_REQUEST, headers, text))),
    }
}

async fn stream(
    response: Response<UpstreamBody>,
    upstream: &Upstream,
    resolved: &Resolved,
    usage_added: bool,
    limits: Limits,
) -> Result<Answer, Failure> {
    let (head, body) = response.into_parts();
    let headers = headers::from_target(&head.headers);
    let facts = &resolved.facts;
    let mut events = Box::new(EventStream::new(
        body,
        resolved.operation,
        facts.choices,
        facts.structured,
        usage_added,
    ));
    let mut held = BytesMut::new();
    let mut progress = Progress::None;
    loop {
        let until = limits.give_up.min(limits.commit);
        let batch = match timeout_at(until, poll_fn(|cx| events.poll_batch(cx))).await {
            Ok(Some(Ok(batch))) => batch,
            Ok(Some(Err(fault))) => return Err(broken(&fault, upstream, resolved, headers)),
            Ok(None) => return Err(Failure::new(Class::Failure, "sent an empty stream")),
            Err(_) if limits.commit <= limits.give_up => {
                return Ok(Answer::Stream { headers, held: held.freeze(), progress, events });
            }
            Err(_) => return Err(too_slow(limits)),
        };
        progress = progress.max(batch.progress);
        // Reasoning is generated output too: it is shown, and it cannot be taken back.
        let committed = progress >= Progress::Thinking;
        if committed && held.is_empty() {
            return Ok(Answer::Stream { headers, held: batch.bytes, progress, events });
        }
        held.extend_from_slice(&batch.bytes);
        if committed || held.len() > HELD_PREAMBLE {
            return Ok(Answer::Stream { headers, held: held.freeze(), progress, events });
        }
    }
}

fn broken(
    fault: &StreamFault,
    upstream: &Upstream,
    resolved: &Resolved,
    headers: HeaderMap,
) -> Failure {
    let StreamFault::Error(facts) = fault else {
        return Failure::new(Class::Failure, format!("its stream {}", fault.describe()));
    };
    let class = classify_in_band(facts, upstream.model.as_deref(), &upstream.breaker);
    // What the caller is to see of it is written anew: an event is no body of an error.
    let text =
        resolved.operation.protocol.protocol().write_error(&crate::protocol::error::ErrorView {
            status: StatusCode::BAD_REQUEST,
            code: "invalid_request",
            message: &facts.message,
            request_id: "",
        });
    in_band(class, facts, headers, text)
}

enum Collected {
    Whole(Bytes),
    /// There is more than the limit.
    Beginning(Bytes),
}

/// Reads a body up to about `limit` bytes. One that comes in one piece is not copied.
async fn collect(body: &mut UpstreamBody, limit: usize) -> Result<Collected, hyper::Error> {
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    while let Some(data) = poll_fn(|cx| body.poll_data(cx)).await {
        let data = data?;
        if first.is_empty() && more.is_empty() {
            first = data;
        } else {
            if more.is_empty() {
                more.extend_from_slice(&first);
            }
            more.extend_from_slice(&data);
        }
        if first.len().max(more.len()) > limit {
            return Ok(Collected::Beginning(if more.is_empty() { first } else { more.freeze() }));
        }
    }
    Ok(Collected::Whole(if more.is_empty() { first } else { more.freeze() }))
}
