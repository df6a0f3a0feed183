//! `[tls]`: the files of the API's certificate.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use storeplane_core::identity::is_plain_name;
use storeplane_core::ids::Tenant;

use super::oidc::RoleName;
use super::section::Section;

/// `[tls]`. The files are read when the server starts, and again when they change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tls {
    /// The certificate chain in PEM, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
    /// The authorities of clients' certificates, in PEM; default: clients need no certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
    /// Whether a client needs a certificate. Set exactly if `client_ca` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_auth: Option<ClientAuth>,
    /// Client certificates that are credentials of services.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<Identity>,
}

/// `[[tls.identities]]`: which certificate is whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "IdentityTable")]
pub struct Identity {
    /// The name in the certificate: exactly one of `common_name`, `dns` and `uri`.
    #[serde(flatten)]
    pub certificate: Selector,
    /// The service's name; the audit log shows it with the prefix `cert:`.
    pub name: String,
    /// Its tenant.
    pub tenant: String,
    /// Its role.
    pub role: RoleName,
}

/// A name in a certificate. It is compared exactly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Selector {
    /// The subject's common name.
    CommonName(String),
    /// A DNS name among the alternative names.
    Dns(String),
    /// A URI among the alternative names.
    Uri(String),
}

/// An identity as written: a second name, or an unknown key, must not be ignored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityTable {
    common_name: Option<String>,
    dns: Option<String>,
    uri: Option<String>,
    name: String,
    tenant: String,
    role: RoleName,
}

impl TryFrom<IdentityTable> for Identity {
    type Error = &'static str;

    fn try_from(table: IdentityTable) -> Result<Self, Self::Error> {
        let IdentityTable { common_name, dns, uri, name, tenant, role } = table;
        let certificate = match (common_name, dns, uri) {
            (Some(name), None, None) => Selector::CommonName(name),
            (None, Some(name), None) => Selector::Dns(name),
            (None, None, Some(name)) => Selector::Uri(name),
            _ => return Err("an identity needs exactly one of common_name, dns and uri"),
        };
        Ok(Self { certificate, name, tenant, role })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommonName(name) => write!(f, "CN:{name}"),
            Self::Dns(name) => write!(f, "DNS:{name}"),
            Self::Uri(name) => write!(f, "URI:{name}"),
        }
    }
}

/// Whether a client needs a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// A connection without one is refused.
    Required,
    /// A connection without one is accepted; an invalid one is refused.
    Optional,
}

/// The section; absent without a certificate.
pub(super) fn read(section: &mut Section) -> Option<Tls> {
    // Before they are read: an invalid value is not missing.
    let [has_certificate, has_key, has_ca] = ["certificate", "key", "client_ca"].map(|key| section.has(key));
    let certificate: Option<PathBuf> = section.optional("certificate");
    let key: Option<PathBuf> = section.optional("key");
    let client_ca: Option<PathBuf> = section.optional("client_ca");
    let client_auth: Option<ClientAuth> = section.optional("client_auth");
    if client_auth.is_some() && !has_ca {
        section.fail("client_auth", "needs tls.client_ca");
    }
    let client_auth = client_ca.is_some().then(|| client_auth.unwrap_or(ClientAuth::Required));
    match (has_certificate, has_key) {
        (true, false) => section.fail("key", "is missing: tls.certificate needs it"),
        (false, true) => section.fail("certificate", "is missing: tls.key needs it"),
        (false, false) if has_ca => section.fail("client_ca", "needs tls.certificate and tls.key"),
        _ => {}
    }
    let identities = identities(section, has_ca);
    Some(Tls { certificate: certificate?, key: key?, client_ca, client_auth, identities })
}

