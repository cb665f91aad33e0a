//! The admin port: whether the gateway lives, whether it is ready, what it measures, and what it
//! looks like inside.
//!
//! Health and metrics are for kubelets and Prometheus, and need no key. The admin API below `/admin/`
//! names hosts, objects and failures of every tenant, so it is closed but for those that [`Access`]
//! lets in. Nothing on this port tells a secret.

mod access;
mod api;
mod clock;
mod credentials;
mod filter;
mod gauges;
mod providers;
mod readiness;
mod routes;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::access::{Access, TokenError, TokenFile};
use crate::control::Report;
use crate::table::TableCell;
use crate::telemetry::{AccessLog, Metrics};

/// A client of the admin port that has not sent its request by then is not serious.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// What the admin port tells about.
#[derive(Debug)]
pub struct Admin {
    /// The table that is served.
    pub cell: Arc<TableCell>,
    /// What requests feed.
    pub metrics: Arc<Metrics>,
    /// The log of requests, for the lines it lost.
    pub access_log: Arc<AccessLog>,
    /// The controller's account of itself.
    pub report: watch::Receiver<Arc<Report>>,
    /// Set once the gateway is on its way out.
    pub draining: CancellationToken,
    /// Who may look inside.
    pub access: Access,
}

impl Admin {
    /// Serves the port until `shutdown`.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, shutdown: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, peer)) = accepted else {
                // No file descriptors left, most likely; the next moment may have some.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let admin = Arc::clone(&self);
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let admin = Arc::clone(&admin);
                    async move { Ok::<_, Infallible>(admin.answer(&request, peer).await) }
                });
                // A broken probe connection is the prober's to report.
                let _ = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    }

    async fn answer<B>(&self, request: &Request<B>, peer: SocketAddr) -> Response<Full<Bytes>> {
        if request.uri().path().starts_with(api::PREFIX) {
            return match self.access.check(peer, request.headers()).await {
                Ok(()) => self.api(request),
                Err(denied) => api::denied(denied),
            };
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
        }
        match request.uri().path() {
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" => match readiness::of(self) {
                Ok(detail) => text(StatusCode::OK, detail + "\n"),
                Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, why + "\n"),
            },
            "/metrics" => {
                let mut body = self.metrics.render();
                body.extend(gauges::render(self));
                let mut response = Response::new(Full::from(body));
                let media_type = HeaderValue::from_static(Metrics::MEDIA_TYPE);
                response.headers_mut().insert(CONTENT_TYPE, media_type);
                response
            }
            _ => text(
                StatusCode::NOT_FOUND,
                "there are /healthz, /readyz, /metrics and /admin/ here\n",
            ),
        }
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
