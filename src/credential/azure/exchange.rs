//! A connection of its own for one request: it is needed once in an hour, so nothing is kept open.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// A metadata server that is not there does not answer at all; one that is, answers in milliseconds.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// Tokens have a few thousand bytes; Entra's, with all the groups of its owner, some more.
const LONGEST_ANSWER: usize = 256 * 1024;

/// Sends a request to its absolute URL and reads the whole answer. The error is what happened, for
/// operators.
pub(super) async fn exchange(request: Request<Bytes>) -> Result<Response<Bytes>, String> {
    let (mut head, body) = request.into_parts();
    let url = std::mem::take(&mut head.uri);
    let https = match url.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err("its URL is neither https nor http".into()),
    };
    let authority = url.authority().ok_or("its URL names no host")?;
    head.uri = url.path_and_query().map_or(Uri::from_static("/"), origin_form);
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| "its host is no host")?;
    head.headers.insert(HOST, host);
    head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    head.headers.insert(
        USER_AGENT,
        HeaderValue::from_static(concat!("pilothouse/", env!("CARGO_PKG_VERSION"))),
    );
    let request = Request::from_parts(head, Full::new(body));
    let stream = timeout(CONNECT_LIMIT, connect(authority, https))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|error| format!("cannot connect to `{authority}`: {error}"))?;
    if !https {
        return send(stream, request).await;
    }
    let tls = TlsConnector::from(trust().await?);
    let name = ServerName::try_from(bare(authority).to_owned())
        .map_err(|_| format!("`{authority}` has no name that a certificate could hold"))?;
    let stream = tls
        .connect(name, stream)
        .await
        .map_err(|error| format!("TLS handshake with `{authority}` failed: {error}"))?;
    send(stream, request).await
}

fn origin_form(path: &PathAndQuery) -> Uri {
    Uri::from(path.clone())
}

fn bare(authority: &Authority) -> &str {
    authority.host().trim_start_matches('[').trim_end_matches(']')
}

async fn connect(authority: &Authority, https: bool) -> io::Result<TcpStream> {
    let port = authority.port_u16().unwrap_or(if https { 443 } else { 80 });
    TcpStream::connect((bare(authority), port)).await
}

async fn send<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| format!("the connection broke: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let exchange = async {
        let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await;
        let body = body.map_err(|error| format!("its answer broke off: {error}"))?.to_bytes();
        Ok(Response::from_parts(head, body))
    };
    let mut exchange = std::pin::pin!(exchange);
    let mut connection = std::pin::pin!(connection);
    let mut open = true;
    loop {
        tokio::select! {
            answered = &mut exchange => return answered,
            // Its error, if any, reaches the exchange too; what it has read already is still there.
            _ = &mut connection, if open => open = false,
        }
    }
}

/// The system's certificate authorities. They are needed for a moment in an hour, so nobody keeps
/// them; fetches that run at the same time share them.
async fn trust() -> Result<Arc<ClientConfig>, String> {
    static IN_USE: Mutex<Weak<ClientConfig>> = Mutex::new(Weak::new());

    if let Some(config) = IN_USE.lock().upgrade() {
        return Ok(config);
    }
    let loaded = tokio::task::spawn_blocking(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Arc::new(config)
    });
    let config = loaded.await.map_err(|_| "the gateway stopped")?;
    *IN_USE.lock() = Arc::downgrade(&config);
    Ok(config)
}
