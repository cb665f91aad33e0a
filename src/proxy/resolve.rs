//! From a body to a route.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use super::error::{ProxyError, Reason};
use super::fetch::Files;
use super::headers::{names, query_to_target};
use super::prefix::prefix;
use super::session::session;
use crate::balance::affinity::Session;
use crate::protocol::dialect::Unreadable;
use crate::protocol::estimate::{prompt_tokens, text_tokens};
use crate::protocol::neutral::Request;
use crate::protocol::registry::{Called, Operation, ProtocolId};
use crate::protocol::request::RequestFacts;
use crate::state::Demand;
use crate::table::{Caller, Endpoints, Route, RouteTable};
use crate::wire::json::Object;

/// A request whose route is known.
#[derive(Debug)]
pub(super) struct Resolved {
    pub operation: &'static Operation,
    pub route: Arc<Route>,
    /// The name inside the route, which a target without a model of its own gets.
    pub model: String,
    pub facts: RequestFacts,
    pub object: Object,
    pub headers: HeaderMap,
    pub query: Option<String>,
    /// The path alone asked for a stream.
    pub forced_stream: bool,
    /// The target that the caller picked, by its index.
    pub backend: Option<usize>,
    /// Routes that answer when no target of this one does, in their order.
    pub fallbacks: Vec<Arc<Route>>,
    /// Routes for prompts that are too long here, in their order.
    pub longer: Vec<Arc<Route>>,
    /// Which others it belongs to.
    pub session: Option<Session>,
    /// Which others begin alike, found out when it is first wanted.
    prefix: OnceLock<Option<Session>>,
    /// What it takes of a target's limits.
    demand: OnceLock<Demand>,
    /// The request in the neutral form, once a target of another protocol is to be asked.
    neutral: Arc<OnceLock<Result<Request, Unreadable>>>,
    /// What was fetched of the URLs that it names.
    pub files: Arc<Files>,
}

impl Resolved {
    /// Whether the answer is to be streamed.
    pub fn streams(&self) -> bool {
        self.facts.stream
    }

    /// The same request at a fallback route, whose targets are asked for its own name. Callers pick
    /// targets of the route that they call and of no other.
    pub fn at(&self, route: &Arc<Route>) -> Self {
        Self {
            operation: self.operation,
            model: route.exact_name().unwrap_or(&self.model).to_owned(),
            route: Arc::clone(route),
            facts: self.facts.clone(),
            object: self.object.clone(),
            headers: self.headers.clone(),
            query: self.query.clone(),
            forced_stream: self.forced_stream,
            backend: None,
            session: self.session,
            prefix: self.prefix.clone(),
            demand: OnceLock::new(),
            fallbacks: Vec::new(),
            longer: Vec::new(),
            neutral: Arc::clone(&self.neutral),
            files: Arc::clone(&self.files),
        }
    }

    /// Whether it may be sent again after a target has got it.
    pub fn may_repeat(&self) -> bool {
        self.route.retry.repeatable && self.facts.stateful.is_none()
    }

    /// The request in the neutral form, read when it is first wanted. `None` if its operation has
    /// no such form.
    pub fn neutral(&self) -> Option<&Result<Request, Unreadable>> {
        let dialect = self.operation.dialect?.dialect();
        Some(self.neutral.get_or_init(|| {
            let mut request = dialect.read_request(self.object.text())?;
            request.stream = self.streams();
            request.betas.extend(betas(&self.headers));
            Ok(request)
        }))
    }

    /// What decides which of these endpoints it belongs to: its session, else what it begins with.
    pub fn session_at(&self, endpoints: &Endpoints) -> Option<Session> {
        if self.session.is_some() || !endpoints.prefix_affinity || endpoints.members.len() < 2 {
            return self.session;
        }
        *self.prefix.get_or_init(|| prefix(self.operation, &self.object))
    }

    /// How many tokens it will take, estimated when that is first wanted.
    pub fn demand(&self) -> Demand {
        *self.demand.get_or_init(|| {
            let request = self.neutral().and_then(|request| request.as_ref().ok());
            let input = match request {
                Some(request) => prompt_tokens(request),
                None => text_tokens(&String::from_utf8_lossy(self.object.text())),
            };
            // What makes numbers of texts generates none.
            if self.operation.embeds.is_some() {
                return Demand { input, output: 0 };
            }
            let bound = request.and_then(|request| request.max_output_tokens);
            let output = bound.unwrap_or(USUAL_OUTPUT).saturating_mul(self.facts.choices as u64);
            Demand { input, output }
        })
    }
}

