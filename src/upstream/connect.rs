//! Making a connection: name, address, TCP, TLS, HTTP version.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{AddressPolicy, Destination};
use crate::table::BaseUrl;

/// A silent peer is probed after this long: shorter than the idle limits of common load balancers
/// and NAT gateways (350 s and 4 minutes), which drop connections without a word.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Between probes; three lost ones end the connection (Linux counts nine, the user timeout is first).
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// Sent data that nobody acknowledges for this long means that the peer is gone (RFC 5482).
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a connection could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address.
    #[error("`{host}` cannot be resolved: {error}")]
    Resolve {
        /// The host of the base URL.
        host: String,
        /// What the resolver said.
        #[source]
        error: io::Error,
    },
    /// Every address of the name is one that may not be connected to.
    #[error(
        "`{host}` resolves to an address that upstreams may not have (see `--allow-upstream-cidr`)"
    )]
    Forbidden {
        /// The host of the base URL.
        host: String,
    },
    /// No address answered.
    #[error("cannot connect: {0}")]
    Tcp(#[source] io::Error),
    /// The TLS handshake failed.
    #[error("TLS handshake failed: {0}")]
    Tls(#[source] io::Error),
    /// The HTTP/2 preface was not answered.
    #[error("HTTP handshake failed: {0}")]
    Http(#[source] hyper::Error),
    /// It took longer than `timeouts.connect`.
    #[error("no connection within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The limit of connections to this provider is reached.
    #[error("all {0} connections to this provider are in use")]
    Exhausted(usize),
}

/// A connected stream and the HTTP version that was agreed on.
pub(super) enum Connected {
    Plain(TcpStream),
    Http1(Box<TlsStream<TcpStream>>),
    Http2(Box<TlsStream<TcpStream>>),
}

/// Makes connections.
#[derive(Clone)]
pub struct Connector {
    addresses: AddressPolicy,
    tls: TlsConnector,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Connector {
    /// A connector that trusts the system's certificate authorities.
    pub fn with_system_roots(addresses: AddressPolicy) -> Self {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "a system certificate cannot be read");
        }
        let (trusted, ignored) = roots.add_parsable_certificates(found.certs);
        if trusted == 0 {
            tracing::warn!(
                "the system has no certificate authorities: every https upstream will fail"
            );
        }
        tracing::debug!(trusted, ignored, "certificate authorities loaded");
        Self::with_roots(addresses, roots)
    }

    /// A connector that trusts `roots`.
    pub fn with_roots(addresses: AddressPolicy, roots: RootCertStore) -> Self {
        let mut config =
            ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self { addresses, tls: TlsConnector::from(Arc::new(config)) }
    }

    /// One that trusts the same authorities and connects to other addresses.
    #[must_use]
    pub fn with_addresses(&self, addresses: AddressPolicy) -> Self {
        Self { addresses, tls: self.tls.clone() }
    }

    pub(super) async fn connect(
        &self,
        to: Destination<'_>,
        limit: Duration,
    ) -> Result<Connected, ConnectError> {
        timeout(limit, self.connect_unbounded(to))
            .await
            .unwrap_or(Err(ConnectError::Timeout(limit)))
    }

    async fn connect_unbounded(&self, to: Destination<'_>) -> Result<Connected, ConnectError> {
        let base = to.base;
        let addresses = match to.endpoint {
            Some(endpoint) => vec![endpoint],
            None => self.resolve(base).await?,
        };
        let stream = connect_any(&addresses).await.map_err(ConnectError::Tcp)?;
        configure_socket(&stream).map_err(ConnectError::Tcp)?;
        if !base.is_https() {
            return Ok(Connected::Plain(stream));
        }
        let name = ServerName::try_from(base.host().to_owned())
            .map_err(|error| ConnectError::Tls(io::Error::other(error)))?;
        let stream = self.tls.connect(name, stream).await.map_err(ConnectError::Tls)?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let stream = Box::new(stream);
        Ok(if http2 { Connected::Http2(stream) } else { Connected::Http1(stream) })
    }

    async fn resolve(&self, base: &BaseUrl) -> Result<Vec<SocketAddr>, ConnectError> {
        let host = base.host();
        let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, base.port())],
            Err(_) => tokio::net::lookup_host((host, base.port()))
                .await
                .map_err(|error| ConnectError::Resolve { host: host.to_owned(), error })?
                .collect(),
        };
        let permitted: Vec<_> = found
            .into_iter()
            .filter(|address| self.addresses.permits(address.ip(), base.is_https()))
            .collect();
        if permitted.is_empty() {
            return Err(ConnectError::Forbidden { host: host.to_owned() });
        }
        Ok(permitted)
    }
}

/// One address after another gets its share of time in the kernel's order of preference; the limit
/// around all of them is the caller's.
async fn connect_any(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    /// Long enough for a far continent, short enough to leave time for the next address within the
    /// default connect limit of 5 s (RFC 8305 recommends at least 250 ms between attempts).
    const PER_ADDRESS: Duration = Duration::from_secs(2);

    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (index, address) in addresses.iter().enumerate() {
        let connecting = TcpStream::connect(address);
        let result = if index + 1 == addresses.len() {
            connecting.await
        } else {
            timeout(PER_ADDRESS, connecting)
                .await
                .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
        };
        match result {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Socket options for both sides of the gateway: small events leave at once, dead peers are noticed.
pub(crate) fn configure_socket(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(
        &TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_INTERVAL),
    )?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(())
}
