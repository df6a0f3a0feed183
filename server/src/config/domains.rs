//! `[domains]`: custom domains of stores.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use storeplane_core::host_name::HostName;
use storeplane_core::service::{DOMAINS_MAX, DomainRules};

use super::read::is_label;
use super::section::Section;
use crate::proxies::Network;

/// The port of web servers.
const HTTP: u16 = 80;
/// Domains of a store at most: they are in one Ingress.
const PER_STORE_MAX: u32 = 100;

/// `[domains]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Domains {
    /// DNS servers that are asked, as `address:port`; default: those of the system.
    pub resolvers: Vec<SocketAddr>,
    /// Where domains must point: addresses, or one host name; default: at the store's own host name.
    pub targets: Vec<String>,
    /// Maximum number of domains of a store.
    pub max_per_store: u32,
    /// Issuer of cert-manager for the domains' certificates; default: none, their Secrets are brought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<CertificateIssuer>,
    /// Proof by a file on the web server that a domain points to.
    pub verification_file: VerificationFiles,
}

/// `[domains.verification_file]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerificationFiles {
    /// Files are read.
    pub enabled: bool,
    /// Networks in which such web servers may be although they are not public.
    pub networks: Vec<Network>,
    /// The port of plain HTTP.
    pub port: u16,
}

/// An issuer of cert-manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateIssuer {
    /// Its kind.
    pub kind: IssuerKind,
    /// Its name.
    pub name: String,
}

/// The kind of an issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IssuerKind {
    /// One for all namespaces.
    ClusterIssuer,
    /// One in the store's namespace.
    Issuer,
}

impl fmt::Display for IssuerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClusterIssuer => "ClusterIssuer",
            Self::Issuer => "Issuer",
        })
    }
}

impl From<&Domains> for DomainRules {
    fn from(domains: &Domains) -> Self {
        let Domains { targets, max_per_store, verification_file, .. } = domains;
        Self { targets: targets.clone(), max_per_store: *max_per_store, verification_files: verification_file.enabled }
    }
}

pub(super) fn read(section: &mut Section) -> Domains {
    let targets: Vec<String> = section.take("targets", Vec::new());
    let addresses = targets.iter().filter(|target| target.parse::<IpAddr>().is_ok()).count();
    let one_name = matches!(&targets[..], [name] if name.parse::<HostName>().is_ok());
    if addresses != targets.len() && !one_name {
        section.fail("targets", "must be IP addresses, or one host name such as shops.example.com");
    }
    Domains {
        resolvers: section.take("resolvers", Vec::new()),
        targets,
        max_per_store: section
            .checked("max_per_store", DOMAINS_MAX, "must be 0 to 100", |n| (0..=PER_STORE_MAX).contains(n)),
        issuer: section.section("issuer", issuer),
        verification_file: section.section("verification_file", |section| VerificationFiles {
            enabled: section.take("enabled", true),
            networks: section.take("networks", Vec::new()),
            port: section.checked("port", HTTP, "must be 1 to 65535", |port| *port > 0),
        }),
    }
}

fn issuer(section: &mut Section) -> Option<CertificateIssuer> {
    let kind = section.optional("kind").unwrap_or(IssuerKind::ClusterIssuer);
    let name: Option<String> = section.optional("name");
    let is_name = |name: &String| !name.is_empty() && name.len() <= 253 && name.split('.').all(is_label);
    if name.as_ref().is_some_and(|name| !is_name(name)) {
        section.fail("name", "must be the name of an issuer");
    }
    name.map(|name| CertificateIssuer { kind, name })
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Overrides};

    #[test]
    fn wrong_settings_of_domains_name_their_key() {
        let parse = |file: &str| Config::parse(&format!("[domains]\n{file}"), &Overrides::default());
        let default = parse("").expect("valid").domains;
        assert_eq!((default.max_per_store, default.issuer, default.targets.len()), (20, None, 0));
        let all =
            "resolvers = ['127.0.0.1:53', '[::1]:53']\ntargets = ['192.0.2.7', '2001:db8::7']\nissuer.name = 'acme'";
        let domains = parse(all).expect("valid").domains;
        let issuer = domains.issuer.expect("an issuer");
        assert_eq!(
            (domains.resolvers.len(), format!("{} {}", issuer.kind, issuer.name)),
            (2, "ClusterIssuer acme".into())
        );
        assert!(parse("targets = ['shops.example.com']").is_ok());
        for (setting, key) in [
            ("resolvers = ['dns.example.com']", "domains.resolvers: "),
            ("targets = ['shops.example.com', '192.0.2.7']", "domains.targets: must be"),
            ("targets = ['shop example']", "domains.targets: must be"),
            ("max_per_store = 101", "domains.max_per_store: must be 0 to 100"),
            ("issuer = {kind = 'Vault', name = 'a'}", "domains.issuer.kind: "),
            ("issuer.name = 'a_b'", "domains.issuer.name: must be"),
            ("verification_file.networks = ['10.0.0.0/40']", "domains.verification_file.networks: "),
            ("verification_file.port = 0", "domains.verification_file.port: must be 1"),
        ] {
            let error = parse(setting).expect_err(setting).to_string();
            assert!(error.contains(key), "{setting}: {error}");
        }
    }
}
