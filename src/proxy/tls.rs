//! The gateway's own certificate, replaced while it serves.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at. Mounted Secrets are swapped within a minute of a change
/// anyway, and reading two small files costs nothing.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read `{path}`: {error}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// A file holds no certificate or key.
    #[error("`{path}` holds no usable PEM: {error}")]
    Pem {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        error: rustls_pki_types::pem::Error,
    },
    /// Key and certificate do not belong together, or are of a kind that is not spoken.
    #[error("`{cert}` and `{key}` cannot be used together: {error}")]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why not.
        #[source]
        error: rustls::Error,
    },
}

/// A certificate and its key in PEM files.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    /// The chain, the gateway's own certificate first.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl CertificateFiles {
    /// An acceptor that serves what the files hold, and follows them until `shutdown`.
    pub fn acceptor(self, shutdown: CancellationToken) -> Result<TlsAcceptor, TlsError> {
        let (certified, text) = self.load()?;
        let current = Arc::new(Current(ArcSwap::from_pointee(certified)));
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        tokio::spawn(self.follow(current, text, shutdown));
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    async fn follow(self, current: Arc<Current>, mut served: Vec<u8>, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            match self.load() {
                Ok((_, text)) if text == served => {}
                Ok((certified, text)) => {
                    current.0.store(Arc::new(certified));
                    served = text;
                    tracing::info!(cert = %self.cert.display(), "the certificate was replaced");
                }
                // Half of a change may be on disk; the old one is good until both halves are.
                Err(error) => tracing::warn!(%error, "the certificate stays as it was"),
            }
        }
    }

    /// The certificate and, to notice changes, the bytes it was read from.
    fn load(&self) -> Result<(CertifiedKey, Vec<u8>), TlsError> {
        let read = |path: &Path| {
            fs::read(path).map_err(|error| TlsError::Read { path: path.to_owned(), error })
        };
        let (cert_pem, key_pem) = (read(&self.cert)?, read(&self.key)?);
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&cert_pem)
            .collect::<Result<_, _>>()
            .map_err(|error| TlsError::Pem { path: self.cert.clone(), error })?;
        let key = PrivateKeyDer::from_pem_slice(&key_pem)
            .map_err(|error| TlsError::Pem { path: self.key.clone(), error })?;
        let provider = CryptoProvider::get_default()
            .cloned()
            .unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let certified = CertifiedKey::from_der(chain, key, &provider).map_err(|error| {
            TlsError::Mismatch { cert: self.cert.clone(), key: self.key.clone(), error }
        })?;
        Ok((certified, [cert_pem, key_pem].concat()))
    }
}
