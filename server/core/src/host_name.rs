//! Names of custom domains, and those to which a shop answers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::IdError;

/// Maximum length, in bytes: the name of its verification record has at most 253.
pub const NAME_MAX: usize = 230;
/// Maximum length of a label, in bytes (RFC 1035).
const LABEL_MAX: usize = 63;
/// Top-level domains that the public DNS does not have: nobody can prove to own a name there.
const PRIVATE: [&str; 6] = ["arpa", "internal", "invalid", "local", "localhost", "onion"];

/// A host name in the public DNS: in lower case, and in its ASCII form (punycode).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostName(String);

impl HostName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// From the database, which stores only valid names.
    pub fn stored(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// True if it is `domain`, or below it.
    pub fn is_within(&self, domain: &str) -> bool {
        self.0 == domain || self.0.strip_suffix(domain).is_some_and(|below| below.ends_with('.'))
    }
}

impl FromStr for HostName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        check(text).map(|()| Self(text.to_owned())).map_err(|rule| IdError(rule.into()))
    }
}

fn check(text: &str) -> Result<(), &'static str> {
    if !text.is_ascii() {
        return Err("must be in its ASCII form, such as xn--bcher-kva.example for bücher.example");
    }
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("must be in lower case");
    }
    if text.contains('*') {
        return Err("must not be a wildcard: add each host name");
    }
    if text.len() > NAME_MAX {
        return Err("must have at most 230 characters");
    }
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_label = |label: &str| {
        (1..=LABEL_MAX).contains(&label.len())
            && label.bytes().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
            // The third and fourth character are reserved, but for punycode.
            && (label.get(2..4) != Some("--") || label.starts_with("xn--"))
    };
    let mut labels = text.rsplit('.');
    let top = labels.next().unwrap_or_default();
    if !text.split('.').all(is_label) || labels.next().is_none() {
        return Err("must be a host name such as shop.example.com");
    }
    if top.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("must not be an IP address");
    }
    if PRIVATE.contains(&top) {
        return Err("must be a name in the public DNS");
    }
    Ok(())
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The custom domains to which a shop answers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServedDomains {
    /// The names, sorted.
    #[serde(default)]
    pub names: Vec<HostName>,
    /// The one in the shop's URL, to which the other host names redirect; `None` for the platform's own.
    #[serde(default)]
    pub primary: Option<HostName>,
}

impl ServedDomains {
    /// These names. The primary one is kept if it is among them.
    #[must_use]
    pub fn with_names(&self, mut names: Vec<HostName>) -> Self {
        names.sort();
        let primary = self.primary.clone().filter(|primary| names.contains(primary));
        Self { names, primary }
    }

    /// The names as one text.
    pub fn names_text(&self) -> String {
        let names: Vec<_> = self.names.iter().map(HostName::as_str).collect();
        names.join(", ")
    }

    /// The primary domain; empty for the platform's own host name.
    pub fn primary_text(&self) -> &str {
        self.primary.as_ref().map_or("", HostName::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_host_names_are_accepted() {
        let long =
            format!("{}.example.com", ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(26)].join("."));
        assert_eq!(long.len(), NAME_MAX);
        for good in ["a.co", "shop.example.com", "xn--bcher-kva.example", "1.2.example.com", "a-b.example.co.uk", &long]
        {
            assert!(good.parse::<HostName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "com",
            "shop.example.com.",
            ".example.com",
            "a..example.com",
            "Shop.example.com",
            "bücher.example",
            "*.example.com",
            "-a.example.com",
            "a-.example.com",
            "a_b.example.com",
            "ab--c.example.com",
            "192.0.2.7",
            "1.2.3.4.5",
            "[2001:db8::1]",
            "2001:db8::1",
            "shop.example.com:443",
            "https://shop.example.com",
            "a b.example.com",
            "a\n.example.com",
            "a\0.example.com",
            "shop.localhost",
            "db.svc.cluster.local",
            "metadata.google.internal",
            "1.0.0.127.in-addr.arpa",
            "a@example.com",
            "a/b.example.com",
            "$(id).example.com",
            "'.example.com",
            &format!("x{long}"),
            &format!("{}.com", "a".repeat(64)),
        ] {
            assert!(bad.parse::<HostName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_below_a_domain_are_within_it() {
        let name = HostName::stored("shop.example.com");
        for domain in ["shop.example.com", "example.com", "com"] {
            assert!(name.is_within(domain), "{domain}");
        }
        for domain in ["ample.com", "a.shop.example.com", "example.org", "hop.example.com"] {
            assert!(!name.is_within(domain), "{domain}");
        }
    }

    #[test]
    fn primary_domain_that_is_removed_is_primary_no_longer() {
        let names = |names: &[&str]| names.iter().map(|name| HostName::stored(*name)).collect::<Vec<_>>();
        let served = ServedDomains { names: names(&["a.example", "b.example"]), primary: names(&["a.example"]).pop() };
        assert_eq!(served.with_names(names(&["b.example", "a.example"])), served);
        assert_eq!(served.with_names(names(&["b.example"])).primary, None);
    }
}
