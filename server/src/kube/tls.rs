//! TLS to the API server.

use std::sync::Arc;

use ::kube::Config;
use ::kube::client::ConfigExt as _;
use ::kube::config::AuthInfo;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use rustls::ClientConfig;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use secrecy::ExposeSecret;
use tower::BoxError;

use super::error::root_cause;
use super::transport::{Transport, transport};

/// Connects to the API server with HTTP/2 if it supports that, otherwise HTTP/1.1.
pub(super) fn connector(config: &Config) -> Result<HttpsConnector<Transport>, BoxError> {
    let tls = client_config(config)?;
    let transport = transport(config, tls.clone())?;
    let mut builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    if let Some(name) = &config.tls_server_name {
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name.clone().try_into()?));
    }
    Ok(builder.enable_all_versions().wrap_connector(transport))
}

/// kubectl accepts X.509 version 1 client certificates, which `openssl x509 -req` creates without extensions, but
/// rustls refuses to read them. It need not: the API server verifies client certificates.
fn client_config(config: &Config) -> Result<ClientConfig, BoxError> {
    let error = match config.rustls_client_config() {
        Ok(tls) => return Ok(tls),
        Err(error) if root_cause(&error).contains("UnsupportedCertVersion") => error,
        Err(error) => return Err(error.into()),
    };
    let Some(identity) = identity(&config.auth_info)? else { return Err(error.into()) };
    let mut without = config.clone();
    without.auth_info.client_certificate = None;
    without.auth_info.client_certificate_data = None;
    without.auth_info.client_key = None;
    without.auth_info.client_key_data = None;
    let mut tls = without.rustls_client_config()?;
    tls.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(identity));
    Ok(tls)
}

fn identity(auth: &AuthInfo) -> Result<Option<CertifiedKey>, BoxError> {
    let certificate = pem(auth.client_certificate_data.as_deref(), auth.client_certificate.as_deref())?;
    let key = auth.client_key_data.as_ref().map(ExposeSecret::expose_secret);
    let (Some(certificate), Some(key)) = (certificate, pem(key, auth.client_key.as_deref())?) else { return Ok(None) };
    let chain = CertificateDer::pem_slice_iter(&certificate).collect::<Result<Vec<_>, _>>()?;
    let key = any_supported_type(&PrivateKeyDer::from_pem_slice(&key)?)?;
    Ok(Some(CertifiedKey::new(chain, key)))
}

fn pem(data: Option<&str>, path: Option<&str>) -> Result<Option<Vec<u8>>, BoxError> {
    match (data, path) {
        (Some(data), _) => Ok(Some(BASE64.decode(data)?)),
        (None, Some(path)) => Ok(Some(std::fs::read(path)?)),
        (None, None) => Ok(None),
    }
}