/// What `admit` took in.
#[derive(Debug)]
pub(super) struct Taken {
    pub called: Called,
    pub headers: HeaderMap,
    pub query: Option<String>,
    pub body: Bytes,
}

/// Longest model name that is read: what a resource can hold, with room for a namespace. Names end
/// up in errors and logs.
const MODEL_LIMIT: usize = 512;
/// Tokens that an answer is taken to have whose length the request does not bound: a page and a half
/// of text. Most are shorter; what they really have counts once they are complete.
const USUAL_OUTPUT: u64 = 1000;
/// How often a request may pass a gateway: twice is a chain of gateways, more is a circle.
const HOPS: u8 = 4;

/// Notes in the headers that the request passed here, and stops one that goes in circles: a route
/// whose target is the gateway itself would otherwise hold memory and connections at every turn.
pub(super) fn count_hop(headers: &mut HeaderMap) -> Result<(), ProxyError> {
    let given = headers.get(names::HOPS).and_then(|value| value.to_str().ok());
    let hops = given.map_or(0, |hops| hops.parse::<u8>().unwrap_or(HOPS)).saturating_add(1);
    if hops > HOPS {
        let message = "the request goes in circles: a route's `baseURL` leads back to the gateway";
        return Err(ProxyError::new(Reason::ProviderFailed, message).permanent());
    }
    headers.insert(names::HOPS, HeaderValue::from(u16::from(hops)));
    Ok(())
}

/// Google's API streams an array of JSON unless it is asked for events, which is all that there is
/// here; its SDKs ask.
pub(super) fn check_framing(called: &Called, query: Option<&str>) -> Result<(), ProxyError> {
    let asks = query.is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"));
    if called.operation.protocol == ProtocolId::Gemini && called.streamed && !asks {
        let message = "streams are sent as events only: add `?alt=sse` to the URL";
        return Err(ProxyError::new(Reason::InvalidRequest, message).permanent());
    }
    Ok(())
}

/// Reads what must be known of the body.
pub(super) fn read_facts(taken: &Taken) -> Result<(Object, RequestFacts), ProxyError> {
    let invalid = |error: String| ProxyError::new(Reason::InvalidRequest, error).permanent();
    let object = Object::parse(taken.body.clone())
        .map_err(|error| invalid(format!("request body: {error}")))?;
    let called = &taken.called;
    let in_path = called.model.as_deref();
    let mut facts =
        RequestFacts::read(&object, in_path).map_err(|error| invalid(error.to_string()))?;
    if facts.model.len() > MODEL_LIMIT {
        return Err(invalid(format!("`model` is longer than {MODEL_LIMIT} bytes")));
    }
    facts.stream = called.operation.streams && (facts.stream || called.streamed);
    Ok((object, facts))
}

/// Finds the route for a request and checks that the caller may have it.
pub(super) fn resolve(
    table: &RouteTable,
    caller: &Caller,
    taken: Taken,
    object: Object,
    facts: RequestFacts,
) -> Result<Resolved, ProxyError> {
    let asked = &*facts.model;
    if !caller.models.allows(asked) {
        let who = caller.consumer.as_deref().unwrap_or("the anonymous caller");
        let message = format!("`{who}` may not use model `{asked}` (see its `spec.allowedModels`)");
        return Err(ProxyError::new(Reason::ModelNotAllowed, message).permanent());
    }
    let (route, model) = match taken.headers.get(names::ROUTE) {
        Some(address) => (addressed(table, caller, address, asked)?, asked.to_owned()),
        None => {
            let found = table.resolve(caller, asked);
            let (route, model) = found.ok_or_else(|| unknown_model(asked))?;
            (Arc::clone(route), model.to_owned())
        }
    };
    let backend = match taken.headers.get(names::BACKEND) {
        // What callers may pick from a route that cannot be read is not known.
        Some(name) if route.unreadable.is_none() => Some(picked(&route, name)?),
        _ => None,
    };
    if let Some(member) = facts.stateful.filter(|_| backend.is_none() && has_several_homes(&route))
    {
        let message = format!(
            "`{member}` refers to what one provider keeps, and route `{}` has several: pick a route \
             with one target, or send the conversation itself",
            route.label
        );
        let error = ProxyError::new(Reason::InvalidRequest, message).permanent();
        return Err(error.about(Some(member.to_owned())));
    }
    // A caller that picks a target wants an answer of that one.
    let others = |names: &[Arc<str>]| match backend {
        Some(_) => Vec::new(),
        None => others(table, caller, &route, names),
    };
    let affinity = route.affinity.as_ref();
    let session = affinity.and_then(|by| session(by, caller, &taken.headers, &object));
    Ok(Resolved {
        operation: taken.called.operation,
        fallbacks: others(&route.fallbacks),
        longer: others(&route.longer),
        route,
        model,
        facts,
        object,
        query: query_to_target(taken.query.as_deref()),
        headers: taken.headers,
        forced_stream: taken.called.streamed,
        backend,
        neutral: Arc::default(),
        files: Arc::default(),
        session,
        prefix: OnceLock::new(),
        demand: OnceLock::new(),
    })
}

