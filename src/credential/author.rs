//! Who wrote down where tokens are asked for, and what follows from that.

use std::net::IpAddr;

use http::Uri;

/// Who wrote a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// Whoever runs the gateway: may name any issuer.
    Operator,
    /// A tenant of a cluster: may name only the cloud's own issuers, since the gateway stands where
    /// tenants do not and must not be sent about by them.
    Tenant,
}

impl Author {
    /// Reads the URL of an issuer: https, or http on this machine if the author may name any host;
    /// else https at a host of which `official` holds.
    pub(super) fn issuer(self, url: &str, official: impl Fn(&str) -> bool) -> Option<Uri> {
        let url: Uri = url.parse().ok()?;
        let authority = url.authority()?;
        let host = authority.host().to_ascii_lowercase();
        if authority.as_str().contains('@') || host.is_empty() {
            return None;
        }
        let https = url.scheme_str() == Some("https");
        let permitted = match self {
            Self::Operator => https || (url.scheme_str() == Some("http") && is_this_machine(&host)),
            Self::Tenant => {
                https && authority.port_u16().is_none_or(|port| port == 443) && official(&host)
            }
        };
        permitted.then_some(url)
    }
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn official(host: &str) -> bool {
        host == "a.example"
    }

    #[test]
    fn a_tenant_names_an_official_issuer_over_https() {
        for url in ["https://a.example/token", "https://A.example:443/token"] {
            assert!(Author::Tenant.issuer(url, official).is_some(), "{url}");
        }
        for url in [
            "http://a.example/token",
            "https://a.example:8443/token",
            "https://b.example/token",
            "https://a.example@b.example/token",
            "https://b.example@a.example/token",
            "https://a.example.b.example/token",
            "https://127.0.0.1/token",
            "http://127.0.0.1/token",
            "//a.example/token",
            "/token",
            "",
        ] {
            assert!(Author::Tenant.issuer(url, official).is_none(), "{url}");
        }
    }

    #[test]
    fn an_operator_names_any_but_secrets_do_not_cross_a_network_in_the_clear() {
        for url in ["https://b.example:8443/t", "http://127.0.0.1:1/t", "http://[::1]:1/t"] {
            assert!(Author::Operator.issuer(url, official).is_some(), "{url}");
        }
        for url in ["http://b.example/t", "http://10.0.0.1/t", "ftp://b.example/t", "t"] {
            assert!(Author::Operator.issuer(url, official).is_none(), "{url}");
        }
    }
}
