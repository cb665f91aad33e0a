use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// What a server does with the first request of its first connection.
#[derive(Debug, Clone, Copy)]
enum First {
    Answer,
    Refuse,
    Internal,
}

/// An HTTP/2 server over TLS that counts connections and requests.
struct Server {
    base: BaseUrl,
    client: Client,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    async fn start(first: First) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a name");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a certificate with its key");
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a certificate");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (connections, requests) =
            (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let counters = (Arc::clone(&connections), Arc::clone(&requests));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counters.0.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(acceptor.clone(), stream, first, Arc::clone(&counters.1)));
            }
        });
        let connector = Connector::with_roots(AddressPolicy::Any, roots);
        Self {
            base: format!("https://localhost:{port}").parse().expect("a base URL"),
            client: Client::new(connector, PoolLimits::default()),
            connections,
            requests,
        }
    }

    async fn post(&self) -> Result<http::StatusCode, SendError> {
        let request = Request::post("/").body(Bytes::from_static(b"{}")).expect("a request");
        let answer = self.client.send(&self.base, request, Duration::from_secs(20)).await?;
        Ok(answer.status())
    }

    fn counts(&self) -> (usize, usize) {
        (self.connections.load(Ordering::SeqCst), self.requests.load(Ordering::SeqCst))
    }
}

async fn serve(
    acceptor: TlsAcceptor,
    stream: tokio::net::TcpStream,
    first: First,
    requests: Arc<AtomicUsize>,
) {
    let stream = acceptor.accept(stream).await.expect("TLS");
    let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        let is_first = requests.fetch_add(1, Ordering::SeqCst) == 0;
        match first {
            First::Refuse if is_first => respond.send_reset(h2::Reason::REFUSED_STREAM),
            First::Internal if is_first => respond.send_reset(h2::Reason::INTERNAL_ERROR),
            _ => drop(respond.send_response(Response::new(()), true)),
        }
    }
}

#[tokio::test]
async fn a_burst_makes_one_http2_connection() {
    let server = Server::start(First::Answer).await;
    for answer in join_all((0..20).map(|_| server.post())).await {
        assert_eq!(answer.expect("an answer"), http::StatusCode::OK);
    }
    assert_eq!(server.counts(), (1, 20));
}

#[tokio::test]
async fn a_refused_stream_is_sent_once_more_on_another_connection() {
    let server = Server::start(First::Refuse).await;
    assert_eq!(server.post().await.expect("an answer"), http::StatusCode::OK);
    assert_eq!(server.counts(), (2, 2));
}

#[tokio::test]
async fn a_stream_that_broke_for_another_reason_is_not_repeated() {
    let server = Server::start(First::Internal).await;
    assert!(matches!(server.post().await, Err(SendError::Broken(_))));
    assert_eq!(server.counts(), (1, 1));
}
