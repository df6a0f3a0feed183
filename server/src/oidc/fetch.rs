//! Requests to the identity provider: over verified TLS, within a time and a size, without redirects.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tower::BoxError;
use url::Url;

use crate::config::is_confidential;

/// Time limit of a request.
const WITHIN: Duration = Duration::from_secs(5);
/// Maximum size of a response; keys with certificates have some tens of KiB.
const BODY_MAX: usize = 256 * 1024;

/// Why the provider gave no usable answer. Contains no secret.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {why}")]
pub(super) struct FetchError {
    url: String,
    why: String,
    #[source]
    source: Option<BoxError>,
}

impl FetchError {
    pub(super) fn new(url: &str, why: impl Into<String>) -> Self {
        Self { url: url.to_owned(), why: why.into(), source: None }
    }
}

/// The certificate authorities of `ca_file` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The file cannot be read.
    #[error("oidc.ca_file: {0}")]
    File(String),
    /// No authorities are available.
    #[error("the system's certificate authorities cannot be read: {0}")]
    System(#[from] std::io::Error),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// Sends requests. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Fetcher(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Fetcher {
    /// Trusts the authorities in this file, or the system's.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, CaError> {
        let builder =
            ClientConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions()?;
        let tls = match ca_file {
            Some(path) => builder.with_root_certificates(roots(path)?),
            None => builder.with_native_roots()?,
        };
        let tls = tls.with_no_client_auth();
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(WITHIN));
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions();
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector.wrap_connector(http))))
    }

    /// The body of a GET request's response.
    pub(super) async fn get(&self, url: &str) -> Result<Bytes, FetchError> {
        self.send(Method::GET, url, None, None).await
    }

    /// The body of a form's response.
    pub(super) async fn post(&self, url: &str, form: String, auth: Option<HeaderValue>) -> Result<Bytes, FetchError> {
        self.send(Method::POST, url, Some(form), auth).await
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        form: Option<String>,
        auth: Option<HeaderValue>,
    ) -> Result<Bytes, FetchError> {
        let failed =
            |why: &str, source: BoxError| FetchError { url: url.to_owned(), why: why.to_owned(), source: Some(source) };
        if !Url::parse(url).is_ok_and(|url| is_confidential(&url)) {
            return Err(FetchError::new(url, "is not an https:// URL"));
        }
        let mut request = Request::builder().method(method).uri(url).header(ACCEPT, "application/json");
        if form.is_some() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        if let Some(auth) = auth {
            request = request.header(AUTHORIZATION, auth);
        }
        let request =
            request.body(Full::from(form.unwrap_or_default())).map_err(|error| failed("is no URL", error.into()))?;
        let exchange = async {
            let response = self.0.request(request).await.map_err(|error| failed("no response", error.into()))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), BODY_MAX).collect().await;
            let body = body.map_err(|error| failed("the response cannot be read", error))?.to_bytes();
            if status.is_success() { Ok(body) } else { Err(FetchError::new(url, format!("responded with {status}"))) }
        };
        tokio::time::timeout(WITHIN, exchange)
            .await
            .unwrap_or_else(|_| Err(FetchError::new(url, format!("no response within {} s", WITHIN.as_secs()))))
    }
}

fn roots(path: &Path) -> Result<RootCertStore, CaError> {
    let failed = |why: &dyn std::fmt::Display| CaError::File(format!("{}: {why}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(&error))? {
        roots.add(certificate.map_err(|error| failed(&error))?)?;
    }
    if roots.is_empty() { Err(failed(&"contains no certificate")) } else { Ok(roots) }
}
