//! TLS on both sides.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Version};
use http_body_util::BodyExt;
use pilothouse::proxy::tls::CertificateFiles;
use pilothouse::simulate::Simulator;
use pilothouse::table::BaseUrl;
use pilothouse::upstream::{AddressPolicy, Client, Connector, PoolLimits};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::routes::{Api, chat_body, fault, route, route_of, simulator};
use crate::support::{KEY, Options, Rig, connector};

fn certificate() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap()
}

/// A connector that trusts these.
fn trusting(certificates: &[&CertificateDer<'static>]) -> Connector {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add((*certificate).clone()).unwrap();
    }
    Connector::with_roots(AddressPolicy::Any, roots)
}

fn write(folder: &Path, certified: &CertifiedKey<KeyPair>) -> CertificateFiles {
    let files = CertificateFiles { cert: folder.join("tls.crt"), key: folder.join("tls.key") };
    fs::write(&files.cert, certified.cert.pem()).unwrap();
    fs::write(&files.key, certified.signing_key.serialize_pem()).unwrap();
    files
}

/// Whether a client that trusts only this certificate gets an answer.
async fn serves(address: SocketAddr, certified: &CertifiedKey<KeyPair>) -> bool {
    let client = Client::new(trusting(&[certified.cert.der()]), PoolLimits::default());
    let base: BaseUrl = format!("https://{address}").parse().unwrap();
    let request = Request::post(Api::Chat.path()).header("x-api-key", KEY);
    let request = request.body(Bytes::from(chat_body("chat", true))).unwrap();
    match client.send(&base, request, Duration::from_secs(5)).await {
        Ok(response) => {
            assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(body.ends_with(b"data: [DONE]\n\n"));
            true
        }
        Err(error) => {
            assert!(error.to_string().contains("TLS handshake failed"), "{error}");
            false
        }
    }
}

#[tokio::test]
async fn a_replaced_certificate_is_served_without_a_restart() {
    let alpha = simulator("alpha").await;
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (certificate(), certificate());
    let options = Options { tls: Some(write(folder.path(), &first)), ..Options::default() };
    let routes = route("chat", &[("alpha", &alpha, "m")], "");
    let rig = Rig::start_with(&routes, options).await;
    assert!(serves(rig.address, &first).await);
    assert!(!serves(rig.address, &second).await);
    write(folder.path(), &second);
    // The files are looked at every ten seconds.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !serves(rig.address, &second).await {
        assert!(tokio::time::Instant::now() < deadline, "the new certificate is not served");
    }
    assert!(!serves(rig.address, &first).await);
}

/// The simulator behind a listener that speaks TLS and passes the bytes on.
struct TlsFront {
    origin: String,
    certificate: CertificateDer<'static>,
    serving: tokio::task::JoinHandle<()>,
}

impl TlsFront {
    async fn start(simulator: &Simulator, protocol: &str) -> Self {
        let certified = certificate();
        let certificate = certified.cert.der().clone();
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let mut config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("https://{}", listener.local_addr().unwrap());
        let behind = simulator.addr();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Clients that do not trust the certificate hang up.
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut behind = TcpStream::connect(behind).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
                });
            }
        });
        Self { origin, certificate, serving }
    }

    fn route(&self, extra: &str) -> String {
        route_of("chat", &[Api::Chat.target("alpha", &self.origin, "model: m")], extra)
    }

    async fn rig(&self) -> Rig {
        let options = Options { connector: trusting(&[&self.certificate]), ..Options::default() };
        Rig::start_with(&self.route(""), options).await
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn install_provider() {
    let _ = connector(AddressPolicy::Any);
}

#[tokio::test]
async fn an_upstream_with_a_trusted_certificate_is_spoken_to_in_the_version_it_offers() {
    install_provider();
    for (protocol, version) in [("h2", Version::HTTP_2), ("http/1.1", Version::HTTP_11)] {
        let alpha = simulator("alpha").await;
        let front = TlsFront::start(&alpha, protocol).await;
        let rig = front.rig().await;
        for _ in 0..3 {
            assert_eq!(rig.chat("chat").await.status, StatusCode::OK);
            assert_eq!(rig.chat_stream("chat").await.events().last(), Some(&"[DONE]"));
        }
        assert!(alpha.requests().iter().all(|request| request.version == version));
        assert_eq!(alpha.snapshot().connections, 1, "{protocol}");
    }
}

#[tokio::test]
async fn streams_of_one_http2_connection_live_and_die_alone() {
    install_provider();
    let alpha = simulator("alpha").await;
    let front = TlsFront::start(&alpha, "h2").await;
    let rig = front.rig().await;
    rig.chat("chat").await;
    alpha.set_fault(fault("pace=5ms;words=40"));
    let (mut kept, mut left) = tokio::join!(rig.open_chat("chat"), rig.open_chat("chat"));
    kept.read_until("hello").await;
    left.read_until("hello").await;
    drop(left);
    alpha.wait_for(|now| now.cancelled == 1).await.unwrap();
    alpha.set_fault(fault("cut=5"));
    let cut = rig.chat_stream("chat").await;
    assert!(cut.text().contains("provider_failed") && !cut.text().contains("[DONE]"), "{cut:?}");
    assert_eq!(kept.finish().await.events().last(), Some(&"[DONE]"));
    assert_eq!(alpha.snapshot().connections, 1);
    rig.settled().await;
}

#[tokio::test]
async fn an_upstream_whose_certificate_nobody_vouches_for_is_a_failure() {
    install_provider();
    let alpha = simulator("alpha").await;
    let front = TlsFront::start(&alpha, "h2").await;
    let rig = Rig::start(&front.route("")).await;
    let answer = rig.chat("chat").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert!(answer.text().contains("TLS handshake failed"), "{answer:?}");
    assert_eq!(alpha.count(), 0);
}