fn identities(section: &mut Section, has_ca: bool) -> Vec<Identity> {
    let identities: Vec<Identity> = section.take("identities", Vec::new());
    if !identities.is_empty() && !has_ca {
        section.fail("identities", "needs tls.client_ca");
    }
    let (mut names, mut certificates) = (BTreeSet::new(), BTreeSet::new());
    for Identity { certificate, name, tenant, .. } in &identities {
        if !is_plain_name(name) {
            section
                .fail("identities", format!("must have names of letters, digits, spaces and ._@:+/- (has {name:?})"));
        }
        if tenant.parse::<Tenant>().is_err() {
            section.fail("identities", format!("must have names of tenants (has {tenant:?})"));
        }
        if !names.insert(name) || !certificates.insert(certificate) {
            section.fail("identities", format!("must differ in name and certificate ({name} does not)"));
        }
    }
    identities
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigError, Overrides};

    fn parse(file: &str) -> Result<Config, ConfigError> {
        Config::parse(file, &Overrides::default())
    }

    fn identity(certificate: &str, name: &str) -> String {
        format!("[[tls.identities]]\n{certificate}\nname = '{name}'\ntenant = 'default'\nrole = 'viewer'\n")
    }

    #[test]
    fn combinations_of_keys_are_checked() {
        let pair = "certificate = 'a'\nkey = 'b'\n";
        for (file, problem) in [
            ("[tls]\ncertificate = 'a'".to_owned(), "tls.key"),
            ("[tls]\nkey = 'b'".to_owned(), "tls.certificate"),
            ("[tls]\nclient_ca = 'c'".to_owned(), "tls.client_ca"),
            (format!("[tls]\n{pair}client_auth = 'required'"), "tls.client_auth"),
            (format!("[tls]\n{pair}client_ca = 'c'\nclient_auth = 'maybe'"), "tls.client_auth"),
            (format!("insecure_plaintext = true\n[tls]\n{pair}"), "insecure_plaintext"),
            ("insecure_plaintext = 'perhaps'".to_owned(), "insecure_plaintext"),
            (format!("[tls]\n{pair}{}", identity("common_name = 'a'", "a")), "tls.identities: needs"),
            (format!("[tls]\n{pair}client_ca = 'c'\n{}", identity("email = 'a'", "a")), "tls.identities"),
            (format!("[tls]\n{pair}client_ca = 'c'\n{}", identity("dns = 'a'\nuri = 'b'", "a")), "tls.identities"),
            (format!("[tls]\n{pair}client_ca = 'c'\n{}", identity("dns = 'a'", " a")), "tls.identities"),
            (
                format!("[tls]\n{pair}client_ca = 'c'\n{0}{0}", identity("dns = 'a'", "a")),
                "tls.identities: must differ",
            ),
        ] {
            let error = parse(&file).expect_err(&file).to_string();
            assert!(error.contains(problem), "{file}: {error}");
        }
        assert_eq!(parse("").expect("good").tls, None);
    }

    #[test]
    fn invalid_value_is_not_reported_as_missing() {
        for (file, key) in [
            ("certificate = 1\nkey = 'b'", "tls.certificate"),
            ("certificate = 'a'\nkey = 1", "tls.key"),
            ("certificate = 'a'\nkey = 'b'\nclient_ca = 1\nclient_auth = 'optional'", "tls.client_ca"),
        ] {
            let error = parse(&format!("[tls]\n{file}")).expect_err(file).to_string();
            assert!(error.contains(&format!("{key}: invalid type")), "{file}: {error}");
            assert_eq!(error.matches("tls.").count(), 1, "{file}: {error}");
        }
    }

    #[test]
    fn client_certificates_are_required_unless_optional() {
        for (line, expected) in [
            ("", None),
            ("client_ca = 'c'", Some(ClientAuth::Required)),
            ("client_ca = 'c'\nclient_auth = 'required'", Some(ClientAuth::Required)),
            ("client_ca = 'c'\nclient_auth = 'optional'", Some(ClientAuth::Optional)),
        ] {
            let config = parse(&format!("[tls]\ncertificate = 'a'\nkey = 'b'\n{line}")).expect("good");
            assert_eq!(config.tls.as_ref().and_then(|tls| tls.client_auth), expected, "{line}");
            let again = parse(&config.print().expect("TOML")).expect("what is printed can be read");
            assert_eq!(again.tls, config.tls, "{line}");
        }
    }

    #[test]
    fn flags_set_every_key() {
        let text = |text: &str| Some(text.to_owned());
        let over = Overrides {
            tls_certificate: text("a"),
            tls_key: text("b"),
            tls_client_ca: text("c"),
            tls_client_auth: text("optional"),
            health_listen: text("0.0.0.0:8081"),
            insecure_plaintext: text("false"),
            connections_max_per_address: text("7"),
            ..Overrides::default()
        };
        let config = Config::parse("insecure_plaintext = true", &over).expect("good");
        let expected = Tls {
            certificate: "a".into(),
            key: "b".into(),
            client_ca: Some("c".into()),
            client_auth: Some(ClientAuth::Optional),
            identities: Vec::new(),
        };
        assert_eq!((config.tls, config.connections.max_per_address), (Some(expected), 7));
        assert_eq!(config.health_listen.map(|address| address.port()), Some(8081));
    }
}
