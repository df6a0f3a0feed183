//! One request to a shop and its response: JSON, within 10 seconds and 256 KiB, without redirects.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tower::BoxError;

use super::{ProbeFailure, Unverified};
use crate::kube::{Cluster, api_server_error};

/// Time limit of one request; a cold shop takes about one second.
const WITHIN: Duration = Duration::from_secs(10);
/// Maximum size of a response; a cart has about 4 KiB.
const BODY_MAX: usize = 256 * 1024;

/// A request to a shop's API.
#[derive(Debug)]
pub(super) struct Probe {
    /// Its name in messages, for example `product list`.
    pub(super) name: String,
    /// Its key in an event's details.
    pub(super) key: String,
    pub(super) method: Method,
    pub(super) path: String,
}

impl Probe {
    /// The request for messages.
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// A shop's response.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) json: Value,
    pub(super) took: Duration,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    /// A header's text, if there is one.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name)?.to_str().ok().map(str::to_owned)
    }

    /// An error about a response that arrived.
    pub(super) fn wrong(&self, probe: &Probe, what: impl Into<String>) -> Unverified {
        Unverified::Shop(ProbeFailure::wrong(&probe.line(), what).answered(self.status, &self.body))
    }
}

/// A client for shops' URLs.
pub(super) type Web = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Trusts the system's certificate authorities, which are read once.
pub(crate) fn tls() -> rustls::ClientConfig {
    static TLS: LazyLock<rustls::ClientConfig> = LazyLock::new(system_tls);
    TLS.clone()
}

fn system_tls() -> rustls::ClientConfig {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let versions = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let roots = versions.map(|versions| match versions.clone().with_native_roots() {
        Ok(roots) => roots.with_no_client_auth(),
        Err(error) => {
            tracing::warn!(%error, "no certificate authorities found: shops are not tested over https");
            versions.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
        }
    });
    match roots {
        Ok(tls) => tls,
        // ring provides all of them.
        Err(error) => unreachable!("{error}"),
    }
}

/// Looks names up as the system does.
pub(super) fn web(tls: rustls::ClientConfig) -> Web {
    client(tls, HttpConnector::new())
}

/// Finds every name at these addresses.
pub(crate) fn web_at(
    tls: rustls::ClientConfig,
    addresses: Vec<SocketAddr>,
) -> Client<impl Connect + Clone + Send + Sync + 'static, Full<Bytes>> {
    let found = move |_: Name| std::future::ready(Ok::<_, Infallible>(addresses.clone().into_iter()));
    client(tls, HttpConnector::new_with_resolver(tower::service_fn(found)))
}

fn client<R>(
    tls: rustls::ClientConfig,
    mut http: HttpConnector<R>,
) -> Client<HttpsConnector<HttpConnector<R>>, Full<Bytes>>
where
    HttpsConnector<HttpConnector<R>>: Connect + Clone,
{
    http.enforce_http(false);
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(http);
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)
}

/// How a shop is reached.
#[derive(Debug)]
pub(super) enum Transport<'a> {
    /// By its URL, like customers.
    Url {
        /// The client.
        web: &'a Web,
        /// The shop's URL without the slash at its end.
        base: &'a str,
    },
    /// By the API server's service proxy.
    Proxy {
        /// The cluster.
        cluster: &'a Cluster,
        /// The namespace of the Service.
        namespace: &'a str,
        /// The Service.
        service: &'a str,
    },
}

