//! The HTTP client for servers that the operator chose: the identity provider, the S3 server. TLS is verified; redirects are not followed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// The certificate authorities that a server is verified with cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The file cannot be read.
    #[error("{key}: {problem}")]
    File {
        /// The configuration's key.
        key: &'static str,
        /// Names the file.
        problem: String,
    },
    /// No authorities are available.
    #[error("the system's certificate authorities cannot be read: {0}")]
    System(#[from] std::io::Error),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// Sends requests over `https://` and `http://`. Cheap to clone.
pub(crate) type HttpsClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client that trusts the authorities in the file of this key, or the system's, with a time limit for connecting.
pub(crate) fn client(ca: (&'static str, Option<&Path>), connect: Duration) -> Result<HttpsClient, CaError> {
    let builder =
        ClientConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions()?;
    let tls = match ca {
        (key, Some(path)) => builder.with_root_certificates(roots(key, path)?),
        (_, None) => builder.with_native_roots()?,
    };
    let tls = tls.with_no_client_auth();
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(Some(connect));
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions();
    Ok(Client::builder(TokioExecutor::new()).build(connector.wrap_connector(http)))
}

/// The certificates of a PEM file as text: nothing else that is in it, such as a private key.
pub(crate) fn certificates(key: &'static str, path: &Path) -> Result<String, CaError> {
    let failed = |error: std::io::Error| CaError::File { key, problem: format!("{}: {error}", path.display()) };
    let (mut certificates, mut inside) = (String::new(), false);
    for line in std::fs::read_to_string(path).map_err(failed)?.lines().map(str::trim) {
        inside |= line == "-----BEGIN CERTIFICATE-----";
        if inside {
            certificates.push_str(line);
            certificates.push('\n');
        }
        inside &= line != "-----END CERTIFICATE-----";
    }
    Ok(certificates)
}

fn roots(key: &'static str, path: &Path) -> Result<RootCertStore, CaError> {
    let failed = |why: &dyn std::fmt::Display| CaError::File { key, problem: format!("{}: {why}", path.display()) };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))? {
        roots.add(certificate.map_err(|error| failed(&error))?)?;
    }
    if roots.is_empty() { Err(failed(&"contains no certificate")) } else { Ok(roots) }
}
