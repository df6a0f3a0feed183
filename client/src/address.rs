//! Where a server is, and whether the way there is safe for a token.

use std::net::IpAddr;

use tonic::transport::Uri;

use crate::error::Error;

/// A server's address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) url: String,
    /// Reached by TLS.
    pub(crate) encrypted: bool,
    /// On this machine.
    pub(crate) local: bool,
}

impl Address {
    /// Without a scheme, `http` on this machine and `https` elsewhere, unless `plaintext`.
    pub(crate) fn parse(address: &str, plaintext: bool) -> Result<Self, Error> {
        let wrong = || Error::Address { address: address.to_owned() };
        let parse = |url: &str| url.parse::<Uri>().map_err(|_| wrong());
        let (uri, bare) = if address.contains("://") {
            (parse(address)?, false)
        } else {
            (parse(&format!("http://{address}"))?, true)
        };
        let host = uri.host().ok_or_else(wrong)?.trim_matches(['[', ']']);
        let local = host.eq_ignore_ascii_case("localhost")
            || host.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback());
        let scheme = match uri.scheme_str() {
            Some("http") if bare && !local && !plaintext => "https",
            Some("http") => "http",
            Some("https") => "https",
            _ => return Err(wrong()),
        };
        let url = if bare { format!("{scheme}://{address}") } else { address.to_owned() };
        Ok(Self { url, encrypted: scheme == "https", local })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_depends_on_where_the_server_is() {
        for (address, plaintext, url, encrypted, local) in [
            ("127.0.0.1:8080", false, "http://127.0.0.1:8080", false, true),
            ("localhost:8080", false, "http://localhost:8080", false, true),
            ("[::1]:8080", false, "http://[::1]:8080", false, true),
            ("[::ffff:127.0.0.1]:1", false, "http://[::ffff:127.0.0.1]:1", false, true),
            ("LOCALHOST:1", false, "http://LOCALHOST:1", false, true),
            ("shops.test", false, "https://shops.test", true, false),
            ("shops.test:8080", true, "http://shops.test:8080", false, false),
            ("192.0.2.1:80", false, "https://192.0.2.1:80", true, false),
            ("http://shops.test", false, "http://shops.test", false, false),
            ("https://shops.test", true, "https://shops.test", true, false),
            ("https://localhost", false, "https://localhost", true, true),
            ("http://localhost.shops.test", false, "http://localhost.shops.test", false, false),
            ("http://localhost@shops.test", false, "http://localhost@shops.test", false, false),
        ] {
            let expected = Address { url: url.to_owned(), encrypted, local };
            assert_eq!(Address::parse(address, plaintext).expect(address), expected, "{address}");
        }
        for wrong in ["", "unix:///run/x", "ftp://shops.test", "https://", "a b"] {
            assert!(matches!(Address::parse(wrong, false), Err(Error::Address { .. })), "{wrong}");
        }
    }
}
