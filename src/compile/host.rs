//! Where requests and credentials may go.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Tenancy;
use super::finding::Fault;
use crate::api::Reason;
use crate::provider::Provider;
use crate::table::{BaseUrl, ObjectName};

/// The port of https, which is meant where a host is written without one.
const HTTPS_PORT: u16 = 443;

/// One entry of `spec.allowedHosts`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AllowedHost {
    Host {
        /// In lower case; with the leading dot if it is a suffix.
        name: Box<str>,
        suffix: bool,
        port: Option<u16>,
    },
    /// The endpoints of a Service, at any port and with or without TLS.
    Service(ObjectName),
}

/// Where a credential would go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Destination<'a> {
    pub(super) url: &'a BaseUrl,
    /// The Service whose endpoints are meant, where that is how the target says it.
    pub(super) service: Option<&'a ObjectName>,
}

impl AllowedHost {
    /// Reads `host`, `host:port`, `*.suffix` or `*.suffix:port` (IPv6 addresses in brackets), or
    /// `service/NAMESPACE/NAME`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(service) = text.strip_prefix("service/") {
            let label = |text: &str| {
                !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            };
            let (namespace, name) = service.split_once('/')?;
            let valid = label(namespace) && label(name);
            return valid.then(|| Self::Service(ObjectName::new(namespace, name)));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (text, None),
        };
        let (name, suffix) = match host.strip_prefix('*') {
            Some(suffix) => (suffix.strip_prefix('.').map(|_| suffix)?, true),
            None => (host, false),
        };
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        let address = name.starts_with('[') && bare.parse::<IpAddr>().is_ok();
        let valid = address || (name.len() > usize::from(suffix) && name.chars().all(plain));
        valid.then(|| Self::Host { name: bare.to_ascii_lowercase().into(), suffix, port })
    }

    /// Without a port https is meant: that a key may travel in the clear has to be written out.
    fn covers(&self, to: Destination<'_>) -> bool {
        let (name, suffix, port) = match (self, to.service) {
            (Self::Service(allowed), service) => return service == Some(allowed),
            // Names in DNS are another matter: who answers to one is decided elsewhere.
            (Self::Host { .. }, Some(_)) => return false,
            (Self::Host { name, suffix, port }, None) => (name, *suffix, *port),
        };
        let (url, host) = (to.url, to.url.host().to_ascii_lowercase());
        let named = if suffix {
            host.len() > name.len() && host.ends_with(&**name)
        } else {
            *host == **name
        };
        let meant =
            port.map_or(url.is_https() && url.port() == HTTPS_PORT, |port| port == url.port());
        named && meant
    }
}

/// The entry that covers `url`, as a user would write it.
pub(super) fn entry_for(url: &BaseUrl) -> String {
    if url.is_https() || url.authority().port().is_some() {
        url.authority().to_string()
    } else {
        format!("{}:{}", url.authority(), url.port())
    }
}

/// Whether a credential for `provider` may be sent there. Where the store lists no host, the
/// provider's own are meant: a key goes to whom it is a key of.
pub(super) fn may_receive(
    hosts: &[AllowedHost],
    provider: &Provider,
    to: Destination<'_>,
    tenancy: &Tenancy,
) -> bool {
    if hosts.is_empty() {
        let url = to.url;
        let own = to.service.is_none()
            && url.is_https()
            && url.port() == HTTPS_PORT
            && provider.owns_host(url.host());
        return own || tenancy.operator_owned;
    }
    hosts.iter().any(|host| host.covers(to))
}

/// Refuses addresses that this installation never connects to, so that the mistake is told before
/// the first request. What a name resolves to is checked when a connection is made.
pub(super) fn check_reachable(url: &BaseUrl, path: &str, tenancy: &Tenancy) -> Result<(), Fault> {
    let policy = tenancy.addresses();
    let permits = |tls| match addresses(url.host()) {
        None => policy.permits_some(tls),
        Some(known) => known.iter().any(|address| policy.permits(*address, tls)),
    };
    if permits(url.is_https()) {
        return Ok(());
    }
    let message = if permits(true) {
        "must begin with `https://`: plain http needs an address that the operator allows with \
         `--allow-upstream-cidr`"
    } else {
        "is not an address of the public internet, so it needs the operator's \
         `--allow-upstream-cidr`"
    };
    Err(Fault::new(Reason::AddressNotPermitted, path, message))
}

/// The addresses that a host has without anybody being asked.
fn addresses(host: &str) -> Option<Vec<IpAddr>> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    host.parse().ok().map(|address| vec![address])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(entry: &str, url: &str) -> bool {
        let host = AllowedHost::parse(entry).expect("a valid entry");
        let url = url.parse().expect("a valid url");
        host.covers(Destination { url: &url, service: None })
    }

    #[test]
    fn a_service_is_named_as_one_and_covered_by_nothing_else() {
        let url: BaseUrl = "http://vllm.ai.svc:8000/v1".parse().expect("a valid url");
        let (vllm, other) = (ObjectName::new("ai", "vllm"), ObjectName::new("ai", "other"));
        let covers = |entry: &str, service| {
            let host = AllowedHost::parse(entry).expect("a valid entry");
            host.covers(Destination { url: &url, service })
        };
        assert!(covers("service/ai/vllm", Some(&vllm)));
        assert!(!covers("service/ai/vllm", Some(&other)) && !covers("service/ai/vllm", None));
        assert!(!covers("vllm.ai.svc:8000", Some(&vllm)) && !covers("*.svc:8000", Some(&vllm)));
        assert!(covers("vllm.ai.svc:8000", None));
        for text in ["service/", "service/ai", "service/ai/", "service/a/b/c", "service/*/vllm"] {
            assert_eq!(AllowedHost::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_entry_without_port_means_the_usual_one() {
        assert!(covers("a.example", "https://A.example/v1"));
        assert!(covers("a.example", "https://a.example:443"));
        assert!(!covers("a.example", "https://a.example:8443"));
        assert!(covers("a.example:8443", "https://a.example:8443"));
        assert!(!covers("a.example:8443", "https://a.example"));
    }

    #[test]
    fn plain_http_is_covered_by_an_explicit_port_alone() {
        assert!(!covers("a.example", "http://a.example"));
        assert!(!covers("a.example", "http://a.example:443"));
        assert!(covers("a.example:80", "http://a.example"));
    }

    #[test]
    fn a_suffix_covers_names_below_it_and_no_lookalike() {
        assert!(covers("*.a.example", "https://b.a.example"));
        assert!(covers("*.a.example", "https://c.b.a.example"));
        assert!(!covers("*.a.example", "https://a.example"));
        assert!(!covers("*.a.example", "https://ba.example"));
        assert!(!covers("*.a.example", "https://a.example.evil.test"));
    }

    #[test]
    fn addresses_in_brackets_are_hosts() {
        assert!(covers("[::1]:8080", "http://[::1]:8080"));
        assert!(covers("[::1]", "https://[::1]"));
        assert!(covers("10.0.0.1:80", "http://10.0.0.1"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in ["", "*", "*.", "*a", "https://a", "a/b", "a:b", "a:99999", "[a]", "a b"] {
            assert_eq!(AllowedHost::parse(text), None, "{text}");
        }
    }
}
