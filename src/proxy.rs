//! The data plane: a request's whole life.
//!
//! ```text
//! accept ─ admit ─ resolve ─┬─ attempt: choose → guard → encode → authorize → send ─ classify ─┐
//!                           └──────────── again? (nothing sent to the client yet) ◄────────────┤
//!                                               relay (stream) ◄──────────────────────────────┘
//!                                               settle exactly once (end, error, or client gone)
//! ```
//!
//! Each stage is a file. A request loads the routing table once, takes its route and its caller out
//! of it, and lets go of the rest: an hour's stream must not keep an old table alive. It is settled
//! once, by whoever finishes it, or by being dropped because the client went away. Nothing here
//! knows where the table comes from.

mod admit;
mod allowance;
mod attempt;
pub mod body;
mod budget;
mod choose;
mod classify;
mod context;
mod count;
mod deadline;
mod encode;
mod endpoint_lease;
mod error;
mod events;
mod exchange;
mod failover;
mod fetch;
mod fit;
mod guard;
mod headers;
mod identify;
mod models;
mod prefix;
mod prepare;
mod queue;
mod relay;
mod resolve;
mod respond;
pub mod server;
mod session;
mod stall;
pub mod tls;
mod trail;
mod transition;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, UPGRADE};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use tokio_util::sync::CancellationToken;

pub use classify::retry_after;

use crate::protocol::registry::{Called, operation};
use crate::table::{Caller, RouteTable, TableCell};
use crate::telemetry::{AccessLog, Metrics};
use crate::upstream::Client;
use body::GatewayBody;
use budget::Budget;
use context::Context;
use error::{ProxyError, Reason};
use exchange::Exchange;
use failover::{Failover, Unanswered};
use resolve::Taken;

/// A gateway reads its resources in about a second; longer waits are an API server's.
const RETRY_WHEN_READY: Duration = Duration::from_secs(1);

/// What all requests share.
#[derive(Debug)]
pub struct Gateway {
    cell: Arc<TableCell>,
    client: Client,
    /// Fetches what clients name by URL, where that is allowed.
    fetcher: Option<Client>,
    metrics: Arc<Metrics>,
    access_log: Arc<AccessLog>,
    budget: Budget,
    max_body: usize,
    /// Set when the time to drain is over: streams end with an honest error.
    cut: CancellationToken,
}

/// Limits on what requests may hold in memory, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// One request's body.
    pub max_body: usize,
    /// All bodies together.
    pub max_buffered: usize,
}

impl Gateway {
    /// A gateway that serves the table in `cell`.
    pub fn new(
        cell: Arc<TableCell>,
        client: Client,
        metrics: Arc<Metrics>,
        access_log: Arc<AccessLog>,
        limits: BodyLimits,
        cut: CancellationToken,
    ) -> Self {
        let budget = Budget::new(limits.max_buffered, metrics.buffered_bytes.clone());
        let max_body = limits.max_body;
        Self { cell, client, fetcher: None, metrics, access_log, budget, max_body, cut }
    }

    /// The same, which fetches with `client` what callers name by URL and a target has to be sent.
    /// Whom that client connects to, callers decide: its address policy has to be made for them.
    #[must_use]
    pub fn fetching(mut self, client: Client) -> Self {
        self.fetcher = Some(client);
        self
    }
}

/// Answers one request.
pub async fn handle<B>(gateway: Arc<Gateway>, request: Request<B>) -> Response<GatewayBody>
where
    B: Body<Data = Bytes, Error: std::error::Error + 'static> + Unpin,
{
    let mut exchange = Exchange::begin(&gateway, &request);
    match endpoint(&request) {
        Ok(Endpoint::Operation(called)) => {
            exchange.operation = Some(called.operation);
            exchange.protocol = called.operation.protocol;
            call(exchange, request, called).await
        }
        Ok(local) => {
            let response = match answer_locally(&mut exchange, &request, &local) {
                Ok(body) => respond::local(exchange, StatusCode::OK, body),
                Err(error) => respond::refused(exchange, &error),
            };
            if request.method() == Method::HEAD { without_body(response) } else { response }
        }
        Err(error) => {
            let (head, body) = request.into_parts();
            admit::discard(&head.headers, body).await;
            respond::refused(exchange, &error)
        }
    }
}

