//! What is known of one request, from its head to its one and only settlement.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, Method, Request, StatusCode};

use super::Gateway;
use super::classify::Class;
use super::error::Reason;
use super::headers::names;
use super::trail::{Steps, Trail};
use crate::protocol::registry::{Operation, ProtocolId};
use crate::protocol::usage::Usage;
use crate::table::{Caller, Route, Target};
use crate::telemetry::access_log::AccessRecord;
use crate::telemetry::metrics::seconds;

/// Longest path that the log keeps: longer than any that is served.
const PATH_LIMIT: usize = 256;
/// Longest request id that is taken over from a client.
const REQUEST_ID_LIMIT: usize = 128;

/// One request. Settled exactly once: by [`Exchange::settle`], or, dropped before that because the
/// client went away, as cancelled.
#[derive(Debug)]
pub struct Exchange {
    pub(super) gateway: Arc<Gateway>,
    pub(super) started: Instant,
    pub(super) request_id: Arc<str>,
    pub(super) method: Method,
    pub(super) path: String,
    /// The protocol that the client speaks, as far as its path tells.
    pub(super) protocol: ProtocolId,
    pub(super) operation: Option<&'static Operation>,
    pub(super) caller: Option<Arc<Caller>>,
    pub(super) route: Option<Arc<Route>>,
    pub(super) trail: Arc<Trail>,
    /// The model that was asked for.
    pub(super) model: String,
    pub(super) stream: bool,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    pub(super) malformed_events: u32,
    /// How often another target went on with the stream.
    pub(super) resumes: u32,
    pub(super) provider_time: Option<Duration>,
    pub(super) first_token: Option<Duration>,
    pub(super) usage: Usage,
    settled: bool,
}

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    /// A target's answer went out whole.
    Answered(StatusCode),
    /// The gateway answered by itself and all is well.
    Local(StatusCode),
    /// A target's own refusal went out.
    PassedOn(StatusCode, Class),
    /// The gateway answered with an error of its own.
    Refused(Reason),
    /// A stream that had begun ended with an error in it.
    Broken(Reason),
}

impl Outcome {
    fn status(self) -> StatusCode {
        match self {
            Self::Answered(status) | Self::Local(status) | Self::PassedOn(status, _) => status,
            Self::Refused(reason) => reason.status(),
            Self::Broken(_) => StatusCode::OK,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Answered(_) => "success",
            Self::Local(_) => "local",
            Self::PassedOn(_, class) => class.as_str(),
            Self::Refused(Reason::Cancelled) => "cancelled",
            Self::Refused(_) => "error",
            Self::Broken(_) => "broken",
        }
    }

    fn code(self) -> Option<&'static str> {
        match self {
            Self::Refused(reason) | Self::Broken(reason) => Some(reason.as_str()),
            Self::Answered(_) | Self::Local(_) | Self::PassedOn(..) => None,
        }
    }
}

impl Exchange {
    pub(super) fn begin<B>(gateway: &Arc<Gateway>, request: &Request<B>) -> Self {
        gateway.metrics.in_flight.inc();
        let path = request.uri().path();
        Self {
            gateway: Arc::clone(gateway),
            started: Instant::now(),
            request_id: request_id(request.headers()).into(),
            method: request.method().clone(),
            path: beginning(path, PATH_LIMIT).to_owned(),
            protocol: protocol(request),
            operation: None,
            caller: None,
            route: None,
            trail: Arc::default(),
            model: String::new(),
            stream: false,
            request_bytes: 0,
            response_bytes: 0,
            malformed_events: 0,
            resumes: 0,
            provider_time: None,
            first_token: None,
            usage: Usage::default(),
            settled: false,
        }
    }

    /// Ends the request in log and metrics; what comes after is not counted.
    pub(super) fn settle(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        let took = self.started.elapsed();
        self.count(outcome, took);
        self.log(outcome, took);
    }

    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    fn count(&self, outcome: Outcome, took: Duration) {
        let metrics = &self.gateway.metrics;
        // The model is the client's text and never a label.
        let route = self.route.as_ref().map_or("", |route| &*route.label);
        let operation = self.operation.map_or("other", |operation| operation.name);
        metrics
            .requests
            .with_label_values(&[route, operation, status_text(outcome.status()), outcome.as_str()])
            .inc();
        metrics
            .duration
            .with_label_values(&[route, operation, if self.stream { "true" } else { "false" }])
            .observe(seconds(took));
        if self.malformed_events > 0 {
            metrics.malformed_events.inc_by(u64::from(self.malformed_events));
        }
        // Behind it may be another route's target, which has its own label there.
        let Some(last) = self.trail.with(|steps| steps.last.clone()) else { return };
        let (route, target) = (&*last.route.label, &*last.target.name);
        if let Some(first) = self.first_token {
            metrics.first_token.with_label_values(&[route, target]).observe(seconds(first));
        }
        let kinds = [
            ("input", self.usage.input),
            ("cached_input", self.usage.cached_input),
            ("output", self.usage.output),
            ("reasoning", self.usage.reasoning),
        ];
        for (kind, count) in kinds {
            if let Some(count) = count.filter(|count| *count > 0) {
                metrics.tokens.with_label_values(&[route, target, kind]).inc_by(count);
            }
        }
    }

