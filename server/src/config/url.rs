//! URLs that may contain a password, and those of this machine.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

/// Shown in place of a secret.
const MASK: &str = "***";

/// True if the URL's host is this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// A URL whose password is never shown: it is printed, logged and serialized as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(Url);

impl SecretUrl {
    /// The URL with its password. Never log it.
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }

    /// The scheme: `postgres`, `https`, …
    pub fn scheme(&self) -> &str {
        self.0.scheme()
    }

    fn masked(&self) -> Url {
        let mut url = self.0.clone();
        if url.password().is_some() {
            // Fails only for URLs that cannot have one.
            let _ = url.set_password(Some(MASK));
        }
        if url.query().is_some() {
            let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
            let mut shown = url.query_pairs_mut();
            shown.clear();
            for (key, value) in &pairs {
                let secret =
                    ["password", "secret", "token", "key"].iter().any(|word| key.to_lowercase().contains(word));
                shown.append_pair(key, if secret { MASK } else { value });
            }
        }
        url
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.masked().fmt(f)
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for SecretUrl {
    type Err = url::ParseError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Url::parse(text).map(Self)
    }
}

impl Serialize for SecretUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SecretUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error| serde::de::Error::custom(format!("is not a URL: {error}")))
    }
}
