//! Connections to the API server: direct, or through the proxy that the kubeconfig (`proxy-url`) or the environment names.

use std::net::IpAddr;
use std::time::Duration;

use ::http::Uri;
use ::kube::Config;
use hyper_rustls::{HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceExt as _, service_fn};

/// How long a TCP connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The same with a proxy's handshake.
const PROXY_TIMEOUT: Duration = Duration::from_secs(10);

/// An unencrypted connection, or one that is encrypted up to the proxy.
pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
/// Makes connections.
pub(super) type Transport = BoxCloneSyncService<Uri, Stream, BoxError>;

/// How connections to this cluster are made. `tls` is for proxies that are themselves reached by TLS.
pub(super) fn transport(config: &Config, tls: ClientConfig) -> Result<Transport, BoxError> {
    let Some(proxy) = proxy(config, |name| std::env::var(name).ok()) else {
        return Ok(limited(http().map_response(MaybeHttpsStream::Http)));
    };
    let uri = proxy.uri().clone();
    match uri.scheme_str() {
        Some("http") => Ok(limited(tunnel(&proxy, http()).map_response(MaybeHttpsStream::Http))),
        Some("https") => {
            let encrypted = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1();
            Ok(limited(tunnel(&proxy, encrypted.wrap_connector(http()))))
        }
        Some("socks5" | "socks5h") => {
            let mut socks = SocksV5::new(uri, http());
            if let Some((user, password)) = proxy.raw_auth() {
                socks = socks.with_auth(user.to_owned(), password.to_owned());
            }
            Ok(limited(socks.map_response(MaybeHttpsStream::Http)))
        }
        scheme => Err(format!("proxies of the scheme {:?} are not supported", scheme.unwrap_or_default()).into()),
    }
}

/// The proxy for this cluster. `Config` takes `HTTPS_PROXY` where the kubeconfig names none, but does not look at `NO_PROXY`, so that is done
/// here, as kubectl and helm do it: they never use a proxy of the environment for loopback addresses.
fn proxy(config: &Config, variable: impl Fn(&str) -> Option<String>) -> Option<Intercept> {
    let first = |names: [&str; 2]| names.into_iter().find_map(&variable).filter(|value| !value.is_empty());
    let configured = config.proxy_url.as_ref()?;
    let from_environment = first(["HTTPS_PROXY", "https_proxy"]).and_then(|proxy| proxy.parse::<Uri>().ok());
    let mut proxies = Matcher::builder().all(configured.to_string());
    if from_environment.as_ref() == Some(configured) {
        let host = config.cluster_url.host()?.trim_matches(['[', ']']);
        if host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback()) {
            return None;
        }
        proxies = proxies.no(first(["NO_PROXY", "no_proxy"]).unwrap_or_default());
    }
    proxies.build().intercept(&config.cluster_url)
}

fn http() -> HttpConnector {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    http
}

fn tunnel<C>(proxy: &Intercept, connector: C) -> Tunnel<C> {
    let tunnel = Tunnel::new(proxy.uri().clone(), connector);
    match proxy.basic_auth() {
        Some(auth) => tunnel.with_auth(auth.clone()),
        None => tunnel,
    }
}

fn limited<S>(connector: S) -> Transport
where
    S: Service<Uri, Response = Stream> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError> + Send,
    S::Future: Send,
{
    BoxCloneSyncService::new(service_fn(move |uri| {
        let connecting = connector.clone().oneshot(uri);
        async move {
            match tokio::time::timeout(PROXY_TIMEOUT, connecting).await {
                Ok(connected) => connected.map_err(Into::into),
                Err(_) => Err(format!("no connection within {} s", PROXY_TIMEOUT.as_secs()).into()),
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPLICIT: Option<&str> = Some("http://user:pa%40ss@proxy.test:3128");

    fn chosen(cluster: &str, proxy: Option<&str>, environment: &[(&str, &str)]) -> Option<String> {
        let mut config = Config::new(cluster.parse().expect("a URL"));
        let variable =
            |wanted: &str| environment.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned());
        config.proxy_url = proxy.or(variable("HTTPS_PROXY").as_deref()).map(|url| url.parse().expect("a URL"));
        super::proxy(&config, variable).map(|proxy| proxy.uri().to_string())
    }

    #[test]
    fn kubeconfig_proxy_is_always_used_and_environment_proxy_follows_no_proxy() {
        let of_kubeconfig = Some("http://proxy.test:3128/".to_owned());
        let of_environment = Some("http://other.test:8080/".to_owned());
        let environment = ("HTTPS_PROXY", "http://other.test:8080");
        let exempt = [environment, ("NO_PROXY", "10.0.0.0/8,.corp.test")];
        for (cluster, proxy, environment, expected) in [
            ("https://10.0.0.1:6443", None, &[][..], None),
            ("https://10.0.0.1:6443", EXPLICIT, &exempt, of_kubeconfig.clone()),
            ("https://127.0.0.1:6443", EXPLICIT, &exempt, of_kubeconfig),
            ("https://10.0.0.1:6443", None, &[environment], of_environment.clone()),
            ("https://10.0.0.1:6443", None, &exempt, None),
            ("https://api.corp.test", None, &exempt, None),
            ("https://api.test", None, &exempt, of_environment),
            ("https://127.0.0.1:6443", None, &[environment], None),
            ("https://[::1]:6443", None, &[environment], None),
        ] {
            assert_eq!(chosen(cluster, proxy, environment), expected, "{cluster} {proxy:?} {environment:?}");
        }
    }
}
