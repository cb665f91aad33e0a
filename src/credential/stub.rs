//! An issuer on this machine, for tests.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;

use super::{Identity, IdentityError, Outgoing};

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) method: Method,
    pub(super) url: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Received {
    /// The members of its form.
    pub(super) fn form(&self) -> HashMap<String, String> {
        assert_eq!(self.headers["content-type"], "application/x-www-form-urlencoded");
        assert_eq!(self.method, Method::POST);
        form_urlencoded::parse(&self.body).into_owned().collect()
    }

    pub(super) fn query(&self) -> HashMap<String, String> {
        let query = self.url.query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }
}

/// An issuer that answers as it is told.
pub(super) struct Stub {
    pub(super) origin: String,
    received: Arc<Mutex<Vec<Received>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Stub {
    pub(super) async fn start<F>(answer: F) -> Self
    where
        F: Fn(&Received) -> (u16, String) + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let origin = format!("http://{}", listener.local_addr().expect("bound"));
        let received = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), Arc::clone(&received));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.expect("a body").to_bytes();
                        let (method, url, headers) = (head.method, head.uri, head.headers);
                        let one = Received { method, url, headers, body };
                        let (status, text) = answer(&one);
                        log.lock().push(one);
                        let response = Response::builder().status(status);
                        Ok::<_, Infallible>(
                            response.body(Full::new(Bytes::from(text))).expect("valid"),
                        )
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { origin, received, serving }
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.received.lock().clone()
    }

    /// The one request that came.
    pub(super) fn only(&self) -> Received {
        let [one] = self.received().try_into().expect("one request");
        one
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The headers of a request that the identity proved.
pub(super) async fn proved(
    identity: &dyn Identity,
    authority: &str,
) -> Result<HeaderMap, IdentityError> {
    let mut request = Request::new(Bytes::new());
    identity.prove(Outgoing { authority, service: "", request: &mut request }).await?;
    Ok(request.into_parts().0.headers)
}

/// The same, of one that cannot.
pub(super) async fn unproved(identity: &dyn Identity) -> String {
    proved(identity, "provider.example").await.expect_err("no proof").to_string()
}
