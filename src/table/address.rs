//! Which addresses may be connected to.
//!
//! A route's author chooses a host name, and names resolve to anything: the check is made on the
//! address that is connected to, at the moment of connecting, so that a name which changes its mind
//! after validation gains nothing. Compile asks beforehand, so that a mistake which shows already is
//! told by the route's status.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Which addresses may be connected to.
#[derive(Debug, Clone)]
pub enum AddressPolicy {
    /// Every address: the operator wrote the manifests.
    Any,
    /// Public addresses over TLS; these ranges in any case, and they alone without TLS.
    PublicAnd(Vec<IpNet>),
}

impl AddressPolicy {
    /// Whether there may be an address that a name resolves to and that may be connected to.
    pub fn permits_some(&self, tls: bool) -> bool {
        match self {
            Self::Any => true,
            Self::PublicAnd(ranges) => tls || !ranges.is_empty(),
        }
    }

    /// Whether `address` may be connected to, with or without TLS.
    pub fn permits(&self, address: IpAddr, tls: bool) -> bool {
        let address = canonical(address);
        match self {
            Self::Any => true,
            Self::PublicAnd(ranges) => {
                ranges.iter().any(|range| range.contains(&address)) || (tls && is_public(address))
            }
        }
    }
}

/// An IPv4 address in IPv6 clothes is the IPv4 address: otherwise `::ffff:169.254.169.254` and its
/// translations would pass as public.
fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return IpAddr::V4(v4);
    }
    let segments = v6.segments();
    let embedded = match segments {
        // NAT64 (RFC 6052) and IPv4-compatible (RFC 4291, obsolete but still routed by some).
        [0x64, 0xff9b, 0, 0, 0, 0, hi, lo] | [0, 0, 0, 0, 0, 0, hi, lo] if hi != 0 => (hi, lo),
        // 6to4 (RFC 3056) holds its IPv4 address behind the prefix.
        [0x2002, hi, lo, ..] => (hi, lo),
        _ => return address,
    };
    let [a, b] = embedded.0.to_be_bytes();
    let [c, d] = embedded.1.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

/// Whether the address is one of the public internet (IANA special-purpose registries).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (64..128).contains(&b); // RFC 6598, also used for cluster ranges
    let protocol_assignments = a == 192 && b == 0 && c == 0; // RFC 6890
    // Azure's platform for its machines, their secrets among it, is at one address that IANA knows as
    // public (Microsoft, "What is IP address 168.63.129.16?").
    let wire_server = address.octets() == [168, 63, 129, 16];
    let benchmarking = a == 198 && (18..20).contains(&b); // RFC 2544
    !(a == 0
        || a >= 224 // multicast, reserved, broadcast
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || shared
        || protocol_assignments
        || wire_server
        || benchmarking)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // Only 2000::/3 is global unicast; inside it, documentation (RFC 3849, RFC 9637), ORCHID and
    // Teredo (2001::/23) lead nowhere that a provider lives.
    let [first, second, ..] = address.segments();
    first & 0xe000 == 0x2000
        && !(first == 0x2001 && (second == 0xdb8 || second < 0x200))
        && first != 0x3fff
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(policy: &AddressPolicy, address: &str, tls: bool) -> bool {
        policy.permits(address.parse().expect("an address"), tls)
    }

    #[test]
    fn nothing_inside_is_reached_by_default() {
        let policy = AddressPolicy::PublicAnd(Vec::new());
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.9.9",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "168.63.129.16",
            "0.0.0.0",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::10.0.0.1",
            "2001:db8::1",
        ] {
            assert!(!permits(&policy, address, true), "{address}");
        }
        assert!(permits(&policy, "104.18.6.192", true));
        assert!(permits(&policy, "2606:4700::6812:6c0", true));
    }

    #[test]
    fn plain_http_reaches_the_allowed_ranges_alone() {
        let policy = AddressPolicy::PublicAnd(vec!["10.1.0.0/16".parse().expect("a range")]);
        assert!(permits(&policy, "10.1.2.3", false));
        assert!(permits(&policy, "10.1.2.3", true));
        assert!(!permits(&policy, "10.2.0.1", true));
        assert!(!permits(&policy, "104.18.6.192", false));
    }
}
