//! Whether a shop answers at its public URL, and if not, what is wrong: DNS, the connection, the certificate, or
//! the response. VERIFY may use the API server's proxy, so a READY shop may still be unreachable for customers.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::Full;
use storeplane_core::condition::ConditionStatus;
use tokio::net::{TcpStream, lookup_host};
use url::Url;

use super::Verifier;
use super::transport::web_at;

/// Time limits for DNS, for the connection, and for the response.
const WITHIN: Duration = Duration::from_secs(5);

/// Whether customers can reach a shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reachability {
    /// FALSE only if something is wrong; UNKNOWN if it could not be determined.
    pub status: ConditionStatus,
    /// A stable `UPPER_SNAKE` code, empty if it is reachable.
    pub reason: &'static str,
    /// One sentence.
    pub message: String,
}

impl Reachability {
    fn no(reason: &'static str, message: String) -> Self {
        Self { status: ConditionStatus::False, reason, message }
    }
}

impl Verifier {
    /// Requests a shop's URL once, as a browser would, or only at these addresses, whatever DNS says. Redirects are not followed.
    pub async fn reachable(&self, url: &str, addresses: Option<Vec<IpAddr>>) -> Reachability {
        let parsed = Url::parse(url).ok();
        let target = parsed.as_ref().and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
        let Some((host, port)) = target else {
            return Reachability::no("URL_INVALID", format!("{url} is not a URL."));
        };
        let addresses: Option<Vec<_>> =
            addresses.map(|all| all.into_iter().map(|address| SocketAddr::new(address, port)).collect());
        if let Err(found) = connect((host, port), addresses.as_deref()).await {
            return found;
        }
        let request = Request::get(url).header(USER_AGENT, concat!("storeplane/", env!("CARGO_PKG_VERSION")));
        let Ok(request) = request.header(HOST, host_header(host, parsed.as_ref())).body(Full::<Bytes>::default())
        else {
            return Reachability::no("URL_INVALID", format!("{url} is not a valid URL."));
        };
        let answer = match addresses {
            None => self.web.request(request),
            Some(addresses) => web_at(self.tls.clone(), addresses).request(request),
        };
        match tokio::time::timeout(WITHIN, answer).await {
            Err(_) => Reachability::no("NO_ANSWER", format!("{url} did not answer within {} s.", WITHIN.as_secs())),
            Ok(Err(error)) => broken(url, host, &error),
            Ok(Ok(answer)) if answer.status().is_server_error() => {
                Reachability::no("SERVER_ERROR", format!("{url} answers with status {}.", answer.status().as_u16()))
            }
            // A shop has a front page: an ingress controller or a gateway that knows no such host answers like this.
            Ok(Ok(answer)) if answer.status() == StatusCode::NOT_FOUND => {
                let message = format!(
                    "{url} answers with status 404: probably no ingress or gateway routes this host to the shop."
                );
                Reachability::no("NOT_ROUTED", message)
            }
            Ok(Ok(_)) => Reachability { status: ConditionStatus::True, reason: "", message: format!("{url} answers.") },
        }
    }
}

fn host_header(host: &str, url: Option<&Url>) -> String {
    url.and_then(Url::port).map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

async fn connect((host, port): (&str, u16), addresses: Option<&[SocketAddr]>) -> Result<(), Reachability> {
    let found = match addresses {
        Some(addresses) => addresses.to_vec(),
        None => match tokio::time::timeout(WITHIN, lookup_host((host, port))).await {
            Err(_) => return Err(dns_silent(host)),
            Ok(Err(error)) if error.to_string().contains("emporary failure") => return Err(dns_silent(host)),
            Ok(Err(_)) => Vec::new(),
            Ok(Ok(found)) => found.collect(),
        },
    };
    if found.is_empty() {
        return Err(Reachability::no("DNS_NOT_FOUND", format!("DNS has no address for {host}.")));
    }
    match tokio::time::timeout(WITHIN, TcpStream::connect(&found[..])).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
            Err(Reachability::no("CONNECTION_REFUSED", format!("{host} refuses connections at port {port}.")))
        }
        Ok(Err(error)) => {
            Err(Reachability::no("CONNECTION_FAILED", format!("{host} cannot be connected to: {error}.")))
        }
        Err(_) => {
            let message = format!("{host} accepts no connection at port {port} within {} s.", WITHIN.as_secs());
            Err(Reachability::no("CONNECTION_TIMEOUT", message))
        }
    }
}