    fn log(&self, outcome: Outcome, took: Duration) {
        let Steps { last, attempts, failures, .. } = self.trail.with(|steps| steps.clone());
        let last_route = last.as_ref().map(|asked| &asked.route);
        let target = last.as_ref().map(|asked| &*asked.target);
        let upstream = target.and_then(Target::upstream);
        let (time, code) = (timestamp(SystemTime::now()), outcome.code());
        self.gateway.access_log.write(&AccessRecord {
            time: &time,
            level: "info",
            message: "request",
            request_id: &self.request_id,
            method: self.method.as_str(),
            path: &self.path,
            status: outcome.status().as_u16(),
            outcome: outcome.as_str(),
            code,
            namespace: self.caller.as_ref().map(|caller| &*caller.namespace),
            consumer: self.caller.as_ref().and_then(|caller| caller.consumer.as_deref()),
            model: (!self.model.is_empty()).then_some(&*self.model),
            route: self.route.as_ref().map(|route| &*route.label),
            fallback_route: last_route
                .filter(|last| self.route.as_ref().is_some_and(|asked| !Arc::ptr_eq(asked, last)))
                .map(|last| &*last.label),
            target: target.map(|target| &*target.name),
            provider: upstream.map(|upstream| upstream.provider.name),
            upstream_model: upstream.and_then(|upstream| upstream.model.as_deref()),
            stream: self.stream,
            attempts,
            failures: &failures,
            duration_ms: millis(took),
            provider_ms: self.provider_time.map(millis),
            first_token_ms: self.first_token.map(millis),
            input_tokens: self.usage.input,
            cached_input_tokens: self.usage.cached_input,
            output_tokens: self.usage.output,
            reasoning_tokens: self.usage.reasoning,
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            malformed_events: self.malformed_events,
            resumes: self.resumes,
        });
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let reason = if std::thread::panicking() { Reason::Internal } else { Reason::Cancelled };
        self.settle(Outcome::Refused(reason));
        self.gateway.metrics.in_flight.dec();
    }
}

/// At most that many characters of a text.
fn beginning(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}

/// The protocol that a client speaks, by what it calls: errors have its shape, whatever they are.
fn protocol<B>(request: &Request<B>) -> ProtocolId {
    let path = request.uri().path();
    // The stable version of Google's API shares the paths of OpenAI's models: what is called on a
    // model is Google's, and lists are for whoever comes with a key of Google's form.
    let stable = path.strip_prefix("/v1/models").is_some_and(|rest| {
        rest.ends_with("enerateContent") || request.headers().contains_key(names::GOOGLE_API_KEY)
    });
    if stable || path.starts_with("/v1beta/") || path.starts_with("/v1alpha/") {
        ProtocolId::Gemini
    } else if path.starts_with("/model/") {
        ProtocolId::Bedrock
    } else if path.starts_with("/v1/messages")
        || request.headers().contains_key(names::ANTHROPIC_VERSION)
    {
        ProtocolId::Anthropic
    } else {
        ProtocolId::OpenAi
    }
}

/// The client's own id, where it can stand in a log line, or a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(names::REQUEST_ID).and_then(|value| value.to_str().ok());
    match given.filter(|id| !id.is_empty() && id.len() <= REQUEST_ID_LIMIT) {
        Some(id) => id.to_owned(),
        None => {
            let mut id = String::with_capacity(36);
            // Writing to a string does not fail.
            let _ = write!(id, "req_{:032x}", fastrand::u128(..));
            id
        }
    }
}

/// Milliseconds with microsecond precision: finer is noise.
fn millis(duration: Duration) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "52 bits of microseconds are 142 years")]
    let micros = duration.as_micros() as f64;
    micros / 1000.0
}

/// RFC 3339 in UTC with milliseconds.
fn timestamp(now: SystemTime) -> String {
    jiff::Timestamp::try_from(now).map(|now| format!("{now:.3}")).unwrap_or_default()
}

/// The status as text without allocating.
fn status_text(status: StatusCode) -> &'static str {
    // `StatusCode::as_str` borrows from a table of static text, but does not say so in its type.
    match status.as_u16() {
        200 => "200",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        408 => "408",
        413 => "413",
        415 => "415",
        422 => "422",
        426 => "426",
        429 => "429",
        499 => "499",
        500 => "500",
        502 => "502",
        503 => "503",
        504 => "504",
        other if other < 300 => "2xx",
        other if other < 500 => "4xx",
        _ => "5xx",
    }
}
