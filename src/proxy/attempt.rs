//! One try at one target, up to the point at which its answer goes out.

mod embed;
mod failure;
mod gather;
mod read;
mod refused;

use std::borrow::Cow;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use std::time::SystemTime;

use bytes::Bytes;
use futures::future::Either;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use tokio::time::{Instant, timeout_at};

use super::allowance::{self, Allowance};
use super::classify::Class;
use super::context::Context;
use super::encode::{adds_usage, encode};
use super::endpoint_lease::EndpointLease;
use super::events::{EventStream, Progress};
use super::failover::Broken;
use super::headers;
use super::prepare::Prepared;
use super::relay::LongReply;
use super::resolve::Resolved;
use crate::protocol::continuation::Mode;
use crate::protocol::registry::Framing;
use crate::protocol::usage::Usage;
use crate::table::{Key, Timeouts, Upstream};
use crate::upstream::{SentOnce, UpstreamBody, authorize};
use failure::{too_slow, unsent};
use refused::is_ours;

pub(super) use failure::Failure;
pub(super) use gather::UNCOUNTED;

/// An answer that goes to the client.
#[derive(Debug)]
pub(super) enum Answer {
    /// A whole reply.
    Reply { status: StatusCode, headers: HeaderMap, body: Bytes, usage: Usage },
    /// A reply too long to be held: its beginning and the rest.
    LongReply { headers: HeaderMap, held: Bytes, rest: Box<LongReply> },
    /// A stream that has reached its commit.
    Stream { headers: HeaderMap, held: Bytes, progress: Progress, events: Box<EventStream> },
}

/// When a try has to be given up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The latest moment for a whole plain reply, or for the first output of a stream.
    pub give_up: Instant,
    /// What is said when that moment passes: the name of the limit.
    pub name: &'static str,
}

impl Limits {
    /// The same for a stream that has sent its head: pings and preamble do not make the silence
    /// before its first output shorter than any other.
    fn until_output(self, silence: Duration) -> Self {
        let give_up = Instant::now() + silence;
        if give_up < self.give_up { Self { give_up, name: "timeouts.thinkingIdle" } } else { self }
    }

    /// The same for one that goes on with a stream and has begun: it may have to repeat for a while
    /// what the client has already, and only silence is too long then.
    fn while_it_repeats(self, progress: Progress, timeouts: &Timeouts) -> Self {
        let (silence, name) = match progress {
            Progress::None => return self,
            Progress::Thinking => (timeouts.thinking_idle, "timeouts.thinkingIdle"),
            _ => (timeouts.idle, "timeouts.idle"),
        };
        Self { give_up: Instant::now() + silence, name }
    }
}

/// One try at one target, with one key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub context: &'a Context,
    pub upstream: &'a Upstream,
    /// The endpoint that is asked, where the target has endpoints.
    pub lease: Option<&'a EndpointLease>,
    pub key: Option<&'a Key>,
    pub resolved: &'a Resolved,
    pub prepared: &'a Prepared,
    pub limits: Limits,
    /// Set with the first event of a stream.
    pub alive: &'a AtomicBool,
    /// The stream that it is to go on with, and how.
    pub resuming: Option<(&'a Broken, Mode)>,
}

impl<'a> Attempt<'a> {
    /// Asks the target, and once more without what the gateway added where that was refused.
    pub async fn ask(self) -> Result<Answer, Failure> {
        if let Some(embeddings) = &self.prepared.embeddings {
            // Apart, so that not every request has room for it.
            return Box::pin(self.embed(embeddings)).await;
        }
        let add_usage =
            self.prepared.translated.is_none() && adds_usage(self.resolved, self.upstream);
        let asked = self.ask_once(add_usage).await;
        if !add_usage {
            return asked;
        }
        match asked {
            Err(failure) if is_ours(&failure) => {
                let answer = self.ask_once(false).await?;
                self.upstream.state.learn_refusal_of_stream_options();
                Ok(answer)
            }
            asked => asked,
        }
    }

    async fn ask_once(self, add_usage: bool) -> Result<Answer, Failure> {
        let response = self.send(self.request(add_usage)?).await?;
        match (self.resolved.streams(), is_stream(self.framing(), response.headers())) {
            (true, true) => self.stream(response, add_usage).await,
            (false, false) => self.reply(response).await,
            (true, false) => Err(self.not_a_stream(response).await),
            (false, true) => {
                Err(Failure::new(Class::Failure, "answered a plain request with a stream"))
            }
        }
    }

