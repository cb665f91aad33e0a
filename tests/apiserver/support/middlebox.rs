//! What stands between a gateway and its API server, and makes trouble: refuses, keeps silent, cuts.
//!
//! All else goes to the real API server and back, watches event by event.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Collected, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::Cluster;

type Body = UnsyncBoxBody<Bytes, String>;

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The API server answers it.
    Pass,
    /// `429 Too Many Requests`, as priority and fairness refuse.
    TooMany,
    /// A watch that ends at once, because what it would go on from is forgotten.
    Expired,
    /// Nobody answers.
    Silence,
}

/// One request, as far as it matters here.
pub(crate) struct Asked<'r> {
    pub(crate) method: &'r Method,
    /// Path and query.
    pub(crate) target: &'r str,
}

impl Asked<'_> {
    /// Whether it lists or watches that resource.
    pub(crate) fn reads(&self, resource: &str) -> bool {
        let path = self.target.split('?').next().unwrap_or_default();
        self.method == Method::GET && path.ends_with(&format!("/{resource}"))
    }

    pub(crate) fn watches(&self, resource: &str) -> bool {
        self.reads(resource) && self.target.contains("watch=true")
    }
}

type Rule = Box<dyn FnMut(&Asked<'_>) -> Fate + Send>;

/// A running one. It is gone with the runtime of its test.
pub(crate) struct Middlebox {
    address: SocketAddr,
    rule: Arc<Mutex<Rule>>,
    cut: watch::Sender<()>,
}

impl Middlebox {
    /// One that only passes on, with an administrator's rights.
    pub(crate) async fn start(cluster: &Cluster) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let rule: Rule = Box::new(|_| Fate::Pass);
        let rule = Arc::new(Mutex::new(rule));
        let (cut, cuts) = watch::channel(());
        let client = cluster.client().await;
        let decided = rule.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (rule, client, cuts) = (decided.clone(), client.clone(), cuts.clone());
                let service = service_fn(move |request| {
                    answer(request, rule.clone(), client.clone(), cuts.clone())
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, rule, cut }
    }

    /// Decides about every request from now on.
    pub(crate) fn decide(&self, rule: impl FnMut(&Asked<'_>) -> Fate + Send + 'static) {
        *self.rule.lock() = Box::new(rule);
    }

    /// Ends every answer that is under way, watches above all.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(());
    }

    /// The cluster's kubeconfig, but for the way to it.
    pub(crate) fn kubeconfig(&self, cluster: &Cluster) -> Value {
        let mut kubeconfig = cluster.admin_kubeconfig();
        let server = format!("http://{}", self.address);
        kubeconfig["clusters"][0]["cluster"] = json!({"server": server});
        kubeconfig
    }
}

async fn answer(
    request: Request<Incoming>,
    rule: Arc<Mutex<Rule>>,
    client: Client,
    mut cuts: watch::Receiver<()>,
) -> Result<Response<Body>, Infallible> {
    cuts.mark_unchanged();
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let asked = Asked { method: request.method(), target: &target };
    let fate = (rule.lock())(&asked);
    Ok(match fate {
        Fate::Pass => pass(request, &target, client, cuts).await,
        Fate::TooMany => refusal(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests"),
        Fate::Expired => {
            let status = status(StatusCode::GONE, "Expired");
            plain(StatusCode::OK, &json!({"type": "ERROR", "object": status}))
        }
        Fate::Silence => {
            // Until its connection is cut, which a watcher sees.
            let _ = cuts.changed().await;
            refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable")
        }
    })
}

async fn pass(
    request: Request<Incoming>,
    target: &str,
    client: Client,
    mut cuts: watch::Receiver<()>,
) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    // The client that goes on adds its own.
    for name in [header::AUTHORIZATION, header::HOST, header::ACCEPT_ENCODING] {
        head.headers.remove(name);
    }
    head.uri = target.parse().expect("it was parsed before");
    let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    match client.send(Request::from_parts(head, body.into())).await {
        Ok(response) => {
            let ended = async move {
                let _ = cuts.changed().await;
            };
            let (head, body) = response.into_parts();
            let frames = body.into_data_stream().take_until(Box::pin(ended));
            let frames = frames.map(|bytes| bytes.map(hyper::body::Frame::data));
            let frames = frames.map(|frame| frame.map_err(|error| error.to_string()));
            let mut response = Response::new(Body::new(StreamBody::new(frames)));
            *response.status_mut() = head.status;
            let kind = head.headers.get(header::CONTENT_TYPE).cloned();
            kind.map(|kind| response.headers_mut().insert(header::CONTENT_TYPE, kind));
            response
        }
        Err(_) => refusal(StatusCode::BAD_GATEWAY, "ServiceUnavailable"),
    }
}

fn status(code: StatusCode, reason: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
        "reason": reason, "message": format!("made by a test: {reason}"), "code": code.as_u16(),
    })
}

fn refusal(code: StatusCode, reason: &str) -> Response<Body> {
    plain(code, &status(code, reason))
}

fn plain(code: StatusCode, value: &Value) -> Response<Body> {
    let body = Full::new(Bytes::from(format!("{value}\n"))).map_err(|never| match never {});
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = code;
    response
}
