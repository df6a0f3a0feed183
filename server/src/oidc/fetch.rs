//! Requests to the identity provider: over verified TLS, within a time and a size, without redirects.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use tower::BoxError;
use url::Url;

use crate::config::is_confidential;
use crate::https::{self, CaError, HttpsClient};

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

/// Sends requests. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Fetcher(HttpsClient);

impl Fetcher {
    /// Trusts the authorities in this file, or the system's.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, CaError> {
        https::client(("oidc.ca_file", ca_file), WITHIN).map(Self)
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
