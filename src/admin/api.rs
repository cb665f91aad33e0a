//! The admin API: what is served, how it fares, and starting a target afresh. JSON throughout.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use super::access::Denied;
use super::filter::Filter;
use super::{Admin, credentials, providers, routes};
use crate::table::{Resolution, RouteTable};

/// Where the paths of the API begin.
pub(super) const PREFIX: &str = "/admin/";

/// A status, and what is wrong.
type Refused = (StatusCode, String);

impl Admin {
    /// Answers a request below [`PREFIX`] that may look inside.
    pub(super) fn api<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let table = self.cell.current();
        let path = request.uri().path().strip_prefix(PREFIX).unwrap_or_default();
        let query = request.uri().query();
        let asked = match path.split('/').collect::<Vec<_>>()[..] {
            ["routes"] => Asked::List(routes::list),
            ["providers", "status"] => Asked::List(providers::list),
            ["credentials"] => Asked::Credentials,
            ["providers", namespace, route, target, "reset"] => {
                Asked::Reset(namespace, route, target)
            }
            _ => {
                let message = "there are /admin/routes, /admin/providers/status, /admin/credentials \
                               and /admin/providers/NAMESPACE/ROUTE/TARGET/reset here";
                return refused(StatusCode::NOT_FOUND, message);
            }
        };
        let method = request.method();
        let (fits, allowed) = match asked {
            Asked::Reset(..) => (method == Method::POST, "POST"),
            _ => (method == Method::GET || method == Method::HEAD, "GET, HEAD"),
        };
        if !fits {
            let message = format!("use {allowed}");
            let mut response = refused(StatusCode::METHOD_NOT_ALLOWED, &message);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
            return response;
        }
        let answer = Filter::read(query)
            .map_err(|message| (StatusCode::BAD_REQUEST, message))
            .and_then(|filter| match asked {
                Asked::List(list) => Ok(list(&table, &filter)),
                Asked::Credentials => {
                    let reports = self.report.borrow().objects.clone();
                    Ok(credentials::list(&table, &reports, &filter))
                }
                Asked::Reset(namespace, route, target) => reset(&table, namespace, route, target),
            });
        match answer {
            Ok(body) => json_response(StatusCode::OK, &body),
            Err((status, message)) => refused(status, &message),
        }
    }
}

/// What a path asks for.
#[derive(Clone, Copy)]
enum Asked<'p> {
    List(fn(&RouteTable, &Filter) -> Value),
    Credentials,
    Reset(&'p str, &'p str, &'p str),
}

/// Forgets what is held against a target and its keys, and tells how it stands then.
fn reset(table: &RouteTable, namespace: &str, route: &str, target: &str) -> Result<Value, Refused> {
    let missing = |message: String| (StatusCode::NOT_FOUND, message);
    let found = table
        .routes
        .iter()
        .find(|one| *one.name.namespace == *namespace && *one.name.name == *route)
        .ok_or_else(|| missing(format!("there is no route `{namespace}/{route}`")))?;
    let target = found.target(target).ok_or_else(|| {
        let names: Vec<&str> = found.targets.iter().map(|target| &*target.name).collect();
        let names = names.join(", ");
        missing(format!("route `{}` has no target `{target}`; it has {names}", found.label))
    })?;
    let upstream = match &target.resolution {
        Resolution::Ready(upstream) => upstream,
        Resolution::Unresolved { message, .. } => {
            let message =
                format!("the target is not resolved, so nothing is held against it: {message}");
            return Err((StatusCode::CONFLICT, message));
        }
    };
    upstream.state.reset();
    for endpoint in upstream.endpoints.iter().flat_map(|endpoints| &endpoints.members) {
        endpoint.state.reset();
    }
    for key in upstream.keys.iter().flat_map(|pool| &pool.keys) {
        key.state.reset();
    }
    tracing::warn!(route = %found.label, target = %target.name, "reset by the admin API");
    Ok(providers::one(found, target, upstream))
}

/// The answer to a request that may not look inside.
pub(super) fn denied(denied: Denied) -> Response<Full<Bytes>> {
    let status = match denied {
        Denied::Token => StatusCode::UNAUTHORIZED,
        Denied::Elsewhere | Denied::OnBehalf => StatusCode::FORBIDDEN,
    };
    let mut response = refused(status, denied.message());
    if denied == Denied::Token {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn refused(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    json_response(status, &json!({"error": {"message": message}}))
}

fn json_response(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(format!("{body:#}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
