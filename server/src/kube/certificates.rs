//! Certificates of custom domains: the Secret that the ingress uses, and why cert-manager has not filled it. Clusters without cert-manager have no
//! such kind, and are not asked to.

use ::kube::Api;
use ::kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use storeplane_core::store_domain::{CertificateState, Seen, SeenCertificate};
use time::OffsetDateTime;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::cluster::Cluster;
use super::error::ClusterError;

/// The certificate's key in a Secret of type `kubernetes.io/tls`.
const CERTIFICATE: &str = "tls.crt";
/// Maximum length of what cert-manager says, in bytes.
const MESSAGE_MAX: usize = 400;

impl Cluster {
    /// The certificate of a host name in this Secret; `issued` if cert-manager was asked for it.
    pub async fn certificate(
        &self,
        namespace: &str,
        (secret, host): (&str, &str),
        issued: bool,
        now: OffsetDateTime,
    ) -> Result<SeenCertificate, ClusterError> {
        let entries = self.secret_entries(namespace, secret).await?.unwrap_or_default();
        match entries.get(CERTIFICATE) {
            Some(pem) => Ok(read(&pem.0, (secret, host), now)),
            None if issued => Ok(pending(self.certificate_object(namespace, secret).await?.as_ref(), secret)),
            None => {
                let message = format!(
                    "No certificate: the namespace {namespace} has no Secret {secret} of type kubernetes.io/tls."
                );
                Ok(seen(CertificateState::None, "CERTIFICATE_MISSING", message))
            }
        }
    }

    /// cert-manager's object. `None` also if the cluster has no such kind, or if the account may not read it.
    async fn certificate_object(&self, namespace: &str, name: &str) -> Result<Option<DynamicObject>, ClusterError> {
        let kind = GroupVersionKind::gvk("cert-manager.io", "v1", "Certificate");
        let resource = ApiResource::from_gvk_with_plural(&kind, "certificates");
        let read = self.call("read a Certificate of a store", |client| async move {
            Api::<DynamicObject>::namespaced_with(client, namespace, &resource).get(name).await
        });
        match read.await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind().is_refusal() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn seen(state: CertificateState, reason: &'static str, message: String) -> SeenCertificate {
    SeenCertificate { seen: Seen { state, reason, message }, expires_at: None }
}

fn read(pem: &[u8], (secret, host): (&str, &str), now: OffsetDateTime) -> SeenCertificate {
    let failed = |reason, message| seen(CertificateState::Failed, reason, message);
    let der = CertificateDer::from_pem_slice(pem).ok();
    let parsed = der.as_ref().and_then(|der| X509Certificate::from_der(der).ok());
    let Some((_, certificate)) = parsed else {
        return failed("CERTIFICATE_INVALID", format!("The Secret {secret} has no certificate in {CERTIFICATE}."));
    };
    let expires_at = OffsetDateTime::from_unix_timestamp(certificate.validity().not_after.timestamp()).ok();
    let verdict = if !names(&certificate).iter().any(|name| covers(name, host)) {
        failed("CERTIFICATE_INVALID", format!("The certificate in the Secret {secret} is not for {host}."))
    } else if expires_at.is_none_or(|at| at <= now) {
        failed("CERTIFICATE_EXPIRED", format!("The certificate in the Secret {secret} has expired."))
    } else {
        seen(CertificateState::Ready, "", format!("The certificate in the Secret {secret} is valid."))
    };
    SeenCertificate { expires_at, ..verdict }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternative)) = certificate.subject_alternative_name() else { return Vec::new() };
    let names = alternative.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    names.collect()
}

/// True if a certificate's name includes the host name (RFC 6125): a wildcard stands for the first label.
fn covers(name: &str, host: &str) -> bool {
    let below = |domain: &str| host.split_once('.').is_some_and(|(_, parent)| parent == domain);
    name == host || name.strip_prefix("*.").is_some_and(below)
}

/// What cert-manager says of a certificate that is not there.
fn pending(object: Option<&DynamicObject>, secret: &str) -> SeenCertificate {
    let Some(object) = object else {
        let message = format!("cert-manager has not created the Certificate {secret} yet; is it installed?");
        return seen(CertificateState::Pending, "CERTIFICATE_PENDING", message);
    };
    let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
    let text = |condition: &Value, key: &str| condition.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    // A failed attempt explains more than that it is not ready.
    let of_kind = |kind: &str| conditions.into_iter().flatten().find(|condition| text(condition, "type") == kind);
    let told = of_kind("Issuing").filter(|it| text(it, "status") == "False").or_else(|| of_kind("Ready"));
    let said = told.map_or(String::new(), |condition| text(condition, "message"));
    let said = storeplane_core::failure::truncate(said.trim_end_matches('.').to_owned(), MESSAGE_MAX);
    if object.data.pointer("/status/lastFailureTime").is_some() {
        let message = format!("cert-manager could not get the certificate: {said}.");
        seen(CertificateState::Failed, "CERTIFICATE_FAILED", message)
    } else {
        let message = format!("cert-manager is getting the certificate: {said}.");
        seen(CertificateState::Pending, "CERTIFICATE_PENDING", message)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn certificate(names: &[&str]) -> String {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        rcgen::generate_simple_self_signed(names).expect("a certificate").cert.pem()
    }

    #[test]
    fn certificate_must_be_valid_for_the_host_name() {
        let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("a time");
        let state = |pem: &str, now| {
            let SeenCertificate { seen, expires_at } = read(pem.as_bytes(), ("tls-a", "shop.example.com"), now);
            (seen.state, seen.reason, expires_at.is_some())
        };
        let ready = (CertificateState::Ready, "", true);
        assert_eq!(state(&certificate(&["other.example.com", "shop.example.com"]), now), ready);
        assert_eq!(state(&certificate(&["*.example.com"]), now), ready);
        let invalid = (CertificateState::Failed, "CERTIFICATE_INVALID", true);
        for names in [&["example.com"][..], &["*.com"], &["*.shop.example.com"]] {
            assert_eq!(state(&certificate(names), now), invalid, "{names:?}");
        }
        assert_eq!(state("none", now), (CertificateState::Failed, "CERTIFICATE_INVALID", false));
        let late = OffsetDateTime::from_unix_timestamp(100_000_000_000).expect("a time");
        assert_eq!(state(&certificate(&["shop.example.com"]), late).1, "CERTIFICATE_EXPIRED");
    }

    #[test]
    fn cert_manager_says_why_there_is_no_certificate() {
        let object = |status: Value| -> DynamicObject {
            serde_json::from_value(json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "tls-a"}, "status": status}))
                .expect("an object")
        };
        let ready =
            json!({"type": "Ready", "status": "False", "message": "Issuing certificate as Secret does not exist"});
        let issuing =
            json!({"type": "Issuing", "status": "False", "reason": "Failed", "message": "The order was invalid."});
        let state_of = |status| {
            let SeenCertificate { seen, .. } = pending(Some(&object(status)), "tls-a");
            (seen.state, seen.message)
        };
        let (state, message) = state_of(json!({"conditions": [ready]}));
        assert!(state == CertificateState::Pending && message.ends_with("as Secret does not exist."), "{message}");
        let status = json!({"conditions": [ready, issuing], "lastFailureTime": "2026-11-27T00:00:00Z"});
        let (state, message) = state_of(status);
        assert!(state == CertificateState::Failed && message.ends_with("The order was invalid."), "{message}");
        assert_eq!(pending(None, "tls-a").seen.state, CertificateState::Pending);
    }
}
