//! From the files to rustls' configuration.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::config::{self, ClientAuth};

/// Protocols in the order of preference.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why files cannot be used. Contains no part of them.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct TlsError {
    key: &'static str,
    problem: String,
}

impl TlsError {
    fn new(key: &'static str, file: &Path, problem: impl Display) -> Self {
        Self { key, problem: format!("{}: {problem}", file.display()) }
    }
}

/// Identifies a content, without keeping a key in memory.
pub(super) type Fingerprint = blake3::Hash;

/// What is in the files.
pub(super) struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Contents {
    /// Reads the files. Blocks.
    pub(super) fn read(files: &config::Tls) -> Result<Self, TlsError> {
        let read = |key, file: &Path| std::fs::read(file).map_err(|error| TlsError::new(key, file, error));
        Ok(Self {
            certificate: read("tls.certificate", &files.certificate)?,
            key: read("tls.key", &files.key)?,
            client_ca: files.client_ca.as_deref().map(|file| read("tls.client_ca", file)).transpose()?,
        })
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut hasher = blake3::Hasher::new();
        for part in [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()] {
            let part = part.map(Vec::as_slice).unwrap_or_default();
            hasher.update(&part.len().to_le_bytes()).update(part);
        }
        hasher.finalize()
    }

    /// The configuration, and when the certificate expires.
    pub(super) fn build(&self, files: &config::Tls) -> Result<(ServerConfig, OffsetDateTime), TlsError> {
        let of_certificate = |problem: String| TlsError::new("tls.certificate", &files.certificate, problem);
        let chain = certificates(&self.certificate).map_err(of_certificate)?;
        let expires = chain.first().ok_or("contains no certificate".to_owned()).and_then(expiry);
        let expires = expires.map_err(of_certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| TlsError::new("tls.key", &files.key, "contains no private key in PEM"))?;
        let provider = Arc::new(default_provider());
        let versions = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| of_certificate(error.to_string()))?;
        let verified = match self.verifier(files, provider)? {
            Some(verifier) => versions.with_client_cert_verifier(verifier),
            None => versions.with_no_client_auth(),
        };
        // Fails if the key is not the certificate's.
        let config = verified.with_single_cert(chain, key);
        let mut config = config.map_err(|error| TlsError::new("tls.key", &files.key, error))?;
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        Ok((config, expires))
    }

    fn verifier(
        &self,
        files: &config::Tls,
        provider: Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let (Some(pem), Some(file)) = (&self.client_ca, &files.client_ca) else { return Ok(None) };
        let error = |problem: String| TlsError::new("tls.client_ca", file, problem);
        let mut roots = RootCertStore::empty();
        for authority in certificates(pem).map_err(error)? {
            roots.add(authority).map_err(|cause| error(cause.to_string()))?;
        }
        let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        if files.client_auth == Some(ClientAuth::Optional) {
            verifier = verifier.allow_unauthenticated();
        }
        verifier.build().map(Some).map_err(|cause| error(cause.to_string()))
    }
}

/// The certificates in PEM: at least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|error| format!("is not PEM: {error}"))?;
    if chain.is_empty() { Err("contains no certificate in PEM".into()) } else { Ok(chain) }
}

fn expiry(certificate: &CertificateDer<'_>) -> Result<OffsetDateTime, String> {
    let (_, certificate) =
        X509Certificate::from_der(certificate).map_err(|error| format!("is not an X.509 certificate: {error}"))?;
    let expires = certificate.validity().not_after.timestamp();
    OffsetDateTime::from_unix_timestamp(expires).map_err(|error| format!("its date of expiry is invalid: {error}"))
}
