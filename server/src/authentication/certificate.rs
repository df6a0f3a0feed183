//! TLS client certificates as credentials of services: `[[tls.identities]]` names which certificate is whom.

use std::sync::Arc;
use std::time::{Duration, Instant};

use storeplane_core::access::Access;
use storeplane_core::identity::{CERTIFICATE_PREFIX, Caller, Credential, Proof};
use storeplane_core::ids::Tenant;
use time::OffsetDateTime;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::config::{Identity, Selector};

/// What a verified client certificate says: a part of the extensions of each request on its connection, as `Arc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    names: Vec<Selector>,
    expires: OffsetDateTime,
}

impl ClientCertificate {
    /// Reads a certificate that TLS has verified; `None` if it cannot be read.
    pub fn parse(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let expires = OffsetDateTime::from_unix_timestamp(certificate.validity().not_after.timestamp()).ok()?;
        let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        let mut names: Vec<_> = common.map(|name| Selector::CommonName(name.to_owned())).collect();
        if let Ok(Some(alternative)) = certificate.subject_alternative_name() {
            names.extend(alternative.value.general_names.iter().filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(Selector::Dns((*name).to_owned())),
                GeneralName::URI(uri) => Some(Selector::Uri((*uri).to_owned())),
                _ => None,
            }));
        }
        Some(Self { names, expires })
    }
}

/// The configured identities.
#[derive(Debug, Clone, Default)]
pub(super) struct Identities(Arc<[Identity]>);

impl Identities {
    pub(super) fn new(identities: &[Identity]) -> Self {
        Self(identities.into())
    }

    /// The caller with this certificate: the first identity that names it. `None` if none does, or if it has expired since
    /// the connection began.
    pub(super) fn caller(&self, certificate: &ClientCertificate, now: OffsetDateTime) -> Option<Caller> {
        let identity = self.0.iter().find(|identity| certificate.names.contains(&identity.certificate))?;
        let left: Duration = (certificate.expires - now).try_into().ok().filter(|left| *left > Duration::ZERO)?;
        Some(Caller {
            credential: Credential::Certificate { subject: identity.certificate.to_string() },
            name: format!("{CERTIFICATE_PREFIX}{}", identity.name),
            access: Access::whole(Tenant::stored(identity.tenant.clone())),
            role: identity.role.0,
            expires: Instant::now().checked_add(left),
            proof: Proof::Signed,
            origin: Arc::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};
    use storeplane_core::identity::Role;

    use super::*;
    use crate::config::{Config, Overrides};

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn certificate(common: Option<&str>, dns: &[&str], uri: Option<&str>) -> ClientCertificate {
        let mut params =
            CertificateParams::new(dns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).expect("names");
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(name) = common {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.subject_alt_names.extend(uri.map(|uri| SanType::URI(uri.try_into().expect("ASCII"))));
        params.not_after = NOW + time::Duration::DAY;
        let certificate = params.self_signed(&KeyPair::generate().expect("a key")).expect("a certificate");
        ClientCertificate::parse(certificate.der()).expect("it can be read")
    }

    fn identities() -> Identities {
        let file = "[tls]\ncertificate = 'a'\nkey = 'b'\nclient_ca = 'c'\n\
            [[tls.identities]]\ncommon_name = 'ci'\nname = 'ci'\ntenant = 'acme'\nrole = 'operator'\n\
            [[tls.identities]]\nuri = 'spiffe://example.com/billing'\nname = 'billing'\ntenant = 'default'\nrole = 'viewer'\n\
            [[tls.identities]]\ndns = 'backup.example.com'\nname = 'backup'\ntenant = 'default'\nrole = 'admin'";
        let config = Config::parse(file, &Overrides::default()).expect("a valid configuration");
        Identities::new(&config.tls.expect("TLS").identities)
    }

    #[test]
    fn names_are_compared_exactly_and_by_kind() {
        for (certificate, expected) in [
            (certificate(Some("ci"), &[], None), Some(("cert:ci", "acme", Role::Operator, "CN:ci"))),
            (
                certificate(None, &[], Some("spiffe://example.com/billing")),
                Some(("cert:billing", "default", Role::Viewer, "URI:spiffe://example.com/billing")),
            ),
            (
                certificate(Some("other"), &["a.example.com", "backup.example.com"], None),
                Some(("cert:backup", "default", Role::Admin, "DNS:backup.example.com")),
            ),
            (certificate(Some("CI"), &[], None), None),
            (certificate(Some("ci "), &[], None), None),
            (certificate(None, &["ci"], None), None),
            (certificate(Some("backup.example.com"), &[], None), None),
            (certificate(None, &["*.example.com"], Some("spiffe://example.com/billing/x")), None),
            (certificate(None, &[], None), None),
        ] {
            let caller = identities().caller(&certificate, NOW);
            let found = caller.as_ref().map(|it| (it.name.as_str(), it.tenant().as_str(), it.role, it.credential.id()));
            let found = found.as_ref().map(|(name, tenant, role, id)| (*name, *tenant, *role, id.as_str()));
            assert_eq!(found, expected, "{certificate:?}");
        }
        let certificate = certificate(Some("ci"), &[], None);
        assert!(identities().caller(&certificate, NOW + time::Duration::DAY).is_none(), "it has expired");
        assert!(Identities::default().caller(&certificate, NOW).is_none());
        assert_eq!(ClientCertificate::parse(b"nonsense"), None);
    }
}
