//! TLS before a server: AWS's SDKs send keys of Bedrock's over nothing else.

use std::fs;
use std::io;
use std::sync::Arc;

use rcgen::generate_simple_self_signed;
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Passes on what comes by TLS; it ends with the runtime of its test.
pub(crate) struct Tls {
    url: String,
    folder: TempDir,
}

impl Tls {
    /// A port of its own that leads to the server at `origin` (`http://ADDRESS`).
    pub(crate) async fn before(origin: &str) -> Self {
        let server = origin.strip_prefix("http://").expect("without TLS").to_owned();
        let made = generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder for the certificate");
        fs::write(folder.path().join("ca.pem"), made.cert.pem()).expect("a file in a new folder");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("PKCS #8");
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a certificate with its key");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // Clients that leave early are part of the tests.
                tokio::spawn(pass_on(acceptor.clone(), client, server.clone()));
            }
        });
        Self { url: format!("https://{address}"), folder }
    }

    /// What a script has to know of it, over what it knows of the server.
    pub(crate) fn describe(&self, described: &mut Value) {
        described["url"] = json!(self.url);
        described["ca"] = json!(self.folder.path().join("ca.pem"));
    }
}

async fn pass_on(acceptor: TlsAcceptor, client: TcpStream, server: String) -> io::Result<()> {
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect(server).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