/// The answer to a `HEAD`: the head as it would be (RFC 9110, section 9.3.2). Over HTTP/2 nobody
/// else takes the body away.
fn without_body(mut response: Response<GatewayBody>) -> Response<GatewayBody> {
    let body = std::mem::replace(response.body_mut(), GatewayBody::Full(None));
    if let Some(length) = body.size_hint().exact() {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response
}

/// A call of a model.
async fn call<B>(
    mut exchange: Exchange,
    request: Request<B>,
    called: Called,
) -> Response<GatewayBody>
where
    B: Body<Data = Bytes, Error: std::error::Error + 'static> + Unpin,
{
    let gateway = Arc::clone(&exchange.gateway);
    let (resolved, reservation) = match take(&gateway, &mut exchange, request, called).await {
        Ok(taken) => taken,
        Err(error) => return respond::refused(exchange, &error),
    };
    exchange.route = Some(Arc::clone(&resolved.route));
    if let Some(counting) = resolved.operation.counts {
        return Box::pin(count::answer(exchange, &resolved, counting)).await;
    }
    // A stream that is slow to begin is begun without an answer: whoever is in between must not think
    // that nobody is there.
    let commit = resolved
        .streams()
        .then(|| resolved.route.commit_after.saturating_sub(exchange.started.elapsed()));
    let context = Arc::new(Context::of(&exchange));
    let failover = Failover::new(context, Arc::new(resolved), reservation, exchange.started);
    let mut search = Box::new(failover).search();
    let (failover, answer) = tokio::select! {
        biased;
        found = &mut search => found,
        // Streams that have begun hear of it in-band.
        () = gateway.cut.cancelled() => return respond::refused(exchange, &shutting_down()),
        () = after(commit) => return respond::searching(exchange, search),
    };
    match answer {
        Ok(answered) => respond::answered(exchange, answered, failover),
        Err(Unanswered::PassedOn { class, status, headers, body }) => {
            respond::passed_on(exchange, class, status, headers, body)
        }
        Err(Unanswered::Error(error)) => respond::refused(exchange, &error),
    }
}

/// Waits for so long, or for ever.
async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

fn not_ready() -> ProxyError {
    let message = "the gateway has just been started and has not read its routes yet; its `/readyz` \
                   says what it waits for";
    ProxyError::new(Reason::NotReady, message).retry_after(Some(RETRY_WHEN_READY))
}

fn shutting_down() -> ProxyError {
    let message = "the gateway is shutting down and cannot wait for the answer";
    ProxyError::new(Reason::ShuttingDown, message)
}

/// Admits a request and finds its route.
async fn take<B>(
    gateway: &Gateway,
    exchange: &mut Exchange,
    request: Request<B>,
    called: Called,
) -> Result<(resolve::Resolved, budget::Reservation), ProxyError>
where
    B: Body<Data = Bytes, Error: std::error::Error + 'static> + Unpin,
{
    let table = gateway.cell.current();
    let caller = identify(exchange, &table, &request);
    let checked = caller
        .and_then(|caller| Ok((caller, admit::check_head(request.headers(), gateway.max_body)?)));
    let (head, body) = request.into_parts();
    let (caller, announced) = match checked {
        Ok(checked) => checked,
        Err(error) => {
            admit::discard(&head.headers, body).await;
            return Err(error);
        }
    };
    let body = admit::take_body(body, announced, gateway.max_body, &gateway.budget).await?;
    exchange.request_bytes = body.bytes.len() as u64;
    let query = head.uri.query().map(str::to_owned);
    resolve::check_framing(&called, query.as_deref())?;
    let mut headers = head.headers;
    resolve::count_hop(&mut headers)?;
    let taken = Taken { called, headers, query, body: body.bytes };
    let (object, facts) = resolve::read_facts(&taken)?;
    exchange.model.clone_from(&facts.model);
    exchange.stream = facts.stream;
    let resolved = resolve::resolve(&table, &caller, taken, object, facts)?;
    Ok((resolved, body.reservation))
}

fn identify<B>(
    exchange: &mut Exchange,
    table: &RouteTable,
    request: &Request<B>,
) -> Result<Arc<Caller>, ProxyError> {
    // A gateway that knows nobody yet must not tell callers that their keys are wrong.
    if table.generation == 0 {
        return Err(not_ready());
    }
    let caller = identify::identify(table, request)?;
    exchange.caller = Some(Arc::clone(&caller));
    Ok(caller)
}

/// What a path and method ask for.
enum Endpoint {
    Operation(Called),
    /// SDKs and load balancers look whether anybody is there.
    Root,
    Health,
    DetailedHealth,
    Models,
    Model(String),
}

fn endpoint<B>(request: &Request<B>) -> Result<Endpoint, ProxyError> {
    let path = request.uri().path();
    let upgrade = request.headers().get(UPGRADE).and_then(|value| value.to_str().ok());
    // Some clients offer `h2c` with every request and go on without; only a websocket needs a word.
    if upgrade.is_some_and(|wanted| wanted.eq_ignore_ascii_case("websocket")) {
        let message = "websockets are not spoken here: use `stream: true` over HTTP";
        return Err(ProxyError::new(Reason::UpgradeRequired, message).permanent());
    }
    if let Some(called) = operation(path) {
        return match *request.method() {
            Method::POST => Ok(Endpoint::Operation(called)),
            _ => Err(wrong_method(path, "POST")),
        };
    }
    let local = match path {
        "/" => Endpoint::Root,
        "/health" => Endpoint::Health,
        "/health/detailed" => Endpoint::DetailedHealth,
        "/v1/models" | "/v1beta/models" | "/v1alpha/models" => Endpoint::Models,
        _ => match model_id(path) {
            Some(id) => Endpoint::Model(id.to_owned()),
            None => {
                let message = format!("there is nothing at `{path}`");
                return Err(ProxyError::new(Reason::NotFound, message).permanent());
            }
        },
    };
    match *request.method() {
        Method::GET | Method::HEAD => Ok(local),
        _ => Err(wrong_method(path, "GET")),
    }
}

fn model_id(path: &str) -> Option<&str> {
    let lists = ["/v1/models/", "/v1beta/models/", "/v1alpha/models/"];
    lists.iter().find_map(|list| path.strip_prefix(list)).filter(|id| !id.is_empty())
}

fn wrong_method(path: &str, right: &str) -> ProxyError {
    let message = format!("`{path}` is called with {right}");
    ProxyError::new(Reason::MethodNotAllowed, message).permanent()
}

fn answer_locally<B>(
    exchange: &mut Exchange,
    request: &Request<B>,
    endpoint: &Endpoint,
) -> Result<Bytes, ProxyError> {
    let protocol = exchange.protocol;
    let table = exchange.gateway.cell.current();
    match endpoint {
        Endpoint::Root => Ok(Bytes::from_static(b"{\"name\":\"pilothouse\"}")),
        Endpoint::Health => Ok(Bytes::from_static(b"{\"status\":\"ok\"}")),
        Endpoint::DetailedHealth => {
            let caller = identify(exchange, &table, request)?;
            Ok(models::health(&table, &caller))
        }
        Endpoint::Models => {
            let caller = identify(exchange, &table, request)?;
            models::list(&table, &caller, protocol, request.uri().query())
        }
        Endpoint::Model(id) => {
            let caller = identify(exchange, &table, request)?;
            models::retrieve(&table, &caller, protocol, id)
        }
        Endpoint::Operation(_) => Err(ProxyError::new(Reason::Internal, "not a local endpoint")),
    }
}
