//! A loopback stand-in for an API server, for tests of who asks for what. What a real one makes of
//! it is the business of the API server ring.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// One request.
pub(super) struct Asked {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: String,
    pub(super) body: Value,
}

pub(super) type Answer = (StatusCode, Value);

/// A client whose requests `answer` answers; `None` leaves one open for ever, as a quiet watch is.
pub(super) async fn client(
    answer: impl FnMut(&Asked) -> Option<Answer> + Send + 'static,
) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(Mutex::new(answer));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer.clone();
                async move {
                    let asked = read(request).await;
                    let given = (answer.lock())(&asked);
                    let Some((status, value)) = given else { return std::future::pending().await };
                    let body = Full::new(Bytes::from(value.to_string()));
                    Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Client::try_from(kube::Config::new(address.parse().unwrap())).unwrap()
}

async fn read(request: Request<Incoming>) -> Asked {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Asked {
        method: head.method,
        target: head.uri.to_string(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    }
}

/// A refusal as an API server words it.
pub(super) fn refuse(code: StatusCode, reason: &str) -> Answer {
    let status =
        json!({"kind": "Status", "status": "Failure", "reason": reason, "code": code.as_u16()});
    (code, status)
}
