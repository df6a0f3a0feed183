//! Reads the file with which a domain's owner proves it, from the web server that the domain points to.
//!
//! Anybody may add any name to a store and choose where it points. So only public addresses are connected to, at the usual ports, and redirects are
//! not followed.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use storeplane_core::store_domain::VerificationFile;

use super::public::is_public;
use crate::proxies::Network;
use crate::verify::{tls, web_at};

/// Time limit of a request, with the connection.
const WITHIN: Duration = Duration::from_secs(5);
/// Maximum size of a file.
const FILE_MAX: usize = 4 * 1024;
/// The port of HTTPS.
const HTTPS: u16 = 443;

/// Reads verification files. Cheap to clone.
#[derive(Clone)]
pub struct FileReader {
    tls: rustls::ClientConfig,
    networks: Vec<Network>,
    /// Of HTTP and HTTPS.
    ports: [u16; 2],
}

impl std::fmt::Debug for FileReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileReader").field("networks", &self.networks).finish_non_exhaustive()
    }
}

impl FileReader {
    /// Connects to public addresses and to these networks, over HTTP at this port.
    pub fn new(networks: Vec<Network>, port: u16) -> Self {
        Self { tls: tls(), networks, ports: [port, HTTPS] }
    }

    /// True if it may connect to this address.
    pub fn reaches(&self, address: IpAddr) -> bool {
        is_public(address) || self.networks.iter().any(|network| network.contains(address))
    }

    /// Looks for the file at these addresses, over HTTP and HTTPS. The error says what was found instead, as a part of a sentence.
    pub async fn find(&self, file: &VerificationFile, addresses: &BTreeSet<IpAddr>) -> Result<(), String> {
        let [http, https] = self.ports;
        let secure = file.url.replacen("http:", "https:", 1);
        let (plain, secure) = tokio::join!(
            self.find_at(&file.url, addresses, http, &file.line),
            self.find_at(&secure, addresses, https, &file.line)
        );
        match (plain, secure) {
            (Ok(()), _) | (_, Ok(())) => Ok(()),
            (Err(plain), Err(secure)) => Err(format!("HTTP: {plain}; HTTPS: {secure}")),
        }
    }

    async fn find_at(&self, url: &str, addresses: &BTreeSet<IpAddr>, port: u16, line: &str) -> Result<(), String> {
        let addresses = addresses.iter().map(|address| SocketAddr::new(*address, port)).collect();
        let request = Request::get(url).header(USER_AGENT, concat!("storeplane/", env!("CARGO_PKG_VERSION")));
        let request = request.body(Full::<Bytes>::default()).map_err(|_| "no valid URL".to_owned())?;
        let read = async {
            let response =
                web_at(self.tls.clone(), addresses).request(request).await.map_err(|_| "no answer".to_owned())?;
            if response.status() != StatusCode::OK {
                return Err(format!("status {}", response.status().as_u16()));
            }
            match Limited::new(response.into_body(), FILE_MAX).collect().await {
                Ok(body) => Ok(body.to_bytes()),
                Err(error) if error.is::<LengthLimitError>() => Err(format!("more than {} KiB", FILE_MAX / 1024)),
                Err(_) => Err("no answer".to_owned()),
            }
        };
        let Ok(body) = tokio::time::timeout(WITHIN, read).await else { return Err("no answer".to_owned()) };
        let body = body?;
        if body.split(|byte| *byte == b'\n').any(|one| one.trim_ascii() == line.as_bytes()) {
            Ok(())
        } else {
            Err("another content".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::Arc;

    use rcgen::CertifiedKey;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

    use super::*;

    /// A reader of `http://localhost/file` whose HTTP and HTTPS servers answer like this.
    async fn find(plain: &str, secure: &str) -> Result<(), String> {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let server = server.expect("versions").with_no_client_auth().with_single_cert(vec![cert.der().clone()], key);
        let server = Arc::new(server.expect("a configuration"));
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).expect("a certificate");
        let client = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let tls = client.expect("versions").with_root_certificates(roots).with_no_client_auth();
        let listen = || TcpListener::bind("127.0.0.1:0").expect("a port");
        let (http, https) = (listen(), listen());
        let ports = [&http, &https].map(|listener| listener.local_addr().expect("an address").port());
        let (plain, secure) = (plain.to_owned(), secure.to_owned());
        std::thread::spawn(move || {
            let (mut stream, _) = http.accept().expect("a client");
            let _ = stream.read(&mut [0; 1000]);
            let _ = stream.write_all(plain.as_bytes());
        });
        std::thread::spawn(move || {
            let (stream, _) = https.accept().expect("a client");
            let mut stream = StreamOwned::new(ServerConnection::new(server).expect("a connection"), stream);
            let _ = stream.read(&mut [0; 1000]);
            let _ = stream.write_all(secure.as_bytes());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        });
        let reader = FileReader { tls, networks: Vec::new(), ports };
        let file = VerificationFile { url: "http://localhost/file".into(), line: "proof=a".into() };
        reader.find(&file, &BTreeSet::from([IpAddr::from([127, 0, 0, 1])])).await
    }

    fn ok(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn line_of_the_file_over_http_or_https_is_found_and_nothing_else() {
        let missing = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
        let moved = "HTTP/1.1 301 Moved\r\nlocation: https://localhost/file\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(find(&ok("other=b\r\nproof=a\r\n"), missing).await, Ok(()));
        assert_eq!(find(moved, &ok("proof=a")).await, Ok(()), "HTTPS is asked by itself");
        for (plain, secure, expected) in [
            (missing, &*ok("proof=ab\nproof= a\n"), "HTTP: status 404; HTTPS: another content"),
            (moved, "", "HTTP: status 301; HTTPS: no answer"),
            (&*ok(&format!("{}\nproof=a", "x".repeat(FILE_MAX))), missing, "HTTP: more than 4 KiB; HTTPS: status 404"),
        ] {
            assert_eq!(find(plain, secure).await, Err(expected.to_owned()));
        }
    }
}