/// The resolver's own failure does not mean that the name is missing.
fn dns_silent(host: &str) -> Reachability {
    let message = format!("DNS did not answer for {host}.");
    Reachability { status: ConditionStatus::Unknown, reason: "DNS_UNAVAILABLE", message }
}

fn broken(url: &str, host: &str, error: &(dyn Error + 'static)) -> Reachability {
    match tls_error(error) {
        Some(rustls::Error::InvalidCertificate(why)) => {
            Reachability::no("CERTIFICATE_INVALID", format!("The certificate of {host} is not valid: {why}."))
        }
        Some(other) => Reachability::no("TLS_FAILED", format!("{host} does not complete a TLS handshake: {other}.")),
        None => Reachability::no("NO_ANSWER", format!("{url} closed the connection without an answer.")),
    }
}

/// An [`io::Error`] does not count the error it wraps among its sources.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::Arc;

    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ServerConfig, ServerConnection};

    use super::*;
    use crate::config::Via;
    use crate::kube::{Cluster, ClusterConfig};

    async fn reason(url: &str) -> (ConditionStatus, &'static str) {
        let verifier = Verifier::new(Cluster::new(ClusterConfig::new("test")), Via::Auto);
        let found = verifier.reachable(url, None).await;
        assert!(found.message.ends_with('.'), "{found:?}");
        (found.status, found.reason)
    }

    /// Answers one connection with this, and returns the port.
    fn once(serve: impl FnOnce(std::net::TcpStream) + Send + 'static) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            // The first connection only shows that one is possible.
            drop(listener.accept());
            if let Ok((stream, _)) = listener.accept() {
                serve(stream);
            }
        });
        port
    }

    fn answering(answer: &'static str) -> u16 {
        once(move |mut stream| {
            let _ = stream.read(&mut [0; 1000]);
            let _ = stream.write_all(answer.as_bytes());
        })
    }

    #[tokio::test]
    async fn unreachability_reason_is_specific() {
        let fine = answering("HTTP/1.1 302 Found\r\nlocation: /shop\r\ncontent-length: 0\r\n\r\n");
        let broken = answering("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
        let unknown_host = answering("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
        let silent = once(drop);
        let no_tls = answering("HTTP/1.1 400 Bad Request\r\n\r\n");
        for (url, expected) in [
            (format!("http://127.0.0.1:{fine}/"), (ConditionStatus::True, "")),
            (format!("http://127.0.0.1:{broken}/"), (ConditionStatus::False, "SERVER_ERROR")),
            (format!("http://127.0.0.1:{unknown_host}/"), (ConditionStatus::False, "NOT_ROUTED")),
            (format!("http://127.0.0.1:{silent}/"), (ConditionStatus::False, "NO_ANSWER")),
            (format!("https://127.0.0.1:{no_tls}/"), (ConditionStatus::False, "TLS_FAILED")),
            ("http://127.0.0.1:1/".to_owned(), (ConditionStatus::False, "CONNECTION_REFUSED")),
            ("not a url".to_owned(), (ConditionStatus::False, "URL_INVALID")),
        ] {
            assert_eq!(reason(&url).await, expected, "{url}");
        }
    }

    #[tokio::test]
    async fn only_given_addresses_are_connected_to() {
        let verifier = Verifier::new(Cluster::new(ClusterConfig::new("test")), Via::Auto);
        let port = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        let at = async |address: [u8; 4]| {
            let url = format!("http://no-such-host.invalid:{port}/");
            verifier.reachable(&url, Some(vec![address.into()])).await.reason
        };
        assert_eq!(at([127, 0, 0, 2]).await, "CONNECTION_REFUSED");
        assert_eq!(at([127, 0, 0, 1]).await, "", "DNS is not asked");
    }

    #[tokio::test]
    async fn untrusted_certificate_is_reported() {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let server = versions.expect("versions").with_no_client_auth().with_single_cert(vec![cert.der().clone()], key);
        let server = Arc::new(server.expect("a configuration"));
        let port = once(move |mut stream| {
            let mut tls = ServerConnection::new(server).expect("a connection");
            let _ = tls.complete_io(&mut stream);
        });
        let url = format!("https://127.0.0.1:{port}/");
        assert_eq!(reason(&url).await, (ConditionStatus::False, "CERTIFICATE_INVALID"));
    }
}