/// The routes of those names that admit the caller: a grant is nobody else's.
fn others(
    table: &RouteTable,
    caller: &Caller,
    route: &Route,
    names: &[Arc<str>],
) -> Vec<Arc<Route>> {
    let found = names.iter().filter_map(|name| table.route(caller, &route.name.namespace, name));
    found.filter(|other| other.name != route.name).cloned().collect()
}

/// Whether what one target keeps may be unknown to another.
fn has_several_homes(route: &Route) -> bool {
    let targets = route.targets.iter().filter(|target| target.weight > 0);
    let mut homes = targets.filter_map(|target| target.upstream()).map(|upstream| {
        let identity = upstream.state.identity();
        (&identity.base_url, &identity.credential)
    });
    let first = homes.next();
    homes.any(|home| Some(home) != first)
}

/// The values of `anthropic-beta`, which may be repeated and hold several each.
pub(super) fn betas(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(names::ANTHROPIC_BETA).iter().filter_map(|v| v.to_str().ok());
    let betas = values.flat_map(|value| value.split(',')).map(str::trim);
    betas.filter(|beta| !beta.is_empty()).map(str::to_owned).collect()
}

fn unknown_model(model: &str) -> ProxyError {
    let message =
        format!("no route serves model `{model}` for this key: GET /v1/models lists them");
    ProxyError::new(Reason::ModelNotFound, message).permanent()
}

/// `x-pilothouse-route: NAMESPACE/ROUTE`. The route must name the model: a header must not open the
/// way to whatever else the provider has.
fn addressed(
    table: &RouteTable,
    caller: &Caller,
    address: &HeaderValue,
    model: &str,
) -> Result<Arc<Route>, ProxyError> {
    let address = address.to_str().unwrap_or_default();
    let Some((namespace, name)) = address.split_once('/') else {
        let message = "`x-pilothouse-route` must be NAMESPACE/ROUTE";
        return Err(ProxyError::new(Reason::InvalidRequest, message).permanent());
    };
    match table.route(caller, namespace, name) {
        Some(route) if route.serves(model) => Ok(Arc::clone(route)),
        Some(_) => {
            let message = format!("route `{address}` does not serve model `{model}`");
            Err(ProxyError::new(Reason::ModelNotFound, message).permanent())
        }
        None => {
            let message = format!("there is no route `{address}` for this key");
            Err(ProxyError::new(Reason::ModelNotFound, message).permanent())
        }
    }
}

/// `x-backend: TARGET`.
fn picked(route: &Route, name: &HeaderValue) -> Result<usize, ProxyError> {
    if !route.target_selection {
        let message = format!(
            "route `{}` does not let callers pick a target with `x-backend` (its \
             `spec.targetSelection` is not `Allowed`)",
            route.label
        );
        return Err(ProxyError::new(Reason::TargetSelectionDenied, message).permanent());
    }
    let name = name.to_str().unwrap_or_default();
    route.targets.iter().position(|target| &*target.name == name).ok_or_else(|| {
        let names: Vec<&str> = route.targets.iter().map(|target| &*target.name).collect();
        let message =
            format!("route `{}` has no target `{name}`; it has {}", route.label, names.join(", "));
        ProxyError::new(Reason::InvalidRequest, message).permanent()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_of_hops_begins_the_count_anew() {
        for (given, passes) in
            [("1", true), ("3", true), ("4", false), ("255", false), ("256", false), ("x", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(names::HOPS, HeaderValue::from_static(given));
            assert_eq!(count_hop(&mut headers).is_ok(), passes, "{given}");
        }
    }
}
