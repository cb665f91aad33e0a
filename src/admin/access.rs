//! Who may look inside.
//!
//! Without a token that is whoever comes from this very machine, which in a pod is `kubectl
//! port-forward` and whoever may `exec`. A browser on that machine is not let in on behalf of a page
//! that it shows, and neither is what a proxy beside the gateway brings from elsewhere.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::header::{AUTHORIZATION, FORWARDED, HOST, HeaderMap, HeaderName, ORIGIN, VIA};
use parking_lot::RwLock;

use crate::table::KeyDigest;

/// The shortest token, in bytes: what a person would think up is guessed in no time, and only the
/// network's speed stands before a port that counts no tries.
const SHORTEST_TOKEN: usize = 16;

/// Says that a request comes from elsewhere than its connection.
const PROXIED: [HeaderName; 5] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-envoy-external-address"),
];
/// Says on whose behalf a browser asks.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who may look inside.
#[derive(Debug)]
pub enum Access {
    /// Whoever connects from this machine.
    Loopback,
    /// Whoever shows the token.
    Token(TokenFile),
}

/// Why a request may not look inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// It shows no token or a wrong one.
    Token,
    /// There is no token, and it does not come from this machine.
    Elsewhere,
    /// It does, but on behalf of somebody who does not.
    OnBehalf,
}

impl Denied {
    /// What to do about it.
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Token => {
                "send `Authorization: Bearer TOKEN` with the token of `--admin-token-file`"
            }
            Self::Elsewhere => {
                "the admin API answers only connections from the machine it runs on: use `kubectl \
                 port-forward`, or start the gateway with `--admin-token-file` and send the token as \
                 `Authorization: Bearer TOKEN`"
            }
            Self::OnBehalf => {
                "without `--admin-token-file`, the admin API answers neither web pages nor proxies: \
                 ask it directly, by the address 127.0.0.1 or the name `localhost`"
            }
        }
    }
}

/// The token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("cannot read `{path}`: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// It is too easy to guess.
    #[error(
        "`{path}` must hold a token of at least {SHORTEST_TOKEN} characters, such as `openssl rand -hex 32` prints"
    )]
    Short {
        /// The file.
        path: PathBuf,
    },
}

/// A token in a file. What is kept of it is a digest.
#[derive(Debug, Clone)]
pub struct TokenFile {
    path: Arc<Path>,
    current: Arc<RwLock<KeyDigest>>,
}

impl TokenFile {
    /// Reads the token; a newline at its end is not part of it.
    ///
    /// # Errors
    /// When the file cannot be read or holds no usable token.
    pub fn open(path: &Path) -> Result<Self, TokenError> {
        let token = read(path)?;
        Ok(Self { path: path.into(), current: Arc::new(RwLock::new(token)) })
    }

    /// Whether `token` is the one that is in the file now. While it cannot be read, which is so in
    /// the middle of a change, the last one counts.
    async fn admits(&self, token: &[u8]) -> bool {
        let path = Arc::clone(&self.path);
        // Looked at for each request: there are few, and a token that was replaced is not admitted
        // once more.
        let found = tokio::task::spawn_blocking(move || read(&path)).await;
        match found {
            Ok(Ok(digest)) => *self.current.write() = digest,
            Ok(Err(error)) => tracing::warn!(%error, "the admin token stays as it was"),
            Err(error) => tracing::error!(%error, "the admin token cannot be read"),
        }
        let current = *self.current.read();
        current.matches(&KeyDigest::of(token))
    }
}

fn read(path: &Path) -> Result<KeyDigest, TokenError> {
    let bytes =
        std::fs::read(path).map_err(|error| TokenError::Read { path: path.to_owned(), error })?;
    let token = bytes.trim_ascii();
    if token.len() < SHORTEST_TOKEN {
        return Err(TokenError::Short { path: path.to_owned() });
    }
    Ok(KeyDigest::of(token))
}

impl Access {
    /// Whether a request that came from `peer` with these headers may look inside.
    pub(super) async fn check(&self, peer: SocketAddr, headers: &HeaderMap) -> Result<(), Denied> {
        match self {
            Self::Loopback => from_this_machine(peer, headers),
            Self::Token(file) => {
                let token = bearer(headers).ok_or(Denied::Token)?;
                if file.admits(token).await { Ok(()) } else { Err(Denied::Token) }
            }
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token.trim_ascii())
}

fn from_this_machine(peer: SocketAddr, headers: &HeaderMap) -> Result<(), Denied> {
    // These two alone, and not all of 127.0.0.0/8: the proxies of service meshes bring connections
    // from other pods by 127.0.0.6.
    if !is_localhost(peer.ip()) {
        return Err(Denied::Elsewhere);
    }
    let site = headers.get(FETCH_SITE).map(http::HeaderValue::as_bytes);
    let is_ours = site.is_none_or(|site| site == b"none" || site == b"same-origin");
    let direct = PROXIED.iter().all(|name| !headers.contains_key(name));
    // A name that a page made to mean this machine is still the page's.
    let asked = headers.get(HOST).and_then(|host| host.to_str().ok()).is_some_and(names_localhost);
    if is_ours && direct && asked && !headers.contains_key(ORIGIN) {
        Ok(())
    } else {
        Err(Denied::OnBehalf)
    }
}

fn is_localhost(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address == Ipv4Addr::LOCALHOST || address == Ipv6Addr::LOCALHOST
}

fn names_localhost(host: &str) -> bool {
    let Ok(authority) = host.parse::<http::uri::Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(is_localhost)
}

#[cfg(test)]
mod tests;