    /// Asks for something short, with a body of that operation's own; `passes` says whether the
    /// client's query does. The headers of the answer are those that the client may see.
    pub async fn ask_short(
        self,
        path: &str,
        passes: bool,
        body: Bytes,
        own: &[(&'static str, String)],
    ) -> Result<(HeaderMap, Bytes), Failure> {
        let request = self.request_to(path, passes, body, own)?;
        let (headers, body) = self.ask_whole(request, UNCOUNTED).await?;
        Ok((headers::from_target(&headers), body))
    }

    /// Proves and sends a request, and gives back an answer of success, of which the head has come.
    async fn send(self, mut request: Request<Bytes>) -> Result<Response<UpstreamBody>, Failure> {
        let upstream = self.upstream;
        if let Some(key) = self.key {
            let proof = authorize(&mut request, &upstream.base_url, upstream.provider, key);
            match timeout_at(self.limits.give_up, proof).await {
                Ok(proven) => proven.map_err(|error| Failure::unproven(&error))?,
                Err(_) => return Err(too_slow(self.limits)),
            }
        }
        if !self.resolved.may_repeat() {
            request.extensions_mut().insert(SentOnce);
        }
        let sending = match self.lease {
            None => {
                let connect = upstream.timeouts.connect;
                let client = &self.context.gateway.client;
                Either::Left(client.send(&upstream.base_url, request, connect))
            }
            // Boxed, so that requests without an endpoint have no room for it.
            Some(lease) => {
                let route = &self.resolved.route;
                Either::Right(Box::pin(lease.send(self.context, route, upstream, request)))
            }
        };
        let response = match timeout_at(self.limits.give_up, sending).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(unsent(&error)),
            Err(_) => return Err(too_slow(self.limits)),
        };
        if response.status().is_success() {
            self.note_allowance(response.headers());
            Ok(response)
        } else {
            Err(self.refused(response).await)
        }
    }

    /// Remembers how much the provider says is left for the key, where another could be used.
    fn note_allowance(self, headers: &HeaderMap) {
        let others = self.upstream.keys.as_ref().is_some_and(|pool| pool.keys.len() > 1);
        if let Some(key) = self.key.filter(|_| others) {
            let (model, now) = (self.upstream.limited_model(), std::time::Instant::now());
            match allowance::read(headers, SystemTime::now()) {
                Some(Allowance::Low(rest)) => key.state.run_low(model, now + rest, now),
                Some(Allowance::Plenty) => key.state.has_plenty(model, now),
                None => {}
            }
        }
    }

    fn request(self, add_usage: bool) -> Result<Request<Bytes>, Failure> {
        let Self { upstream, resolved, prepared, .. } = self;
        let body = match &prepared.translated {
            Some(translated) => translated.body.clone(),
            None => {
                let object = prepared.inlined.as_ref().unwrap_or(&resolved.object);
                encode(object, resolved, upstream, prepared, add_usage)
                    .map_err(|error| Failure::unsendable(&error))?
            }
        };
        let model = upstream.model_for(&resolved.model);
        let path = upstream.transport.path(prepared.operation, &model, resolved.streams());
        // Doors of clouds refuse what they do not know.
        let passes =
            prepared.translated.is_none() && upstream.transport.door(prepared.operation).is_none();
        let own = prepared.translated.as_ref().map_or(&[][..], |written| &written.headers);
        self.request_to(&path, passes, body, own)
    }

    /// A request to the target, still without proof. `passes` says whether the client's query does;
    /// `own` are headers that belong to the body.
    fn request_to(
        self,
        path: &str,
        passes: bool,
        body: Bytes,
        own: &[(&'static str, String)],
    ) -> Result<Request<Bytes>, Failure> {
        let Self { upstream, resolved, prepared, .. } = self;
        let query = self.query(path, passes);
        let target = upstream
            .base_url
            .request_target(path, query.as_deref())
            .ok_or_else(|| Failure::new(Class::ClientFault, "the query is not valid in a URL"))?;
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from(target);
        let mut headers = headers::to_target(
            &resolved.headers,
            self.context.caller.as_deref(),
            prepared.protocol,
            prepared.protocol == resolved.operation.protocol,
            resolved.streams().then(|| self.framing()),
        );
        for (name, value) in own {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        prepared.fit.change_head(&mut headers, upstream.transport);
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// The query, beside what the path says by itself: the target's own, and the client's where that
    /// passes, but for what was said already.
    fn query(self, path: &str, passes: bool) -> Option<Cow<'a, str>> {
        let Self { upstream, resolved, .. } = self;
        let own = upstream.query.as_deref();
        let client = resolved.query.as_deref().filter(|_| passes);
        let said = path.split_once('?').map(|(_, query)| query);
        let said: Vec<&str> = [said, own].into_iter().flatten().flat_map(names_in).collect();
        let more = client.map(|query| {
            let pairs = query.split('&').filter(|pair| !names_in(pair).any(|n| said.contains(&n)));
            pairs.collect::<Vec<_>>().join("&")
        });
        match (own, more.filter(|more| !more.is_empty())) {
            (Some(own), None) => Some(Cow::Borrowed(own)),
            (Some(own), Some(more)) => Some(Cow::Owned(format!("{own}&{more}"))),
            (None, more) => more.map(Cow::Owned),
        }
    }

    /// How the events of a streamed answer lie in its bytes.
    fn framing(self) -> Framing {
        self.upstream.transport.framing(self.prepared.operation)
    }
}

/// The names in a query.
fn names_in(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name))
}

/// Whether an answer is a stream in the given framing.
fn is_stream(framing: Framing, headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let wanted = framing.media_type();
    media_type
        .and_then(|text| text.get(..wanted.len()))
        .is_some_and(|start| start.eq_ignore_ascii_case(wanted))
        && headers.get(CONTENT_ENCODING).is_none_or(|encoding| encoding == "identity")
}
