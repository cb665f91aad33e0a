//! Asking a server over HTTP, one connection a request: no pool hides what a test is about.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    /// The target that answered, if it is an answer of a target.
    pub(crate) fn target(&self) -> Option<&str> {
        let target = self.headers.get("x-used-provider").and_then(|value| value.to_str().ok());
        target.filter(|_| self.status.is_success())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A request to be sent.
#[derive(Default)]
pub(crate) struct Question<'q> {
    pub(crate) method: Method,
    pub(crate) path: &'q str,
    pub(crate) key: Option<&'q str>,
    /// Headers beside those that every request needs.
    pub(crate) headers: &'q [(&'q str, &'q str)],
    pub(crate) body: Option<Value>,
}

/// Sends one request. An error says that there was no whole answer.
pub(crate) async fn ask(
    address: SocketAddr,
    question: Question<'_>,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let Question { method, path, key, headers, body } = question;
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its errors come out of `sender`, too.
    let connection = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header(HOST, address.to_string());
    if let Some(key) = key {
        request = request.header(AUTHORIZATION, format!("Bearer {key}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let answer = sender.send_request(request.body(Full::new(Bytes::from(body)))?).await?;
    let (parts, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    connection.abort();
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}

/// The plainest chat completion.
pub(crate) fn chat(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Hello"}]})
}