impl Transport<'_> {
    /// The route for people.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Url { .. } => "its URL",
            Self::Proxy { .. } => "the API server's service proxy",
        }
    }

    /// The route for programs.
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Url { .. } => "url",
            Self::Proxy { .. } => "proxy",
        }
    }

    /// Sends a request with these headers.
    pub(super) async fn send(
        &self,
        probe: &Probe,
        headers: &[(HeaderName, HeaderValue)],
        body: Option<Value>,
    ) -> Result<Answer, Unverified> {
        let began = Instant::now();
        let exchange = async {
            match self {
                Self::Url { web, base } => {
                    let request = request(base, probe, headers, body, Full::new)?;
                    let sent = web.request(request).await;
                    read(probe, sent.map_err(|error| lost(probe, &error))?).await
                }
                Self::Proxy { cluster, namespace, service } => {
                    let request = request("", probe, headers, body, ::kube::client::Body::from)?;
                    let sent =
                        cluster.request_service(namespace, service, request).await.map_err(Unverified::Cluster)?;
                    let (parts, body) = read(probe, sent).await?;
                    let Some(error) = api_server_error(parts.status, &body) else { return Ok((parts, body)) };
                    match cluster.confirm_error(namespace, service, &probe.method, error).await {
                        Some(error) => Err(Unverified::Cluster(error)),
                        None => Ok((parts, body)),
                    }
                }
            }
        };
        let exchanged = tokio::time::timeout(WITHIN, exchange).await.unwrap_or_else(|_| {
            let what = format!("The shop did not answer the {} within {} s.", probe.name, WITHIN.as_secs());
            Err(Unverified::Shop(ProbeFailure::passing(&probe.line(), what)))
        });
        let (parts, body) = exchanged?;
        let json = parse(probe, &parts, &body).map_err(Unverified::Shop)?;
        Ok(Answer { json, took: began.elapsed(), status: parts.status, headers: parts.headers, body })
    }
}

fn request<B>(
    base: &str,
    probe: &Probe,
    headers: &[(HeaderName, HeaderValue)],
    body: Option<Value>,
    wrap: impl FnOnce(Bytes) -> B,
) -> Result<Request<B>, Unverified> {
    let mut builder = Request::builder()
        .method(probe.method.clone())
        .uri(format!("{base}{}", probe.path))
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("storeplane/", env!("CARGO_PKG_VERSION")));
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    let bytes = body.map(|body| body.to_string());
    if bytes.is_some() {
        builder = builder.header(CONTENT_TYPE, "application/json");
    }
    let built = builder.body(wrap(bytes.unwrap_or_default().into()));
    built.map_err(|error| {
        Unverified::Shop(ProbeFailure::wrong(&probe.line(), format!("The request is invalid: {error}.")))
    })
}

fn lost(probe: &Probe, error: &dyn std::error::Error) -> Unverified {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let cause = causes.last().map(ToString::to_string).unwrap_or_default();
    let what = format!("The shop did not answer the {}: {cause}.", probe.name);
    Unverified::Shop(ProbeFailure::lost(&probe.line(), what, &cause))
}

async fn read<B>(probe: &Probe, response: Response<B>) -> Result<(http::response::Parts, Bytes), Unverified>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let (parts, body) = response.into_parts();
    match Limited::new(body, BODY_MAX).collect().await {
        Ok(body) => Ok((parts, body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => {
            let what = format!("The shop's answer to the {} has more than {} KiB.", probe.name, BODY_MAX / 1024);
            Err(Unverified::Shop(ProbeFailure::wrong(&probe.line(), what).answered(parts.status, b"")))
        }
        Err(error) => Err(lost(probe, &*error)),
    }
}

/// The response's JSON, if it comes from the shop's API.
fn parse(probe: &Probe, parts: &http::response::Parts, body: &Bytes) -> Result<Value, ProbeFailure> {
    let status = parts.status;
    let header = |name| parts.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let wrong = |what: String| ProbeFailure::wrong(&probe.line(), what).answered(status, body);
    let name = &probe.name;
    if status.is_redirection() {
        let location = header(LOCATION).unwrap_or_default();
        return Err(wrong(format!("The shop redirects the {name} to {location}.")));
    }
    if status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS) {
        let what = format!("The shop answered the {name} with status {}.", status.as_u16());
        return Err(ProbeFailure::passing(&probe.line(), what).answered(status, body));
    }
    if !status.is_success() {
        return Err(wrong(format!("The shop answered the {name} with status {}.", status.as_u16())));
    }
    let kind = header(CONTENT_TYPE).unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Err(wrong(format!("The shop's answer to the {name} is not JSON but {kind:?}.")));
    }
    serde_json::from_slice(body).map_err(|_| wrong(format!("The shop's answer to the {name} is broken JSON.")))
}
