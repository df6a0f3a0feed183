//! The client's address behind trusted proxies.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Maximum number of addresses that are looked at; a longer chain is cut off there.
const HOPS_MAX: usize = 32;

/// A network, written as `10.0.0.0/8`, or as one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

impl Network {
    /// True if the address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(Self).map_err(|_| "must be a network such as 10.0.0.0/8, or an address")
    }
}

impl TryFrom<String> for Network {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The header in which proxies name their client. Only one is read: a proxy passes the other one on as its client sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: 192.0.2.1, 10.0.0.1`
    #[default]
    XForwardedFor,
    /// `Forwarded: for=192.0.2.1, for="[2001:db8::1]:4711"` (RFC 7239)
    Forwarded,
}

/// The proxies whose statements about their clients are believed.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// Their networks.
    pub trusted: Vec<Network>,
    /// The header that they set.
    pub header: ForwardedHeader,
}

impl Proxies {
    /// The client's address. Each proxy appends the address that it sees, so the last one that is not a trusted proxy's is
    /// the client's; whatever is before that was written by the client.
    pub fn client(&self, connection: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = connection.to_canonical();
        let names = match self.header {
            ForwardedHeader::XForwardedFor => headers.get_all(X_FORWARDED_FOR),
            ForwardedHeader::Forwarded => headers.get_all(header::FORWARDED),
        };
        let mut hops = names.iter().rev().flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
        for _ in 0..HOPS_MAX {
            if !self.trusted.iter().any(|network| network.contains(client)) {
                break;
            }
            // What is not an address (`unknown`, an obfuscated name) ends the chain: the proxy that wrote it is the client.
            let Some(before) = hops.next().and_then(|element| self.address(element)) else { break };
            client = before.to_canonical();
        }
        client
    }

    fn address(&self, element: &str) -> Option<IpAddr> {
        let node = match self.header {
            ForwardedHeader::XForwardedFor => element,
            ForwardedHeader::Forwarded => element.split(';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                name.trim().eq_ignore_ascii_case("for").then_some(value)
            })?,
        };
        let node = node.trim().trim_matches('"');
        if let Some(bracketed) = node.strip_prefix('[') {
            return bracketed.split_once(']')?.0.parse().ok();
        }
        node.parse().ok().or_else(|| node.split_once(':')?.0.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(header: ForwardedHeader, trusted: &[&str]) -> Proxies {
        Proxies { trusted: trusted.iter().map(|text| text.parse().expect("a network")).collect(), header }
    }

    fn client(proxies: &Proxies, connection: &str, sent: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(HeaderName::from_static(name), value.parse().expect("a header"));
        }
        proxies.client(connection.parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn client_is_the_last_address_that_is_not_a_trusted_proxy() {
        const XFF: &str = "x-forwarded-for";
        let none = Proxies::default();
        assert_eq!(client(&none, "10.0.0.1", &[(XFF, "192.0.2.1")]), "10.0.0.1", "nobody is trusted by default");
        let trusting = proxies(ForwardedHeader::XForwardedFor, &["10.0.0.0/8", "fd00::/8", "127.0.0.1"]);
        for (connection, sent, expected) in [
            ("10.0.0.1", &[(XFF, "192.0.2.1")][..], "192.0.2.1"),
            ("::ffff:10.0.0.1", &[(XFF, "::ffff:192.0.2.1")], "192.0.2.1"),
            ("127.0.0.1", &[(XFF, "2001:db8::1, 10.0.0.7")], "2001:db8::1"),
            ("fd00::1", &[(XFF, "192.0.2.1:4711")], "192.0.2.1"),
            ("10.0.0.1", &[(XFF, "[2001:db8::1]:443")], "2001:db8::1"),
            // The client wrote the first ones itself.
            ("10.0.0.1", &[(XFF, "203.0.113.9, 192.0.2.1")], "192.0.2.1"),
            ("10.0.0.1", &[(XFF, "203.0.113.9"), (XFF, "192.0.2.1, 10.1.1.1")], "192.0.2.1"),
            ("192.0.2.7", &[(XFF, "203.0.113.9")], "192.0.2.7"),
            // Proxies only, or nothing to believe.
            ("10.0.0.1", &[(XFF, "10.0.0.2,10.0.0.3")], "10.0.0.2"),
            ("10.0.0.1", &[(XFF, "203.0.113.9, unknown")], "10.0.0.1"),
            ("10.0.0.1", &[(XFF, "")], "10.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[("forwarded", "for=203.0.113.9"), (XFF, "192.0.2.1")], "192.0.2.1"),
        ] {
            assert_eq!(client(&trusting, connection, sent), expected, "{connection} {sent:?}");
        }
    }

    #[test]
    fn forwarded_header_is_read_as_rfc_7239_writes_it() {
        let trusting = proxies(ForwardedHeader::Forwarded, &["10.0.0.0/8"]);
        for (sent, expected) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("proto=https; For=\"[2001:db8::1]:4711\";by=10.0.0.1", "2001:db8::1"),
            ("for=203.0.113.9, for=192.0.2.1;proto=http, for=10.0.0.2", "192.0.2.1"),
            ("for=_hidden", "10.0.0.1"),
            ("for=unknown, for=192.0.2.1", "192.0.2.1"),
            ("proto=https", "10.0.0.1"),
        ] {
            let sent = [("forwarded", sent), ("x-forwarded-for", "203.0.113.77")];
            assert_eq!(client(&trusting, "10.0.0.1", &sent), expected, "{sent:?}");
        }
    }

    #[test]
    fn chain_of_trusted_addresses_is_bounded() {
        let trusting = proxies(ForwardedHeader::XForwardedFor, &["10.0.0.0/8"]);
        let long = format!("192.0.2.1{}", ", 10.0.0.9".repeat(100));
        assert_eq!(client(&trusting, "10.0.0.1", &[("x-forwarded-for", &long)]), "10.0.0.9");
    }

    #[test]
    fn network_is_a_cidr_or_an_address() {
        for (text, shown) in [("10.0.0.0/8", "10.0.0.0/8"), ("192.0.2.1", "192.0.2.1/32"), ("fd00::/8", "fd00::/8")] {
            assert_eq!(text.parse::<Network>().map(|network| network.to_string()), Ok(shown.to_owned()));
        }
        for bad in ["", "10.0.0.0/33", "example.com", "*"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
